"""Totals of counters over ranges and days, evaluated by promtool."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from grafana.dashboards.annotations import RESTARTS, new_line_items
from grafana.dashboards.promql import daily_costs, daily_growth, daily_usage, growth, named_daily
from tests.support.dashboards import QueryContext
from tests.support.promtool import Replay

COUNTER = "openai_accrued_completions_requests_total"
HOUR = 3600
DAY = 86400
STEP = 300

Values = Sequence[float | None]


def held(value: float, seconds: int) -> list[float]:
    """Return the samples of a counter that does not change."""
    return [value] * (seconds // STEP)


def grown(tmp_path: Path, *series: Values, at: int = 4 * HOUR, span: int = 2 * HOUR) -> float:
    """Return the growth, summed, over a span of seconds that ends `at`; every series is another instance's."""
    replay = Replay(tmp_path, rules=[])
    for number, values in enumerate(series):
        replay.add(COUNTER, {"organization": "acme", "instance": str(number)}, values)
    ((sample,),) = replay.query(f"sum by (organization) ({QueryContext(span=span).fill(growth(COUNTER))})", [at])
    return sample.value


def test_growth_is_the_difference(tmp_path: Path) -> None:
    """It is not extrapolated: a step just inside the range counts once, as it is."""
    values = [*held(1000, 2 * HOUR + STEP), *held(1007, 2 * HOUR)]

    assert 7 == grown(tmp_path, values)


def test_a_step_between_the_last_sample_before_the_range_and_the_first_in_it_counts(tmp_path: Path) -> None:
    """The range begins with the value that stood then: neighbouring ranges leave nothing out."""
    values = [*held(1000, 2 * HOUR), *held(1007, 2 * HOUR + STEP)]
    at = 4 * HOUR + STEP // 2

    assert 7 == grown(tmp_path, values, at=at, span=2 * HOUR + STEP)
    assert 7 == grown(tmp_path, values, at=at, span=2 * HOUR + STEP) + grown(
        tmp_path, values, at=2 * HOUR - STEP // 2, span=HOUR
    )


def test_a_counter_born_in_the_range_counts_from_zero(tmp_path: Path) -> None:
    """The exporter shows it at 0 first."""
    values = [*[None] * (3 * HOUR // STEP), 0, *held(40, HOUR)]

    assert 40 == grown(tmp_path, values)


def test_a_counter_that_went_away_keeps_its_growth(tmp_path: Path) -> None:
    """A forgotten label set, or an exporter that is down, takes nothing off."""
    values = [*held(500, 3 * HOUR), 520, *[None] * (HOUR // STEP)]

    assert 20 == grown(tmp_path, values)


def test_a_counter_that_was_reset_counts_both_parts(tmp_path: Path) -> None:
    """Without its state the exporter begins at 0: what was counted before and after is added up."""
    before = [1000 + index for index in range(36)]
    after = [float(2 * index) for index in range(13)]

    assert pytest.approx(11 + 24, rel=0.1) == grown(tmp_path, [*before, *after])


def test_an_exporter_that_moved_is_not_counted_twice(tmp_path: Path) -> None:
    """The next instance shows the last committed value first: only what it adds counts."""
    first = [*held(1000, 2 * HOUR + STEP), *held(1010, HOUR - STEP), *[None] * (HOUR // STEP)]
    second = [*[None] * (3 * HOUR // STEP), *held(1010, HOUR // 2), *held(1015, HOUR)]

    assert 15 == grown(tmp_path, first, second)


def test_days_add_up(tmp_path: Path) -> None:
    """Every step belongs to one day, that of the midnight before it; the last day is not over yet."""
    replay = Replay(tmp_path, rules=[])
    values = [float(index // 2) for index in range((2 * DAY + 12 * HOUR) // STEP)]
    replay.add(COUNTER, {"organization": "acme"}, values)
    day = f"sum by (organization) ({daily_growth(COUNTER)})"
    asked = [f"last_over_time(({day})[1s:1s] @ {midnight})" for midnight in (0, DAY, 2 * DAY)]
    found = [replay.query(query, [2 * DAY + 12 * HOUR])[0][0].value for query in asked]

    assert [values[288], values[576] - values[288], values[-1] - values[576]] == found


def test_a_backfilled_day_has_its_bar(tmp_path: Path) -> None:
    """History has one sample a day, at its midnight; a live day is complete in the window `yesterday` of the next."""
    replay = Replay(tmp_path, rules=[])
    labels = {"organization": "acme", "project_id": "proj_a", "line_item": "gpt-x, input"}
    live = [7.0] * 100
    lone = [*[None] * 287]
    replay.add("openai_cost_usd", labels, [3.0, *lone, 5.0, *lone, *live])
    replay.add("openai_window_cost_usd", {**labels, "window": "yesterday"}, [*[None] * 578, *[6.0] * 98])
    bars = [_at(replay, daily_costs("organization"), day) for day in range(3)]

    assert [[3.0], [6.0], [7.0]] == bars


def test_usage_before_the_counters_is_what_was_backfilled(tmp_path: Path) -> None:
    """From the first day with a counter on, its growth counts."""
    replay = Replay(tmp_path, rules=[])
    labels = {"organization": "acme", "project_id": "proj_a", "model": "gpt-x"}
    replay.add("openai_completions_requests", labels, [30.0, *[None] * 287, *[float(index) for index in range(100)]])
    replay.add(COUNTER, labels, [*[None] * 289, *[float(2 * index) for index in range(99)]])
    bars = [_at(replay, daily_usage("organization", "completions_requests"), day) for day in range(2)]

    assert [[30.0], [196.0]] == bars


def test_days_have_the_names_of_today(tmp_path: Path) -> None:
    """A day older than all names has one; a project that was renamed has one name, one that is gone its own."""
    replay = Replay(tmp_path, rules=[])
    for project in ("proj_a", "proj_gone"):
        labels = {"organization": "acme", "project_id": project}
        replay.add("openai_cost_usd", labels, [1.0] * (3 * 288))
    for project, name, first, last in (
        ("proj_a", "old name", 288, 500),
        ("proj_a", "new name", 500, 864),
        ("proj_gone", "gone", 288, 290),
    ):
        labels = {"organization": "acme", "project_id": project, "project_name": name, "status": "active"}
        replay.add("openai_project_info", labels, [*[None] * first, *[1.0] * (last - first), *[None] * (864 - last)])
    query = named_daily(daily_costs("organization, project_id")).replace("@ end()", f"@ {2 * DAY}")
    found = replay.query(f"last_over_time(({QueryContext().fill(query)})[1s:1s] @ 0)", [3 * DAY - STEP])[0]

    assert {"proj_a": "new name", "proj_gone": "gone"} == {
        sample.labels["project_id"]: sample.labels["project_name"] for sample in found
    }


def test_a_new_line_item_is_marked_for_an_hour(tmp_path: Path) -> None:
    """The hour in which a line item first cost something is marked; the first hour of an organization is not."""
    replay = Replay(tmp_path, rules=[])
    for item, start in (("gpt-x, input", 0), ("gpt-y, input", 3 * HOUR)):
        labels = {"organization": "acme", "project_id": "proj_a", "line_item": item, "window": "7d"}
        steps = start // STEP
        replay.add("openai_window_cost_usd", labels, [*[None] * steps, *[2.0] * (6 * HOUR // STEP - steps)])
    query = QueryContext().fill(new_line_items().expression)
    found = replay.query(query, [0, 2 * HOUR, 3 * HOUR, 4 * HOUR - STEP, 4 * HOUR])

    assert [[], [], ["gpt-y, input"], ["gpt-y, input"], []] == [
        [sample.labels["line_item"] for sample in samples] for samples in found
    ]


def test_a_restart_is_marked_at_its_time(tmp_path: Path) -> None:
    """The value is the start in milliseconds; other jobs' processes are left out."""
    replay = Replay(tmp_path, rules=[])
    target = {"job": "openai-usage-exporter", "instance": "a"}
    replay.add("openai_exporter_build_info", target, [1.0] * 3)
    replay.add("process_start_time_seconds", target, [1700.0] * 3)
    replay.add("process_start_time_seconds", {"job": "other", "instance": "a"}, [9.0] * 3)
    (samples,) = replay.query(RESTARTS.expression, [STEP])

    assert [1_700_000.0] == [sample.value for sample in samples]


def _at(replay: Replay, expression: str, day: int) -> list[float]:
    """Return what a daily query gives for a day, asked when all days are over."""
    query = f"last_over_time(({QueryContext().fill(expression)})[1s:1s] @ {day * DAY})"
    return [sample.value for sample in replay.query(query, [4 * DAY])[0]]
