"""The label sets of a bucket store: which row each has, and which are folded into one."""

from collections.abc import Iterable, Sequence
from itertools import count, repeat
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import BucketRows

Labels: TypeAlias = tuple[str, ...]

OTHER: Final = "other"
"""The value of every dimension of the row that holds what is folded."""

REMEMBERED: Final = 10_000
"""Folded label sets that are remembered one by one; beyond these they are only counted."""


_NO_ROW: Final = -1


class LabelSets:
    """The label sets of one bucket store, in the order in which they were admitted."""

    def __init__(self, names: Labels, limit: int) -> None:
        self.names = names
        self.sets: list[Labels] = []
        self.folded: set[Labels] = set()
        """Label sets that are counted in the row of the others, as far as they are remembered."""
        self.folded_unremembered = 0
        """Folded label sets beyond those: how many the poll with most of them had since the last complete sync."""
        self.generation = 0
        """Incremented when rows are forgotten, which gives the others new indexes."""
        self._limit = limit
        self._indexes: dict[Labels, int] = {}

    def __len__(self) -> int:
        return len(self.sets)

    @property
    def other(self) -> int | None:
        """The index of the row that holds what is folded, if there is one."""
        return self._indexes.get(self._other_labels)

    @property
    def folded_count(self) -> int:
        """How many label sets are folded: exact up to `REMEMBERED`, beyond that at least so many."""
        return len(self.folded) + self.folded_unremembered

    def admit(self, buckets: Iterable[BucketRows], *, full: bool) -> list[int]:
        """Give every label set of the buckets a row, or fold it; return the rows of those that were folded before.

        At first the largest sets are admitted, later the first that come. What is folded is admitted only by a complete
        sync, when all of its buckets are read at once. While more are folded than are remembered, all that have no row
        are treated as folded before: their present sum stays with the others, so that no value is counted twice.
        """
        tables = list(buckets)
        arrivals = self._arrivals(tables)
        if not self.folded_count and self._admitted + len(arrivals) <= self._limit:
            self._indexes.update(zip(arrivals, count(len(self.sets)), strict=False))
            self.sets += arrivals
            self._fold((), full=full)
            return []
        if not self.sets and len(arrivals) > self._limit:
            sizes = self._sizes(tables)
            largest = sorted(sizes, key=lambda labels: (-abs(sizes[labels]), labels))[: self._limit]
            chosen = set(largest)
            arrivals = [*largest, *(labels for labels in arrivals if labels not in chosen)]
        unfolded, refused = [], []
        for labels in arrivals:
            folded_before = bool(self.folded_unremembered) or labels in self.folded
            if self._admitted >= self._limit or (folded_before and not full):
                refused.append(labels)
            else:
                self.folded.discard(labels)
                row = self.add(labels)
                if folded_before:
                    unfolded.append(row)
        self._fold(refused, full=full)
        return unfolded

    def add(self, labels: Labels) -> int:
        """Give a label set the next row and return its index."""
        self._indexes[labels] = len(self.sets)
        self.sets.append(labels)
        return len(self.sets) - 1

    def indexes(self, labels: Sequence[Labels]) -> NDArray[np.intp]:
        """Return the row of each label set; all of them must have been admitted or folded."""
        found = self._find(labels)
        folded = found == _NO_ROW
        if folded.any():
            found[folded] = self._indexes[self._other_labels]
        return found

    def forget(self, rows: Iterable[int]) -> list[int]:
        """Drop rows; return the indexes that the remaining ones had, in order."""
        gone = set(rows)
        kept = [row for row in range(len(self.sets)) if row not in gone]
        self.sets = [self.sets[row] for row in kept]
        self._indexes = {labels: row for row, labels in enumerate(self.sets)}
        self.generation += 1
        return kept

    @property
    def _other_labels(self) -> Labels:
        return (OTHER,) * len(self.names)

    @property
    def _admitted(self) -> int:
        return len(self.sets) - (self.other is not None)

    def _fold(self, refused: Sequence[Labels], *, full: bool) -> None:
        if full:
            self.folded = set(refused[:REMEMBERED])
            self.folded_unremembered = len(refused) - len(self.folded)
        else:
            new = [labels for labels in refused if labels not in self.folded]
            room = max(REMEMBERED - len(self.folded), 0)
            self.folded.update(new[:room])
            self.folded_unremembered = max(self.folded_unremembered, len(new) - room)
        if self.folded_count and self.other is None:
            self.add(self._other_labels)

    def _arrivals(self, tables: Sequence[BucketRows]) -> list[Labels]:
        """Return the label sets that have no row yet, each once, in the order in which they come."""
        without = (np.flatnonzero(self._find(rows.labels) == _NO_ROW).tolist() for rows in tables)
        return list(
            dict.fromkeys(
                rows.labels[index] for rows, indexes in zip(tables, without, strict=True) for index in indexes
            )
        )

    def _sizes(self, tables: Iterable[BucketRows]) -> dict[Labels, float]:
        """Return the sum of the first measure over all buckets, by label set."""
        sizes: dict[Labels, float] = {}
        for rows in tables:
            for labels, values in rows:
                sizes[labels] = sizes.get(labels, 0) + (values[0] or 0)
        return sizes

    def _find(self, labels: Sequence[Labels]) -> NDArray[np.intp]:
        return np.fromiter(map(self._indexes.get, labels, repeat(_NO_ROW)), np.intp, len(labels))
