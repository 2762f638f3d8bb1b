"""What is pulled of one resource, how often and how far back: a row of the table under the user's settings."""

from dataclasses import dataclass, replace
from typing import Final

from exporter.catalog.calendar import Window, day_of
from exporter.catalog.model import LabelGroup, Measure, Resource
from exporter.durations import DAY, HOUR, MINUTE

WIDTHS: Final = {"1d": DAY, "1h": HOUR, "1m": MINUTE}
"""Seconds of each `bucket_width`."""

_FINE_LOOKBACK: Final = {"1h": 7 * 24, "1m": 24 * 60}
"""Buckets of the look-back where a day's width does not apply: what one page holds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One resource of one organization, ready to be polled."""

    resource: Resource
    group_by: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]
    """Pairs of parameter (`project_ids`) and value, each pair one value."""
    width: str
    """`1d`, `1h` or `1m`."""
    measures: tuple[Measure, ...]
    windows: tuple[tuple[Measure, tuple[Window, ...]], ...]
    """The windows of those measures that have any."""
    interval: float
    """Seconds from the start of a poll to the start of the next."""
    lookback_days: int
    """UTC days, today included; finer widths have a look-back of their own."""
    refetch_days: int
    """UTC days that every poll reads again, today included."""
    stale_after: float
    """Seconds without a success after which the gauges vanish."""
    max_series: int
    """Label sets, before measures and views; the rest is folded."""
    unexported: frozenset[str] = frozenset()
    """Names of measures that are read for the estimate of costs only: they have no gauges and no counters."""

    @property
    def width_seconds(self) -> int:
        """Seconds of one bucket."""
        return WIDTHS[self.width]

    @property
    def max_limit(self) -> int:
        """Buckets that a page of this width can hold."""
        return self.resource.widths[self.width]

    @property
    def label_groups(self) -> tuple[LabelGroup, ...]:
        """The label groups of the measures."""
        return self.resource.label_groups(self.group_by, self.measures)

    def open_end(self, now: float) -> int:
        """Return the end (exclusive, Unix seconds) of the bucket that is open at `now`."""
        return int(now // self.width_seconds + 1) * self.width_seconds

    def lookback_start(self, now: float) -> int:
        """Return the start (Unix seconds) of the oldest bucket that is kept at `now`."""
        if buckets := _FINE_LOOKBACK.get(self.width):
            start = self.open_end(now) - buckets * self.width_seconds
        else:
            start = day_of(now) - (self.lookback_days - 1) * DAY
        return max(start, *(self.resource.not_before.get(dimension, 0) for dimension in self.group_by), 0)

    def refetch_start(self, now: float, covered_until: float) -> int:
        """Return where a poll has to start so that nothing that was missed, or may be revised, is left out."""
        day = min(day_of(now), day_of(covered_until))
        caught_up = day - (self.refetch_days - 1) * DAY
        lookback = self.lookback_start(now)
        return caught_up if day < day_of(lookback) else max(caught_up, lookback)

    def regrouped(self, group_by: tuple[str, ...]) -> "Plan":
        """Return the plan with other dimensions."""
        return replace(self, group_by=group_by)
