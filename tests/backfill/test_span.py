"""Which days are written, and at which moments of them."""

import pytest

from exporter.backfill import SpanError, span_of
from exporter.catalog import DAY, HOUR
from tests.support.scripted_api import TODAY

NOON = TODAY + 12 * HOUR


def test_days_that_are_over() -> None:
    """The day of the beginning is whole, today is left out."""
    span = span_of(NOON - 2 * DAY, None, DAY, NOON)

    assert [TODAY - 2 * DAY, TODAY - DAY] == list(span.days)


def test_until() -> None:
    """The day of the end is left out as well, as it is the first that has live metrics."""
    span = span_of(TODAY - 9 * DAY, TODAY - 7 * DAY, DAY, NOON)

    assert [TODAY - 9 * DAY, TODAY - 8 * DAY] == list(span.days)


def test_future() -> None:
    """An end in the future is the present."""
    assert TODAY == span_of(TODAY - DAY, TODAY + 9 * DAY, DAY, NOON).end


@pytest.mark.parametrize(("since", "until"), [(NOON, None), (TODAY - DAY, TODAY - DAY), (TODAY - DAY, TODAY - 2 * DAY)])
def test_nothing_between(since: int, until: int | None) -> None:
    """Where there is no whole day, the words say which ends there were."""
    with pytest.raises(SpanError, match="no whole UTC day between 2026-11-1"):
        span_of(since, until, DAY, NOON)


def test_moments() -> None:
    """Samples begin at midnight and stay within their day."""
    span = span_of(TODAY - DAY, None, 6 * HOUR, NOON)

    assert [TODAY - DAY + hours * HOUR for hours in (0, 6, 12, 18)] == list(span.moments(TODAY - DAY))


def test_head_block() -> None:
    """Nothing is written into the last three hours, which Prometheus would not take."""
    now = TODAY + HOUR
    span = span_of(TODAY - DAY, None, HOUR, now)

    assert now - 3 * HOUR == span.limit
    assert TODAY - 3 * HOUR == span.moments(TODAY - DAY)[-1]
