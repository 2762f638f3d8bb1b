"""Where the live counters began, and what that makes of the buckets before."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import Kind, LabelGroup, Plan
from exporter.ledger import EXACT, Baseline, Column, LabelSets, Mask
from exporter.store import MeasureBaseline

Held = tuple[Column, Mask]
"""What each row held in a bucket, and where that was known."""


def baselines_of(plan: Plan, group: LabelGroup, known: Iterable[MeasureBaseline]) -> dict[str, Baseline]:
    """Return by measure the baselines that belong to a label group of a plan."""
    names = {measure.name for measure in group.measures}
    return {
        each.measure: each.baseline
        for each in known
        if each.resource == plan.resource.name and each.measure in names and each.label_names == group.labels
    }


def candidates_of(plan: Plan, known: Iterable[MeasureBaseline]) -> list[MeasureBaseline]:
    """Return the baselines that belong to a plan, or will if the API refuses some of its dimensions."""
    labels = {
        measure.name: group.labels
        for group in plan.label_groups
        for measure in group.measures
        if measure.kind is Kind.FLOW
    }
    droppable = set(plan.resource.droppable_dimensions)
    return [
        each
        for each in known
        if each.resource == plan.resource.name
        and each.measure in labels
        and set(labels[each.measure]) - droppable <= set(each.label_names) <= set(labels[each.measure])
    ]


def held_at(baseline: Baseline, unit: int, rows: LabelSets, dtype: np.dtype[np.generic]) -> dict[int, Held]:
    """Return what the baseline held, by the start of spans of `unit` seconds; label sets without a row get one.

    A span of which the baseline held only the end is left out.
    """
    indexes = _indexes(baseline, rows)
    oldest = min(baseline.buckets, default=0)
    held: dict[int, Held] = {}
    for start, (values, known) in sorted(baseline.buckets.items()):
        span = start // unit * unit
        if span < oldest:
            continue
        if span not in held:
            held[span] = np.zeros(len(rows), dtype), np.zeros(len(rows), np.bool_)
        total, seen = held[span]
        total[indexes] += values
        seen[indexes] |= known
    return held


def _indexes(baseline: Baseline, rows: LabelSets) -> NDArray[np.intp]:
    index = {labels: row for row, labels in enumerate(rows.sets)}
    found = [index[labels] if labels in index else rows.add(labels) for labels in baseline.label_sets]
    return np.array(found, np.intp)


def fit_to(values: Column, starts: Sequence[int], held: Mapping[int, Held], unit: int, end: int) -> Column:
    """Return buckets' values (buckets x rows) that add up, over each span of `unit` seconds, to what was held.

    What was reported since then belongs to the live counters. Within a span the values keep their proportions; where
    they are all 0, the sum is spread evenly. Buckets that start at `end` (Unix seconds) or later are left as they are.
    """
    fitted = values.copy()
    for span, (target, _) in held.items():
        inside = [at for at, start in enumerate(starts) if span <= start < min(span + unit, end)]
        if not inside:
            continue
        if len(inside) == 1 or target.dtype == EXACT:
            fitted[inside[:-1]] = 0
            fitted[inside[-1]] = target
            continue
        running = np.cumsum(values[inside], axis=0)
        total = running[-1]
        even = np.arange(1, len(inside) + 1)[:, None] / len(inside)
        share = np.where(total > 0, running / np.where(total > 0, total, 1), even)
        wanted = np.floor(share * target)
        wanted[-1] = target
        wanted = np.where(total == target, running, wanted)
        fitted[inside] = np.diff(wanted, axis=0, prepend=0)
    return fitted
