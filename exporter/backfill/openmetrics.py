"""History as OpenMetrics files, one for each part, for `promtool tsdb create-blocks-from openmetrics`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from exporter.backfill.curve import Samples
from exporter.backfill.progress import Progress
from exporter.backfill.sink import Labels
from exporter.backfill.span import Part, format_time
from exporter.exposition import Family, escape, numbers

PROGRESS_FILE: Final = "progress.json"


class OpenMetricsFiles:
    """A directory with a file for each part. A file has its name only once it is complete. Raises OSError."""

    def __init__(self, directory: Path, progress: Progress) -> None:
        """Take a directory that exists, and how far an earlier run came."""
        self.samples = self.stored = 0
        self.bytes = 0
        self._directory, self._progress = directory, progress
        self._out: TextIO | None = None
        self._head = ""
        self._name = ""

    def holds(self, part: Part) -> bool:
        """Return whether the file of a part is complete."""
        return self._progress.has(part.number) and self._path(part).exists()

    async def open(self, part: Part) -> None:
        """Begin a file; what an interrupted run left of it is overwritten."""
        self._out = self._partial(part).open("w", encoding="utf-8", newline="\n")

    async def begin(self, family: Family) -> None:
        """Begin a family; it is written once it has a series."""
        self._name = family.name
        self._head = f"# HELP {_base(family)} {escape(family.help)}\n# TYPE {_base(family)} {family.type.value}\n"

    async def write(self, labels: Sequence[Labels], samples: Samples) -> None:
        """Write series of the family one after the other, their samples ascending."""
        stamps = [f" {time}\n" for time in samples.times.tolist()]
        for pairs, values, shown in zip(labels, samples.values, samples.shown, strict=True):
            if not shown.any():
                continue
            text = ",".join(f'{name}="{escape(value)}"' for name, value in sorted(pairs))
            start = f"{self._name}{{{text}}} "
            seen = values[shown]
            times = stamps if len(seen) == len(stamps) else [stamps[at] for at in np.flatnonzero(shown).tolist()]
            lines = self._head + "".join(start + value + time for value, time in zip(numbers(seen), times, strict=True))
            self._head = ""
            self.samples += len(seen)
            self.bytes += len(lines)
            if self._out:
                self._out.write(lines)

    async def close(self, part: Part) -> None:
        """Complete the file and give it its name."""
        if self._out is None:
            return
        with self._out as out:
            out.write("# EOF\n")
            out.flush()
            os.fsync(out.fileno())
        self._out = None
        self._partial(part).replace(self._path(part))
        self._progress.add(part.number)

    async def abandon(self) -> None:
        """Close an incomplete file."""
        if self._out:
            self._out.close()

    def paths(self, parts: Sequence[Part]) -> list[Path]:
        """Return the files of the parts."""
        return [self._path(part) for part in parts]

    def _path(self, part: Part) -> Path:
        return self._directory / f"history-{part.number:03}-{format_time(part.start)[:10]}.om"

    def _partial(self, part: Part) -> Path:
        return self._path(part).with_suffix(".om.partial")


def _base(family: Family) -> str:
    return family.name.removesuffix("_total") if family.type.value == "counter" else family.name
