"""What one resource reported of every day: its ledger, fed with one long answer."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from exporter.backfill.span import Span
from exporter.catalog import DAY, Kind, Measure, Plan, PollResult
from exporter.ledger import BucketStore, Cells, Ledger, Mask
from exporter.ledger.columns import as_floats
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
            raise MissingBucket(f"{len(missing)} of the buckets that were asked for are not there")
        self.plan = plan
        self._ledger = ledger
        self._span = span

    @property
    def label_sets(self) -> int:
        """How many there are."""
        return self._ledger.series

    def series(self, measure: Measure) -> Iterator[Series]:
        """Yield the series of a measure of the plan, as the gauge `openai_X` would have shown it at each day's end."""
        for book in self._ledger.books:
            for position, candidate in enumerate(book.sheet.measures):
                if candidate.name == measure.name:
                    yield from self._of(book, position, measure)

    def _of(self, book: BucketStore, position: int, measure: Measure) -> Iterator[Series]:
        size, days = len(book.rows), self._span.days
        values = np.zeros((len(days), size))
        shown = np.zeros((len(days), size), np.bool_)
        last_known = np.full(size, -1)
        newest: Cells | None = None
        for number, day in enumerate(days):
            cells = book.cells[day].fit(size) if day in book.cells else None
            if cells:
                last_known[cells.known[position]] = number
                if cells.present.any():
                    newest = cells
            source = newest if measure.kind is Kind.LEVEL else cells
            if source is None:
                continue
            values[number] = as_floats(source.values[position])
            kept = (last_known >= 0) & (last_known > number - self.plan.lookback_days)
            shown[number] = kept & ~(source.present & ~source.known[position])
        for place in np.flatnonzero(shown.any(axis=0)).tolist():
            labels = tuple(zip(book.rows.names, book.rows.sets[place], strict=True))
            yield Series(labels, values[:, place], shown[:, place])
