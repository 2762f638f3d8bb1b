"""What gauges show of the buckets at a moment: the day so far, windows, levels, and sums for the status page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import DAY, Kind, Measure, Plan, Window, day_of
from exporter.ledger.buckets import BucketStore
from exporter.ledger.columns import Column, Mask, Times, as_floats
from exporter.ledger.coverage import Coverage
from exporter.ledger.label_sets import LabelSets


@dataclass(frozen=True, slots=True)
class View:
    """One of the ways in which a measure is exported: a value for each row that shows one."""

    measure: Measure
    rows: LabelSets
    values: NDArray[np.float64]
    shown: Mask
    window: str = ""
    """The value of the label `window`; empty for the day gauge and the counter."""
    counter: bool = False
    created: Times | None = None
    """For a counter the Unix seconds at which each row's began at 0, NaN where there is none."""
    immediate: NDArray[np.float64] | None = None
    """For a counter what it shows to a scraper that reads start timestamps, and needs no hold to see the first step."""


def day_gauge(
    store: BucketStore, position: int, starts: Sequence[int], kept: Sequence[int] | None = None
) -> tuple[NDArray[np.float64], Mask] | None:
    """Return what `openai_X` shows of a day: values, and the rows that have one; None where nothing can be shown.

    `starts` are the day's buckets, `kept` those of the look-back (all that the store has by default). A flow is summed
    over the day; a level is that of the newest bucket of the look-back in which anything was measured.
    """
    if store.group.measures[position].kind is Kind.LEVEL:
        measured = [start for start in (store.cells if kept is None else kept) if _measured(store, start)]
        if not measured:
            return None
        starts = [max(measured)]
    shown = store.known_in(position, kept) & ~store.unknown_in(position, starts)
    return as_floats(store.column(position, starts)), shown


def _measured(store: BucketStore, start: int) -> bool:
    cells = store.cells.get(start)
    return cells is not None and bool(cells.present.any())


@dataclass(slots=True)
class Gauges:
    """The gauges of one ledger. It shares the ledger's plan, stores and coverage."""

    plan: Plan
    stores: Sequence[BucketStore]
    coverage: Coverage
    _sums: dict[tuple[int, int, int, int], tuple[tuple[int, int], Column]] = field(default_factory=dict)

    def views(self, index: int, position: int, now: float) -> list[View]:
        """Return the gauges of one measure of one store at `now`, Unix seconds."""
        store, today = self.stores[index], day_of(now)
        measure = store.group.measures[position]
        if measure.kind is Kind.LEVEL:
            gauge = day_gauge(store, position, ())
            return [View(measure, store.rows, *gauge)] if gauge else []
        known = store.known_in(position)
        views = []
        if self.today_shown(now):
            values = self._sum(index, position, today, today + DAY)
            unknown = store.unknown_in(position, self._starts(today, today + DAY))
            views.append(View(measure, store.rows, values, known & ~unknown))
        windows = next((windows for owner, windows in self.plan.windows if owner.name == measure.name), ())
        for window in windows:
            start, end = window.span(now, self.plan.width_seconds)
            if self._window_shown(window, start, end, now):
                values = self._sum(index, position, start, end)
                views.append(View(measure, store.rows, values, known, window.name))
        return views

    def today_shown(self, now: float) -> bool:
        """Return whether something can be said of today: it is covered, or has only just begun."""
        today = day_of(now)
        return self.day_covered(today) or now < today + 2 * self.plan.interval

    def day_covered(self, day: int) -> bool:
        """Return whether any bucket of a day (its midnight, Unix seconds) was read."""
        return any(day <= start < day + DAY for start in self.coverage.read)

    def next_edge(self, now: float) -> Iterable[float]:
        """Yield moments, Unix seconds, at which time alone may change the gauges while they are fresh."""
        today = day_of(now)
        yield float(today + DAY)
        if not self.day_covered(today):
            yield today + 2 * self.plan.interval
        width = self.plan.width_seconds
        if any(window.unit < DAY for _, windows in self.plan.windows for window in windows):
            edge = now // width * width
            yield edge + width
            yield edge + 2 * self.plan.interval

    def total(self, measure: Measure, now: float, window: Window | None = None) -> float | None:
        """Return the sum over all rows of today so far, or of a window; None where it cannot be known."""
        width, today = self.plan.width_seconds, day_of(now)
        start, end = window.span(now, width) if window else (today, today + DAY)
        shown = self._window_shown(window, start, end, now) if window else self.today_shown(now)
        if not shown or start < self.plan.lookback_start(now):
            return None
        store, position = self._find(measure)
        return float(as_floats(store.column(position, self._starts(start, end)).sum(keepdims=True))[0])

    def sums(self, measure: Measure) -> dict[int, int]:
        """Return for each bucket of an exact measure its start (Unix seconds) and the sum of all rows in quanta."""
        store, position = self._find(measure)
        return {start: int(store.column(position, [start]).sum()) for start in store.cells}

    def daily(self, measure: Measure, now: float) -> list[tuple[int, float]]:
        """Return for each UTC day of the look-back its midnight (Unix seconds) and the sum over all rows."""
        store, position = self._find(measure)
        days: dict[int, list[int]] = {}
        for start in sorted(store.cells):
            if start <= now:
                days.setdefault(day_of(start), []).append(start)
        sums = {day: store.column(position, starts).sum(keepdims=True) for day, starts in days.items()}
        return [(day, float(as_floats(value)[0])) for day, value in sums.items()]

    def by_label(self, measure: Measure, label: str, start: int, end: int) -> dict[str, float]:
        """Return the sum over a span (Unix seconds) for each value of a label; empty where that is not grouped by."""
        store, position = self._find(measure)
        if label not in store.rows.names:
            return {}
        index = store.rows.names.index(label)
        column = store.column(position, self._starts(start, end))
        sums: dict[str, Any] = {}
        for labels, value in zip(store.rows.sets, column.tolist(), strict=True):
            sums[labels[index]] = sums.get(labels[index], 0) + value
        return dict(zip(sums, as_floats(np.array(list(sums.values()), column.dtype)).tolist(), strict=True))

    def _find(self, measure: Measure) -> tuple[BucketStore, int]:
        return next(
            (store, position)
            for store in self.stores
            for position, candidate in enumerate(store.group.measures)
            if candidate.name == measure.name
        )

    def _window_shown(self, window: Window, start: int, end: int, now: float) -> bool:
        width = self.plan.width_seconds
        if not self.coverage.complete(start, end, width):
            return False
        if window.unit < DAY:
            return now < max(self.coverage.read) + width + 2 * self.plan.interval
        if end <= day_of(now):
            return self.coverage.read.get(end - width, 0) >= end
        return True

    def _starts(self, start: int, end: int) -> list[int]:
        return [bucket for bucket in self.coverage.read if start <= bucket < end]

    def _sum(self, index: int, position: int, start: int, end: int) -> Column:
        store = self.stores[index]
        version = (store.version, len(store.rows))
        key = (index, position, start, end)
        cached = self._sums.get(key)
        if cached is None or cached[0] != version:
            self._sums = {
                other: entry for other, entry in self._sums.items() if entry[0] == version or other[0] != index
            }
            cached = version, as_floats(store.column(position, self._starts(start, end)))
            self._sums[key] = cached
        return cached[1]
