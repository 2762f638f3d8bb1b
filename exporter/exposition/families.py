"""Metric families, from ledgers and from other sources of labels and values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import CATALOG, Kind, Measure, accrued_name, today_name, window_name
from exporter.ledger import LabelSets, Mask, View


class Type(Enum):
    """The metric types, by their name in the formats."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Column:
    """Samples of one family that share their label names: one for each row that shows a value."""

    rows: LabelSets
    values: NDArray[np.float64]
    shown: Mask
    before: tuple[tuple[str, str], ...] = ()
    """Constant labels, written before those of the rows."""
    after: tuple[tuple[str, str], ...] = ()
    """Constant labels, written after those of the rows."""
    created: NDArray[np.float64] | None = None
    """Of a counter, when each row's series began, Unix seconds; None where that is not known."""
    immediate: NDArray[np.float64] | None = None
    """Of a counter, its values for a format that carries start timestamps; None where they are the same."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric name with its samples."""

    name: str
    """As it is exposed, a counter's with `_total`."""
    help: str
    type: Type
    columns: Sequence[Column] = field(default=())


def columns_of(organization: str, views: Iterable[View]) -> list[tuple[str, Column]]:
    """Return the columns of an organization's views, each with the name of its family."""
    before = (("organization", organization),)
    named = []
    for view in views:
        after = (("window", view.window),) if view.window else ()
        column = Column(view.rows, view.values, view.shown, before, after, view.created, view.immediate)
        named.append((_name(view), column))
    return named


def of_measures(named: Iterable[tuple[str, Column]]) -> list[Family]:
    """Return the families of the table, in its order, from columns and the names of their families."""
    columns: dict[str, list[Column]] = {}
    for name, column in named:
        columns.setdefault(name, []).append(column)
    return [
        Family(family.name, family.help, family.type, columns[family.name])
        for family in reference()
        if family.name in columns
    ]


def of_samples(name: str, help_text: str, samples: Iterable[tuple[dict[str, str], float]]) -> Family:
    """Return a gauge family from label sets and values. All label sets must have the same names."""
    pairs = list(samples)
    if not pairs:
        return Family(name, help_text, Type.GAUGE)
    rows = LabelSets(tuple(pairs[0][0]), len(pairs))
    for labels, _ in pairs:
        rows.add(tuple(labels.values()))
    values = np.array([value for _, value in pairs], np.float64)
    return Family(name, help_text, Type.GAUGE, (Column(rows, values, np.ones(len(pairs), np.bool_)),))


def merge(families: Iterable[Family]) -> list[Family]:
    """Return the families, those of the same name merged, in the order of their first occurrence."""
    parts: dict[str, list[Family]] = {}
    for family in families:
        parts.setdefault(family.name, []).append(family)
    return [
        same[0] if len(same) == 1 else replace(same[0], columns=[each for part in same for each in part.columns])
        for same in parts.values()
    ]


def reference() -> list[Family]:
    """Return every family of the catalog, without samples."""
    families = []
    for resource in CATALOG:
        source = f"/organization/{resource.path}"
        for measure in resource.measures:
            field_name = f"{source} {measure.field}"
            families.append(Family(today_name(measure), _today_help(measure, field_name), Type.GAUGE))
            if measure.kind is Kind.FLOW:
                families += [
                    Family(
                        window_name(measure),
                        f"{measure.help}: sum over the window that ends now ({field_name}).",
                        Type.GAUGE,
                    ),
                    Family(
                        accrued_name(measure),
                        f"{measure.help}: everything reported since the first sync, late data and upward revisions"
                        f" included ({field_name}).",
                        Type.COUNTER,
                    ),
                ]
    return families


def _today_help(measure: Measure, field_name: str) -> str:
    if measure.kind is Kind.LEVEL:
        return f"{measure.help}, as of the most recent bucket with data ({field_name})."
    return f"{measure.help}: the current UTC day so far ({field_name})."


def _name(view: View) -> str:
    if view.counter:
        return accrued_name(view.measure)
    return window_name(view.measure) if view.window else today_name(view.measure)
