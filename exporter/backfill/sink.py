"""Where samples go: what files, remote write and the dry run have in common."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from exporter.backfill.curve import Samples
from exporter.backfill.span import Part
from exporter.exposition import Family

Labels: TypeAlias = tuple[tuple[str, str], ...]

TAKEN: Final = frozenset({"organization", "window", "le", "quantile"})
"""Label names that the user cannot set."""

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class LabelError(ValueError):
    """A label cannot be added; the message says which and why."""


class Sink(Protocol):
    """Takes the samples of one part after the other."""

    samples: int
    """How many were written."""
    stored: int
    """How many were there already."""
    bytes: int

    def holds(self, part: Part) -> bool:
        """Return whether a part is there already."""
        ...

    async def open(self, part: Part) -> None:
        """Begin a part."""
        ...

    async def begin(self, family: Family) -> None:
        """Begin a family of the part."""
        ...

    async def write(self, labels: Sequence[Labels], samples: Samples) -> None:
        """Write series of the family, `labels` being complete but for the name."""
        ...

    async def close(self, part: Part) -> None:
        """Complete the part."""
        ...

    async def abandon(self) -> None:
        """Leave the part incomplete."""
        ...


class DryRun:
    """Counts samples and writes nothing."""

    def __init__(self) -> None:
        self.samples = self.stored = 0
        self.bytes = 0

    def holds(self, part: Part) -> bool:  # noqa: ARG002 - a dry run counts everything
        """Return that it is not."""
        return False

    async def open(self, part: Part) -> None:
        """Do nothing."""

    async def begin(self, family: Family) -> None:
        """Do nothing."""

    async def write(self, labels: Sequence[Labels], samples: Samples) -> None:  # noqa: ARG002 - only counted
        """Count the samples."""
        self.samples += int(samples.shown.sum())

    async def close(self, part: Part) -> None:
        """Do nothing."""

    async def abandon(self) -> None:
        """Do nothing."""


def checked_labels(labels: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return labels that can be added to series with labels of these names. Raises LabelError."""
    own = {*names, *TAKEN}
    for name, value in labels.items():
        if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
            raise LabelError(f"{name!r} is not a label name: use letters, digits and underscores")
        if name in own:
            raise LabelError(f"{name!r} is a label of the metrics: choose another name")
        if not value:
            raise LabelError(f"the label {name!r} has no value: an empty label is no label")
    return dict(labels)
