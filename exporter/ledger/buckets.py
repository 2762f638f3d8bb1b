"""A book: the rows of one sheet, and for every bucket and measure a column of their values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import Bucket, Kind, LabelGroup, Measure, Row
from exporter.ledger.columns import COUNTS, EXACT, Column, Mask, fit, total
from exporter.ledger.counters import Cells, CounterState
from exporter.ledger.label_sets import Rows


@dataclass(slots=True)
class UnsavedChanges:
    """What has changed since the state was last saved."""

    everything: bool = True
    rows_from: int = 0
    """The first place whose row is not saved yet."""
    starts: set[int] = field(default_factory=set)
    """Buckets whose cells or history changed."""
    expired: set[int] = field(default_factory=set)
    totals: bool = False


@dataclass(slots=True)
class Revision:
    """How many rows of closed buckets a poll changed, by direction."""

    up: int = 0
    down: int = 0


class BucketStore:
    """The values of one sheet."""

    def __init__(self, sheet: LabelGroup, limit: int) -> None:
        self.sheet = sheet
        self.rows = Rows(sheet.labels, limit)
        self.cells: dict[int, Cells] = {}
        self.counters: dict[str, CounterState] = {
            measure.name: CounterState(_dtype(measure)) for measure in sheet.measures if measure.kind is Kind.FLOW
        }
        self.last_seen = np.zeros(0, np.int64)
        """For each row the start of the newest bucket that ever had it, Unix seconds."""
        self.changes = UnsavedChanges()
        self.stamp = 0
        """Counts the polls that changed a value."""
        self._ever_known: tuple[tuple[int, int], list[Mask]] | None = None

    def apply(self, buckets: Sequence[Bucket], index: int, *, full: bool, settled: set[int]) -> Revision:
        """Take over the rows that the buckets have for this book, which is sheet number `index` of its resource.

        `settled` are the starts of buckets that had been read after they were closed. All buckets of the poll are
        taken, or none: nothing here can fail halfway.
        """
        fresh = [bucket for bucket in buckets if bucket.rows is not None]
        known_rows = len(self.rows)
        unfolded = self.rows.admit(fresh, index, full=full)
        if len(self.rows) != known_rows:
            self._grow()
        revision = Revision()
        for bucket in fresh:
            self._replace(bucket.start, self._gather((bucket.rows or ())[index]), revision, settled, unfolded)
        if self.changes.totals:
            for counter in self.counters.values():
                counter.raise_to_flow()
        return revision

    def start_counters(self, *, full: bool) -> list[Measure]:
        """Take the present values as the baseline of the measures that lack one; return those measures.

        A complete sync (`full`) begins them all, but for a measure that the API does not promise and that has no value
        although there are rows: that one begins with its first value, whatever poll brings it.
        """
        begun = []
        for position, measure in enumerate(self.sheet.measures):
            counter = self.counters.get(measure.name)
            if counter is None or counter.since is not None or not (full or counter.waiting):
                continue
            valued = any(cells.known[position].any() for cells in self.cells.values())
            empty = not any(cells.present.any() for cells in self.cells.values())
            if valued or measure.required or empty:
                counter.start(self.cells, position)
                counter.counting = self.ever_known(position).copy()
                self.changes.starts |= self.cells.keys()
                self.changes.totals = True
                begun.append(measure)
            else:
                counter.waiting = True
        return begun

    def expire(self, horizon: int, *, full: bool) -> None:
        """Let go of buckets older than the horizon (Unix seconds) and, after a complete sync, of rows with none left.

        A row whose counter has not shown all that it accrued stays until it has.
        """
        old = {start for start in self.cells if start < horizon}
        for start in old:
            del self.cells[start]
        if old:
            self.stamp += 1
            self.changes.expired |= old
            self.changes.starts -= old
            self.changes.totals = True
        for counter in self.counters.values():
            counter.expire(horizon)
        if full:
            self._forget(horizon)

    def column(self, position: int, starts: Iterable[int]) -> Column:
        """Return the sum of a measure over buckets, row by row."""
        columns = [self.cells[start].values[position] for start in starts if start in self.cells]
        return total(columns, len(self.rows), _dtype(self.sheet.measures[position]))

    def ever_known(self, position: int) -> Mask:
        """Return for which rows a measure has a value in any bucket that is kept."""
        key = (self.stamp, len(self.rows))
        if self._ever_known is None or self._ever_known[0] != key:
            masks = [np.zeros(len(self.rows), np.bool_) for _ in self.sheet.measures]
            for cells in self.cells.values():
                for mask, known in zip(masks, cells.known, strict=True):
                    mask[: len(known)] |= known
            self._ever_known = key, masks
        return self._ever_known[1][position]

    def unknown(self, position: int, starts: Iterable[int]) -> Mask:
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
        return _dtype(self.sheet.measures[position])

    def restore(self, cells: dict[int, Cells], counters: dict[str, CounterState], last_seen: NDArray[np.int64]) -> None:
        """Take over what was saved; the rows have been added before."""
        self.cells = cells
        self.last_seen = last_seen
        self.counters |= counters
        self._grow()
        self.stamp += 1
        self.changes = UnsavedChanges(everything=False, rows_from=len(self.rows))

    def _grow(self) -> None:
        self.last_seen = fit(self.last_seen, len(self.rows))
        for counter in self.counters.values():
            counter.grow(len(self.rows))

    def _gather(self, rows: Sequence[Row]) -> Cells:
        size, measures = len(self.rows), self.sheet.measures
        present = np.zeros(size, np.bool_)
        known = [np.zeros(size, np.bool_) for _ in measures]
        sums: list[list[Any]] = [[0] * size for _ in measures]
        place_of = self.rows.place
        for labels, values in rows:
            place = place_of(labels)
            present[place] = True
            for column, mask, value in zip(sums, known, values, strict=True):
                if value is not None:
                    column[place] += value
                    mask[place] = True
        columns = [np.array(column, _dtype(measure)) for column, measure in zip(sums, measures, strict=True)]
        return Cells(present, columns, known)

    def _replace(self, start: int, new: Cells, revision: Revision, settled: set[int], unfolded: set[int]) -> None:
        size = len(self.rows)
        held = self.cells.get(start)
        old = held.fit(size) if held else _nothing(size, self.sheet.measures)
        _carry_over(old, new)
        changed = _changed(old, new)
        self.last_seen[new.present] = np.maximum(self.last_seen[new.present], start)
        self.cells[start] = new
        if held is not None and not changed.any():
            return
        self.stamp += 1
        self.changes.starts.add(start)
        self.changes.totals = True
        if start in settled:
            _judge(old, new, changed, revision)
        for position, measure in enumerate(self.sheet.measures):
            if measure.name in self.counters:
                self._flow(start, old, new, position, unfolded)

    def _flow(self, start: int, old: Cells, new: Cells, position: int, unfolded: set[int]) -> None:
        counter = self.counters[self.sheet.measures[position].name]
        before, after = old.values[position], new.values[position]
        added = -counter.contribution(start, before)
        counter.learn(start, new, position)
        other = self.rows.other
        moved = sum(after[place] for place in unfolded)
        historic = bool(unfolded) and other is not None and counter.rebase(start, other, moved)
        added = added + counter.contribution(start, after)
        for place in unfolded:
            added[place] = 0
        if unfolded and other is not None and not historic and counter.since is not None and start >= counter.since:
            added[other] += moved
        counter.flow = counter.flow + added
        if counter.since is not None:
            counter.counting = counter.counting | new.known[position]

    def _forget(self, horizon: int) -> None:
        pending = np.zeros(len(self.rows), np.bool_)
        for counter in self.counters.values():
            pending |= counter.accrued != counter.released
        gone = (self.last_seen < horizon) & ~pending
        if self.rows.folded and self.rows.other is not None:
            gone[self.rows.other] = False
        if not gone.any():
            return
        places = self.rows.forget(np.flatnonzero(gone).tolist())
        self.last_seen = self.last_seen[places]
        for start, cells in self.cells.items():
            whole = cells.fit(len(pending))
            self.cells[start] = Cells(
                whole.present[places],
                [column[places] for column in whole.values],
                [mask[places] for mask in whole.known],
            )
        for counter in self.counters.values():
            counter.keep(places)
        self.stamp += 1
        self.changes = UnsavedChanges()


def _dtype(measure: Measure) -> np.dtype[Any]:
    return EXACT if measure.exact else COUNTS


def _nothing(size: int, measures: Sequence[Measure]) -> Cells:
    return Cells(
        np.zeros(size, np.bool_),
        [np.zeros(size, _dtype(measure)) for measure in measures],
        [np.zeros(size, np.bool_) for _ in measures],
    )


def _carry_over(old: Cells, new: Cells) -> None:
    """Keep the last known value of a row that is there without one: unknown is neither 0 nor a revision."""
    for position, known in enumerate(new.known):
        unknown = new.present & ~known
        if unknown.any():
            new.values[position] = np.where(unknown, old.values[position], new.values[position])


def _changed(old: Cells, new: Cells) -> Mask:
    changed: Mask = old.present != new.present
    for before, after, knew, knows in zip(old.values, new.values, old.known, new.known, strict=True):
        changed |= (before != after).astype(np.bool_) | (knew != knows)
    return changed


def _judge(old: Cells, new: Cells, changed: Mask, revision: Revision) -> None:
    undecided = changed.copy()
    for before, after in zip(old.values, new.values, strict=True):
        up = undecided & (after > before).astype(np.bool_)
        down = undecided & (after < before).astype(np.bool_)
        revision.up += int(up.sum())
        revision.down += int(down.sum())
        undecided &= ~(up | down)
