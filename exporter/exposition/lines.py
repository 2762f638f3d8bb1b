"""Sample lines: kept as text from one publish to the next, so that only changed values are formatted."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from prometheus_client.utils import floatToGoString

from exporter.exposition.chunks import ColumnChunks
from exporter.exposition.families import Column
from exporter.ledger import LabelSets

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_SMALLEST_PLAIN: Final = 1e-4
_LARGEST_PLAIN: Final = 1e6
_LARGEST_EXACT: Final = 1e16
_FEW: Final = 20
"""Up to so many values are formatted one by one: less work than a look at all of them."""

_EXPONENTS: Final = [f"e+{digits - 1:02}" for digits in range(17)]
"""By the number of digits before the point."""
_POWERS: Final = 10 ** np.arange(17, dtype=np.int64)


def escape(value: str) -> str:
    """Return a label value as it is written between the quotes."""
    return value.translate(_ESCAPES)


def number(value: float) -> str:
    """Return a sample value as Prometheus writes it."""
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
    return text


def numbers(values: NDArray[np.float64]) -> list[str]:
    """Return sample values as Prometheus writes them, equal to what `prometheus_client` makes of each.

    msgspec writes the same shortest digits, many at a time.
    """
    if len(values) <= _FEW:
        return list(map(number, values.tolist()))
    texts = msgspec.json.encode(values.tolist())[1:-1].decode().split(",")
    large = (values >= _LARGEST_PLAIN) & (values < _LARGEST_EXACT)
    counts = large & (values == np.floor(values))
    for index, text in zip(np.flatnonzero(counts).tolist(), _large(values[counts].astype(np.int64)), strict=True):
        texts[index] = text
    size = np.abs(values)
    plain = (size == 0) | ((size >= _SMALLEST_PLAIN) & (values < _LARGEST_PLAIN) & (values > -_LARGEST_EXACT))
    for index in np.flatnonzero(~(counts | plain)).tolist():
        texts[index] = number(values[index])
    return texts


def _large(counts: NDArray[np.int64]) -> list[str]:
    """Return whole numbers from 10^6 on as Prometheus writes them: 1.5e+06."""
    exponents = [_EXPONENTS[digits] for digits in np.searchsorted(_POWERS, counts, side="right").tolist()]
    while (round_ := counts % 10 == 0).any():
        counts = np.where(round_, counts // 10, counts)
    mantissas = map(str, counts.tolist())
    texts = [f"{digits[0]}.{digits[1:]}{exponent}" for digits, exponent in zip(mantissas, exponents, strict=True)]
    for index in np.flatnonzero(counts < 10).tolist():  # noqa: PLR2004 -- a single digit
        texts[index] = texts[index].replace(".", "")
    return texts


class LabelTexts:
    """The label texts of the rows of one bucket store, which all families of the store share."""

    def __init__(self) -> None:
        self.generation = -1
        self.texts: list[str] = []
        self.lengths = np.zeros(0, np.int32)
        """Bytes of each text."""

    def update(self, rows: LabelSets, before: tuple[tuple[str, str], ...]) -> None:
        """Make texts for the rows that have none; all of them when rows were forgotten."""
        if self.generation != rows.generation:
            self.generation, self.texts, self.lengths = rows.generation, [], np.zeros(0, np.int32)
        if len(self.texts) == len(rows.sets):
            return
        names = (*(name for name, _ in before), *rows.names)
        constant = tuple(value for _, value in before)
        order = sorted(range(len(names)), key=names.__getitem__)
        pairs = [_Pairs(names[index]) for index in order]
        for labels in rows.sets[len(self.texts) :]:
            values = (*constant, *labels)
            self.texts.append(",".join([pair[values[index]] for pair, index in zip(pairs, order, strict=True)]))
        added = [len(text.encode()) for text in self.texts[len(self.lengths) :]]
        self.lengths = np.append(self.lengths, np.array(added, np.int32))


class _Pairs(dict[str, str]):
    """Label pairs of one name, by value: most values occur in many label sets."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def __missing__(self, value: str) -> str:
        self[value] = pair = f'{self._name}="{escape(value)}"'
        return pair


class ColumnLines(ColumnChunks[LabelTexts]):
    """The lines of one column of one family."""

    def __init__(self, name: str, after: tuple[tuple[str, str], ...], *, created: bool = False) -> None:
        """Take the family's name; `created` adds a line with the time at which the series began (OpenMetrics)."""
        close = "".join(f',{label}="{escape(value)}"' for label, value in after) + "} "
        sample = f"{name}{{", close
        start = (f"{name.removesuffix('_total')}_created{{", close) if created else None
        super().__init__(lambda: _Chunk(sample, start))


class _Chunk:
    __slots__ = ("_created", "_lengths", "_sample", "_shown", "_stops", "_values", "text")

    def __init__(self, sample: tuple[str, str], created: tuple[str, str] | None) -> None:
        self._sample, self._created = sample, created
        """The text of a line before and after its labels."""
        self.text = b""
        self._shown = np.zeros(0, np.bool_)
        self._values = np.zeros(0)
        """Of the rows that are shown, as the following."""
        self._stops = np.zeros(0, np.int32)
        """End position of each value."""
        self._lengths = np.zeros(0, np.int32)
        """Bytes of each value."""

    def update(self, column: Column, rows: slice, labels: LabelTexts) -> None:
        shown = column.shown[rows]
        values = column.values[rows][shown]
        if np.array_equal(shown, self._shown):
            self._replace(np.flatnonzero(values != self._values), values)
        else:
            self._write(column, np.flatnonzero(shown) + rows.start, values, labels)
            self._shown = shown.copy()
        self._values = values

    def _write(
        self, column: Column, indexes: NDArray[np.intp], values: NDArray[np.float64], labels: LabelTexts
    ) -> None:
        texts = numbers(values)
        sets = [labels.texts[index] for index in indexes.tolist()]
        open_, close = self._sample
        endings = ["\n"] * len(texts)
        if self._created and column.created is not None:
            first, second = self._created
            times = numbers(column.created[indexes])
            endings = [f"\n{first}{text}{second}{time}\n" for text, time in zip(sets, times, strict=True)]
        lines = zip(sets, texts, endings, strict=True)
        self.text = "".join([f"{open_}{text}{close}{value}{ending}" for text, value, ending in lines]).encode()
        self._lengths = np.array([*map(len, texts)], np.int32)
        trailing = np.array([len(ending.encode()) for ending in endings], np.int32) if self._created else 1
        around = len((open_ + close).encode())
        ends = np.cumsum(labels.lengths[indexes] + self._lengths + around + trailing, dtype=np.int32)
        self._stops = ends - trailing

    def _replace(self, changed: NDArray[np.intp], values: NDArray[np.float64]) -> None:
        if not len(changed):
            return
        texts = numbers(values[changed])
        lengths = np.array([*map(len, texts)], np.int32)
        stops = self._stops[changed]
        starts = stops - self._lengths[changed]
        text = memoryview(self.text)
        parts: list[bytes | memoryview] = []
        position = 0
        for start, stop, value in zip(starts.tolist(), stops.tolist(), texts, strict=True):
            parts += text[position:start], value.encode()
            position = stop
        parts.append(text[position:])
        self.text = b"".join(parts)
        shifts = np.zeros(len(self._stops), np.int32)
        shifts[changed] = lengths - self._lengths[changed]
        self._stops = self._stops + np.cumsum(shifts, dtype=np.int32)
        self._lengths[changed] = lengths
