"""How far a backfill has come, in a file, so that it can be interrupted at any moment."""

import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec

from exporter.backfill.bucket_cache import BucketCache, DamageError, ProgressError
from exporter.backfill.span import Span
from exporter.catalog import DAY

_ID_PREFIX: Final = "org-"
_Time = Annotated[int, msgspec.Meta(ge=0, lt=2**33)]


class _Span(msgspec.Struct, forbid_unknown_fields=True):
    start: Annotated[_Time, msgspec.Meta(multiple_of=DAY)]
    end: _Time
    step: Annotated[int, msgspec.Meta(ge=1)]
    dense_from: int


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    options: dict[str, str]
    organizations: dict[str, str]
    """By name, a digest of the id that the API gave."""
    span: _Span
    done: set[Annotated[int, msgspec.Meta(ge=0)]]
    kept: list[str]
    """Names of the files that the complete parts were read from."""


class Progress:
    """The parts that are complete. Raises OSError when the file cannot be read or written."""

    def __init__(self, path: Path, options: Mapping[str, str], span: Span) -> None:
        """Take the options that decide what is written, by name, and the span."""
        self.span = span
        self.cache = BucketCache(path.with_name(path.name + ".buckets"))
        """What was read for the parts."""
        self._path, self._options = path, dict(options)
        self._done: set[int] = set()
        self._kept: list[str] = []
        self._organizations: dict[str, str] = {}

    @classmethod
    def load(cls, path: Path, options: Mapping[str, str], span: Span) -> Self:
        """Return the progress in a file, with the span that it was begun with; a new file where there is none.

        Raises ProgressError where the file is that of another backfill, and DamageError where it, or a file with what
        was read, cannot be used.
        """
        progress = cls(path, options, span)
        try:
            content = msgspec.json.decode(path.read_bytes(), type=_Content)
        except FileNotFoundError:
            progress.cache.clear()
            progress.save()
            return progress
        except (ValueError, RecursionError):
            raise DamageError(
                f"{path} is damaged, or no progress file of this version: choose another path, or remove it and what"
                " was written, and start again"
            ) from None
        names = [*options, *(name for name in content.options if name not in options)]
        if differing := [name for name in names if options.get(name) != content.options.get(name)]:
            raise ProgressError(
                f"{path} is that of a backfill with other options or another state: repeat them, or remove it and what"
                f" was written, and start again. What differs: {', '.join(differing)}"
            )
        progress.span = Span(content.span.start, content.span.end, content.span.step, content.span.dense_from)
        if content.span.end <= content.span.start or max(content.done, default=0) > len(progress.span.parts):
            raise DamageError(f"{path} is damaged: remove it and what was written, and start again")
        progress._done, progress._kept = content.done, content.kept
        progress._organizations = content.organizations
        if not progress.complete:
            progress.cache.require(content.kept)
        return progress

    @property
    def count(self) -> int:
        """How many parts are complete."""
        return len(self._done)

    @property
    def complete(self) -> bool:
        """Whether nothing is left: all parts, and the names, which are the last."""
        return len(self._done) > len(self.span.parts)

    def has(self, part: int) -> bool:
        """Return whether a part is complete."""
        return part in self._done

    def add(self, part: int) -> None:
        """Record a complete part."""
        self._done.add(part)
        self._kept = self.cache.files()
        self.save()

    def admit(self, name: str, answered: str, same: Collection[str] = ()) -> None:
        """Learn which OpenAI organization the API named, if any; `same` are ids of one and the same organization.

        Raises ProgressError where an earlier answer named another one.
        """
        if not answered.startswith(_ID_PREFIX):
            return
        found = digest(min(same) if answered in same else answered)
        if name not in self._organizations:
            self._organizations[name] = found
            self.save()
        elif found != self._organizations[name]:
            raise ProgressError(
                f"{name}: the key belongs to another organization than what {self._path} began with: use a key of that"
                " organization, or remove the file and what was written, and start again"
            )

    def save(self) -> None:
        """Write the file."""
        span = _Span(self.span.start, self.span.end, self.span.step, self.span.dense_from)
        content = _Content(self._options, self._organizations, span, self._done, self._kept)
        partial = self._path.with_name(self._path.name + ".partial")
        with partial.open("wb") as file:
            file.write(msgspec.json.encode(content))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)


def digest(secret: str) -> str:
    """Return what stands for a value that is not written to a file."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
