"""Which span is written, in which parts, and at which times of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import DAY, HOUR, MINUTE, day_of

HEAD: Final = 3 * HOUR
"""Seconds before now that belong to Prometheus' head block, into which no block can be put."""

DENSE_STEP: Final = 4 * MINUTE
"""Seconds between two samples in the dense days: less than the five minutes that an instant query looks back."""

DAY_COMPLETE: Final = DAY - 10 * MINUTE
"""Seconds after midnight at which the value of a day is complete, so that its last samples show it."""

_LAST_SAMPLE: Final = DAY - 8 * MINUTE
_PART_DAYS: Final = 7
"""Days of a part: what one page of hourly buckets holds."""


class SpanError(ValueError):
    """The span cannot be written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some days that are written together."""

    number: int
    start: int
    """Midnight, Unix seconds."""
    end: int
    """Exclusive, Unix seconds; not a midnight where the history ends within a day."""


@dataclass(frozen=True, slots=True)
class Span:
    """The span of a history and the times of its samples."""

    start: int
    """Midnight (Unix seconds) of the first day."""
    end: int
    """No sample is later, Unix seconds."""
    step: int
    """Seconds between two samples before the dense days."""
    dense_from: int
    """Midnight (Unix seconds) from which samples are `DENSE_STEP` apart."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts, ascending: whole days, at most a week."""
        starts = range(self.start, self.end, _PART_DAYS * DAY)
        return tuple(
            Part(number, start, min(start + _PART_DAYS * DAY, self.end)) for number, start in enumerate(starts)
        )

    def times(self, start: int, end: int) -> NDArray[np.int64]:
        """Return the times (Unix seconds) of samples from `start`, a midnight, to before `end`."""
        times: set[int] = set()
        for day in range(start, end, DAY):
            dense = day >= self.dense_from
            times.update(range(day, min(day + DAY, end), DENSE_STEP if dense else self.step))
            times.add(day + _LAST_SAMPLE)
        times = {time for time in times if time < end}
        return np.array(sorted(times), np.int64)


def span_of(since: float, end: float, step: float, dense_days: int) -> Span:
    """Return the span from the day of `since` up to `end`, Unix seconds. Raises SpanError."""
    start, stop = day_of(since), int(end)
    if stop <= start:
        raise SpanError(
            f"there is no history between {format_time(since)} and {format_time(end)}: give an earlier --since"
        )
    return Span(start, stop, max(int(step), 1), day_of(end - 1) - (dense_days - 1) * DAY)


def format_time(time: float) -> str:
    """Return a time (Unix seconds) for people."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
