"""The samples of a column in chunks, whatever the format: what did not change stays the same object."""

from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from exporter.exposition.families import Column

ROWS_PER_CHUNK: Final = 4096
"""The most rows that a single call formats, joins or compresses, so that a scrape never waits for long."""


class Labels(Protocol):
    """The labels of the rows of one bucket store, as a format writes them."""

    generation: int
    """That of the label sets: another one has other rows."""


LabelsT = TypeVar("LabelsT", bound=Labels)
LabelsT_contra = TypeVar("LabelsT_contra", bound=Labels, contravariant=True)


class Chunk(Protocol[LabelsT_contra]):
    """The samples of some rows."""

    text: bytes

    def update(self, column: Column, rows: slice, labels: LabelsT_contra) -> None:
        """Make `text` that of the column's rows as of now."""
        ...


class ColumnChunks(Generic[LabelsT]):
    """The samples of one column of one family, in chunks whose bytes stay the same object while no value changes."""

    def __init__(self, new_chunk: Callable[[], Chunk[LabelsT]]) -> None:
        """`new_chunk` makes a chunk without rows."""
        self._new_chunk = new_chunk
        self._generation = -1
        self._column: Column | None = None
        self._chunks: list[Chunk[LabelsT]] = []
        self._texts: list[bytes] = []

    def update(self, column: Column, labels: LabelsT) -> Sequence[bytes]:
        """Return the bytes of each chunk as of now; arrays of a column are replaced, never changed in place."""
        last, self._column = self._column, column
        if last and last.rows is column.rows and self._generation == labels.generation:
            if last.values is column.values and last.shown is column.shown:
                return self._texts
        else:
            self._chunks = []
            self._generation = labels.generation
        for index, first in enumerate(range(0, len(column.shown), ROWS_PER_CHUNK)):
            if index == len(self._chunks):
                self._chunks.append(self._new_chunk())
            self._chunks[index].update(column, slice(first, first + ROWS_PER_CHUNK), labels)
        del self._chunks[-(-len(column.shown) // ROWS_PER_CHUNK) :]
        self._texts = [chunk.text for chunk in self._chunks if chunk.text]
        return self._texts
