"""Which span is written, in which parts, and at which times."""

import numpy as np
import pytest

from exporter.backfill import SpanError, span_of
from exporter.catalog import DAY, HOUR, MINUTE
from tests.support.scripted_api import TODAY

NOON = TODAY + 12 * HOUR


def test_whole_first_day() -> None:
    """The history begins at the midnight of its first day and ends where it is told to."""
    span = span_of(NOON - 2 * DAY, NOON + 7, 1800, 16)

    assert (TODAY - 2 * DAY, NOON + 7) == (span.start, span.end)


def test_nothing_between() -> None:
    """An end before the beginning is refused, and the message names both."""
    with pytest.raises(SpanError, match="between 2026-11-18 12:00 UTC and 2026-11-18 00:00 UTC"):
        span_of(NOON, TODAY, 1800, 16)


def test_parts() -> None:
    """Parts are of at most seven whole days, without a gap, and the last ends where the history does."""
    span = span_of(TODAY - 16 * DAY, NOON, 1800, 16)

    assert [(TODAY - 16 * DAY, TODAY - 9 * DAY), (TODAY - 9 * DAY, TODAY - 2 * DAY), (TODAY - 2 * DAY, NOON)] == [
        (part.start, part.end) for part in span.parts
    ]


def test_dense_days() -> None:
    """Two weeks before the end, and a day more, an instant query sees a sample at any time."""
    span = span_of(TODAY - 30 * DAY, NOON, 1800, 16)
    times = span.times(TODAY - 30 * DAY, NOON)

    gaps = np.diff(times[times >= NOON - 15 * DAY])
    assert 4 * MINUTE == gaps.max()


def test_sparse_days() -> None:
    """Before that there is a sample at every multiple of the step, and one when the day is complete."""
    span = span_of(TODAY - 30 * DAY, TODAY, 6 * HOUR, 16)
    day = TODAY - 30 * DAY

    assert [0, 6 * HOUR, 12 * HOUR, 18 * HOUR, 23 * HOUR + 52 * MINUTE] == (span.times(day, day + DAY) - day).tolist()
