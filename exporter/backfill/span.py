"""Which days are written, and at which moments of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from exporter.catalog import DAY, HOUR, day_of

HEAD: Final = 3 * HOUR
"""Seconds before now that belong to Prometheus' head block, into which nothing can be backfilled."""


class SpanError(ValueError):
    """There is nothing between the two ends; the words say why."""


@dataclass(frozen=True, slots=True)
class Span:
    """Whole UTC days, and the moments at which their values are written."""

    start: int
    """Midnight (Unix seconds) of the first day."""
    end: int
    """Midnight at which the last day ends."""
    limit: int
    """No sample is as late as this, Unix seconds."""
    step: int
    """Seconds between two samples."""

    @property
    def days(self) -> range:
        """The midnights of all days, ascending."""
        return range(self.start, self.end, DAY)

    def moments(self, day: int) -> range:
        """Return the moments of a day, Unix seconds; the first is midnight."""
        return range(day, min(day + DAY, self.limit), self.step)


def span_of(since: float, until: float | None, step: float, now: float) -> Span:
    """Return the days from the one of `since` up to `until` (Unix seconds) that are over at `now`.

    Today is left out: its value is still growing, and the live metrics have it. Raises SpanError.
    """
    wanted = now if until is None else until
    start, end = day_of(since), min(day_of(wanted), day_of(now))
    if end <= start:
        raise SpanError(
            f"there is no whole UTC day between {_date(since)} and {_date(min(wanted, now))}: give an earlier --since"
            + ("" if until is None else ", or a later --until")
        )
    return Span(start, end, min(end, int(now - HEAD)), max(int(step), 1))


def _date(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
