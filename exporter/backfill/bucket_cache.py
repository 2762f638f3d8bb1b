"""The buckets that were read, in files, so that a backfill that is run again writes the very same samples."""

import hashlib
import os
import shutil
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np

from exporter.catalog import Bucket, BucketRows, Plan

_Rows: TypeAlias = tuple[list[tuple[str, ...]], list[bytes | list[int | None]]]
"""Label sets, then a column for each measure: doubles, or whole numbers of quanta."""

_Bucket: TypeAlias = tuple[int, int, list[_Rows], frozenset[int]]
"""Start, end, the rows of each label group, and which of these are incomplete."""

_Groups: TypeAlias = list[tuple[tuple[str, ...], tuple[str, ...]]]
"""Labels and measures of each label group."""


class ProgressError(ValueError):
    """What an earlier run left cannot be continued; the message says what to do."""


class DamageError(ProgressError):
    """A file that an earlier run left is damaged or missing."""


class _Content(msgspec.Struct, array_like=True):
    group_by: tuple[str, ...]
    groups: _Groups
    buckets: list[_Bucket]


class BucketCache:
    """A directory with a file for each answer of the API. Raises OSError when it cannot be read or written.

    Between an interruption and the next run OpenAI may revise what it reported. A history of which one half has the
    older amounts would have counters that fall.
    """

    def __init__(self, directory: Path) -> None:
        """Take a directory, which is created once there is something to keep."""
        self._directory = directory

    def load(self, plan: Plan, *key: object) -> tuple[tuple[str, ...], list[Bucket]] | None:
        """Return the dimensions and the buckets that were saved under a key, or None.

        Raises DamageError for a file that is damaged, or has other measures or labels than the plan.
        """
        path = self._path(key)
        try:
            content = msgspec.json.decode(zlib.decompress(path.read_bytes()), type=_Content)
            if content.groups == _groups(plan.regrouped(content.group_by)):
                return content.group_by, [_bucket(content.groups, *each) for each in content.buckets]
        except FileNotFoundError:
            return None
        except (zlib.error, ValueError, RecursionError):
            raise _damaged(path, "is damaged") from None
        raise _damaged(path, "has other measures or labels than the settings")

    def save(self, plan: Plan, buckets: Sequence[Bucket], *key: object) -> None:
        """Save buckets, which have been decoded, of a plan with the dimensions that they are grouped by."""
        content = _Content(plan.group_by, _groups(plan), [_plain(bucket) for bucket in buckets])
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(key)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(zlib.compress(msgspec.json.encode(content), 1))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def files(self) -> list[str]:
        """Return the names of the files that were saved."""
        return sorted(path.name for path in self._directory.glob("*.z"))

    def require(self, names: Iterable[str]) -> None:
        """Raise DamageError if one of these files is missing: OpenAI may report something else now."""
        there = set(self.files())
        for name in names:
            if name not in there:
                raise _damaged(self._directory / name, "is missing")

    def clear(self) -> None:
        """Forget everything."""
        if self._directory.exists():
            shutil.rmtree(self._directory)

    def _path(self, key: Sequence[object]) -> Path:
        return self._directory / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.json.z"


def _damaged(path: Path, what: str) -> DamageError:
    progress = path.parent.with_suffix("")
    return DamageError(f"{path} {what}: remove {progress} and what was written, and start again")


def _groups(plan: Plan) -> _Groups:
    return [(group.labels, tuple(measure.name for measure in group.measures)) for group in plan.label_groups]


def _plain(bucket: Bucket) -> _Bucket:
    groups: list[_Rows] = []
    for rows in bucket.rows or ():
        assert isinstance(rows, BucketRows)  # noqa: S101 - what the client decodes into
        columns = [column if isinstance(column, list) else column.astype("<f8").tobytes() for column in rows.columns]
        groups.append((rows.labels, columns))
    return bucket.start, bucket.end, groups, bucket.incomplete


def _bucket(groups: _Groups, start: int, end: int, content: list[_Rows], incomplete: frozenset[int]) -> Bucket:
    """Return a bucket. Raises ValueError where a label set or a value is missing."""
    found = []
    for (names, measures), (labels, plain) in zip(groups, content, strict=bool(content)):
        columns = [column if isinstance(column, list) else np.frombuffer(column, "<f8").copy() for column in plain]
        if {len(each) for each in labels} - {len(names)} or [len(labels)] * len(measures) != [*map(len, columns)]:
            raise ValueError
        found.append(BucketRows(labels, columns))
    return Bucket(start, end, tuple(found), incomplete=incomplete)
