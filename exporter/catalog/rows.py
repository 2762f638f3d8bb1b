"""Rows of a bucket as columns: what a page is decoded into and what a ledger takes over."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from exporter.catalog.model import Measure, Row

CountColumn = NDArray[np.float64]
"""A value for each row, NaN where it is unknown."""

ExactColumn = list[int | None]
"""A whole number of quanta for each row, None where it is unknown."""


class BucketRows(Sequence[Row]):
    """The rows that one bucket has for one label group; label sets may repeat."""

    __slots__ = ("columns", "labels")

    def __init__(self, labels: list[tuple[str, ...]], columns: Sequence[CountColumn | ExactColumn]) -> None:
        """Take the label set of each row and, for each measure of the group, a column as long."""
        self.labels = labels
        self.columns = columns

    @classmethod
    def of(cls, rows: Sequence[Row], measures: Sequence[Measure]) -> "BucketRows":
        """Return rows as columns."""
        if isinstance(rows, BucketRows):
            return rows
        values = [[row[1][position] for row in rows] for position in range(len(measures))]
        pairs = zip(measures, values, strict=True)
        return cls([labels for labels, _ in rows], [column_of(measure, column) for measure, column in pairs])

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return list(self)[index]
        return self.labels[index], tuple(_value(column[index]) for column in self.columns)

    def __iter__(self) -> Iterator[Row]:
        columns = [map(_value, column if isinstance(column, list) else column.tolist()) for column in self.columns]
        return zip(self.labels, zip(*columns, strict=True) if columns else iter(()), strict=True)

    def __len__(self) -> int:
        return len(self.labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # compared by content, and holds arrays

    def __repr__(self) -> str:
        return repr(list(self))


def column_of(measure: Measure, values: Sequence[Any]) -> CountColumn | ExactColumn:
    """Return the column of a measure's values, None where one is unknown."""
    return list(values) if measure.exact else np.array(values, np.float64)


def _value(value: Any) -> int | float | None:  # noqa: ANN401 -- an element of either kind of column
    return None if value is None or value != value else value  # noqa: PLR0124 -- NaN
