"""What gauges show at a moment: today, windows and levels, and when they say nothing."""

import pytest

from exporter.catalog import DAY, HOUR, MINUTE, Window
from tests.support.ledger_harness import NOW, TODAY, YESTERDAY, A, B, LedgerHarness, dollars, plan, with_windows

YEAR_END = 1_798_761_600.0
"""2027-01-01 00:00:00 UTC."""


def test_today_is_the_current_utc_day_and_no_other() -> None:
    """Not the newest bucket, and not the last 24 hours."""
    desk = LedgerHarness()
    desk.report(YESTERDAY, A, 1000)
    desk.report(TODAY, A, 10)
    desk.poll()

    assert {A: 10.0} == desk.shown("today")


def test_today_rolls_over_at_midnight_without_a_poll() -> None:
    """The new day begins at 0, on time."""
    desk = LedgerHarness(plan(stale_after=DAY))
    desk.report(TODAY, A, 10)
    desk.poll()
    desk.views()
    midnight = float(TODAY + DAY)

    assert midnight == desk.ledger.next_change(desk.now)
    desk.now = midnight
    assert {A: 0.0} == desk.shown("today")


def test_a_day_that_no_poll_has_covered_vanishes_after_two_intervals() -> None:
    """For a moment 0 is believable, then nothing is known."""
    desk = LedgerHarness()
    desk.report(TODAY, A, 10)
    desk.now = TODAY + DAY - 30.0
    desk.poll()
    desk.now = TODAY + DAY + 119.0
    before, moment = desk.shown("today"), desk.ledger.next_change(desk.now)
    desk.now = moment
    after = desk.shown("today")
    desk.now += 1
    desk.poll()

    assert ({A: 0.0}, TODAY + DAY + 120.0, None) == (before, moment, after)
    assert {A: 0.0} == desk.shown("today")


def test_a_series_is_kept_at_zero_on_a_day_without_its_rows() -> None:
    """A series that was there in the look-back goes on."""
    desk = LedgerHarness()
    desk.report(TODAY - 3 * DAY, B, 5)
    desk.report(TODAY, A, 10)
    desk.poll()

    assert {A: 10.0, B: 0.0} == desk.shown("today")


def test_yesterday_is_told_once_a_poll_after_midnight_has_covered_it() -> None:
    """Its last minutes are missing until then."""
    desk = LedgerHarness(with_windows(plan(), "yesterday"))
    desk.report(YESTERDAY, A, 70)
    desk.report(TODAY, A, 10)
    desk.poll()
    known = desk.shown("yesterday")
    desk.now = TODAY + DAY + 1.0
    unknown = desk.shown("yesterday")
    desk.report(TODAY, A, 12)
    desk.poll()

    assert [{A: 70.0}, None, {A: 12.0}] == [known, unknown, desk.shown("yesterday")]


@pytest.mark.parametrize(("window", "expected"), [("1d", 1.0), ("2d", 11.0), ("3d", 111.0), ("month", 11111.0)])
def test_windows_of_days_and_months(window: str, expected: float) -> None:
    """Days are UTC days, today included; a month is to date."""
    desk = LedgerHarness(with_windows(plan(lookback_days=31), window))
    for age in range(5):
        desk.report(TODAY - age * DAY, A, 10**age)
    desk.report(TODAY - 18 * DAY, A, 7_000_000)
    desk.poll()

    assert {A: expected} == desk.shown(window)


def test_the_previous_month_is_the_whole_month_before() -> None:
    """From its first day to its last."""
    desk = LedgerHarness(with_windows(plan(lookback_days=62), "previous_month", "month"))
    first = TODAY - 17 * DAY
    desk.report(first, A, 1)
    desk.report(first - DAY, A, 10)
    desk.report(first - 31 * DAY, A, 100)
    desk.report(first - 32 * DAY, A, 1000)
    desk.poll()

    assert ({A: 110.0}, {A: 1.0}) == (desk.shown("previous_month"), desk.shown("month"))


def test_months_roll_over_with_the_year() -> None:
    """At midnight of the year's end December becomes the previous month."""
    desk = LedgerHarness(with_windows(plan(lookback_days=62), "previous_month", "month"), now=YEAR_END - 60)
    desk.report(YEAR_END - DAY, A, 10)
    desk.poll()
    desk.now = YEAR_END + 60
    desk.report(YEAR_END, A, 1)
    desk.poll()

    assert ({A: 10.0}, {A: 1.0}) == (desk.shown("previous_month"), desk.shown("month"))


def test_a_window_that_lacks_a_bucket_is_not_told() -> None:
    """A sum with a hole would look like a fall."""
    desk = LedgerHarness(with_windows(plan(stale_after=10 * DAY), "3d", "1d"))
    desk.report(TODAY, A, 10)
    desk.poll()
    desk.now += 2 * DAY
    desk.report(TODAY + 2 * DAY, A, 5)
    desk.poll(without=[TODAY + DAY])

    assert (None, {A: 5.0}) == (desk.shown("3d"), desk.shown("1d"))


def test_gauges_vanish_when_the_last_success_is_too_old_and_counters_stand_still() -> None:
    """Old figures are worse than none; a counter's last value is still true."""
    desk = LedgerHarness(with_windows(plan(), "1d"))
    desk.report(TODAY, A, 10)
    desk.poll()
    desk.wait()
    stale = NOW + 6 * HOUR

    assert stale == desk.ledger.next_change(desk.now)
    desk.now = stale
    assert {(desk.first.name, "accrued"): {A: 0.0}} == desk.views()
    desk.poll()
    assert {A: 10.0} == desk.shown("today")


def test_before_the_first_answer_nothing_is_shown() -> None:
    """Neither is there a moment to wait for but midnight."""
    desk = LedgerHarness()

    assert {(desk.first.name, "accrued"): {}} == desk.views()
    assert TODAY + DAY == desk.ledger.next_change(desk.now)


def test_windows_of_hours_end_with_the_open_hour() -> None:
    """`3h` is the open hour and the two before it, and moves on at the hour's edge."""
    desk = LedgerHarness(with_windows(plan(width="1h"), "3h", "1d"))
    hour = int(NOW // HOUR) * HOUR
    for age in range(4):
        desk.report(hour - age * HOUR, A, 10**age)
    desk.poll()
    before = desk.shown("3h")
    edge = float(hour + HOUR)

    assert edge == desk.ledger.next_change(desk.now)
    desk.now = edge
    assert [{A: 111.0}, {A: 11.0}] == [before, desk.shown("3h")]
    assert {A: 1111.0} == desk.shown("1d")


def test_a_window_of_one_hour_has_two_buckets() -> None:
    """One alone would begin at nothing every hour."""
    desk = LedgerHarness(with_windows(plan(width="1h"), "1h"))
    hour = int(NOW // HOUR) * HOUR
    for age in range(3):
        desk.report(hour - age * HOUR, A, 10**age)
    desk.poll()

    assert {A: 11.0} == desk.shown("1h")


def test_windows_of_minutes_are_told_while_polls_keep_up() -> None:
    """Without a poll for longer than the width and two intervals the newest bucket is unknown, and so is the sum."""
    desk = LedgerHarness(with_windows(plan(width="1m"), "15m"))
    minute = int(NOW // MINUTE) * MINUTE
    for age in range(20):
        desk.report(minute - age * MINUTE, A, 1)
    desk.poll()
    shown = []
    for moment in (NOW, minute + MINUTE, minute + 3 * MINUTE - 1, minute + 3 * MINUTE):
        desk.now = float(moment)
        shown.append(desk.shown("15m"))

    assert [{A: 15.0}, {A: 14.0}, {A: 13.0}, None] == shown
    assert desk.ledger.next_change(minute + 60.0) in {minute + 120.0, minute + 180.0}


def test_a_level_is_that_of_the_newest_bucket_with_any_row() -> None:
    """It is never summed, and a series that is absent there is 0."""
    desk = LedgerHarness(plan("vector_stores", ["vector_stores_usage_bytes"]))
    desk.report(YESTERDAY, ("a",), 700)
    desk.report(YESTERDAY, ("b",), 300)
    desk.report(TODAY, ("a",), 900)
    desk.poll()

    assert {("a",): 900.0, ("b",): 0.0} == desk.shown("today")
    assert [("vector_stores_usage_bytes", "today")] == list(desk.views())


def test_a_level_stays_at_midnight() -> None:
    """Until a new bucket tells, the last value is the best there is."""
    desk = LedgerHarness(plan("vector_stores", ["vector_stores_usage_bytes"], stale_after=DAY))
    desk.poll()
    assert {} == desk.views()
    desk.report(TODAY, ("a",), 900)
    desk.poll()
    desk.now = TODAY + DAY + 600.0

    assert {("a",): 900.0} == desk.shown("today")
    desk.poll()
    assert {("a",): 900.0} == desk.shown("today")


def test_daily_sums_cover_the_lookback() -> None:
    """The chart of the status page: each day with its sum over all rows."""
    desk = LedgerHarness(plan("costs", ["cost_usd"], lookback_days=2))
    desk.report(YESTERDAY, ("a", "gpt"), dollars("1.25"))
    desk.report(TODAY, ("a", "gpt"), dollars("0.5"))
    desk.report(TODAY, ("b", "gpt"), dollars("0.25"))
    desk.poll()

    assert [(YESTERDAY, 1.25), (TODAY, 0.75)] == desk.ledger.gauges.daily(desk.first, desk.now)
    assert {"gpt": 2.0} == desk.ledger.gauges.by_label(desk.first, "line_item", YESTERDAY, TODAY + DAY)
    assert {"a": 0.5, "b": 0.25} == desk.ledger.gauges.by_label(desk.first, "project_id", TODAY, TODAY + DAY)
    assert {} == desk.ledger.gauges.by_label(desk.first, "api_key_id", TODAY, TODAY + DAY)


def test_totals_are_told_when_gauges_are() -> None:
    """The status page adds up what a scrape shows: a day that nobody has asked about yet is not told for long."""
    desk = LedgerHarness(with_windows(plan("costs", ["cost_usd"], lookback_days=7, stale_after=DAY), "yesterday", "7d"))
    yesterday, week, month = map(Window, ("yesterday", "7d", "month"))
    desk.report(YESTERDAY, ("a", "gpt"), dollars("1.25"))
    desk.report(TODAY, ("a", "gpt"), dollars("0.5"))
    desk.report(TODAY, ("b", "gpt"), dollars("0.25"))

    assert desk.ledger.gauges.total(desk.first, desk.now) is None
    desk.poll()
    assert 0.75 == desk.ledger.gauges.total(desk.first, desk.now)
    assert 1.25 == desk.ledger.gauges.total(desk.first, desk.now, yesterday)
    assert 2.0 == desk.ledger.gauges.total(desk.first, desk.now, week)
    assert desk.ledger.gauges.total(desk.first, desk.now, month) is None
    desk.now = float(TODAY + DAY)
    assert 0.0 == desk.ledger.gauges.total(desk.first, desk.now)
    assert desk.ledger.gauges.total(desk.first, desk.now, yesterday) is None
    desk.now += 2 * desk.ledger.plan.interval
    assert desk.ledger.gauges.total(desk.first, desk.now) is None
    desk.now += desk.ledger.plan.stale_after
    assert not desk.ledger.fresh(desk.now)


def test_what_has_not_changed_is_not_added_up_again() -> None:
    """Sums are kept until a poll changes a value or time moves the window."""
    desk = LedgerHarness(with_windows(plan(), "3d"))
    desk.report(TODAY, A, 10)
    desk.poll()
    first = next(face for face in desk.ledger.views(desk.now) if face.window)
    again = next(face for face in desk.ledger.views(desk.now + 1) if face.window)
    desk.report(TODAY, A, 11)
    desk.poll()
    changed = next(face for face in desk.ledger.views(desk.now) if face.window)

    assert first.values is again.values
    assert [11.0] == changed.values.tolist()
