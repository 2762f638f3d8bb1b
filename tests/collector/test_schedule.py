"""When a job is due again, by itself: no clock, no network."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collector import Outcome, Schedule

INTERVALS = st.floats(0.5, 7200)


def dues(interval: float, outcome: Outcome, polls: int, *, lasting: float = 0.0, jitter: float = 0.0) -> list[float]:
    """Return when a job is due that ends so again and again, `lasting` seconds after it was due."""
    schedule = Schedule(interval, 0.0)
    found = []
    for _ in range(polls):
        schedule = schedule.after(outcome, schedule.due + lasting, jitter)
        found.append(schedule.due)
    return found


def test_turns_are_counted_from_start_to_start() -> None:
    """However long each poll takes, as long as it is less than the interval, nothing drifts."""
    assert [60, 120, 180, 240] == dues(60, Outcome.DATA, 4, lasting=41.3)


def test_turns_that_were_missed_are_skipped() -> None:
    """A poll of 150 seconds leaves out two turns of a minute, and keeps to the minute."""
    schedule = Schedule(60, 0.0).after(Outcome.DATA, 150, 0)

    assert 180 == schedule.due


def test_a_turn_that_ends_where_the_next_begins_is_followed_by_the_one_after() -> None:
    """A due time is never in the past, nor now."""
    schedule = Schedule(60, 0.0).after(Outcome.DATA, 60, 0)

    assert 120 == schedule.due


@pytest.mark.parametrize(
    ("outcome", "interval", "expected"),
    [
        (Outcome.DATA, 60, 60),
        (Outcome.DATA, 0.5, 0.5),
        (Outcome.EMPTY, 60, 300),
        (Outcome.EMPTY, 300, 900),
        (Outcome.EMPTY, 3600, 3600),
        (Outcome.REFUSED, 60, 600),
        (Outcome.REFUSED, 600, 3600),
        (Outcome.REFUSED, 7200, 7200),
        (Outcome.UNSUPPORTED, 60, 3600),
        (Outcome.UNSUPPORTED, 100_000, 100_000),
    ],
)
def test_every_outcome_has_its_pace(outcome: Outcome, interval: float, expected: float) -> None:
    """Five intervals up to 15 minutes when empty, ten up to an hour when refused, an hour when unsupported."""
    schedule = Schedule(interval, 0.0).after(outcome, 0.0, 0)

    assert (expected, expected) == (schedule.due, schedule.pace)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [(10, [1, 2, 4, 8, 16, 32, 60, 60]), (300, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300])],
)
def test_failures_are_repeated_ever_more_slowly(interval: float, expected: list[float]) -> None:
    """1, 2, 4 ... seconds, at most a minute or the interval, whichever is longer."""
    times = [0, *dues(interval, Outcome.FAILED, len(expected))]

    assert expected == [after - before for before, after in pairwise(times)]


def test_an_unsupported_endpoint_is_polled_hourly_for_a_day_and_then_daily() -> None:
    """24 times an hour apart, then a day apart."""
    times = [0, *dues(60, Outcome.UNSUPPORTED, 27)]

    assert [3600] * 24 + [86400] * 3 == [after - before for before, after in pairwise(times)]


def test_thousands_of_failures_overflow_nothing() -> None:
    """A host may be away for weeks."""
    times = dues(60, Outcome.FAILED, 5000)

    assert 60 == times[-1] - times[-2]


@given(INTERVALS, st.integers(0, 20), st.floats(0, 1))
def test_jitter_takes_at_most_a_quarter_away(interval: float, failures: int, jitter: float) -> None:
    """Jobs that failed together do not come back together, and none comes early."""
    whole = dues(interval, Outcome.FAILED, failures + 1)
    spread = dues(interval, Outcome.FAILED, failures + 1, jitter=jitter)

    assert all(0.75 * full - 1e-6 <= part <= full for full, part in zip(whole, spread, strict=True))


@given(INTERVALS, st.sampled_from(Outcome), st.floats(0, 100_000), st.floats(0, 1))
def test_a_job_is_always_due_later_than_now(interval: float, outcome: Outcome, ended: float, jitter: float) -> None:
    """Whatever the outcome, nothing spins."""
    assert ended < Schedule(interval, 0.0).after(outcome, ended, jitter).due


def test_a_success_ends_the_failures() -> None:
    """The next failure begins at a second again, and the pace is that of the outcome."""
    schedule = Schedule(60, 0.0)
    for _ in range(4):
        schedule = schedule.after(Outcome.FAILED, schedule.due, 0)
    healed = schedule.after(Outcome.DATA, schedule.due, 0)

    assert (0, 60) == (healed.failures, healed.pace)
    assert healed.due + 1 == healed.after(Outcome.FAILED, healed.due, 0).due
