"""Columns as blobs: compact, and read back the same to the last digit."""

import json
import struct
import zlib
from typing import Any, Final

import numpy as np

from exporter.ledger import EXACT, Column, Mask, Times

DAMAGE: Final = (ValueError, TypeError, LookupError, ArithmeticError, struct.error, zlib.error)
"""What reading stored content raises when it is damaged."""

_SIZE: Final = struct.Struct("<I")


def pack_column(column: Column) -> bytes:
    """Return a column of floats, or of whole numbers of quanta, as bytes."""
    plain = " ".join(map(str, column.tolist())).encode() if column.dtype == EXACT else column.tobytes()
    return zlib.compress(plain, 1)


def unpack_column(blob: bytes, dtype: np.dtype[Any], rows: int) -> Column:
    """Return the column that was packed. Raises DAMAGE, also when it is longer than there are rows."""
    plain = zlib.decompress(blob)
    if dtype == EXACT:
        column: Column = np.array([int(number) for number in plain.split()], EXACT)
    else:
        column = np.frombuffer(plain, dtype).copy()
    if len(column) > rows:
        raise ValueError(f"a column of {len(column)} values for {rows} rows")
    return column


def pack_sparse(column: Column) -> bytes:
    """Return a column that is nearly all zeros as bytes: length, row indexes, values."""
    indexes = np.flatnonzero(column).astype(np.uint32)
    return _SIZE.pack(len(column)) + _SIZE.pack(len(indexes)) + indexes.tobytes() + pack_column(column[indexes])


def unpack_sparse(blob: bytes, dtype: np.dtype[Any], rows: int) -> Column:
    """Return the column that `pack_sparse` packed. Raises DAMAGE, also when it does not have a value for each row."""
    (length,), (filled,) = _SIZE.unpack_from(blob), _SIZE.unpack_from(blob, _SIZE.size)
    if length != rows:
        raise ValueError(f"a column of {length} values for {rows} rows")
    indexes = np.frombuffer(blob, np.uint32, filled, 2 * _SIZE.size)
    column: Column = np.zeros(length, dtype)
    column[indexes] = unpack_column(blob[2 * _SIZE.size + 4 * filled :], dtype, rows)
    return column


def pack_times(times: Times) -> bytes:
    """Return times as bytes."""
    return zlib.compress(times.tobytes(), 1)


def unpack_times(blob: bytes, rows: int) -> Times:
    """Return the times that were packed. Raises DAMAGE, also when there are not as many as rows."""
    times = np.frombuffer(zlib.decompress(blob), np.float64).copy()
    if len(times) != rows:
        raise ValueError(f"{len(times)} times for {rows} rows")
    return times


def pack_mask(mask: Mask) -> bytes:
    """Return a mask as bytes: length, bits."""
    return _SIZE.pack(len(mask)) + np.packbits(mask).tobytes()


def unpack_mask(blob: bytes, rows: int) -> Mask:
    """Return the mask that was packed. Raises DAMAGE, also when it is longer than there are rows."""
    (length,) = _SIZE.unpack_from(blob)
    if length > rows:
        raise ValueError(f"a mask of {length} bits for {rows} rows")
    return np.unpackbits(np.frombuffer(blob, np.uint8, offset=_SIZE.size), count=length).astype(np.bool_)


def pack_labels(labels: tuple[str, ...]) -> str:
    """Return a label set as JSON."""
    return json.dumps(labels, ensure_ascii=False)


def unpack_labels(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the label set that was packed. Raises DAMAGE, also when it does not have a value for each name."""
    labels = tuple(json.loads(text))
    if len(labels) != len(names):
        raise ValueError(f"{len(labels)} values for the labels {', '.join(names)}")
    return labels
