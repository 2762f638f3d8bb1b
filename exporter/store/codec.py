"""Content of the state as blobs: compact, and read back the same to the last digit."""

import json
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from isal import isal_zlib
from isal.igzip_lib import IsalError

from exporter.ledger import EXACT, Column, Mask, Times

T = TypeVar("T")

DAMAGE: Final[tuple[type[Exception], ...]] = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    msgspec.MsgspecError,
    IsalError,  # type: ignore[assignment] # its stub says that it is an exception, not a class of them
)
"""What reading stored content raises when it is damaged."""

_LEVEL: Final = 1


class Sparse(msgspec.Struct, array_like=True):
    """A column that is nearly all zeros."""

    length: int
    indexes: bytes
    """Of the values that are not 0."""
    amounts: bytes


class StoredMask(msgspec.Struct, array_like=True):
    """Which rows something holds for."""

    length: int
    bits: bytes


def pack(content: object) -> bytes:
    """Return structs, collections, numbers, texts and bytes as one compressed blob."""
    blob: bytes = isal_zlib.compress(msgspec.msgpack.encode(content), _LEVEL)
    return blob


def unpack(blob: bytes, kind: type[T]) -> T:
    """Return the content that was packed. Raises DAMAGE."""
    return msgspec.msgpack.decode(isal_zlib.decompress(blob), type=kind)


def column_bytes(column: Column) -> bytes:
    """Return a column of floats, or of whole numbers of quanta, as bytes."""
    return " ".join(map(str, column.tolist())).encode() if column.dtype == EXACT else column.tobytes()


def read_column(content: bytes, dtype: np.dtype[Any], rows: int) -> Column:
    """Return the column with these bytes. Raises DAMAGE, also when it is longer than there are rows."""
    if dtype == EXACT:
        column: Column = np.array([int(number) for number in content.split()], EXACT)
    else:
        column = np.frombuffer(content, dtype).copy()
    if len(column) > rows:
        raise ValueError(f"a column of {len(column)} values for {rows} rows")
    return column


def sparse(column: Column) -> Sparse:
    """Return a column that is nearly all zeros by its other values."""
    indexes = np.flatnonzero(column).astype(np.uint32)
    return Sparse(len(column), indexes.tobytes(), column_bytes(column[indexes]))


def read_sparse(content: Sparse, dtype: np.dtype[Any], rows: int) -> Column:
    """Return the whole column. Raises DAMAGE, also when it does not have a value for each row."""
    if content.length != rows:
        raise ValueError(f"a column of {content.length} values for {rows} rows")
    indexes = np.frombuffer(content.indexes, np.uint32)
    column: Column = np.zeros(rows, dtype)
    column[indexes] = read_column(content.amounts, dtype, rows)
    return column


def read_times(content: bytes, rows: int) -> Times:
    """Return times from their bytes. Raises DAMAGE, also when there are not as many as rows."""
    times = np.frombuffer(content, np.float64).copy()
    if len(times) != rows:
        raise ValueError(f"{len(times)} times for {rows} rows")
    return times


def stored_mask(mask: Mask) -> StoredMask:
    """Return a mask with a bit for each row."""
    return StoredMask(len(mask), np.packbits(mask).tobytes())


def read_mask(content: StoredMask, rows: int) -> Mask:
    """Return the mask. Raises DAMAGE, also when it is longer than there are rows."""
    if not 0 <= content.length <= rows:
        raise ValueError(f"a mask of {content.length} bits for {rows} rows")
    return np.unpackbits(np.frombuffer(content.bits, np.uint8), count=content.length).view(np.bool_)


def pack_labels(labels: tuple[str, ...]) -> str:
    """Return a label set as JSON."""
    return json.dumps(labels, ensure_ascii=False)


def unpack_labels(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the label set that was packed. Raises DAMAGE, also when it does not have a value for each name."""
    labels = tuple(json.loads(text))
    if len(labels) != len(names):
        raise ValueError(f"{len(labels)} values for the labels {', '.join(names)}")
    return labels
