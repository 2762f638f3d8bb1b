"""Columns: one value for each row of a bucket store, kept as arrays."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import QUANTA, CountColumn, ExactColumn

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


def sum_by_row(
    column: CountColumn | ExactColumn, indexes: NDArray[np.intp], rows: int, *, unique: bool, other: int | None
) -> tuple[Column, Mask | None]:
    """Return the sum of the values that each row has, and where it is known: None where every entry has a value.

    `indexes` are the rows of the column's entries; `unique` says that none repeats. A sum with an unknown part is
    unknown, except in the row of the folded label sets (`other`), which sums what is known.
    """
    if isinstance(column, list):
        return _sum_exact(column, indexes, rows, other)
    unknown = np.isnan(column)
    known = None
    if unknown.any():
        known = np.zeros(rows, np.bool_)
        known[indexes[~unknown]] = True
        known[_without(indexes[unknown], other)] = False
        column = np.where(unknown, 0.0, column)
    if not unique:
        return np.bincount(indexes, weights=column, minlength=rows), known
    values = np.zeros(rows, COUNTS)
    values[indexes] = column
    return values, known


def _sum_exact(
    column: ExactColumn, indexes: NDArray[np.intp], rows: int, other: int | None
) -> tuple[Column, Mask | None]:
    values: Column = np.zeros(rows, EXACT)
    known = np.zeros(rows, np.bool_)
    for row, value in zip(indexes.tolist(), column, strict=True):
        if value is not None:
            values[row] += value
            known[row] = True
    if None not in column:
        return values, None
    unknown = np.array([value is None for value in column], np.bool_)
    known[_without(indexes[unknown], other)] = False
    return values, known


def _without(indexes: NDArray[np.intp], other: int | None) -> NDArray[np.intp]:
    return indexes if other is None else indexes[indexes != other]


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
