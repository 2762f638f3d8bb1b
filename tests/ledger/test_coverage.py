"""What has been read: where the next poll starts, what an answer lacks, what is gone for good."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.catalog import DAY, HOUR, MINUTE, PollResult
from exporter.ledger import Audit
from exporter.store import Store
from tests.support.ledger_harness import TODAY, YESTERDAY, A, LedgerHarness, plan


def covered() -> LedgerHarness:
    """Return a harness that has read its look-back."""
    harness = LedgerHarness()
    harness.report(TODAY, A, 100)
    harness.poll()
    return harness


def test_the_first_poll_reads_the_whole_lookback() -> None:
    """Also when a poll of the newest days was wanted."""
    harness = LedgerHarness()

    assert TODAY - 4 * DAY == harness.ledger.start_of_poll(harness.now, full=False)


def test_a_poll_reads_the_refetch_days() -> None:
    """Today and the day before, of which late data is expected."""
    harness = covered()

    assert YESTERDAY == harness.ledger.start_of_poll(harness.now, full=False)
    assert TODAY - 4 * DAY == harness.ledger.start_of_poll(harness.now, full=True)


def test_after_an_outage_a_poll_reads_what_was_missed_and_the_refetch_days_before() -> None:
    """A bucket that was open when it was last read may have been revised."""
    harness = covered()
    harness.now += 2 * DAY

    assert YESTERDAY == harness.ledger.start_of_poll(harness.now, full=False)


def test_an_outage_longer_than_the_lookback_is_read_whole() -> None:
    """The API still serves it, so nothing is lost."""
    harness = covered()
    harness.now += 20 * DAY
    for age in range(21):
        harness.report(TODAY + age * DAY, A, 1 + (100 if age == 0 else 0))

    assert YESTERDAY == harness.ledger.start_of_poll(harness.now, full=True)
    harness.poll()
    harness.wait()
    assert {A: 21.0} == harness.shown()


def test_days_that_expire_stay_counted() -> None:
    """A day that leaves the look-back leaves the gauges, not the counter."""
    harness = covered()
    harness.wait()
    harness.report(TODAY, A, 130)
    harness.poll()
    for _ in range(7):
        harness.now += DAY
        harness.report(harness.now // DAY * DAY, A, 1)
        harness.poll()

    assert {A: 37.0} == harness.shown()
    assert TODAY not in harness.ledger.stores[0].cells


def test_a_day_that_expired_is_not_counted_again_when_it_is_read_again(tmp_path: Path) -> None:
    """A look-back that shrinks and grows re-reads days that were folded in."""
    harness = LedgerHarness(plan(lookback_days=7), Store(tmp_path / "state.db"))
    harness.poll()
    harness.report(TODAY - 5 * DAY, A, 100)
    harness.report(TODAY, A, 1)
    harness.poll()
    harness.restart(replace(harness.plan, lookback_days=2))
    harness.poll()
    harness.restart(replace(harness.plan, lookback_days=7))
    harness.poll()
    harness.wait()

    assert {A: 101.0} == harness.shown()
    assert harness.store
    harness.store.close()


def test_a_day_that_was_missed_is_read_although_the_lookback_has_left_it() -> None:
    """Days are dropped only after they were read following an outage: their increase is counted."""
    harness = LedgerHarness(plan(lookback_days=2, refetch_days=1))
    harness.report(TODAY, A, 100)
    harness.poll()
    harness.now += 5 * DAY
    harness.report(TODAY, A, 150)
    harness.report(TODAY + 2 * DAY, A, 7)
    harness.poll()
    harness.wait()

    assert {A: 57.0} == harness.shown()


def test_a_missing_bucket_is_named_and_stays_as_it_was() -> None:
    """One that is not there says nothing; an empty one says zero."""
    harness = covered()
    harness.report(YESTERDAY, A, 50)
    harness.poll()
    harness.report(YESTERDAY, A, 60)
    harness.report(TODAY, A, 110)
    applied = harness.poll(without=[YESTERDAY])

    assert Audit(missing=(YESTERDAY,)) == applied.audit
    assert [(YESTERDAY, 50.0), (TODAY, 110.0)] == harness.ledger.gauges.daily(harness.first, harness.now)[-2:]


@pytest.mark.parametrize(("missing", "fresh"), [(YESTERDAY, True), (TODAY, False)])
def test_freshness_counts_answers_with_the_open_bucket(missing: int, fresh: bool) -> None:  # noqa: FBT001 # parametrized
    """A closed bucket that is missing stays as it was and does not make the others stale; a missing open one does."""
    harness = covered()
    harness.now += 60
    harness.poll(without=[missing])

    assert fresh == (harness.now == harness.ledger.last_success)


def test_a_missing_bucket_is_requested_until_it_arrives() -> None:
    """Coverage stops before it, also where later buckets were read."""
    harness = covered()
    harness.now += DAY
    harness.poll(full=False, without=[TODAY + DAY])
    harness.now += 3 * DAY
    harness.poll(full=False, without=[TODAY + 2 * DAY])
    harness.now += DAY
    start = harness.ledger.start_of_poll(harness.now, full=False)

    assert start <= TODAY + 2 * DAY


def test_an_answer_without_any_bucket_covers_nothing() -> None:
    """All of its days are missing, but for the one that has just begun."""
    harness = LedgerHarness()
    applied = harness.ledger.apply(PollResult(TODAY - DAY, TODAY + DAY, (), harness.now))

    assert Audit(missing=(YESTERDAY,)) == applied.audit
    assert () == applied.baseline
    assert None is harness.ledger.last_success


def test_right_after_midnight_an_answer_may_be_empty() -> None:
    """The new day is not served yet: nothing is missing, and nothing new is covered."""
    harness = covered()
    until = harness.ledger.coverage.until
    midnight = TODAY + DAY
    applied = harness.ledger.apply(PollResult(midnight, midnight + DAY, (), midnight + 5.0))

    assert Audit() == applied.audit
    assert until == harness.ledger.coverage.until


def test_a_bucket_that_has_just_opened_may_be_missing_for_a_while() -> None:
    """The API opens its newest buckets some minutes late: that is no fault of the answer."""
    harness = LedgerHarness(plan(width="1m"))
    harness.report(harness.now // MINUTE * MINUTE - 60 * MINUTE, A, 1)
    newest = range(int(harness.now // MINUTE * MINUTE) - 10 * MINUTE, int(harness.now) + MINUTE, MINUTE)

    assert Audit() == harness.poll(without=newest).audit
    older = range(newest.start - 10 * MINUTE, newest.stop, MINUTE)
    harness.now += MINUTE
    assert harness.poll(without=older).audit.missing


def test_today_may_be_missing_only_until_it_has_been_read() -> None:
    """A bucket that existed once is always expected."""
    harness = LedgerHarness(plan(width="1h"))
    hour = int(harness.now // HOUR * HOUR)
    harness.report(hour, A, 1)
    harness.poll()

    assert Audit(missing=(hour,)) == harness.poll(without=[hour]).audit


def test_a_span_that_is_served_no_more_is_a_gap() -> None:
    """It is reported, never filled in, and the counter continues after it."""
    harness = covered()
    harness.wait()
    harness.now += 10 * DAY
    gone = range(TODAY - 10 * DAY, TODAY + 6 * DAY, DAY)
    harness.report(TODAY + 7 * DAY, A, 5)
    applied = harness.poll(without=gone)
    harness.wait()

    assert applied.audit.gap
    assert TODAY + 6 * DAY == applied.audit.gap[1] == harness.ledger.coverage.gap_until
    assert {A: 5.0} == harness.shown()


def test_buckets_whose_bytes_did_not_change_are_read_all_the_same() -> None:
    """A bucket that needs no decoding has been covered."""
    harness = covered()
    answer = harness.answer()
    unchanged = [type(bucket)(bucket.start, bucket.end, None) for bucket in answer.buckets]
    harness.now += 60
    applied = harness.ledger.apply(PollResult(answer.start, answer.end, tuple(unchanged), harness.now))

    assert not applied.changed
    assert harness.now == harness.ledger.last_success == harness.ledger.coverage.read[TODAY]


@pytest.mark.parametrize(("value", "expected"), [(50, (0, 1)), (150, (1, 0)), (100, (0, 0))])
def test_revisions_of_closed_buckets_are_counted_by_direction(value: int, expected: tuple[int, int]) -> None:
    """A closed bucket that was read after its end, and says another thing now, was revised."""
    harness = LedgerHarness()
    harness.report(YESTERDAY, A, 100)
    harness.report(TODAY, A, 1)
    harness.poll()
    harness.report(YESTERDAY, A, value)
    harness.report(TODAY, A, 2)
    revision = harness.poll().revision

    assert expected == (revision.up, revision.down)


def test_growth_of_a_day_that_was_last_read_while_open_is_no_revision() -> None:
    """The first poll after midnight includes late data of yesterday."""
    harness = covered()
    harness.now += DAY
    harness.report(TODAY, A, 500)
    revision = harness.poll().revision

    assert (0, 0) == (revision.up, revision.down)
