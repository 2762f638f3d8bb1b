"""Columns: one value for each row of a bucket store, kept as arrays."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import QUANTA

Column: TypeAlias = NDArray[Any]
"""Floats, or for exact measures Python integers in quanta; as long as the store has rows, or shorter."""

Mask: TypeAlias = NDArray[np.bool_]

Times: TypeAlias = NDArray[np.float64]
"""Seconds; NaN where there is none."""

COUNTS: Final = np.dtype(np.float64)
EXACT: Final = np.dtype(object)


def fit(column: Column, rows: int) -> Column:
    """Return the column with zeros (False, for a mask) for the rows that were added after it."""
    missing = rows - len(column)
    return np.concatenate((column, np.zeros(missing, column.dtype))) if missing > 0 else column


def fit_times(times: Times, rows: int) -> Times:
    """Return the times with NaN for the rows that were added after them."""
    missing = rows - len(times)
    return np.concatenate((times, np.full(missing, np.nan))) if missing > 0 else times


def as_floats(column: Column) -> NDArray[np.float64]:
    """Return what is published: the floats nearest to the exact values."""
    if column.dtype == EXACT:
        return (column / QUANTA).astype(np.float64) if len(column) else np.zeros(0)
    return column


def total(columns: Iterable[Column], rows: int, dtype: np.dtype[Any]) -> Column:
    """Return the sum of the columns, row by row."""
    result: Column = np.zeros(rows, dtype)
    for column in columns:
        result[: len(column)] += column
    return result
