"""Sample lines: kept from one publish to the next, so that only changed values are formatted."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client.utils import floatToGoString

from exporter.exposition.families import Column
from exporter.ledger import Rows

LINES_PER_CHUNK: Final = 4096
"""No single call formats or joins more, so that a scrape is never kept waiting."""

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def escape(value: str) -> str:
    """Return a label value as it stands between the quotes."""
    return value.translate(_ESCAPES)


def number(value: float) -> str:
    """Return a sample value as Prometheus writes it."""
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
    return text


class LabelTexts:
    """The label texts of the rows of one book, which all families of the book share."""

    def __init__(self) -> None:
        self._generation = -1
        self._texts: list[str] = []

    def of(self, rows: Rows, before: tuple[tuple[str, str], ...]) -> tuple[int, list[str]]:
        """Return the rows' generation and a text for every row, made once while the generation lasts."""
        if self._generation != rows.generation:
            self._generation, self._texts = rows.generation, []
        if len(self._texts) < len(rows.sets):
            self._add(rows, before)
        return self._generation, self._texts

    def _add(self, rows: Rows, before: tuple[tuple[str, str], ...]) -> None:
        names = (*(name for name, _ in before), *rows.names)
        constant = tuple(value for _, value in before)
        order = sorted(range(len(names)), key=names.__getitem__)
        for labels in rows.sets[len(self._texts) :]:
            values = (*constant, *labels)
            self._texts.append(",".join(f'{names[place]}="{escape(values[place])}"' for place in order))


class ColumnLines:
    """The lines of one column of one family, in chunks that stay the same objects while nothing in them changes."""

    def __init__(self, name: str, after: tuple[tuple[str, str], ...]) -> None:
        self._open = f"{name}{{"
        self._close = "".join(f',{label}="{escape(value)}"' for label, value in after) + "} "
        self._rows: Rows | None = None
        self._generation = -1
        self._shown = np.zeros(0, np.bool_)
        self._places = np.zeros(0, np.intp)
        self._given: NDArray[np.float64] | None = None
        """The values as they came: arrays are replaced, never changed, so that the same one says the same."""
        self._values = np.zeros(0)
        self._parts: list[str] = []
        self._chunks: list[bytes] = []

    def update(self, column: Column, generation: int, texts: list[str]) -> list[bytes]:
        """Return the chunks of the column's lines as of now."""
        same_rows = column.rows is self._rows and generation == self._generation
        if same_rows and column.values is self._given and column.shown is self._shown:
            return self._chunks
        same_places = same_rows and len(column.shown) == len(self._shown) and bool((column.shown == self._shown).all())
        if not same_places:
            self._lay_out(column, generation, texts)
            return self._chunks
        self._given, self._shown = column.values, column.shown
        values = column.values[self._places]
        changed = np.flatnonzero(values != self._values)
        for place, value in zip(changed.tolist(), values[changed].tolist(), strict=True):
            self._parts[3 * place + 2] = f"{self._close}{number(value)}\n"
        self._values = values
        for chunk in np.unique(changed // LINES_PER_CHUNK).tolist():
            self._chunks[chunk] = self._join(chunk)
        return self._chunks

    def _lay_out(self, column: Column, generation: int, texts: list[str]) -> None:
        self._rows, self._generation = column.rows, generation
        self._given, self._shown = column.values, column.shown
        self._places = np.flatnonzero(column.shown)
        self._values = column.values[self._places]
        self._parts = list(self._all_parts(texts))
        chunks = -(-len(self._places) // LINES_PER_CHUNK)
        self._chunks = [self._join(chunk) for chunk in range(chunks)]

    def _all_parts(self, texts: list[str]) -> Iterator[str]:
        for place, value in zip(self._places.tolist(), self._values.tolist(), strict=True):
            yield self._open
            yield texts[place]
            yield f"{self._close}{number(value)}\n"

    def _join(self, chunk: int) -> bytes:
        first = 3 * LINES_PER_CHUNK * chunk
        return "".join(self._parts[first : first + 3 * LINES_PER_CHUNK]).encode()
