"""How far back a resource is pulled."""

import pytest

from exporter.catalog import DAY, HOUR, MINUTE, WIDTHS, resource
from tests.support.ledger_harness import NOW, TODAY, plan

BY_KEY_SINCE = 1764979200


def test_the_lookback_counts_today() -> None:
    """31 days are today and the thirty before it."""
    assert TODAY - 30 * DAY == plan(lookback_days=31).lookback_start(NOW)


@pytest.mark.parametrize(
    ("width", "start"),
    [("1h", NOW // HOUR * HOUR + HOUR - 7 * 24 * HOUR), ("1m", NOW // MINUTE * MINUTE + MINUTE - DAY)],
)
def test_finer_widths_have_a_lookback_of_one_page(width: str, start: float) -> None:
    """7 days of hours, 24 hours of minutes, the open one included."""
    fine = plan(width=width, lookback_days=31)

    assert start == fine.lookback_start(NOW)
    assert fine.max_limit * WIDTHS[width] == fine.open_end(NOW) - fine.lookback_start(NOW)


def test_costs_by_key_begin_on_their_first_day() -> None:
    """The API refuses an earlier start when grouped so."""
    near = BY_KEY_SINCE + 5 * DAY + 100.0
    by_key = plan("costs", ["cost_usd"], group_by=("api_key_id",), lookback_days=62)

    assert BY_KEY_SINCE == by_key.lookback_start(near)
    assert BY_KEY_SINCE - 56 * DAY == by_key.regrouped(("project_id",)).lookback_start(near)
    assert TODAY - 61 * DAY == by_key.lookback_start(NOW)


@pytest.mark.parametrize(("now", "end"), [(NOW, TODAY + DAY), (float(TODAY), TODAY + DAY), (TODAY - 0.5, TODAY)])
def test_the_open_bucket_ends_with_the_day(now: float, end: int) -> None:
    """At midnight another one is open."""
    assert end == plan().open_end(now)


@pytest.mark.parametrize(
    ("covered_until", "start"),
    [
        (NOW - 60, TODAY - DAY),
        (TODAY - 1.0, TODAY - 2 * DAY),
        (TODAY - 3 * DAY + 5.0, TODAY - 4 * DAY),
        (TODAY - 4 * DAY + 5.0, TODAY - 4 * DAY),
        (TODAY - 9 * DAY + 5.0, TODAY - 10 * DAY),
        (NOW + DAY, TODAY - DAY),
    ],
)
def test_a_poll_starts_where_nothing_that_may_be_revised_is_left_out(covered_until: float, start: int) -> None:
    """Refetch days before what is covered; never before the look-back, unless an outage reaches further."""
    assert start == plan(refetch_days=2, lookback_days=5).refetch_start(NOW, covered_until)


def test_a_plan_has_the_sheets_of_its_measures() -> None:
    """Labels have the order of the table, not that of the settings."""
    costs = plan("costs", ["cost_usd", "cost_quantity"], group_by=("line_item", "project_id"))

    assert [
        ("", ("project_id", "line_item"), ["cost_usd"]),
        ("currency", ("project_id", "line_item", "currency"), ["cost_other_currency"]),
        ("unit", ("project_id", "line_item", "unit"), ["cost_quantity"]),
    ] == [(sheet.key, sheet.labels, [measure.name for measure in sheet.measures]) for sheet in costs.label_groups]


def test_a_plan_may_be_regrouped() -> None:
    """Only the dimensions change."""
    by_project = plan().regrouped(("project_id",))

    assert (("project_id",), plan().measures) == (by_project.group_by, by_project.measures)
    assert resource("completions") == by_project.resource
