"""What one odd value, row or bucket of a response costs: itself, never its neighbours."""

from typing import Any

import pytest

from exporter.catalog import DAY
from exporter.simulator import Shape, Simulator, keys
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, TODAY, run, running_exporter, simulated
from tests.support.exposed import Exposed

MODEL = "text-embedding-3-small"


def quiet(clock: ManualClock) -> Simulator:
    """Return a simulator of an organization in which two projects embed and pay, today and yesterday."""
    simulator = simulated(clock, shape=Shape(projects=2, activity=0))
    for project in (0, 1):
        for time in (NOW - 60, TODAY - DAY / 2):
            use(simulator, project, time=time)
    return simulator


def use(simulator: Simulator, project: int, *, requests: int = 10, amount: str = "2.5", time: float = NOW) -> None:
    """Use embeddings, and be billed for them."""
    script = simulator.scenario
    values = {"input_tokens": 100 * requests, "num_model_requests": requests}
    script.add_usage("embeddings", values, {"project_id": project, "model": MODEL}, time=time)
    script.add_usage("costs", {"amount": amount}, {"project_id": project, "line_item": "gpt, input"}, time=time)


def rejected(scraped: Exposed) -> dict[tuple[str, str], float]:
    """Return the rejections by resource and reason."""
    return {
        (labels["resource"], labels["reason"]): value
        for pairs, value in scraped.series("openai_exporter_rows_rejected_total").items()
        if value and (labels := dict(pairs))
    }


def test_every_reason_is_exported_from_the_start() -> None:
    """The counter of each resource and reason is 0 before anything was rejected."""

    async def scenario() -> None:
        async with running_exporter(only=("embeddings", "costs")) as on:
            scraped = await on.scrape()

            assert {
                "missing_value",
                "invalid_value",
                "out_of_range",
                "invalid_field",
                "invalid_row",
                "invalid_bucket",
                "future_bucket",
            } == set(scraped.by("reason", "openai_exporter_rows_rejected_total", resource="costs"))
            assert {} == rejected(scraped)

    run(scenario())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": None}, "missing_value"),
        ({}, "missing_value"),
        ({"value": ""}, "invalid_value"),
        ({"value": "many"}, "invalid_value"),
        ({"literal": "NaN"}, "invalid_value"),
        ({"literal": "-Infinity"}, "invalid_value"),
        ({"value": True}, "invalid_value"),
        ({"literal": "1e400"}, "out_of_range"),
    ],
)
def test_a_value_that_is_not_a_number_is_unknown_for_its_series_alone(change: dict[str, Any], reason: str) -> None:
    """The series has no sample of today; its other measure, its neighbours, `up` and all counters are right."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = quiet(clock)
        async with running_exporter(simulator, clock, only=("embeddings", "costs")) as on:
            projects = list((await on.scrape()).by("project_id", "openai_embeddings_requests"))
            for path, field in (("embeddings", "input_tokens"), ("costs", "amount.value")):
                on.simulator.faults.add("odd_field", path=path, field=field, **change)
            for project in (0, 1):
                use(simulator, project)
            await on.advance_to(NOW + 301)
            scraped = await on.scrape()
            odd = {name: set(projects) - set(scraped.by("project_id", name)) for name in TODAY_GAUGES}
            on.simulator.faults.clear()
            await on.advance_to(NOW + 801)
            healed = await on.scrape()

            assert [0, 1, 1] == [len(odd[name]) for name in TODAY_GAUGES]
            assert {20.0} == set(scraped.by("project_id", "openai_embeddings_requests").values())
            assert [2000.0] == list(scraped.by("project_id", "openai_embeddings_input_tokens").values())
            assert [5.0] == list(scraped.by("project_id", "openai_cost_usd").values())
            assert {("embeddings", reason): 5.0, ("costs", reason): 1.0} == rejected(scraped)
            assert 1.0 == scraped.value("openai_exporter_up")
            assert 0.0 == scraped.sum("openai_exporter_api_errors_total")
            assert [10.0, 10.0] == list(healed.by("project_id", "openai_accrued_embeddings_requests_total").values())
            assert [1000.0, 1000.0] == list(
                healed.by("project_id", "openai_accrued_embeddings_input_tokens_total").values()
            )
            assert [2.5, 2.5] == list(healed.by("project_id", "openai_accrued_cost_usd_total").values())

    run(scenario())


TODAY_GAUGES = ("openai_embeddings_requests", "openai_embeddings_input_tokens", "openai_cost_usd")


def test_numeric_texts_are_numbers() -> None:
    """Counts and amounts in quotes count in full, and nothing is rejected."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = quiet(clock)
        simulator.faults.add("odd_field", path="embeddings", field="input_tokens", value="1000")
        simulator.faults.add("amount_string", path="costs")
        async with running_exporter(simulator, clock, only=("embeddings", "costs")) as on:
            scraped = await on.scrape()

            assert (2000.0, 5.0) == (scraped.sum("openai_embeddings_input_tokens"), scraped.sum("openai_cost_usd"))
            assert {} == rejected(scraped)

    run(scenario())


@pytest.mark.parametrize("value", [None, 5, "row", []])
def test_a_row_that_is_not_an_object_is_ignored(value: object) -> None:
    """All real rows count."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = quiet(clock)
        simulator.faults.add("odd_row", value=value)
        async with running_exporter(simulator, clock, only=("embeddings", "costs")) as on:
            scraped = await on.scrape()

            assert (20.0, 5.0) == (scraped.sum("openai_embeddings_requests"), scraped.sum("openai_cost_usd"))
            assert {("embeddings", "invalid_row"): 1.0, ("costs", "invalid_row"): 1.0} == rejected(scraped)
            assert 1.0 == scraped.value("openai_exporter_up")

    run(scenario())


@pytest.mark.parametrize("field", ["project_id", "model"])
@pytest.mark.parametrize("value", [17, 1.5, {"id": 5}, ["a"]])
def test_a_row_with_a_label_of_an_unexpected_type_counts_nowhere_else(field: str, value: object) -> None:
    """The label set keeps its last known values, its neighbours count on, and nothing is counted twice afterwards."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = quiet(clock)
        async with running_exporter(simulator, clock, only=("embeddings", "costs")) as on:
            for project in (0, 1):
                use(simulator, project)
            on.simulator.faults.add("odd_field", path="embeddings", field=field, value=value)
            await on.advance_to(NOW + 241)
            during = await on.scrape()
            on.simulator.faults.clear()
            await on.advance_to(NOW + 481)
            healed = await on.scrape()

            assert [20.0] == list(during.by("project_id", "openai_embeddings_requests").values())
            assert [30.0, 20.0] == [
                during.sum("openai_window_embeddings_requests", window="7d") - 20,
                healed.sum("openai_accrued_embeddings_requests_total"),
            ]
            assert [20.0, 20.0] == list(healed.by("project_id", "openai_embeddings_requests").values())
            assert [("embeddings", "invalid_field")] == list(rejected(during))
            assert 1.0 == during.value("openai_exporter_up")

    run(scenario())


@pytest.mark.parametrize("start", [TODAY + DAY, TODAY + 400 * DAY, 10**15, 2**63 + 10, 10**30])
def test_a_bucket_after_the_open_one_is_ignored(start: int) -> None:
    """Neither gauge nor counter shows it, the poll succeeds, and its day is right when it comes."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = quiet(clock)
        fields = {"start_time": start, "end_time": start + DAY}
        simulator.faults.add("odd_bucket", path="embeddings", fields=fields)
        async with running_exporter(simulator, clock, only=("embeddings",)) as on:
            await on.advance(240)
            scraped = await on.scrape()
            counted = rejected(scraped)
            on.simulator.faults.clear()
            await on.advance_to(TODAY + DAY + 400)
            tomorrow = await on.scrape()

            assert 20.0 == scraped.sum("openai_embeddings_requests")
            assert [("embeddings", "future_bucket")] == list(counted)
            assert 1.0 == scraped.value("openai_exporter_up")
            assert (0.0, 0.0) == (
                tomorrow.sum("openai_embeddings_requests"),
                tomorrow.sum("openai_accrued_embeddings_requests_total"),
            )

    run(scenario())


@pytest.mark.parametrize(
    "odd",
    [
        {"value": None},
        {"value": []},
        {"fields": {"start_time": "soon"}},
        {"fields": {"start_time": TODAY + 60}},
        {"fields": {"end_time": TODAY + 2 * DAY}},
        {"fields": {"results": None}},
    ],
)
def test_a_bucket_that_cannot_be_read_does_not_harm_the_others(odd: dict[str, Any]) -> None:
    """The others are applied; the poll is an invalid response, and the bucket is counted."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = quiet(clock)
        async with running_exporter(simulator, clock, only=("embeddings",)) as on:
            on.simulator.faults.add("odd_bucket", path="embeddings", count=1, **odd)
            use(simulator, 0)
            await on.advance_to(NOW + 60.5)
            scraped = await on.scrape()

            assert 30.0 == scraped.sum("openai_embeddings_requests")
            assert {("embeddings", "invalid_bucket"): 1.0} == rejected(scraped)
            assert 1.0 == scraped.value("openai_exporter_api_errors_total", reason="invalid_response")

            await on.advance(120)
            assert 1.0 == (await on.scrape()).value("openai_exporter_up")

    run(scenario())


def test_an_open_day_that_is_missing_is_zero_until_it_is_there() -> None:
    """Right after midnight the API has no bucket of the new day: today is 0, the poll succeeds, and then it counts."""

    async def scenario() -> None:
        clock = ManualClock(TODAY + DAY - 90.0)
        simulator = simulated(clock, shape=Shape(projects=2, activity=0))
        use(simulator, 0, time=TODAY + DAY / 2)
        async with running_exporter(simulator, clock, only=("embeddings", "costs")) as on:
            await on.advance_to(TODAY + DAY - 1)
            on.simulator.faults.add("missing_bucket", index=-1)
            await on.advance_to(TODAY + DAY + 4000)
            scraped = await on.scrape()
            on.simulator.faults.clear()
            use(simulator, 0, requests=3, amount="1.5", time=TODAY + DAY + 10)
            await on.advance_to(TODAY + DAY + 5000)
            later = await on.scrape()

            assert [0.0] == list(scraped.by("project_id", "openai_embeddings_requests").values())
            assert [0.0] == list(scraped.by("project_id", "openai_cost_usd").values())
            assert 2.5 == scraped.value("openai_window_cost_usd", window="yesterday")
            assert 1.0 == scraped.value("openai_exporter_up")
            assert 0.0 == scraped.sum("openai_exporter_api_errors_total")
            assert (3.0, 1.5) == (later.sum("openai_embeddings_requests"), later.sum("openai_cost_usd"))
            assert (3.0, 1.5) == (
                later.sum("openai_accrued_embeddings_requests_total"),
                later.sum("openai_accrued_cost_usd_total"),
            )

    run(scenario())


def test_an_open_day_that_was_there_and_is_missing_stays_as_it_was() -> None:
    """A bucket that disappears is not 0: its values stay, and the poll is an invalid response."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = quiet(clock)
        async with running_exporter(simulator, clock, only=("embeddings",)) as on:
            on.simulator.faults.add("missing_bucket", index=-1)
            await on.advance_to(NOW + 61)
            scraped = await on.scrape()

            assert 20.0 == scraped.sum("openai_embeddings_requests")
            assert 0.0 == scraped.value("openai_exporter_up")
            assert 0.0 < scraped.sum("openai_exporter_api_errors_total", reason="invalid_response")

    run(scenario())


def test_a_cost_without_currency_is_dollars_when_every_other_is() -> None:
    """Whether the field is null, empty, absent or odd; nothing appears under another currency."""

    async def scenario(change: dict[str, Any]) -> None:
        clock = ManualClock(NOW)
        simulator = quiet(clock)
        simulator.faults.add("odd_field", path="costs", field="amount.currency", **change)
        async with running_exporter(simulator, clock, only=("costs",)) as on:
            await on.advance(601)
            scraped = await on.scrape()

            assert (5.0, 10.0) == (
                scraped.sum("openai_cost_usd"),
                scraped.sum("openai_window_cost_usd", window="7d"),
            )
            assert {} == scraped.series("openai_cost_other_currency")
            assert 1.0 == scraped.value("openai_exporter_up")

    for change in ({"value": None}, {"value": ""}, {}, {"value": 5}):
        run(scenario(change))


def test_a_cost_without_currency_is_not_dollars_when_another_currency_is_there() -> None:
    """The amount of unknown currency is shown as such, also while the buckets with the other one do not change."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = quiet(clock)
        simulator.faults.add("second_currency", path="costs", currency="eur")
        simulator.faults.add("odd_field", path="costs", field="amount.currency", value=None)
        async with running_exporter(simulator, clock, only=("costs",)) as on:
            for _ in range(2):
                await on.advance(301)
                scraped = await on.scrape()

                assert 2.5 == scraped.sum("openai_cost_usd")
                assert {"eur": 2.5, "unknown": 2.5} == scraped.by("currency", "openai_cost_other_currency")

    run(scenario())


def test_a_label_of_a_megabyte_never_reaches_metrics() -> None:
    """It is cut to 256 bytes, the values under it count, and every line of the exposition stays short."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = quiet(clock)
        simulator.faults.add("odd_field", path="embeddings", field="model", value="m" * 1_000_000)
        simulator.faults.add("odd_field", path="costs", field="line_item", value="i" * 1_000_000)
        async with running_exporter(
            simulator,
            clock,
            environ={"OPENAI_ADMIN_KEY": keys.FULL},
            only=("embeddings", "costs"),
        ) as on:
            scraped = await on.scrape()
            longest = max(len(value) for pairs in scraped.series("openai_cost_usd") for _, value in pairs)

            assert 20.0 == scraped.sum("openai_embeddings_requests")
            assert 256 == longest
            assert max(map(len, scraped.text.splitlines())) < 2000

    run(scenario())
