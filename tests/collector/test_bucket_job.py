"""Responses are applied completely or not at all, and both outcomes are reported."""

from math import isclose
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from structlog.testing import capture_logs

from exporter.catalog import DAY
from exporter.simulator import Policy, Shape, Simulator, keys
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, TODAY, RunningExporter, run, running_exporter, simulated
from tests.support.exposed import Exposed

BY_USER = {
    "OPENAI_ADMIN_KEY": keys.FULL,
    "OPENAI_EXPORTER_RESOURCES__COSTS__GROUP_BY": '["project_id", "user_id", "line_item"]',
    "OPENAI_EXPORTER_POLL__COST_INTERVAL": "6h",
}


def grouped(on: RunningExporter) -> list[list[str]]:
    """Return what costs were asked to be grouped by, request by request, pages of one poll as one."""
    asked = [parse_qs(request.query) for request in on.simulator.requests if request.path.endswith("/costs")]
    return [query["group_by[]"] for query in asked if "page" not in query]


def degraded(scraped: Exposed) -> dict[str, float]:
    """Return the reasons for which something is degraded."""
    return scraped.by("reason", "openai_exporter_resource_degraded")


def strict(clock: ManualClock) -> Simulator:
    """Return a simulator that refuses costs by user and project, as the real one may."""
    return simulated(clock, policy=Policy(costs_by_user_and_project=False))


def test_a_refused_dimension_is_omitted_and_reported() -> None:
    """The label goes, the costs stay; a counter, a degraded reason and the log say why."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = strict(clock)
        simulator.scenario.quiet()
        with capture_logs() as log:
            async with running_exporter(simulator, clock, only=("costs",), environ=BY_USER) as on:
                scraped = await on.scrape()
                truth = on.simulator.scenario.truth("costs", ("project_id", "line_item"), since=TODAY)

        shown = scraped.series("openai_cost_usd")
        assert {("line_item", "organization", "project_id")} == {tuple(name for name, _ in labels) for labels in shown}
        assert isclose(sum(float(row["values"]["amount"]) for row in truth), sum(shown.values()), rel_tol=1e-6)
        assert {"group_by_refused": 1.0} == degraded(scraped)
        assert 1.0 == scraped.value("openai_exporter_api_errors_total", resource="costs", reason="bad_request")
        assert (1.0, 1.0) == (
            scraped.value("openai_exporter_resource_up", resource="costs"),
            scraped.value("openai_exporter_up"),
        )
        assert ["project_id", "line_item"] == list(
            next(line["answered"] for line in log if line["event"] == "grouping_refused")
        )

    run(scenario())


def test_a_refused_dimension_is_retried_after_a_day() -> None:
    """It is retried no earlier; once it is accepted, the label is back and counters are reset."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        async with running_exporter(strict(clock), clock, only=("costs",), environ=BY_USER) as on:
            narrow, wide = ["project_id", "line_item"], ["project_id", "user_id", "line_item"]
            await on.advance(24 * 3600 + 1)
            still_refused = grouped(on)
            on.simulator.set_policy(costs_by_user_and_project=True)
            await on.advance(24 * 3600 + 1)
            scraped = await on.scrape()

            assert [wide, narrow, narrow, narrow, narrow, wide, narrow] == still_refused
            assert [narrow, narrow, narrow, wide] == grouped(on)[len(still_refused) :]
            assert {"group_by_refused": 0.0} == degraded(scraped)
            assert {"line_item", "organization", "project_id", "user_id"} == {
                name for labels in scraped.series("openai_cost_usd") for name, _ in labels
            }

    run(scenario())


def test_a_refused_dimension_is_in_the_state(tmp_path: Path) -> None:
    """After a restart the refused dimension is not requested until its day is over, and counters continue."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = strict(clock)
        state = tmp_path / "state.db"
        async with running_exporter(simulator, clock, only=("costs",), environ=BY_USER, state=state) as on:
            on.simulator.scenario.add_usage("costs", {"amount": "12.5"}, {"project_id": 0, "line_item": "gpt, input"})
            await on.advance(6 * 3600 + 200)
            before = (await on.scrape()).sum("openai_accrued_cost_usd_total")
        simulator.requests.clear()
        async with running_exporter(simulator, clock, only=("costs",), environ=BY_USER, state=state) as on:
            scraped = await on.scrape()

            assert [["project_id", "line_item"]] == grouped(on)
            assert {"group_by_refused": 1.0} == degraded(scraped)
            assert 12.5 <= before == scraped.sum("openai_accrued_cost_usd_total")

    run(scenario())


def test_another_grouping_in_the_settings_forgets_the_refusal(tmp_path: Path) -> None:
    """A refusal of another grouping does not apply to this one."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = strict(clock)
        state = tmp_path / "state.db"
        async with running_exporter(simulator, clock, only=("costs",), environ=BY_USER, state=state):
            pass
        simulator.requests.clear()
        plain = {"OPENAI_ADMIN_KEY": keys.FULL}
        async with running_exporter(simulator, clock, only=("costs",), environ=plain, state=state) as on:
            assert {} == degraded(await on.scrape())
            assert [["project_id", "line_item"]] == grouped(on)

    run(scenario())


def test_a_missing_bucket_is_an_error_and_the_others_are_applied() -> None:
    """The one that is not there stays as it was; the rest of the answer counts."""

    async def scenario() -> None:
        async with running_exporter(only=("embeddings",)) as on:
            before = (await on.scrape()).sum("openai_embeddings_requests")
            on.simulator.scenario.add_usage("embeddings", {"num_model_requests": 1000, "input_tokens": 1})
            on.simulator.faults.add("missing_bucket", path="embeddings", index=1)
            await on.advance_to(NOW + 60.5)
            scraped = await on.scrape()

            assert before + 1000 <= scraped.sum("openai_embeddings_requests")
            assert 1.0 == scraped.value("openai_exporter_api_errors_total", reason="invalid_response")
            assert (0.0, 0.0) == (scraped.value("openai_exporter_resource_up"), scraped.value("openai_exporter_up"))

            on.simulator.faults.clear()
            await on.advance(3)
            assert 1.0 == (await on.scrape()).value("openai_exporter_up")

    run(scenario())


@pytest.mark.parametrize("kind", ["foreign_row", "repeated_cursor", "truncated", "duplicate_bucket"])
def test_an_answer_that_cannot_be_leaves_the_last_good_values(kind: str) -> None:
    """A failed page changes nothing, and the last success keeps its time."""

    async def scenario() -> None:
        async with running_exporter(only=("completions",)) as on:
            before = await on.scrape()
            on.simulator.faults.add(kind, path="completions")
            await on.advance(75)
            after = await on.scrape()

            assert 0.0 == after.value("openai_exporter_up")
            for name in (
                "openai_completions_input_tokens",
                "openai_window_completions_requests",
                "openai_exporter_last_success_timestamp_seconds",
            ):
                assert before.series(name) == after.series(name)
                assert before.series(name)

    run(scenario())


def test_another_organization_is_not_applied() -> None:
    """A key that suddenly belongs to another organization is reported, and nothing changes."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            before = await on.scrape()
            on.simulator.faults.add("organization", id="org-another")
            await on.advance(75)
            scraped = await on.scrape()
            on.simulator.faults.clear()
            await on.advance(1200)

            assert before.series("openai_completions_requests") == scraped.series("openai_completions_requests")
            assert {"completions": 1.0, "costs": 1.0} == scraped.by(
                "resource", "openai_exporter_resource_degraded", reason="organization_changed"
            )
            assert (0.0, 0.0) == (
                scraped.value("openai_exporter_resource_up", resource="completions"),
                scraped.value("openai_exporter_up"),
            )
            counted = scraped.by("reason", "openai_exporter_api_errors_total", resource="completions")
            assert (1.0, True) == (counted["invalid_response"], counted["forbidden"] >= 1.0)
            healed = await on.scrape()
            assert 1.0 == healed.value("openai_exporter_up")
            assert {0.0} == set(healed.by("resource", "openai_exporter_resource_degraded").values())

    run(scenario())


def test_the_state_knows_whose_it_is(tmp_path: Path) -> None:
    """Another organization's key on the same state is refused from the first answer on."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock)
        state = tmp_path / "state.db"
        async with running_exporter(simulator, clock, only=("completions",), state=state) as on:
            before = (await on.scrape()).series("openai_completions_requests")
        other = {"OPENAI_ADMIN_KEY": keys.OTHER_ORGANIZATION}
        async with running_exporter(simulator, clock, only=("completions",), environ=other, state=state) as on:
            scraped = await on.scrape()
            report = on.organization.report().resources[0]

            assert before == scraped.series("openai_completions_requests")
            assert {"organization_changed": 1.0} == degraded(scraped)
            assert "nothing is applied" in report.error
            assert "another state.path" in report.advice

    run(scenario())


def test_revisions_of_closed_buckets_are_counted_by_direction() -> None:
    """A bucket of yesterday is corrected up, then down; counters exceed the net total by as much once no hold is on."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        async with running_exporter(
            simulated(clock, shape=Shape(projects=2, activity=0)), clock, only=("embeddings",)
        ) as on:
            script, yesterday = on.simulator.scenario, TODAY - DAY / 2
            where: dict[str, int | str] = {"project_id": 0, "model": "text-embedding-3-small"}
            script.add_usage("embeddings", {"input_tokens": 100, "num_model_requests": 10}, where)
            await on.advance(301)
            script.add_usage("embeddings", {"input_tokens": 50, "num_model_requests": 5}, where, time=yesterday)
            await on.advance(60)
            up = await on.scrape()
            script.add_usage("embeddings", {"input_tokens": -20, "num_model_requests": -2}, where, time=yesterday)
            await on.advance(60)
            held = await on.scrape()
            await on.advance(60)
            down = await on.scrape()

            assert {"embeddings_input_tokens": -130.0, "embeddings_requests": -13.0} == held.by(
                "measure", "openai_exporter_accrued_excess"
            )
            assert {"up": 1.0, "down": 0.0} == up.by("direction", "openai_exporter_revisions_total")
            assert {"up": 1.0, "down": 1.0} == down.by("direction", "openai_exporter_revisions_total")
            assert {"embeddings_input_tokens": 20.0, "embeddings_requests": 2.0} == down.by(
                "measure", "openai_exporter_accrued_excess"
            )

    run(scenario())


def test_everything_is_read_again_once_a_day() -> None:
    """The whole look-back at start and with the first poll of a day, three days otherwise."""

    async def scenario() -> None:
        clock = ManualClock(TODAY + DAY - 150.0)
        async with running_exporter(simulated(clock), clock, only=("embeddings",)) as on:
            await on.advance(270)
            starts = [
                (int(parse_qs(request.query)["start_time"][0]) - TODAY) // DAY for request in on.simulator.requests
            ]

            assert [-30, -2, -2, -29, -1] == starts

    run(scenario())


def test_the_last_change_differs_from_the_last_success() -> None:
    """Without new data the last success advances and the last change does not: it shows the lag of the API."""

    async def scenario() -> None:
        async with running_exporter(only=("embeddings",)) as on:
            on.simulator.scenario.quiet()
            on.simulator.scenario.add_usage("embeddings", {"num_model_requests": 1, "input_tokens": 1})
            await on.advance(125)
            scraped = await on.scrape()
            changed = scraped.value("openai_exporter_last_change_timestamp_seconds")
            succeeded = scraped.value("openai_exporter_last_success_timestamp_seconds")

            assert (NOW + 60, NOW + 120) == (changed, succeeded)

    run(scenario())


def test_a_wrong_clock_is_shown() -> None:
    """The seconds by which this machine is ahead of the API's `Date`, negative where it is behind."""

    async def scenario() -> None:
        async with running_exporter(only=("embeddings",)) as on:
            right = await on.scrape()
            on.simulator.faults.add("clock_skew", seconds=7200)
            await on.advance(61)
            behind = await on.scrape()

            skew = "openai_exporter_clock_skew_seconds"
            assert [0, -7200] == [round(scraped.value(skew) or 0, -1) for scraped in (right, behind)]

    run(scenario())
