"""The buckets that were read, in files, so that a backfill that is run again writes the very same samples."""

import hashlib
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np

from exporter.catalog import Bucket, BucketRows

_Rows: TypeAlias = tuple[list[tuple[str, ...]], list[bytes | list[int | None]]]
"""Label sets, then a column for each measure: doubles, or whole numbers of quanta."""


class _Content(msgspec.Struct, array_like=True):
    group_by: tuple[str, ...]
    buckets: list[tuple[int, int, list[_Rows]]]
    """Start, end and the rows of each label group."""


class BucketCache:
    """A directory with a file for each answer of the API. Raises OSError when it cannot be read or written.

    Between an interruption and the next run OpenAI may revise what it reported. A history of which one half has the
    older amounts would have counters that fall.
    """

    def __init__(self, directory: Path) -> None:
        """Take a directory, which is created once there is something to keep."""
        self._directory = directory

    def load(self, *key: object) -> tuple[tuple[str, ...], list[Bucket]] | None:
        """Return the dimensions and the buckets that were saved under a key, or None."""
        try:
            plain = zlib.decompress(self._path(key).read_bytes())
        except FileNotFoundError:
            return None
        content = msgspec.json.decode(plain, type=_Content)
        return content.group_by, [_bucket(*each) for each in content.buckets]

    def save(self, group_by: Sequence[str], buckets: Sequence[Bucket], *key: object) -> None:
        """Save buckets, which have been decoded, with the dimensions that they are grouped by."""
        content = _Content(tuple(group_by), [_plain(bucket) for bucket in buckets])
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(key)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(zlib.compress(msgspec.json.encode(content), 1))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def clear(self) -> None:
        """Forget everything."""
        if self._directory.exists():
            shutil.rmtree(self._directory)

    def _path(self, key: Sequence[object]) -> Path:
        return self._directory / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.json.z"


def _plain(bucket: Bucket) -> tuple[int, int, list[_Rows]]:
    groups: list[_Rows] = []
    for rows in bucket.rows or ():
        assert isinstance(rows, BucketRows)  # noqa: S101 - what the client decodes into
        columns = [column if isinstance(column, list) else column.astype("<f8").tobytes() for column in rows.columns]
        groups.append((rows.labels, columns))
    return bucket.start, bucket.end, groups


def _bucket(start: int, end: int, groups: list[_Rows]) -> Bucket:
    rows = tuple(
        BucketRows(
            labels,
            [column if isinstance(column, list) else np.frombuffer(column, "<f8").copy() for column in columns],
        )
        for labels, columns in groups
    )
    return Bucket(start, end, rows)
