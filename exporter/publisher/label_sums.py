"""Sums of a measure by the values of one label, kept for each bucket."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exporter.ledger import BucketStore, Cells, Column, LabelSets, as_floats

_NO_ROWS: Final = LabelSets((), 0)


class LabelSums:
    """Adds up only the buckets that changed since the last call. For the thread that owns the ledgers."""

    def __init__(self, label: str) -> None:
        """Group by `label`; a store without it has one group, the empty value."""
        self._label = label
        self._rows, self._generation = _NO_ROWS, 0
        self._numbers: dict[str, int] = {}
        self._groups: NDArray[np.intp] = np.zeros(0, np.intp)
        """The group of each row."""
        self._buckets: dict[int, tuple[Cells, Column]] = {}
        self._dtype: np.dtype[Any] = np.dtype(np.float64)

    @property
    def values(self) -> list[str]:
        """The label's values, in the order of all sums."""
        return list(self._numbers)

    def update(self, store: BucketStore, position: int, since: int = 0) -> None:
        """Take over the measure at a position of the store, in the buckets from `since` (Unix seconds) on."""
        self._update_groups(store.rows)
        self._dtype = store.dtype(position)
        buckets = {}
        for start, cells in store.cells.items():
            if start >= since:
                held = self._buckets.get(start)
                buckets[start] = held if held and held[0] is cells else (cells, self._sum(cells.values[position]))
        self._buckets = buckets

    def between(self, start: int, end: int) -> NDArray[np.float64]:
        """Return the sums over a span (Unix seconds), one for each value."""
        sums: Column = np.zeros(len(self._numbers), self._dtype)
        for bucket, (_, column) in self._buckets.items():
            if start <= bucket < end:
                sums[: len(column)] += column
        return as_floats(sums)

    def _update_groups(self, rows: LabelSets) -> None:
        if self._rows is not rows or self._generation != rows.generation:
            self._rows, self._generation = rows, rows.generation
            self._numbers, self._buckets = {}, {}
            self._groups = np.zeros(0, np.intp)
        new = rows.sets[len(self._groups) :]
        if new:
            index = rows.names.index(self._label) if self._label in rows.names else None
            values = ("" if index is None else labels[index] for labels in new)
            numbers = [self._numbers.setdefault(value, len(self._numbers)) for value in values]
            self._groups = np.concatenate((self._groups, np.array(numbers, np.intp)))

    def _sum(self, column: Column) -> Column:
        sums: Column = np.zeros(len(self._numbers), column.dtype)
        np.add.at(sums, self._groups[: len(column)], column)
        return sums
