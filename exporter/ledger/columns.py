"""Columns: one value for every row of a book, kept as arrays."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import QUANTA

Column: TypeAlias = NDArray[Any]
"""Floats, or for exact measures Python's whole numbers of quanta; the same length as the book has rows, or shorter."""

Mask: TypeAlias = NDArray[np.bool_]

COUNTS: Final = np.dtype(np.float64)
EXACT: Final = np.dtype(object)


def fit(column: Column, rows: int) -> Column:
    """Return the column with zeros (False, for a mask) for the rows that came after it."""
    missing = rows - len(column)
    return np.concatenate((column, np.zeros(missing, column.dtype))) if missing else column


def as_floats(column: Column) -> NDArray[np.float64]:
    """Return what is published: the floats nearest to the exact values."""
    if column.dtype == EXACT:
        return (column / QUANTA).astype(np.float64) if len(column) else np.zeros(0)
    return column


def total(columns: list[Column], rows: int, dtype: np.dtype[Any]) -> Column:
    """Return the sum of the columns, row by row."""
    result: Column = np.zeros(rows, dtype)
    for column in columns:
        result[: len(column)] += column
    return result
