"""A bucket store: the rows of one label group, and for every bucket and measure a column of their values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import Bucket, BucketRows, Kind, LabelGroup, Measure
from exporter.ledger.columns import COUNTS, EXACT, Column, Mask, fit, sum_by_row, total
from exporter.ledger.counters import BucketChange, BucketValues, CounterState, Unfolded
from exporter.ledger.label_sets import LabelSets


@dataclass(slots=True)
class Cells:
    """One bucket of one store."""

    present: Mask
    """Rows that the response had."""
    values: list[Column]
    """For each measure; 0 where nothing was ever known, and the last known value where the response had none."""
    known: list[Mask]
    """For each measure, where the response had a value. Present but not known is unknown; not present is zero."""

    @classmethod
    def empty(cls, rows: int, measures: Sequence[Measure]) -> "Cells":
        """Return a bucket in which no row is present."""
        return cls(
            np.zeros(rows, np.bool_),
            [np.zeros(rows, dtype_of(measure)) for measure in measures],
            [np.zeros(rows, np.bool_) for _ in measures],
        )

    def fit(self, rows: int) -> "Cells":
        """Return the cells with room for rows that were added later."""
        return Cells(
            fit(self.present, rows),
            [fit(column, rows) for column in self.values],
            [fit(mask, rows) for mask in self.known],
        )

    def keep(self, rows: list[int], size: int) -> "Cells":
        """Return the cells of these rows, in this order, out of so many."""
        whole = self.fit(size)
        return Cells(
            whole.present[rows], [column[rows] for column in whole.values], [mask[rows] for mask in whole.known]
        )

    def of(self, position: int) -> BucketValues:
        """Return the values of one measure."""
        return BucketValues(self.values[position], self.present, self.known[position])


@dataclass(slots=True)
class UnsavedChanges:
    """What has changed since the state was last saved."""

    everything: bool = True
    first_row: int = 0
    """The first row that is not saved yet."""
    starts: set[int] = field(default_factory=set)
    """Buckets whose cells or baseline changed."""
    expired: set[int] = field(default_factory=set)
    totals: bool = False


@dataclass(slots=True)
class Revision:
    """How many rows of closed buckets a poll changed, by direction."""

    up: int = 0
    down: int = 0


class BucketStore:
    """The values of one label group."""

    def __init__(self, group: LabelGroup, limit: int, unexported: frozenset[str] = frozenset()) -> None:
        """`unexported` are names of measures without a counter."""
        self.group = group
        self.rows = LabelSets(group.labels, limit)
        self.cells: dict[int, Cells] = {}
        self.counters: dict[str, CounterState] = {
            measure.name: CounterState(dtype_of(measure))
            for measure in group.measures
            if measure.kind is Kind.FLOW and measure.name not in unexported
        }
        self.last_seen = np.zeros(0, np.int64)
        """For each row the start of the newest bucket that ever had it, Unix seconds."""
        self.incomplete: set[int] = set()
        """Starts of buckets of whose last response a row could not be attributed."""
        self.changes = UnsavedChanges()
        self.version = 0
        """Incremented when a value changes."""
        self._known: dict[tuple[int, ...], tuple[tuple[int, int], list[Mask]]] = {}

    def apply(self, buckets: Sequence[Bucket], index: int, *, full: bool, closed: set[int], at: float) -> Revision:
        """Take over the rows that the buckets have for this store, which is label group `index` of its resource.

        `closed` are the starts of buckets that had been read after they were closed, `at` (Unix seconds) is when the
        response was received. All buckets of the poll are taken, or none: nothing here can fail halfway.
        """
        decoded = {
            bucket.start: BucketRows.of(bucket.rows[index], self.group.measures)
            for bucket in buckets
            if bucket.rows is not None
        }
        unfolded = self.rows.admit(decoded.values(), full=full)
        self.last_seen = fit(self.last_seen, len(self.rows))
        revision = Revision()
        self.incomplete -= decoded.keys()
        self.incomplete |= {bucket.start for bucket in buckets if index in bucket.incomplete}
        completed = decoded.keys() - self.incomplete
        completed &= set().union(*(counter.partial for counter in self.counters.values()))
        self.changes.starts |= completed
        changes: list[tuple[int, Cells, Cells]] = []
        empty = Cells.empty(len(self.rows), self.group.measures)
        for start, rows in decoded.items():
            cells = self._gather(rows)
            before = self._replace(start, cells, empty, revision, closed)
            if before is not None:
                changes.append((start, before, cells))
            elif start in completed:
                changes.append((start, cells, cells))
        moved = Unfolded(unfolded, self.rows.other)
        for position, measure in enumerate(self.group.measures):
            if counter := self.counters.get(measure.name):
                steps = (
                    BucketChange(start, old.values[position], new.of(position), start not in self.incomplete)
                    for start, old, new in changes
                )
                counter.apply(steps, len(self.rows), at, moved)
        return revision

    def start_counters(self, *, full: bool, at: float) -> list[Measure]:
        """Take the present values as the baseline of the measures that lack one; return those measures.

        A complete sync (`full`) starts them all, except for a measure that the API does not promise and that has no
        value although there are rows: that one starts with its first value, in any poll. `at`: Unix seconds.
        """
        started = []
        for position, measure in enumerate(self.group.measures):
            counter = self.counters.get(measure.name)
            if counter is None or counter.oldest_bucket is not None or not (full or counter.awaiting_value):
                continue
            known = self.known_in(position)
            empty = not any(cells.present.any() for cells in self.cells.values())
            if known.any() or measure.required or empty:
                buckets = {start: cells.of(position) for start, cells in self.cells.items()}
                counter.start(buckets, known, at, self.rows.sets, self.incomplete)
                self.changes.starts |= self.cells.keys()
                self.changes.totals = True
                started.append(measure)
            else:
                counter.awaiting_value = True
        return started

    def expire(self, horizon: int, *, full: bool) -> None:
        """Drop buckets older than the horizon (Unix seconds) and, after a complete sync, rows that have none left.

        A row whose counter has not shown all that it accrued stays until it has.
        """
        old = {start for start in self.cells if start < horizon}
        for start in old:
            del self.cells[start]
        if old:
            self.version += 1
            self.changes.expired |= old
            self.incomplete -= old
            self.changes.starts -= old
            self.changes.totals = True
        for counter in self.counters.values():
            counter.expire(horizon)
        if full:
            self._forget(horizon)

    def column(self, position: int, starts: Iterable[int]) -> Column:
        """Return the sum of a measure over buckets, row by row."""
        columns = (self.cells[start].values[position] for start in starts if start in self.cells)
        return total(columns, len(self.rows), self.dtype(position))

    def known_in(self, position: int, starts: Iterable[int] | None = None) -> Mask:
        """Return for which rows a measure has a value, if only the last known one, in any of the buckets, or at all."""
        key = () if starts is None else tuple(starts)
        version = (self.version, len(self.rows))
        cached = self._known.get(key)
        if cached is None or cached[0] != version:
            masks = [np.zeros(len(self.rows), np.bool_) for _ in self.group.measures]
            for cells in self.cells.values() if starts is None else filter(None, map(self.cells.get, key)):
                for mask, known, values in zip(masks, cells.known, cells.values, strict=True):
                    mask[: len(known)] |= known
                    if known is not cells.present and (lost := cells.present & ~known).any():
                        mask[: len(known)] |= lost & (values != 0).astype(np.bool_)
            cached = version, masks
            self._known = {key: cached}
        return cached[1][position]

    def unknown_in(self, position: int, starts: Iterable[int]) -> Mask:
        """Return which rows the buckets have without any value of the measure."""
        present = np.zeros(len(self.rows), np.bool_)
        known = present.copy()
        for start in starts:
            if cells := self.cells.get(start):
                present[: len(cells.present)] |= cells.present
                known[: len(cells.present)] |= cells.known[position]
        return present & ~known

    def dtype(self, position: int) -> np.dtype[Any]:
        """Return what the columns of a measure hold."""
        return dtype_of(self.group.measures[position])

    def restore(
        self,
        cells: dict[int, Cells],
        counters: dict[str, CounterState],
        last_seen: NDArray[np.int64],
        *,
        complete: bool,
    ) -> None:
        """Take over what was saved; the rows have been added before. If it was not `complete`, all is saved again."""
        self.cells = cells
        self.last_seen = last_seen
        self.counters |= counters
        for counter in self.counters.values():
            counter.apply((), len(self.rows), 0.0, Unfolded())
        self.version += 1
        self.changes = UnsavedChanges(everything=not complete, first_row=len(self.rows) if complete else 0)

    def mark_saved(self) -> None:
        """Note that everything is in the state."""
        self.changes = UnsavedChanges(everything=False, first_row=len(self.rows))
        for counter in self.counters.values():
            counter.unsaved_baseline = None

    def mark_unsaved(self) -> None:
        """Note that nothing is in the state."""
        self.changes = UnsavedChanges()

    def _gather(self, rows: BucketRows) -> Cells:
        size, indexes = len(self.rows), self.rows.indexes(rows.labels)
        present = np.zeros(size, np.bool_)
        present[indexes] = True
        unique = int(present.sum()) == len(indexes)
        sums = [sum_by_row(column, indexes, size, unique=unique, other=self.rows.other) for column in rows.columns]
        return Cells(
            present, [values for values, _ in sums], [present if known is None else known for _, known in sums]
        )

    def _replace(self, start: int, new: Cells, empty: Cells, revision: Revision, closed: set[int]) -> Cells | None:
        """Keep the new cells of a bucket; return what it held before where that differs: `empty` for a new bucket."""
        held = self.cells.get(start)
        old = held.fit(len(self.rows)) if held else empty
        if start in self.incomplete:
            new.present = new.present | old.present
            _distrust_falls(old, new)
        _carry_over(old, new)
        changed = _changed(old, new) if held or start in closed else new.present
        self.last_seen[new.present] = np.maximum(self.last_seen[new.present], start)
        self.cells[start] = new
        if held is not None and not changed.any():
            return None
        self.version += 1
        self.changes.starts.add(start)
        self.changes.totals = True
        if start in closed:
            _count(old, new, changed, revision)
        return old

    def _forget(self, horizon: int) -> None:
        pending = np.zeros(len(self.rows), np.bool_)
        for counter in self.counters.values():
            pending |= counter.accrued != counter.released
        gone = (self.last_seen < horizon) & ~pending
        if self.rows.folded_count and self.rows.other is not None:
            gone[self.rows.other] = False
        if not gone.any():
            return
        rows = self.rows.forget(np.flatnonzero(gone).tolist())
        self.last_seen = self.last_seen[rows]
        self.cells = {start: cells.keep(rows, len(pending)) for start, cells in self.cells.items()}
        for counter in self.counters.values():
            counter.keep(rows)
        self.version += 1
        self.mark_unsaved()


def dtype_of(measure: Measure) -> np.dtype[Any]:
    """Return what the columns of a measure hold."""
    return EXACT if measure.exact else COUNTS


def _distrust_falls(old: Cells, new: Cells) -> None:
    """Take values below the last known ones for unknown: the rows that were not read may belong to them."""
    for position, known in enumerate(new.known):
        fallen = known & old.present & (new.values[position] < old.values[position]).astype(np.bool_)
        if fallen.any():
            new.known[position] = known & ~fallen


def _carry_over(old: Cells, new: Cells) -> None:
    """Keep the last known value of a row that is there without one: unknown is neither 0 nor a revision."""
    for position, known in enumerate(new.known):
        if known is not new.present and (unknown := new.present & ~known).any():
            new.values[position] = np.where(unknown, old.values[position], new.values[position])


def _changed(old: Cells, new: Cells) -> Mask:
    changed: Mask = old.present != new.present
    for before, after, knew, knows in zip(old.values, new.values, old.known, new.known, strict=True):
        changed |= (before != after).astype(np.bool_) | (knew != knows)
    return changed


def _count(old: Cells, new: Cells, changed: Mask, revision: Revision) -> None:
    undecided = changed.copy()
    for before, after in zip(old.values, new.values, strict=True):
        up = undecided & (after > before).astype(np.bool_)
        down = undecided & (after < before).astype(np.bool_)
        revision.up += int(up.sum())
        revision.down += int(down.sum())
        undecided &= ~(up | down)
