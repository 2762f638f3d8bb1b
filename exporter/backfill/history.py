"""What one resource reported of every day: its ledger, fed with one long answer."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from exporter.backfill.span import Span
from exporter.catalog import DAY, Measure, Plan, PollResult
from exporter.ledger import BucketStore, Ledger, Mask, day_gauge
from exporter.openai import MissingBucket


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one label set, day by day."""

    labels: tuple[tuple[str, str], ...]
    values: NDArray[np.float64]
    shown: Mask
    """For each day whether there is a value."""


class History:
    """The days of one resource of one organization."""

    def __init__(self, plan: Plan, answer: PollResult, span: Span) -> None:
        """Take an answer that begins with the span, under a plan of daily buckets. Raises MissingBucket."""
        days = (answer.end - span.start) // DAY + 1
        ledger = Ledger(replace(plan, lookback_days=days))
        if missing := ledger.apply(answer).audit.missing:
            raise MissingBucket(f"{len(missing)} requested buckets are missing")
        self.plan = plan
        self._ledger = ledger
        self._span = span

    @property
    def label_sets(self) -> int:
        """How many there are."""
        return self._ledger.series

    def series(self, measure: Measure) -> Iterator[Series]:
        """Yield the series of a measure of the plan, as the gauge `openai_X` would have shown it at each day's end."""
        for store in self._ledger.stores:
            for position, candidate in enumerate(store.group.measures):
                if candidate.name == measure.name:
                    yield from self._of(store, position)

    def _of(self, store: BucketStore, position: int) -> Iterator[Series]:
        size, days = len(store.rows), self._span.days
        values = np.zeros((len(days), size))
        shown = np.zeros((len(days), size), np.bool_)
        for number, day in enumerate(days):
            if day not in store.cells:
                continue
            kept = range(day - (self.plan.lookback_days - 1) * DAY, day + DAY, DAY)
            if gauge := day_gauge(store, position, [day], [start for start in kept if start in store.cells]):
                values[number], shown[number] = gauge
        for row in np.flatnonzero(shown.any(axis=0)).tolist():
            labels = tuple(zip(store.rows.names, store.rows.sets[row], strict=True))
            yield Series(labels, values[:, row], shown[:, row])
