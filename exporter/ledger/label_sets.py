"""Which label sets a book has, where each has its place, and which are folded into one."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from exporter.catalog import Bucket, Row

Labels: TypeAlias = tuple[str, ...]

OTHER: Final = "other"
"""The value of every dimension of the row that holds what is folded."""


class Rows:
    """The label sets of one book, in the order in which they were admitted."""

    def __init__(self, names: Labels, limit: int) -> None:
        self.names = names
        self.sets: list[Labels] = []
        self.folded: set[Labels] = set()
        self.generation = 0
        """Counts how often places were given anew, which is when rows are forgotten."""
        self._limit = limit
        self._places: dict[Labels, int] = {}

    def __len__(self) -> int:
        return len(self.sets)

    @property
    def other(self) -> int | None:
        """The place of the row that holds what is folded, if there is one."""
        return self._places.get(self._other_labels)

    def admit(self, buckets: Sequence[Bucket], book: int, *, full: bool) -> set[int]:
        """Give every label set of the buckets a place, or fold it; return the places of those that were folded before.

        At first the largest sets are admitted, later the first that come; what is folded is admitted only by a
        complete sync, when all of its buckets are read at once.
        """
        arrivals = self._arrivals(buckets, book)
        if not self.sets and len(arrivals) > self._limit:
            largest = sorted(arrivals, key=lambda labels: (-abs(arrivals[labels]), labels))[: self._limit]
            chosen = set(largest)
            arrivals = dict.fromkeys((*largest, *(set(arrivals) - chosen)), 0.0)
        released = set()
        for labels in arrivals:
            folded_before = labels in self.folded
            if self._admitted >= self._limit or (folded_before and not full):
                self.folded.add(labels)
            else:
                self.folded.discard(labels)
                place = self.add(labels)
                if folded_before:
                    released.add(place)
        if self.folded and self.other is None:
            self.add(self._other_labels)
        if full and self.folded:
            self.folded &= arrivals.keys()
        return released

    def add(self, labels: Labels) -> int:
        """Give a label set the next place and return it."""
        self._places[labels] = len(self.sets)
        self.sets.append(labels)
        return len(self.sets) - 1

    def place(self, labels: Labels) -> int:
        """Return where the values of a label set go. It must have been admitted or folded."""
        place = self._places.get(labels)
        return self._places[self._other_labels] if place is None else place

    def forget(self, places: Iterable[int]) -> list[int]:
        """Drop rows; return the places, in order, of those that stay."""
        gone = set(places)
        kept = [place for place in range(len(self.sets)) if place not in gone]
        self.sets = [self.sets[place] for place in kept]
        self._places = {labels: place for place, labels in enumerate(self.sets)}
        self.generation += 1
        return kept

    @property
    def _other_labels(self) -> Labels:
        return (OTHER,) * len(self.names)

    @property
    def _admitted(self) -> int:
        return len(self.sets) - (self.other is not None)

    def _arrivals(self, buckets: Sequence[Bucket], book: int) -> dict[Labels, float]:
        sizes: dict[Labels, float] = {}
        for bucket in buckets:
            for labels, values in _rows(bucket, book):
                if labels not in self._places:
                    sizes[labels] = sizes.get(labels, 0) + (values[0] or 0)
        return sizes


def _rows(bucket: Bucket, book: int) -> Sequence[Row]:
    return bucket.rows[book] if bucket.rows is not None else ()
