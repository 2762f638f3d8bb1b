"""Buckets become what the live gauges, windows and counters would have shown."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.backfill.timeline import Timeline
from exporter.catalog import DAY, HOUR, QUANTA, Bucket, Plan, Row, Window
from exporter.ledger import Baseline
from tests.support.scripted_api import TODAY, plan

Rows = Mapping[int, list[Row]]
"""Rows by the start of their bucket."""

A, B = ("a", "m"), ("b", "m")
BEGIN = TODAY - 5 * DAY


def loaded(
    wanted: Plan,
    rows: Rows,
    *,
    width: int = DAY,
    end: int = TODAY,
    before: Rows | None = None,
    baselines: Mapping[str, Baseline] | None = None,
) -> Timeline:
    """Return a timeline of the last five days, with what was before them."""
    timeline = Timeline(wanted, 0, baselines or {}, end)
    timeline.load([Bucket(start, start + DAY, (found,)) for start, found in sorted((before or {}).items())], DAY)
    timeline.finish()
    timeline.begin_counters()
    last = -(-end // width) * width
    timeline.load([Bucket(at, at + width, (rows.get(at, []),)) for at in range(BEGIN, last, width)], width)
    return timeline


def values(
    timeline: Timeline, family: str, times: list[int], window: str = ""
) -> dict[tuple[str, ...], list[float | None]]:
    """Return the values of a family by label set, None where a series has none."""
    found: dict[tuple[str, ...], list[float | None]] = {}
    for measure in timeline.group.measures:
        for view in timeline.views(measure):
            if (view.family, view.window) != (family, window):
                continue
            for block in timeline.samples(measure, view, np.array(times, np.int64)):
                at = [block.times.tolist().index(time) if time in block.times else None for time in times]
                for labels, series, shown in zip(block.labels, block.values, block.shown, strict=True):
                    if shown.any():
                        key = tuple(value for _, value in labels)
                        found[key] = [
                            float(series[index]) if index is not None and shown[index] else None for index in at
                        ]
    return found


def as_reported(end: int, *label_sets: tuple[str, ...]) -> Baseline:
    """Return a baseline that leaves the history as it is reported."""
    return Baseline(float(end), label_sets, {})


def at_end(ago: int) -> int:
    """Return a time at which the value of a day is complete."""
    return TODAY - ago * DAY + DAY - 300


def test_day_grows_by_the_hour() -> None:
    """The day gauge is 0 at midnight, grows as the hours were reported, and begins again the next day."""
    yesterday = TODAY - DAY
    timeline = loaded(
        plan("embeddings"),
        {yesterday: [(A, (60, 1))], yesterday + HOUR: [(A, (120, 2))], yesterday + 9 * HOUR: [(A, (20, 1))]},
        width=HOUR,
    )
    times = [yesterday, yesterday + HOUR // 2, yesterday + HOUR, yesterday + 90 * 60, yesterday + 10 * HOUR, TODAY]

    assert {A: [0, 30, 60, 120, 200, 200]} == values(timeline, "openai_embeddings_input_tokens", times)


def test_known_from_its_first_bucket_on() -> None:
    """Rows that repeat are summed; before its first bucket a series has no value, later days without rows are 0."""
    timeline = loaded(plan("embeddings"), {TODAY - 4 * DAY: [(A, (5, 1)), (A, (6, 1))], TODAY - 2 * DAY: [(B, (7, 3))]})

    assert {A: [None, 11, 0, 0, 0], B: [None, None, None, 7, 0]} == values(
        timeline, "openai_embeddings_input_tokens", [at_end(ago) for ago in (5, 4, 3, 2, 1)]
    )


def test_forgotten() -> None:
    """A series that was not seen for the length of the look-back has no value."""
    wanted = replace(plan("embeddings"), lookback_days=2)
    timeline = loaded(wanted, {BEGIN: [(A, (5, 1))], TODAY - DAY: [(A, (6, 1))]})

    assert {A: [5, 0, None, None, 6]} == values(
        timeline, "openai_embeddings_input_tokens", [at_end(ago) for ago in (5, 4, 3, 2, 1)]
    )


def test_unknown() -> None:
    """An optional measure without a value has no sample on that day, rather than 0."""
    wanted = plan("completions", measures=("completions_input_tokens", "completions_input_cached_tokens"))
    labels = ("a", "m", "false")
    days: Rows = {TODAY - 4 * DAY: [(labels, (6, 2))], TODAY - 3 * DAY: [(labels, (7, None))]}

    assert {labels: [2, None, 0]} == values(
        loaded(wanted, days), "openai_completions_input_cached_tokens", [at_end(ago) for ago in (4, 3, 2)]
    )


def test_level() -> None:
    """A level is that of the newest bucket with rows; a series absent from that bucket is 0."""
    timeline = loaded(
        plan("vector_stores"), {BEGIN: [(("a",), (100,)), (("b",), (7,))], TODAY - 3 * DAY: [(("a",), (120,))]}
    )

    assert {("a",): [100, 100, 120, 120], ("b",): [7, 7, 0, 0]} == values(
        timeline, "openai_vector_stores_usage_bytes", [at_end(ago) for ago in (5, 4, 3, 2)]
    )


def test_money_is_exact() -> None:
    """At a day's end money is the float nearest to the exact sum."""
    dime = QUANTA // 10
    timeline = loaded(plan("costs", measures=("cost_usd",)), {TODAY - DAY: [(("a", "x"), (dime,))] * 3})

    assert [0.3] == values(timeline, "openai_cost_usd", [at_end(1)])["a", "x"]


def test_windows() -> None:
    """Windows hold what was before the history, today so far included; `yesterday` is the whole day before."""
    wanted = plan("embeddings")
    tokens = wanted.measures[0]
    windows = tuple(Window(name) for name in ("3d", "yesterday", "month", "previous_month"))
    timeline = loaded(
        replace(wanted, windows=((tokens, windows),)),
        {BEGIN: [(A, (100, 1))], BEGIN + DAY: [(A, (40, 1))]},
        before={BEGIN - DAY: [(A, (7, 1))], BEGIN - 20 * DAY: [(A, (1000, 1))]},
    )
    noon = BEGIN + DAY + DAY // 2

    assert [7, 107, 147, 140] == [
        values(timeline, "openai_window_embeddings_input_tokens", [time], "3d")[A][0]
        for time in (BEGIN, at_end(5), at_end(4), at_end(3))
    ]
    assert [7, 100] == values(timeline, "openai_window_embeddings_input_tokens", [BEGIN, noon], "yesterday")[A]
    assert [147] == values(timeline, "openai_window_embeddings_input_tokens", [at_end(4)], "month")[A]
    assert [1000] == values(timeline, "openai_window_embeddings_input_tokens", [noon], "previous_month")[A]


def test_counter_ends_at_what_the_baseline_held() -> None:
    """A counter is 0 where the history begins and ends at the baseline's time with exactly what it held then."""
    taken_at = TODAY - DAY + 6 * HOUR
    held = {
        TODAY - 2 * DAY: (np.array([90.0]), np.array([True])),
        TODAY - DAY: (np.array([31.0]), np.array([True])),
    }
    baseline = Baseline(taken_at + 0.7, (A,), held)
    hours: dict[int, list[Row]] = {TODAY - 2 * DAY + 3 * HOUR: [(A, (100, 1))], TODAY - DAY + 2 * HOUR: [(A, (33, 1))]}
    hours[TODAY - 3 * DAY] = [(A, (1000, 1))]
    timeline = loaded(
        plan("embeddings", measures=("embeddings_input_tokens",)),
        hours,
        width=HOUR,
        end=taken_at,
        before={BEGIN - DAY: [(A, (7, 1))]},
        baselines={"embeddings_input_tokens": baseline},
    )

    assert {A: [0, 1000, 1090, 1121, None]} == values(
        timeline,
        "openai_accrued_embeddings_input_tokens_total",
        [BEGIN, TODAY - 2 * DAY, TODAY - DAY, taken_at, taken_at + 60],
    )


def test_counter_never_falls() -> None:
    """A day of credits holds a counter still until growth has caught up."""
    dollars = [3, -2, 1, 4, 0]
    rows: dict[int, list[Row]] = {
        BEGIN + day * DAY: [(("a", "x"), (amount * QUANTA,))] for day, amount in enumerate(dollars)
    }
    end = TODAY - 60
    amounts = zip(rows, dollars, strict=True)
    held = {start: (np.array([amount * QUANTA], object), np.array([True])) for start, amount in amounts}
    timeline = loaded(
        plan("costs", measures=("cost_usd",)),
        rows,
        end=end,
        baselines={"cost_usd": Baseline(float(end), (("a", "x"),), held)},
    )

    assert [3, 3, 3, 6, 6] == values(
        timeline, "openai_accrued_cost_usd_total", [at_end(ago) for ago in (5, 4, 3, 2)] + [end]
    )["a", "x"]


@pytest.mark.parametrize("changes", [{"lookback_days": 2}, {"width": "1m"}], ids=str)
def test_a_forgotten_counter_begins_anew(changes: Mapping[str, Any]) -> None:
    """A counter whose label set has left the look-back vanishes, and is 0 when it comes back; others go on."""
    back = TODAY - 10 * HOUR
    rows: Rows = {
        **{BEGIN + day * DAY: [(B, (10,))] for day in range(5)},
        BEGIN + HOUR: [(A, (1000,))],
        back: [(A, (600,))],
    }
    timeline = loaded(
        replace(plan("embeddings", measures=("embeddings_input_tokens",)), **changes),
        rows,
        width=HOUR,
        baselines={"embeddings_input_tokens": as_reported(TODAY, A, B)},
    )

    assert {A: [0, 1000, None, 0, 150, 600], B: [10, 10, 50, 50, 50, 50]} == values(
        timeline,
        "openai_accrued_embeddings_input_tokens_total",
        [BEGIN + HOUR, BEGIN + 2 * HOUR, back - HOUR, back, back + HOUR // 4, back + HOUR],
    )


def test_a_forgotten_credit_holds_nothing_back() -> None:
    """What comes back in a later part counts in full, also where a credit was before the gap."""
    label = ("a", "x")
    end = TODAY + DAY
    timeline = loaded(
        replace(plan("costs", measures=("cost_usd",)), lookback_days=2),
        {BEGIN: [(label, (5 * QUANTA,))], BEGIN + DAY: [(label, (-3 * QUANTA,))]},
        baselines={"cost_usd": as_reported(end, label)},
    )
    counter = "openai_accrued_cost_usd_total"

    assert [5, 5, 5, None, None] == values(timeline, counter, [at_end(ago) for ago in (5, 4, 3, 2, 1)])[label]

    timeline.finish()
    timeline.load([Bucket(TODAY, end, ([(label, (2 * QUANTA,))],))], DAY)

    assert [0, 1, 2, 0] == values(timeline, counter, [TODAY, TODAY + 42_900, end, end + 1])[label]


def test_a_counter_is_0_where_it_begins() -> None:
    """A series that begins between two samples has one there, so that Prometheus sees its first growth."""
    begins = BEGIN + 5 * HOUR
    timeline = loaded(
        plan("embeddings", measures=("embeddings_input_tokens",)),
        {begins: [(A, (600,))], BEGIN: [(B, (7,))]},
        width=HOUR,
        baselines={"embeddings_input_tokens": as_reported(TODAY, A, B)},
    )
    (measure,) = timeline.group.measures
    *_, counter = timeline.views(measure)
    (samples,) = timeline.samples(measure, counter, np.arange(BEGIN, BEGIN + 12 * HOUR, 2 * HOUR))
    found = {
        labels[0][1]: list(zip(samples.times[shown].tolist(), values[shown].tolist(), strict=True))[:3]
        for labels, values, shown in zip(samples.labels, samples.values, samples.shown, strict=True)
    }

    assert [(begins, 0), (BEGIN + 6 * HOUR, 600), (BEGIN + 8 * HOUR, 600)] == found["a"]
    assert [(BEGIN, 0), (BEGIN + 2 * HOUR, 7), (BEGIN + 4 * HOUR, 7)] == found["b"]


def test_folding() -> None:
    """More label sets than max_series are folded, as they are live."""
    wanted = replace(plan("embeddings"), max_series=1)
    timeline = loaded(wanted, {TODAY - DAY: [(A, (5, 1)), (B, (4, 1)), (("c", "m"), (3, 1))]})

    assert {A: [5], ("other", "other"): [7]} == values(timeline, "openai_embeddings_input_tokens", [at_end(1)])


@pytest.mark.parametrize(("width", "expected"), [("1h", [None, 20, 50, 80]), ("1m", [None, 60, 70, 90])])
def test_windows_of_hours(width: str, expected: list[float | None]) -> None:
    """A window of hours moves by live buckets: by the hour, or with finer ones steadily within the hour."""
    base = plan("embeddings")
    measure = base.measures[0]
    wanted = replace(base, width=width, windows=((measure, (Window("2h"),)),))
    day = TODAY - 2 * DAY
    hours: Rows = {day + at * HOUR: [(A, (value, 1))] for at, value in enumerate((40, 20, 60, 40))}
    timeline = loaded(wanted, {BEGIN: [(A, (1, 1))], **hours}, width=HOUR)
    times = [BEGIN, day + 2 * HOUR, day + 2 * HOUR + HOUR // 2, day + 3 * HOUR + HOUR // 2]

    assert {A: expected} == values(timeline, f"openai_window_{measure.name}", times, "2h")


def test_no_panel_and_no_rule_needs_minutes() -> None:
    """Every window that a dashboard or a rule names is one of days or months, which a history has."""
    files = [*Path("grafana").glob("*.json"), *Path("deploy/prometheus/rules").glob("*.yml")]
    named = {name for file in files for name in re.findall(r'window=\\?"([^"\\]+)', file.read_text())}

    assert {"month", "7d"} <= named
    assert {DAY} == {Window(name).unit for name in named}
