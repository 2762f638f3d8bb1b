"""OpenMetrics with timestamps: family by family, series by series, ascending in time."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from exporter.backfill.history import Series
from exporter.backfill.span import Span
from exporter.exposition import Family, escape, number

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

TAKEN: Final = frozenset({"organization", "window", "le", "quantile"})
"""Label names that are not the user's to give."""


class LabelError(ValueError):
    """A label that was asked for cannot be; the words say which."""


def checked_labels(labels: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return labels that every series may have beside those of these names. Raises LabelError."""
    own = {*names, *TAKEN}
    for name, value in labels.items():
        if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
            raise LabelError(f"{name!r} is no name for a label: use letters, digits and underscores")
        if name in own:
            raise LabelError(f"{name!r} is a label of the metrics themselves: give another name")
        if not value:
            raise LabelError(f"the label {name!r} has no value: an empty label is no label")
    return dict(labels)


class Writer:
    """Writes families; what is written is whole once `end` was called."""

    def __init__(self, out: TextIO, span: Span, labels: Mapping[str, str]) -> None:
        """Take a text stream, the moments of every day and the labels that all series get."""
        self._out = out
        self._labels = tuple(labels.items())
        self._moments = [[f" {moment}\n" for moment in span.moments(day)] for day in span.days]
        self._head = ""
        self.series = 0
        self.samples = 0

    def begin(self, family: Family) -> None:
        """Begin a family; it is named once it has a series."""
        text = escape(family.help)
        self._head = f"# HELP {family.name} {text}\n# TYPE {family.name} {family.type.value}\n"
        self._name = family.name

    def write(self, organization: str, series: Series) -> None:
        """Write one series of the family, its samples ascending, one at each moment."""
        labels = (("organization", organization), *series.labels, *self._labels)
        text = ",".join(f'{name}="{escape(value)}"' for name, value in sorted(labels))
        parts = [self._head]
        self._head = ""
        for value, shown, moments in zip(series.values.tolist(), series.shown.tolist(), self._moments, strict=True):
            if shown:
                line = f"{self._name}{{{text}}} {number(value)}"
                parts += [line + moment for moment in moments]
                self.samples += len(moments)
        self.series += 1
        self._out.write("".join(parts))

    def end(self) -> None:
        """Say that nothing follows."""
        self._out.write("# EOF\n")
