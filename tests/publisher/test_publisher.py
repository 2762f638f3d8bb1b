"""What a scrape gets at which moment: after polls, and where time alone changes it."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from exporter.catalog import DAY, day_of
from exporter.exposition import Format, Snapshot
from exporter.publisher import Publisher
from exporter.publisher.summary import Summary
from exporter.simulator import Shape, keys
from exporter.telemetry import Telemetry
from exporter.worker import Worker
from tests.support.client_model import families
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, TODAY, RunningExporter, run, running_exporter, simulated
from tests.support.exposed import Exposed

T = TypeVar("T")

EMBEDDINGS = "openai_embeddings_requests"
ACCRUED = "openai_accrued_embeddings_requests_total"
WINDOW = "openai_window_embeddings_requests"
QUIET = Shape(projects=2, activity=0)


def use(on: RunningExporter, requests: int, model: str = "text-embedding-3-small", time: float | None = None) -> None:
    """Let the first project ask so often."""
    on.simulator.scenario.add_usage(
        "embeddings",
        {"num_model_requests": requests, "input_tokens": requests},
        {"project_id": 0, "model": model},
        time=time,
    )


def environ(**settings: str) -> dict[str, str]:
    """Return an environment with a key and these settings."""
    return {"OPENAI_ADMIN_KEY": keys.FULL} | {f"OPENAI_EXPORTER_{name}": value for name, value in settings.items()}


def test_publishes_are_at_least_a_second_apart() -> None:
    """However many polls end in between."""

    async def scenario() -> None:
        async with running_exporter(wait_until_ready=False) as on:
            seen: list[Snapshot] = []
            for _ in range(640):
                await on.advance(0.1)
                if not seen or on.service.publisher.snapshot is not seen[-1]:
                    seen.append(on.service.publisher.snapshot)
            times = [snapshot.published for snapshot in seen]

            assert 5 < len(times)
            assert all(later - earlier > 0.999 for earlier, later in pairwise(times[1:]))

    run(scenario())


@pytest.mark.parametrize(("took", "apart"), [(2, 8), (30, 45)])
def test_long_publishes_take_a_quarter_of_the_time(took: float, apart: float) -> None:
    """While polls go on ending, the next publish waits three times as long as the last one took, 15 s at most."""

    async def scenario() -> list[float]:
        clock = ManualClock(NOW)

        class SlowWorker(Worker):
            async def run(self, function: Callable[[], T]) -> T:
                clock.pass_by(took)
                return function()

        publisher = Publisher(
            (), store=None, worker=SlowWorker(), clock=clock, telemetry=Telemetry(), new_counter_hold=0.0
        )
        publishing = asyncio.create_task(publisher.run())
        times: list[float] = []
        for _ in range(2000):
            publisher.notify()
            await clock.advance(0.1)
            if publisher.snapshot.published not in times:
                times.append(publisher.snapshot.published)
        publishing.cancel()
        return times

    times = run(scenario())

    assert [pytest.approx(apart, abs=0.2)] * 4 == [later - earlier for earlier, later in pairwise(times)][:4]


def test_it_is_ready_once_the_first_polls_can_be_scraped() -> None:
    """Not already when they have ended: whoever waits for it would scrape an exporter without data."""

    async def scenario() -> None:
        async with running_exporter(only=("costs", "completions"), wait_until_ready=False) as on:
            while 200 != await on.status("/-/ready"):
                await on.advance(0.1)
            scraped = await on.scrape()

            assert scraped.samples("openai_cost_usd")
            assert scraped.samples("openai_completions_input_tokens")

    run(scenario())


def test_nothing_is_published_while_nothing_happens() -> None:
    """Between polls a snapshot stays the same object."""

    async def scenario() -> None:
        async with running_exporter(only=("embeddings",)) as on:
            await on.advance_to(NOW + 5)
            before = on.service.publisher.snapshot
            await on.advance_to(NOW + 59)

            assert before is on.service.publisher.snapshot

    run(scenario())


def test_at_midnight_the_day_rolls_over_without_a_poll() -> None:
    """Today begins at 0 on time; yesterday is shown only once a poll after midnight has covered it."""

    async def scenario() -> None:
        midnight = float(TODAY + DAY)
        clock = ManualClock(midnight - 100)
        async with running_exporter(
            simulated(clock, shape=QUIET),
            clock,
            only=("embeddings",),
            environ=environ(WINDOWS__USAGE='["yesterday", "7d"]', POLL__INTERVAL="60s"),
            wait_until_ready=False,
        ) as on:
            use(on, 30)
            await on.advance_to(midnight - 45)
            before = await on.scrape()
            on.simulator.faults.add("server_error")
            await on.advance_to(midnight + 0.01)
            rolled = await on.scrape()
            await on.advance_to(midnight + 121)
            uncovered = await on.scrape()
            on.simulator.faults.clear()
            await on.advance_to(midnight + 200)
            covered = await on.scrape()

            assert (30.0, 0.0) == (before.value(EMBEDDINGS), before.value(WINDOW, window="yesterday"))
            assert (0.0, None) == (rolled.value(EMBEDDINGS), rolled.value(WINDOW, window="yesterday"))
            assert 30.0 == rolled.value(WINDOW, window="7d")
            assert None is uncovered.value(EMBEDDINGS)
            assert (0.0, 30.0) == (covered.value(EMBEDDINGS), covered.value(WINDOW, window="yesterday"))

    run(scenario())


def test_a_new_counter_is_shown_at_zero_before_it_rises() -> None:
    """For the hold, and then without a poll; one that was shown already rises at once."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        async with running_exporter(
            simulated(clock, shape=QUIET), clock, only=("embeddings",), environ=environ()
        ) as on:
            use(on, 5)
            await on.advance_to(NOW + 302)
            at_start = (await on.scrape()).by("model", ACCRUED)
            on.simulator.faults.add("server_error")
            await on.advance_to(NOW + 300 + 149)
            held = (await on.scrape()).by("model", ACCRUED)
            await on.advance_to(NOW + 300 + 152)
            risen = (await on.scrape()).by("model", ACCRUED)
            on.simulator.faults.clear()
            use(on, 2)
            use(on, 7, model="text-embedding-3-large")
            await on.advance(130)
            later = (await on.scrape()).by("model", ACCRUED)

            assert {"text-embedding-3-small": 0.0} == at_start == held
            assert {"text-embedding-3-small": 5.0} == risen
            assert {"text-embedding-3-small": 7.0, "text-embedding-3-large": 0.0} == later

    run(scenario())


def test_without_a_hold_a_counter_appears_at_its_value() -> None:
    """0 switches the hold off."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        hasty = environ(NEW_COUNTER_HOLD="0s")
        async with running_exporter(simulated(clock, shape=QUIET), clock, only=("embeddings",), environ=hasty) as on:
            use(on, 5)
            await on.advance_to(NOW + 302)

            assert 5.0 == (await on.scrape()).value(ACCRUED)

    run(scenario())


def test_stale_gauges_vanish_on_time_and_counters_stand() -> None:
    """After `stale_after` without a success, without a poll that ends just then."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        stale = environ(POLL__STALE_AFTER="10m", NEW_COUNTER_HOLD="0s", POLL__INTERVAL="5m")
        async with running_exporter(simulated(clock, shape=QUIET), clock, only=("embeddings",), environ=stale) as on:
            use(on, 5)
            await on.advance_to(NOW + 1502)
            last = (await on.scrape()).value("openai_exporter_last_success_timestamp_seconds")
            assert last is not None
            on.simulator.faults.add("status", status=401)
            await on.advance_to(last + 599)
            fresh = await on.scrape()
            await on.advance_to(last + 601)
            stale_now = await on.scrape()

            assert (5.0, 5.0) == (fresh.value(EMBEDDINGS), fresh.value(ACCRUED))
            assert (None, 5.0) == (stale_now.value(EMBEDDINGS), stale_now.value(ACCRUED))
            assert not stale_now.series(WINDOW)

    run(scenario())


def test_without_a_state_counters_begin_with_the_process() -> None:
    """It runs, and says so."""

    async def scenario() -> None:
        async with running_exporter(only=("embeddings",)) as on:
            scraped = await on.scrape()

            assert (0.0, 0.0) == (
                scraped.value("openai_exporter_state_writable"),
                scraped.value("openai_exporter_state_size_bytes"),
            )
            assert {0.0} == set(scraped.series(ACCRUED).values())

    run(scenario())


def test_counters_stand_still_while_the_state_cannot_be_written(tmp_path: Path) -> None:
    """Nothing is shown that is not on disk; gauges go on, and what was missed is added when it can be written again."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        state = tmp_path / "state.db"
        async with running_exporter(
            simulated(clock, shape=QUIET),
            clock,
            only=("embeddings",),
            environ=environ(NEW_COUNTER_HOLD="0s"),
            state=state,
        ) as on:
            use(on, 5)
            await on.advance(310)
            await refuse_writes(on, refuse=True)
            use(on, 3)
            await on.advance(130)
            refused = await on.scrape()
            await refuse_writes(on, refuse=False)
            await on.advance(61)
            healed = await on.scrape()

            assert (8.0, 5.0, 0.0) == scripted(refused)
            assert (8.0, 8.0, 1.0) == scripted(healed)

    with capture_logs() as log:
        run(scenario())

    said = [line["event"] for line in log if "state" in line["event"]]
    assert [
        "state_not_writable",
        "state_writable_again",
    ] == said


async def refuse_writes(on: RunningExporter, *, refuse: bool) -> None:
    """Let the database refuse every write, as a full or read-only disk does, or take them again."""
    store = on.service._store
    assert store
    database = store._database
    assert database
    await on.service._worker.run(lambda: database.execute(f"PRAGMA query_only = {int(refuse)}"))


def scripted(scraped: Exposed) -> tuple[float | None, ...]:
    """Return gauge, counter, and whether the state can be written."""
    return tuple(scraped.value(name) for name in (EMBEDDINGS, ACCRUED, "openai_exporter_state_writable"))


def test_counters_go_on_after_a_restart(tmp_path: Path) -> None:
    """At the committed value, with what was missed added after the hold."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock, shape=QUIET)
        state = tmp_path / "state.db"
        async with running_exporter(simulator, clock, only=("embeddings",), environ=environ(), state=state) as on:
            use(on, 5)
            await on.advance(460)
            before = await on.scrape()
        clock.pass_by(7200)
        use(on, 3)
        async with running_exporter(
            simulator, clock, only=("embeddings",), environ=environ(), state=state, wait_until_ready=False
        ) as on:
            first = await on.scrape()
            await on.advance(10)
            held = await on.scrape()
            await on.advance(160)
            after = await on.scrape()

            assert (5.0, 1.0) == (before.value(ACCRUED), before.value("openai_exporter_state_writable"))
            assert 4096 <= (before.value("openai_exporter_state_size_bytes") or 0)
            assert [5.0, 5.0, 8.0] == [scraped.value(ACCRUED) for scraped in (first, held, after)]

    run(scenario())


def test_protobuf_needs_no_hold_and_starts_outlive_restarts(tmp_path: Path) -> None:
    """A scraper that reads start timestamps sees a new counter's value at once, with the time at which it was 0."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock, shape=QUIET)
        state = tmp_path / "state.db"
        async with running_exporter(simulator, clock, only=("embeddings",), environ=environ(), state=state) as on:
            assert Format.PROTOBUF.value == await content_type(on)
            use(on, 5)
            while (held := await on.scrape()).value(ACCRUED) is None:
                await on.advance(1)
            polled = clock.now()
            value, began = await protobuf(on)
        clock.pass_by(600)
        async with running_exporter(simulator, clock, only=("embeddings",), environ=environ(), state=state) as on:
            await content_type(on)
            await on.advance(2)
            again = await protobuf(on)

            assert (0.0, 5.0) == (held.value(ACCRUED), value)
            assert polled - 2 < began <= polled
            assert (5.0, began) == again

    run(scenario())


async def content_type(on: RunningExporter) -> str:
    """Return what a scraper gets that prefers protobuf and accepts OpenMetrics."""
    accept = f"{Format.PROTOBUF.value};q=0.9,application/openmetrics-text;version=1.0.0;q=0.5"
    return str((await on.http.get("/metrics", headers={"Accept": accept})).headers["content-type"])


async def protobuf(on: RunningExporter) -> tuple[float, float]:
    """Return value and start of the one counter of requests, as protobuf has them."""
    response = await on.http.get("/metrics", headers={"Accept": Format.PROTOBUF.value})
    assert Format.PROTOBUF.value == response.headers["content-type"]
    (family,) = (family for family in families(response.content) if family.name == ACCRUED)
    (metric,) = family.metric
    start = metric.counter.created_timestamp
    return metric.counter.value, start.seconds + start.nanos / 1e9


@pytest.mark.parametrize("format_", ["", "application/openmetrics-text; version=1.0.0"])
def test_no_sample_has_a_timestamp(format_: str) -> None:
    """A name, labels and a value: nothing behind them."""

    async def scenario() -> None:
        async with running_exporter() as on:
            scraped = await on.scrape(format_)

            assert not [
                line for lines in scraped.lines.values() for line in lines if line.rpartition("}")[2].count(" ") > 1
            ]

    run(scenario())


def test_the_summary_adds_up_to_the_truth() -> None:
    """Costs of today, yesterday, seven days and the month, by day, line item and project, and the use of each model."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock)
        simulator.scenario.quiet()
        async with running_exporter(simulator, clock) as on:
            await on.advance(10)
            report = on.service.publisher.snapshot.organizations[0]
            truth = on.simulator.scenario.truth("costs", ("line_item",), since=TODAY - 61 * DAY)
            by_project = on.simulator.scenario.truth("costs", ("project_id",), since=TODAY - 61 * DAY)
            tokens = on.simulator.scenario.truth("completions", ("model",), since=TODAY - 6 * DAY)

        days: dict[int, float] = {}
        items: dict[str, float] = {}
        for row in truth:
            amount = float(row["values"]["amount"])
            days[row["start_time"]] = days.get(row["start_time"], 0.0) + amount
            if row["start_time"] >= TODAY - 6 * DAY:
                item = row["dimensions"]["line_item"]
                items[item] = items.get(item, 0.0) + amount
        spend = report.spend
        assert spend is not None
        projects: dict[str, float] = {}
        for row in by_project:
            project = row["dimensions"]["project_id"]
            projects[project] = projects.get(project, 0.0) + float(row["values"]["amount"])
        assert dict.fromkeys(projects, "active") == {each.id: each.status for each in spend.projects}
        assert all(each.name and each.name != each.id for each in spend.projects)
        assert projects == pytest.approx({each.id: sum(each.daily) for each in spend.projects}, rel=1e-4)
        for key in ("today", "yesterday", "week", "month", "projected_month", "previous_month", "change"):
            shares = [getattr(each, key) for each in spend.projects]
            assert getattr(spend, key) == pytest.approx(sum(shares), rel=1e-6), key
        full_weeks = [sum(days[TODAY - age * DAY] for age in range(first, first + 7)) for first in (1, 8)]
        assert spend.change == pytest.approx(full_weeks[0] - full_weeks[1], rel=1e-3)
        assert list(days) == [day for day, _ in spend.daily]
        assert dict(spend.daily) == pytest.approx(days, rel=1e-4)
        assert (spend.today, spend.yesterday) == pytest.approx((days[TODAY], days[TODAY - DAY]), rel=1e-4)
        assert spend.week == pytest.approx(sum(days[TODAY - age * DAY] for age in range(7)), rel=1e-4)
        assert spend.month == pytest.approx(
            sum(v for day, v in days.items() if day >= day_of(NOW) - 17 * DAY), rel=1e-4
        )
        largest = sorted(items.items(), key=lambda item: -item[1])[:10]
        assert [name for name, _ in largest] == [name for name, _ in spend.line_items]
        busiest: dict[str, float] = {}
        for row in tokens:
            model = row["dimensions"]["model"]
            used = row["values"]["input_tokens"] + row["values"]["output_tokens"]
            busiest[model] = busiest.get(model, 0.0) + used
        scripted = {use.model: use.tokens for use in report.models}
        assert all(scripted[model] >= used for model, used in busiest.items() if model in scripted)
        assert max(busiest, key=lambda model: busiest[model]) == report.models[0].model

    run(scenario())


def test_summary_without_costs() -> None:
    """None, rather than 0, where costs are not pulled."""

    async def scenario() -> None:
        async with running_exporter(only=("completions",)) as on:
            report = on.service.publisher.snapshot.organizations[0]

            assert (None, True) == (report.spend, bool(report.models))

    run(scenario())


def test_budgets_limits_and_estimates_are_in_the_summary() -> None:
    """What the families of budgets, limits and estimates hold is in the report; metadata rows count their series."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock)
        simulator.scenario.set_spend_alerts([400_000, 250_050])
        async with running_exporter(simulator, clock, environ=environ(BUDGETS__MONTHLY_USD="5000")) as on:
            await on.advance(60)
            scraped = await on.scrape()
            report = on.service.publisher.snapshot.organizations[0]

        assert report.spend is not None
        assert report.estimate is not None
        assert scraped.sum("openai_organization_budget_usd") == report.spend.bounds.budget == 5000
        assert scraped.sum("openai_estimated_cost_usd") == pytest.approx(report.estimate.today)
        by_project = {each.id: each.estimated_today for each in report.spend.projects}
        estimated = {id_: scraped.sum("openai_estimated_cost_usd", project_id=id_) for id_ in by_project}
        assert {id_: usd for id_, usd in estimated.items() if usd} == pytest.approx(
            {id_: usd for id_, usd in by_project.items() if usd}
        )
        series = {each.name: each.series for each in report.resources}
        assert len(scraped.samples("openai_project_info")) == series["projects"]
        limits = ("openai_organization_spend_limit_usd", "openai_organization_spend_limit_enforcing")
        assert sum(len(scraped.samples(name)) for name in limits) == series["spend_limit"]
        assert report.spend.bounds.alert_thresholds == (2500.5, 4000)

    run(scenario())


def test_only_changed_days_are_added_up_again() -> None:
    """A poll of costs that changes one day makes new sums, equal to sums made from nothing."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock)
        simulator.scenario.quiet()
        async with running_exporter(simulator, clock, only=("costs",)) as on:
            await on.advance(10)
            before = on.service.publisher.snapshot.organizations[0]
            simulator.scenario.add_usage(
                "costs", {"amount": "7000.25"}, {"project_id": 0, "line_item": "new"}, time=TODAY
            )
            await on.advance(700)
            after = on.service.publisher.snapshot.organizations[0]
            ledgers = [job.ledger for job in on.service.organizations[0].bucket_jobs]
            changed = {ledger.plan.resource.name for ledger in ledgers}
            fresh = Summary().complete(before, ledgers, None, (), on.clock.now(), changed=changed)

        assert before.spend
        assert after.spend
        assert fresh.spend
        assert dict(after.spend.line_items)["new"] == pytest.approx(7000.25)
        assert after.spend.daily != before.spend.daily
        assert fresh.spend.daily == after.spend.daily
        assert {each.id: each.daily for each in fresh.spend.projects} == {
            each.id: each.daily for each in after.spend.projects
        }

    run(scenario())
