"""Which row of the costs bills which usage, and the figures of both by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from exporter.estimate.line_items import NO_MODEL, STANDARD, Kind, LineItem, family, parse, usage_models

Floats: TypeAlias = NDArray[np.float64]
Indexes: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

NONE: Final = -1
"""The index of what a row does not have."""

_UNITS: Final[Mapping[str, float]] = {"1000_tokens": 1000.0, "duration_minutes": 60.0, "duration_hours": 3600.0}
"""Units of usage in one of `quantity_unit`, where they differ."""


class UsageKey(NamedTuple):
    """Usage that has one price."""

    project: str
    model: str
    variant: str
    kind: Kind
    resource: str = ""
    """Of tools and storage, the resource of the catalog."""


class CostKey(NamedTuple):
    """A row of the costs."""

    project: str
    line_item: str
    unit: str = ""
    """`quantity_unit`; empty where none was sent."""


class BilledItem(NamedTuple):
    """A line item of the whole organization."""

    model: str
    text: str
    unit: str


class Levels(NamedTuple):
    """For each key the number of what it shares a price with."""

    own: Indexes
    organization: Indexes
    """The same usage in other projects."""
    family: Indexes
    """The same usage of other snapshots of the model."""


class Cell(NamedTuple):
    """Usage and costs that are compared with each other."""

    project: str
    model: str
    resource: str = ""


@dataclass(frozen=True, slots=True)
class BillingMatch:
    """Which row of the costs bills which usage."""

    levels: Levels
    keys: tuple[UsageKey, ...]
    """What has a price: the reported usage, with variants that no line item distinguishes merged."""
    key_of_usage: Indexes
    """For each row of reported usage its key."""
    costs: tuple[CostKey, ...]
    items: tuple[LineItem, ...]
    """What each row of the costs says, under the model names that usage has."""
    line_items: tuple[BilledItem, ...]
    line_item_of_cost: Indexes
    key_of_cost: Indexes
    """For each row of the costs the usage that it bills, or NONE."""
    cells: tuple[Cell, ...]
    cell_of_key: Indexes
    cell_of_cost: Indexes
    unit_size: Floats
    """For each row of the costs, units of usage in one of its `quantity`."""
    unsplit: frozenset[str]
    """Models with several kinds of usage whose line items name none of them."""
    compared: Mask
    """For each row of the costs, whether it bills usage at all."""

    def add_up(self, usage: Floats) -> Floats:
        """Return days by keys from days by rows of reported usage."""
        sums = np.zeros((len(usage), len(self.keys)))
        for day, values in zip(sums, usage, strict=True):
            day += add_by(self.key_of_usage, values, len(self.keys))  # noqa: PLW2901 # in place
        return sums


@dataclass(frozen=True, slots=True)
class History:
    """The figures: a line for every day, ascending."""

    match: BillingMatch
    settled: Mask
    """For each day, whether its costs are complete."""
    usage: Floats
    """Days by keys."""
    cost: Floats
    """Days by rows of the costs, US dollars."""
    quantity: Floats
    """Days by rows of the costs; NaN where none was sent."""


def add_by(index: Indexes, values: Floats, length: int) -> Floats:
    """Return for each of `length` places the sum of the values that have its index."""
    return np.bincount(index, values, length).astype(np.float64)


def at(values: Floats, index: Indexes) -> Floats:
    """Return the values at these places, NaN at NONE."""
    return np.asarray(np.append(values, np.nan)[index])


def match_billing(usage: Sequence[UsageKey], costs: Sequence[CostKey]) -> BillingMatch:
    """Match rows of the costs with rows of reported usage."""
    parsed = [parse(cost.line_item) for cost in costs]
    used = {row.model for row in usage if not row.resource}
    named = usage_models({item.model for item in parsed}, used)
    items = tuple(LineItem(named[item.model], item.variant, item.kind, item.resource) for item in parsed)
    variants = {item.variant for item in items} & {row.variant for row in usage}

    def variant(text: str) -> str:
        return text if text in variants else STANDARD

    keys: dict[UsageKey, int] = {}
    key_of_usage = [keys.setdefault(row._replace(variant=variant(row.variant)), len(keys)) for row in usage]
    kinds: dict[str, set[Kind]] = {}
    for key in keys:
        kinds.setdefault(NO_MODEL if key.resource else key.model, set()).add(key.kind)
    key_of_cost = np.full(len(items), NONE)
    unnamed: set[str] = set()
    split: set[str] = set()
    for row, (cost, item) in enumerate(zip(costs, items, strict=True)):
        kind = _kind(item, kinds.get(item.model, set()))
        if kind is None:
            unnamed.add(item.model)
            continue
        split.add(item.model)
        key = UsageKey(cost.project, item.model, variant(item.variant), kind, item.resource)
        key_of_cost[row] = keys.get(key, NONE)
    cells: dict[Cell, int] = {}
    cell_of_key = [cells.setdefault(Cell(key.project, key.model, key.resource), len(cells)) for key in keys]
    cell_of_cost = [
        cells.setdefault(Cell(cost.project, item.model, item.resource), len(cells))
        for cost, item in zip(costs, items, strict=True)
    ]
    unsplit = frozenset((unnamed - split) & used)
    line_items: dict[BilledItem, int] = {}
    line_item_of_cost = [
        line_items.setdefault(BilledItem(item.model, cost.line_item, cost.unit), len(line_items))
        for cost, item in zip(costs, items, strict=True)
    ]
    return BillingMatch(
        _levels(list(keys)),
        tuple(keys),
        np.array(key_of_usage, np.int64),
        tuple(costs),
        items,
        tuple(line_items),
        np.array(line_item_of_cost, np.int64),
        key_of_cost,
        tuple(cells),
        np.array(cell_of_key, np.int64),
        np.array(cell_of_cost, np.int64),
        np.array([_UNITS.get(cost.unit, 1.0) for cost in costs]),
        unsplit,
        np.array([item.model in unsplit for item in items], np.bool_) | (key_of_cost != NONE),
    )


def _levels(keys: Sequence[UsageKey]) -> Levels:
    models = {key.model for key in keys}
    families = {model: family(model) for model in models}
    organization: dict[UsageKey, int] = {}
    families_seen: dict[UsageKey, int] = {}
    shared = [key._replace(project="") for key in keys]
    of_organization = [organization.setdefault(key, len(organization)) for key in shared]
    of_family = [
        families_seen.setdefault(key._replace(model=families[key.model]), len(families_seen)) for key in shared
    ]
    return Levels(np.arange(len(keys)), np.array(of_organization, np.int64), np.array(of_family, np.int64))


def _kind(item: LineItem, kinds: set[Kind]) -> Kind | None:
    """Return the kind of usage that an item bills: what its text says, or the only one that its model has."""
    if item.resource or item.kind in kinds:
        return item.kind
    return next(iter(kinds)) if len(kinds) == 1 and item.model != NO_MODEL else None
