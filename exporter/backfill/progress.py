"""How far a backfill has come, in a file, so that it can be interrupted at any moment."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Self

from exporter.backfill.bucket_cache import BucketCache
from exporter.backfill.span import Span


class ProgressError(ValueError):
    """The file belongs to another backfill; the message says what to do."""


class Progress:
    """The parts that are complete. Raises OSError when the file cannot be read or written."""

    def __init__(self, path: Path, key: str, span: Span, done: set[int]) -> None:
        """Take what the backfill is (`key`), its span and the numbers of its complete parts."""
        self.span = span
        self.cache = BucketCache(path.with_name(path.name + ".buckets"))
        """What was read for the parts."""
        self._path, self._key, self._done = path, key, done

    @classmethod
    def load(cls, path: Path, key: str, span: Span) -> Self:
        """Return the progress in a file, with the span that it was begun with; a new file where there is none.

        Raises ProgressError where the file is that of another backfill.
        """
        try:
            content: object = json.loads(path.read_text())
        except FileNotFoundError:
            progress = cls(path, key, span, set())
            progress.cache.clear()
            progress.save()
            return progress
        except ValueError:
            raise ProgressError(f"{path} is not a progress file: remove it, or choose another path") from None
        if not isinstance(content, dict) or content.get("key") != key:
            raise ProgressError(
                f"{path} is that of a backfill with other options or another state: repeat them, or remove what it"
                " wrote and start again"
            )
        return cls(path, key, Span(**content["span"]), set(content["done"]))

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
        self.save()

    def save(self) -> None:
        """Write the file."""
        content = {"key": self._key, "span": asdict(self.span), "done": sorted(self._done)}
        partial = self._path.with_name(self._path.name + ".partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
