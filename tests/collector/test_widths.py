"""Buckets of a minute and of an hour: windows, edges and midnight, against the simulator's truth."""

from urllib.parse import parse_qs

import pytest

from exporter.catalog import DAY, HOUR, MINUTE
from exporter.simulator import keys
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, TODAY, RunningExporter, run, running_exporter, simulated
from tests.support.exposed import Exposed

GROUPED = ("project_id", "model", "batch")
MEASURES = {
    "completions_input_tokens": "input_tokens",
    "completions_output_tokens": "output_tokens",
    "completions_requests": "num_model_requests",
}

Sums = dict[tuple[str, ...], float]


def fine(width: str, *windows: str) -> dict[str, str]:
    """Return an environment in which completions come in buckets of this width."""
    prefix = "OPENAI_EXPORTER_RESOURCES__COMPLETIONS__"
    listed = ", ".join(f'"{window}"' for window in windows)
    return {
        "OPENAI_ADMIN_KEY": keys.FULL,
        f"{prefix}BUCKET_WIDTH": width,
        f"{prefix}WINDOWS": f"[{listed}]",
    }


def truth(on: RunningExporter, measure: str, since: float, until: float, width: str) -> Sums:
    """Return the simulator's totals of a span, by label set, without zeros."""
    sums: Sums = {}
    for row in on.simulator.scenario.truth("completions", GROUPED, since=since, until=until, width=width):
        labels = tuple(_text(row["dimensions"][name]) for name in GROUPED)
        sums[labels] = sums.get(labels, 0) + row["values"][MEASURES[measure]]
    return {labels: value for labels, value in sums.items() if value}


def shown(scraped: Exposed, name: str, **labels: str) -> Sums:
    """Return the exported values, by label set, without zeros."""
    series = scraped.series(name, organization="default", **labels)
    return {tuple(dict(labels)[name] for name in GROUPED): value for labels, value in series.items() if value}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value or "unknown")


def queries(on: RunningExporter) -> list[dict[str, list[str]]]:
    """Return the queries of all requests for completions."""
    return [parse_qs(request.query) for request in on.simulator.requests]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("width", "seconds", "windows"),
    [
        ("1m", MINUTE, {"15m": 15 * MINUTE, "1h": HOUR, "2m": 2 * MINUTE}),
        ("1h", HOUR, {"1h": 2 * HOUR, "12h": 12 * HOUR, "7d": 7 * DAY}),
    ],
)
def test_windows_hold_the_newest_buckets(measure: str, width: str, seconds: int, windows: dict[str, int]) -> None:
    """The open one included, and at least two: exactly what the simulator reported in them."""

    async def scenario() -> None:
        async with running_exporter(only=("completions",), environ=fine(width, *windows)) as on:
            on.simulator.scenario.quiet()
            await on.advance(61)
            scraped = await on.scrape()
            end = int(on.clock.now() // seconds + 1) * seconds

            for window, span in windows.items():
                since = TODAY + DAY - span if window.endswith("d") else end - span
                expected = truth(on, measure, since, on.clock.now(), width)
                assert expected == shown(scraped, f"openai_window_{measure}", window=window)
            assert truth(on, measure, TODAY, on.clock.now(), width) == shown(scraped, f"openai_{measure}")

    run(scenario())


@pytest.mark.parametrize(("width", "seconds", "buckets"), [("1m", MINUTE, 1440), ("1h", HOUR, 168)])
def test_the_whole_look_back_is_one_page_of_whole_buckets(width: str, seconds: int, buckets: int) -> None:
    """Every poll is one request; it begins on a bucket's edge, so that the first bucket is not clipped."""

    async def scenario() -> None:
        async with running_exporter(only=("completions",), environ=fine(width, "12h")) as on:
            await on.advance(125)
            asked = queries(on)

            assert 3 == len(asked)
            assert all("page" not in query for query in asked)
            assert {width} == {query["bucket_width"][0] for query in asked}
            assert {0} == {int(query["start_time"][0]) % seconds for query in asked}
            assert str(buckets) == asked[0]["limit"][0]
            first = int(NOW // seconds + 1) * seconds - buckets * seconds
            assert first == int(asked[0]["start_time"][0])

    run(scenario())


def test_a_window_moves_on_at_a_buckets_edge() -> None:
    """At the full minute the oldest minute is left out, without waiting for a poll."""

    async def scenario() -> None:
        clock = ManualClock(float(TODAY + 15 * HOUR + 30))
        simulator = simulated(clock)
        simulator.scenario.quiet()
        async with running_exporter(simulator, clock, only=("completions",), environ=fine("1m", "15m")) as on:
            edge = TODAY + 15 * HOUR + 60
            name = "openai_window_completions_requests"
            await on.advance_to(edge - 0.5)
            before = shown(await on.scrape(), name)
            served = len(on.simulator.requests)
            await on.advance_to(edge + 1.5)
            after = shown(await on.scrape(), name)

            assert served == len(on.simulator.requests)
            measure = "completions_requests"
            assert truth(on, measure, edge - 15 * MINUTE, edge, "1m") == before
            assert truth(on, measure, edge - 14 * MINUTE, edge, "1m") == after
            assert before != after

    run(scenario())


def test_a_window_spans_midnight_and_today_begins_there() -> None:
    """At 00:00 UTC the day's gauge starts at 0 while the quarter of an hour continues."""

    async def scenario() -> None:
        midnight = float(TODAY + DAY)
        clock = ManualClock(midnight - 90)
        async with running_exporter(simulated(clock), clock, only=("completions",), environ=fine("1m", "15m")) as on:
            await on.advance_to(midnight + 1.5)
            rolled = await on.scrape()
            on.simulator.scenario.quiet()
            await on.advance_to(midnight + 92)
            scraped = await on.scrape()
            since = midnight - 13 * MINUTE

            assert {} == shown(rolled, "openai_completions_requests")
            assert rolled.series("openai_completions_requests")
            assert truth(on, "completions_requests", since, on.clock.now(), "1m") == shown(
                scraped, "openai_window_completions_requests", window="15m"
            )
            assert truth(on, "completions_requests", midnight, on.clock.now(), "1m") == shown(
                scraped, "openai_completions_requests"
            )

    run(scenario())


def test_counters_of_fine_buckets_count_what_is_reported() -> None:
    """Usage after the start is counted once, in any minute of its report."""

    async def scenario() -> None:
        async with running_exporter(only=("completions",), environ=fine("1m", "15m")) as on:
            on.simulator.scenario.quiet()
            await on.advance(65)
            before = (await on.scrape()).sum("openai_accrued_completions_requests_total")
            for minutes in (1, 5, 61):
                on.simulator.scenario.add_usage(
                    "completions",
                    {"num_model_requests": 100},
                    {"project_id": 0, "model": "gpt-6"},
                    time=on.clock.now() - minutes * MINUTE,
                )
            await on.advance(300)
            after = (await on.scrape()).sum("openai_accrued_completions_requests_total")

            assert 300 == after - before

    run(scenario())


def test_a_window_that_is_no_longer_polled_is_absent() -> None:
    """Two intervals after the newest bucket, a window of minutes is absent rather than stale."""

    async def scenario() -> None:
        async with running_exporter(only=("completions",), environ=fine("1m", "15m")) as on:
            on.simulator.faults.add("server_error")
            await on.advance_to(NOW + 162)
            kept = (await on.scrape()).series("openai_window_completions_requests")
            await on.advance_to(NOW + 165)
            scraped = await on.scrape()

            assert kept
            assert {} == scraped.series("openai_window_completions_requests")
            assert scraped.series("openai_completions_requests")

    run(scenario())
