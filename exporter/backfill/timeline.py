"""The running sums of one label group, from which day gauges, windows and counters of any time follow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exporter.backfill.baselines import held_at
from exporter.backfill.curve import Curve, Samples, View, sampled
from exporter.catalog import (
    DAY,
    HOUR,
    Bucket,
    Kind,
    LabelGroup,
    Measure,
    Plan,
    Window,
    accrued_name,
    day_of,
    today_name,
    window_name,
)
from exporter.ledger import Baseline, BucketStore, Cells, Column, Mask, as_floats

NEVER: Final = -(1 << 62)
_KEPT_DAYS: Final = 70
"""Midnights whose totals are kept, at least: two months and some days."""


@dataclass(slots=True)
class _Sums:
    """One measure up to the end of the last part."""

    total: Column
    origin: Column
    """The total where each counter was 0: at the start of the history, or when a forgotten row came back."""
    highest: NDArray[np.float64]
    """The highest that the counters have been."""
    known: Mask
    """Which rows were not forgotten."""
    last_known: NDArray[np.int64]
    """For each row the start of the newest bucket that had a value."""
    totals: dict[int, Column]
    """The total at each midnight, and at the last hours where a window needs them."""

    @classmethod
    def empty(cls, dtype: np.dtype[Any]) -> "_Sums":
        return cls(
            np.zeros(0, dtype), np.zeros(0, dtype), np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.int64), {}
        )


@dataclass(frozen=True, slots=True)
class _Counters:
    """The counters of one measure over one part. Matrices are buckets x rows."""

    before: NDArray[np.float64]
    """The value at the start of each bucket."""
    after: NDArray[np.float64]
    """The value at the end of each bucket."""
    begins: Mask
    """Where a counter begins at 0: the row is new, or comes back after it was forgotten."""
    origin: Column
    """The total where each counter was 0 last."""


class Timeline:
    """One label group of one plan, read part by part."""

    def __init__(self, plan: Plan, index: int, baselines: Mapping[str, Baseline], end: int) -> None:
        """Take which of the plan's label groups it is, and by measure where the live counters began.

        `end` (Unix seconds) is where the history of measures without such a baseline ends.
        """
        self.group: LabelGroup = plan.label_groups[index]
        self.baselines = baselines
        self._plan, self._index, self._end = plan, index, end
        measures = self.group.measures
        self.store = BucketStore(self.group, plan.max_series, frozenset(measure.name for measure in measures))
        self._sums = [_Sums.empty(self.store.dtype(position)) for position in range(len(measures))]
        self._last_present = np.zeros(0, np.int64)
        self._level_start = NEVER
        self._curves: list[Curve] = []
        windows = [window for _, windows in plan.windows for window in windows]
        self._kept = max((window.longest for window in windows), default=0) + _KEPT_DAYS * DAY
        self._kept_hours = max((window.longest + HOUR for window in windows if window.unit == HOUR), default=0)

    def end_of(self, measure: Measure) -> int:
        """Return the time (Unix seconds) of the measure's last sample."""
        baseline = self.baselines.get(measure.name)
        return int(baseline.taken_at) if baseline else self._end

    def load(self, buckets: Sequence[Bucket], width: int) -> None:
        """Take the buckets (`width` seconds each) of the next part."""
        self.store.apply(buckets, self._index, full=not self.store.rows.sets, closed=set(), at=0.0)
        cells = sorted(self.store.cells.items())
        self.store.cells = {}
        unit = max(width, self._plan.width_seconds)
        held = [
            held_at(self.baselines[measure.name], unit, self.store.rows, self.store.dtype(position))
            if measure.name in self.baselines
            else {}
            for position, measure in enumerate(self.group.measures)
        ]
        self._grow()
        starts = np.array([start for start, _ in cells], np.int64)
        present = self._matrix([each.present for _, each in cells])
        last_present = _running_start(starts, present, self._last_present)
        self._curves = []
        for position, measure in enumerate(self.group.measures):
            curve = Curve(
                starts,
                width,
                self.end_of(measure),
                self._matrix([each.values[position] for _, each in cells]),
                self._matrix([each.known[position] for _, each in cells]),
                last_present,
            )
            curve.fit(held[position], unit)
            curve.add_up(self._sums[position].total, self._sums[position].last_known)
            self._curves.append(curve)
        if self.group.measures[0].kind is Kind.LEVEL:
            self._carry_levels(cells)

    def finish(self) -> None:
        """Go on behind the part that was loaded."""
        for curve, sums in zip(self._curves, self._sums, strict=True):
            if not len(curve.starts):
                continue
            end = int(curve.starts[-1]) + curve.width
            sums.totals |= {start: curve.running[at] for at, start in enumerate(curve.starts.tolist())}
            sums.totals = {
                start: total
                for start, total in sums.totals.items()
                if start >= end - (self._kept if start % DAY == 0 else self._kept_hours)
            }
            counters = self._counters(curve, sums)
            sums.origin, sums.highest, sums.known = counters.origin, counters.after[-1], self._known(curve)[-1]
            sums.total, sums.last_known = curve.running[-1].copy(), curve.last_known[-1].copy()
            self._last_present = curve.last_present[-1].copy()
        self._curves = []

    def begin_counters(self) -> None:
        """Let counters begin at 0 here."""
        for sums in self._sums:
            sums.origin, sums.highest = sums.total.copy(), np.zeros(len(sums.total))

    def views(self, measure: Measure) -> Iterator[View]:
        """Yield the ways in which a measure is exported, over the loaded part: gauges, windows, counter."""
        position = self.group.measures.index(measure)
        curve, sums = self._curves[position], self._sums[position]
        days = _days(curve)
        known = self._known(curve)
        midnight = np.array(days, np.int64)[:, None]
        unknown = (curve.last_present >= midnight) & (curve.last_known < midnight)
        whole = not measure.exact
        if measure.kind is Kind.LEVEL:
            values = as_floats(curve.values)
            yield View(today_name(measure), "", values, values, known & ~unknown, whole=False)
            return
        base = self._totals(curve, sums, days, lambda day: day)
        yield View(today_name(measure), "", *curve.above(base), known & ~unknown, whole)
        for window in self._windows(measure, curve.width):
            if window.unit == HOUR:
                yield self._hours(measure, curve, sums, window, known)
                continue
            base = self._totals(curve, sums, days, lambda day, window=window: window.span(day, DAY)[0])
            if window.span(days[0], DAY)[1] <= days[0] if days else False:
                end = self._totals(curve, sums, days, lambda day, window=window: window.span(day, DAY)[1])
                values = as_floats(end - base)
                yield View(window_name(measure), window.name, values, values, known, whole=False)
            else:
                yield View(window_name(measure), window.name, *curve.above(base), known, whole)
        if measure.name in self.baselines:
            counters = self._counters(curve, sums)
            yield View(accrued_name(measure), "", counters.before, counters.after, known, whole, counters.begins)

    def samples(self, measure: Measure, view: View, times: NDArray[np.int64]) -> Iterator[Samples]:
        """Yield the samples of a view at these times (Unix seconds), as far as they are in the part, by rows."""
        curve = self._curves[self.group.measures.index(measure)]
        names, sets = self.store.rows.names, self.store.rows.sets
        counter = view.family == accrued_name(measure)
        for rows, (wanted, values, shown) in sampled(curve, view, times):
            samples = Samples([tuple(zip(names, sets[row], strict=True)) for row in rows], wanted, values, shown)
            yield _with_reset(samples) if counter and wanted[-1] == curve.end else samples

    def _windows(self, measure: Measure, width: int) -> list[Window]:
        windows = next((windows for owner, windows in self._plan.windows if owner.name == measure.name), ())
        return [window for window in windows if window.unit >= width]

    def _hours(self, measure: Measure, curve: Curve, sums: _Sums, window: Window, known: Mask) -> View:
        """Return a window of hours: in whole buckets where live buckets are as wide, otherwise by the second."""
        starts = curve.starts.tolist()
        if self._plan.width_seconds == curve.width:
            first = [window.span(start, curve.width)[0] for start in starts]
            last = first
        else:
            first = [start - window.longest for start in starts]
            last = [start + curve.width for start in first]
        reaches = np.array([start in sums.totals or start >= starts[0] for start in first], np.bool_)[:, None]
        before = as_floats(curve.running[:-1] - self._at(curve, sums, first))
        after = as_floats(curve.running[1:] - self._at(curve, sums, last))
        return View(window_name(measure), window.name, before, after, known & reaches, whole=not measure.exact)

    def _at(self, curve: Curve, sums: _Sums, times: Sequence[int]) -> Column:
        totals = [self._total_at(curve, sums, time) for time in times]
        return np.array(totals, curve.running.dtype).reshape(len(times), len(self.store.rows))

    def _known(self, curve: Curve) -> Mask:
        """Return for each bucket the rows with a value in its look-back; the others are forgotten, or not there yet."""
        known: Mask = curve.last_known >= self._per_day(
            _days(curve), lambda day: day_of(self._plan.lookback_start(day))
        )
        return known

    def _counters(self, curve: Curve, sums: _Sums) -> _Counters:
        known = self._known(curve)
        begins = known & ~np.vstack([sums.known, known])[:-1]
        origin, highest = sums.origin, sums.highest
        before, after = np.zeros(known.shape), np.zeros(known.shape)
        for at, begun in enumerate(begins):
            if begun.any():
                origin = np.where(begun, curve.running[at], origin)
                highest = np.where(begun, 0.0, highest)
            before[at] = highest
            highest = np.maximum(highest, as_floats(curve.running[at + 1] - origin))
            after[at] = highest
        return _Counters(before, after, begins, origin)

    def _totals(self, curve: Curve, sums: _Sums, days: Sequence[int], midnight_of: Any) -> Column:  # noqa: ANN401
        """Return for each bucket the totals at the midnight that belongs to its day."""
        found = {day: self._total_at(curve, sums, midnight_of(day)) for day in dict.fromkeys(days)}
        rows = len(self.store.rows)
        return np.array([found[day] for day in days], curve.running.dtype).reshape(len(days), rows)

    def _total_at(self, curve: Curve, sums: _Sums, midnight: int) -> Column:
        if len(curve.starts) and midnight >= curve.starts[0]:
            total: Column = curve.running[int(np.searchsorted(curve.starts, midnight))]
            return total
        later = [start for start in sums.totals if start >= midnight]
        return self._padded(sums.totals[min(later)]) if later else self._padded(sums.total)

    @staticmethod
    def _per_day(days: Sequence[int], value: Any) -> NDArray[np.int64]:  # noqa: ANN401
        return np.array([value(day) for day in days], np.int64)[:, None]

    def _carry_levels(self, cells: Sequence[tuple[int, Cells]]) -> None:
        """Let every bucket have the level of the newest one in which anything was measured."""
        for curve, sums in zip(self._curves, self._sums, strict=True):
            level, start = sums.total, self._level_start
            for at, (bucket, each) in enumerate(cells):
                if each.present.any():
                    level, start = curve.values[at].copy(), bucket
                if start < day_of(self._plan.lookback_start(bucket)):
                    curve.last_known[at] = NEVER
                curve.values[at] = level
            curve.running = np.vstack([sums.total, curve.values])
            self._level_start = start

    def _grow(self) -> None:
        self._last_present = _padded(self._last_present, len(self.store.rows), NEVER)
        for sums in self._sums:
            sums.total, sums.origin = self._padded(sums.total), self._padded(sums.origin)
            sums.highest, sums.known = self._padded(sums.highest), self._padded(sums.known)
            sums.last_known = _padded(sums.last_known, len(self.store.rows), NEVER)

    def _padded(self, column: Column) -> Column:
        return _padded(column, len(self.store.rows), 0)

    def _matrix(self, columns: Sequence[Column]) -> Column:
        rows = len(self.store.rows)
        if not columns:
            return np.zeros((0, rows))
        return np.array([_padded(column, rows, 0) for column in columns], columns[0].dtype).reshape(len(columns), rows)


def _with_reset(samples: Samples) -> Samples:
    """Return the samples of counters with the 0 at which the live ones begin, a second after the history's end.

    Without it, a live counter whose first scrape is above the end of its history would seem to have gone on from there.
    """
    zeros = np.zeros((len(samples.labels), 1))
    return Samples(
        samples.labels,
        np.append(samples.times, samples.times[-1] + 1),
        np.hstack([samples.values, zeros]),
        np.hstack([samples.shown, samples.shown[:, -1:]]),
    )


def _days(curve: Curve) -> list[int]:
    return [day_of(start) for start in curve.starts.tolist()]


def _padded(column: Column, rows: int, value: int) -> Column:
    missing = rows - len(column)
    return np.concatenate((column, np.full(missing, value, column.dtype))) if missing > 0 else column


def _running_start(starts: NDArray[np.int64], mask: Mask, carried: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each bucket and row the start of the newest bucket so far that the mask has."""
    found = np.where(mask, starts[:, None], NEVER).reshape(len(starts), len(carried))
    return np.maximum.accumulate(np.vstack([carried, found]), axis=0)[1:]
