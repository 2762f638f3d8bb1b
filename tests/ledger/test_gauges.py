"""What gauges show at a moment: today, windows and levels, and when they say nothing."""

import pytest

from exporter.catalog import DAY, HOUR, MINUTE, Window
from tests.support.ledger_harness import NOW, TODAY, YESTERDAY, A, B, LedgerHarness, dollars, plan, with_windows

YEAR_END = 1_798_761_600.0
"""2027-01-01 00:00:00 UTC."""


def test_today_is_the_current_utc_day_and_no_other() -> None:
    """Not the newest bucket, and not the last 24 hours."""
    harness = LedgerHarness()
    harness.report(YESTERDAY, A, 1000)
    harness.report(TODAY, A, 10)
    harness.poll()

    assert {A: 10.0} == harness.shown("today")


def test_today_rolls_over_at_midnight_without_a_poll() -> None:
    """The new day begins at 0, on time."""
    harness = LedgerHarness(plan(stale_after=DAY))
    harness.report(TODAY, A, 10)
    harness.poll()
    harness.views()
    midnight = float(TODAY + DAY)

    assert midnight == harness.ledger.next_change(harness.now)
    harness.now = midnight
    assert {A: 0.0} == harness.shown("today")


def test_a_day_that_no_poll_has_covered_vanishes_after_two_intervals() -> None:
    """For a moment 0 is believable, then nothing is known."""
    harness = LedgerHarness()
    harness.report(TODAY, A, 10)
    harness.now = TODAY + DAY - 30.0
    harness.poll()
    harness.now = TODAY + DAY + 119.0
    before, moment = harness.shown("today"), harness.ledger.next_change(harness.now)
    harness.now = moment
    after = harness.shown("today")
    harness.now += 1
    harness.poll()

    assert ({A: 0.0}, TODAY + DAY + 120.0, None) == (before, moment, after)
    assert {A: 0.0} == harness.shown("today")


def test_a_series_is_kept_at_zero_on_a_day_without_its_rows() -> None:
    """A series within the look-back continues."""
    harness = LedgerHarness()
    harness.report(TODAY - 3 * DAY, B, 5)
    harness.report(TODAY, A, 10)
    harness.poll()

    assert {A: 10.0, B: 0.0} == harness.shown("today")


def test_yesterday_is_exported_after_a_poll_past_midnight() -> None:
    """Its last minutes are missing until then."""
    harness = LedgerHarness(with_windows(plan(), "yesterday"))
    harness.report(YESTERDAY, A, 70)
    harness.report(TODAY, A, 10)
    harness.poll()
    known = harness.shown("yesterday")
    harness.now = TODAY + DAY + 1.0
    unknown = harness.shown("yesterday")
    harness.report(TODAY, A, 12)
    harness.poll()

    assert [{A: 70.0}, None, {A: 12.0}] == [known, unknown, harness.shown("yesterday")]


@pytest.mark.parametrize(("window", "expected"), [("1d", 1.0), ("2d", 11.0), ("3d", 111.0), ("month", 11111.0)])
def test_windows_of_days_and_months(window: str, expected: float) -> None:
    """Days are UTC days, today included; a month is to date."""
    harness = LedgerHarness(with_windows(plan(lookback_days=31), window))
    for age in range(5):
        harness.report(TODAY - age * DAY, A, 10**age)
    harness.report(TODAY - 18 * DAY, A, 7_000_000)
    harness.poll()

    assert {A: expected} == harness.shown(window)


def test_the_previous_month_is_the_whole_month_before() -> None:
    """From its first day to its last."""
    harness = LedgerHarness(with_windows(plan(lookback_days=62), "previous_month", "month"))
    first = TODAY - 17 * DAY
    harness.report(first, A, 1)
    harness.report(first - DAY, A, 10)
    harness.report(first - 31 * DAY, A, 100)
    harness.report(first - 32 * DAY, A, 1000)
    harness.poll()

    assert ({A: 110.0}, {A: 1.0}) == (harness.shown("previous_month"), harness.shown("month"))


def test_months_roll_over_with_the_year() -> None:
    """At midnight of the year's end December becomes the previous month."""
    harness = LedgerHarness(with_windows(plan(lookback_days=62), "previous_month", "month"), now=YEAR_END - 60)
    harness.report(YEAR_END - DAY, A, 10)
    harness.poll()
    harness.now = YEAR_END + 60
    harness.report(YEAR_END, A, 1)
    harness.poll()

    assert ({A: 10.0}, {A: 1.0}) == (harness.shown("previous_month"), harness.shown("month"))


def test_a_window_that_lacks_a_bucket_is_absent() -> None:
    """A sum with a hole would look like a fall."""
    harness = LedgerHarness(with_windows(plan(stale_after=10 * DAY), "3d", "1d"))
    harness.report(TODAY, A, 10)
    harness.poll()
    harness.now += 2 * DAY
    harness.report(TODAY + 2 * DAY, A, 5)
    harness.poll(without=[TODAY + DAY])

    assert (None, {A: 5.0}) == (harness.shown("3d"), harness.shown("1d"))


def test_gauges_vanish_when_the_last_success_is_too_old_and_counters_stand_still() -> None:
    """Old figures are worse than none; a counter's last value is still true."""
    harness = LedgerHarness(with_windows(plan(), "1d"))
    harness.report(TODAY, A, 10)
    harness.poll()
    harness.wait()
    stale = NOW + 6 * HOUR

    assert stale == harness.ledger.next_change(harness.now)
    harness.now = stale
    assert {(harness.first.name, "accrued"): {A: 0.0}} == harness.views()
    harness.poll()
    assert {A: 10.0} == harness.shown("today")


def test_before_the_first_answer_nothing_is_shown() -> None:
    """Neither is there a moment to wait for but midnight."""
    harness = LedgerHarness()

    assert {(harness.first.name, "accrued"): {}} == harness.views()
    assert TODAY + DAY == harness.ledger.next_change(harness.now)


def test_windows_of_hours_end_with_the_open_hour() -> None:
    """`3h` is the open hour and the two before it, and moves on at the hour's edge."""
    harness = LedgerHarness(with_windows(plan(width="1h"), "3h", "1d"))
    hour = int(NOW // HOUR) * HOUR
    for age in range(4):
        harness.report(hour - age * HOUR, A, 10**age)
    harness.poll()
    before = harness.shown("3h")
    edge = float(hour + HOUR)

    assert edge == harness.ledger.next_change(harness.now)
    harness.now = edge
    assert [{A: 111.0}, {A: 11.0}] == [before, harness.shown("3h")]
    assert {A: 1111.0} == harness.shown("1d")


def test_a_window_of_one_hour_has_two_buckets() -> None:
    """One alone would begin at nothing every hour."""
    harness = LedgerHarness(with_windows(plan(width="1h"), "1h"))
    hour = int(NOW // HOUR) * HOUR
    for age in range(3):
        harness.report(hour - age * HOUR, A, 10**age)
    harness.poll()

    assert {A: 11.0} == harness.shown("1h")


def test_windows_of_minutes_are_exported_while_polls_succeed() -> None:
    """Without a poll for longer than the width and two intervals the newest bucket is unknown, and so is the sum."""
    harness = LedgerHarness(with_windows(plan(width="1m"), "15m"))
    minute = int(NOW // MINUTE) * MINUTE
    for age in range(20):
        harness.report(minute - age * MINUTE, A, 1)
    harness.poll()
    shown = []
    for moment in (NOW, minute + MINUTE, minute + 3 * MINUTE - 1, minute + 3 * MINUTE):
        harness.now = float(moment)
        shown.append(harness.shown("15m"))

    assert [{A: 15.0}, {A: 14.0}, {A: 13.0}, None] == shown
    assert harness.ledger.next_change(minute + 60.0) in {minute + 120.0, minute + 180.0}


def test_a_level_is_that_of_the_newest_bucket_with_any_row() -> None:
    """It is never summed, and a series that is absent there is 0."""
    harness = LedgerHarness(plan("vector_stores", ["vector_stores_usage_bytes"]))
    harness.report(YESTERDAY, ("a",), 700)
    harness.report(YESTERDAY, ("b",), 300)
    harness.report(TODAY, ("a",), 900)
    harness.poll()

    assert {("a",): 900.0, ("b",): 0.0} == harness.shown("today")
    assert [("vector_stores_usage_bytes", "today")] == list(harness.views())


def test_a_level_stays_at_midnight() -> None:
    """Until a new bucket has data, the last value is exported."""
    harness = LedgerHarness(plan("vector_stores", ["vector_stores_usage_bytes"], stale_after=DAY))
    harness.poll()
    assert {} == harness.views()
    harness.report(TODAY, ("a",), 900)
    harness.poll()
    harness.now = TODAY + DAY + 600.0

    assert {("a",): 900.0} == harness.shown("today")
    harness.poll()
    assert {("a",): 900.0} == harness.shown("today")


def test_daily_sums_cover_the_lookback() -> None:
    """The chart of the status page: each day with its sum over all rows."""
    harness = LedgerHarness(plan("costs", ["cost_usd"], lookback_days=2))
    harness.report(YESTERDAY, ("a", "gpt"), dollars("1.25"))
    harness.report(TODAY, ("a", "gpt"), dollars("0.5"))
    harness.report(TODAY, ("b", "gpt"), dollars("0.25"))
    harness.poll()

    assert [(YESTERDAY, 1.25), (TODAY, 0.75)] == harness.ledger.gauges.daily(harness.first, harness.now)
    assert {"gpt": 2.0} == harness.ledger.gauges.by_label(harness.first, "line_item", YESTERDAY, TODAY + DAY)
    assert {"a": 0.5, "b": 0.25} == harness.ledger.gauges.by_label(harness.first, "project_id", TODAY, TODAY + DAY)
    assert {} == harness.ledger.gauges.by_label(harness.first, "api_key_id", TODAY, TODAY + DAY)


def test_totals_are_known_while_gauges_are_exported() -> None:
    """The status page adds up what a scrape shows: a day that was not polled yet is shown only for two intervals."""
    harness = LedgerHarness(
        with_windows(plan("costs", ["cost_usd"], lookback_days=7, stale_after=DAY), "yesterday", "7d")
    )
    yesterday, week, month = map(Window, ("yesterday", "7d", "month"))
    harness.report(YESTERDAY, ("a", "gpt"), dollars("1.25"))
    harness.report(TODAY, ("a", "gpt"), dollars("0.5"))
    harness.report(TODAY, ("b", "gpt"), dollars("0.25"))

    assert harness.ledger.gauges.total(harness.first, harness.now) is None
    harness.poll()
    assert 0.75 == harness.ledger.gauges.total(harness.first, harness.now)
    assert 1.25 == harness.ledger.gauges.total(harness.first, harness.now, yesterday)
    assert 2.0 == harness.ledger.gauges.total(harness.first, harness.now, week)
    assert harness.ledger.gauges.total(harness.first, harness.now, month) is None
    harness.now = float(TODAY + DAY)
    assert 0.0 == harness.ledger.gauges.total(harness.first, harness.now)
    assert harness.ledger.gauges.total(harness.first, harness.now, yesterday) is None
    harness.now += 2 * harness.ledger.plan.interval
    assert harness.ledger.gauges.total(harness.first, harness.now) is None
    harness.now += harness.ledger.plan.stale_after
    assert not harness.ledger.fresh(harness.now)


def test_unchanged_buckets_are_not_summed_again() -> None:
    """Sums are kept until a poll changes a value or time moves the window."""
    harness = LedgerHarness(with_windows(plan(), "3d"))
    harness.report(TODAY, A, 10)
    harness.poll()
    first = next(view for view in harness.ledger.views(harness.now) if view.window)
    again = next(view for view in harness.ledger.views(harness.now + 1) if view.window)
    harness.report(TODAY, A, 11)
    harness.poll()
    changed = next(view for view in harness.ledger.views(harness.now) if view.window)

    assert first.values is again.values
    assert [11.0] == changed.values.tolist()
