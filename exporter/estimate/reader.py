"""From ledgers to rows and columns: the usage and the costs of a day, as far as they have a price."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from exporter.catalog import DAY, HOUR, QUANTA, ApiFamily, Plan
from exporter.estimate.billing_match import CostKey, Floats, Indexes, Mask, UsageKey
from exporter.estimate.line_items import NO_MODEL, TOOLS, Kind, variant_of
from exporter.ledger import BucketStore, Cells, Column, Ledger, as_floats

_GIBIBYTE: Final = 2**30
_REQUESTS: Final = ("num_model_requests", "num_requests", "num_sessions")

_KINDS: Final[tuple[tuple[Kind, str, tuple[str, ...]], ...]] = (
    (Kind.INPUT, "input_tokens", ("input_cached_tokens", "input_audio_tokens")),
    (Kind.CACHED_INPUT, "input_cached_tokens", ()),
    (Kind.OUTPUT, "output_tokens", ("output_audio_tokens",)),
    (Kind.AUDIO_INPUT, "input_audio_tokens", ()),
    (Kind.AUDIO_OUTPUT, "output_audio_tokens", ()),
    (Kind.IMAGES, "images", ()),
    (Kind.CHARACTERS, "characters", ()),
    (Kind.SECONDS, "seconds", ()),
    (Kind.SESSIONS, "num_sessions", ()),
    (Kind.STORAGE, "usage_bytes", ()),
)
"""What usage is priced by: the API field that counts it, less what of it is priced apart."""

_FIELDS: Final = frozenset({"quantity", *_REQUESTS, *(name for _, *names in _KINDS for name in (names[0], *names[1]))})
"""The API fields that an estimate is made of."""

LABELS: Final = ("project_id", "model")
"""The labels of an estimate, as far as usage and costs have them."""


@dataclass(frozen=True, slots=True)
class UsageColumn:
    """One kind of usage of one ledger."""

    kind: Kind
    store: BucketStore
    plus: int
    minus: tuple[int, ...]

    def read(self, starts: Sequence[int], hours: float) -> Floats:
        """Return the usage in these buckets; storage is multiplied by the hours it was held."""
        values = as_floats(self.store.column(self.plus, starts))
        if self.kind is Kind.STORAGE:
            return np.asarray(values * (hours / _GIBIBYTE / max(len(starts), 1)))
        for position in self.minus:
            values = values - as_floats(self.store.column(position, starts))
        return np.maximum(values, 0.0)


class UsageReader:
    """Reads every ledger of usage."""

    def __init__(self, ledgers: Sequence[Ledger], labels: Sequence[str]) -> None:
        """`labels` are those of an estimate: usage is summed over all other dimensions."""
        self.ledgers = [ledger for ledger in ledgers if ledger.plan.resource.branch is ApiFamily.USAGE]
        self.columns: list[tuple[Ledger, UsageColumn]] = []
        self.keys: list[UsageKey] = []
        self._requests: list[tuple[Ledger, int, Indexes]] = []
        """Ledgers that count requests, with the position of that measure, and the keys: kinds by rows."""
        for ledger in self.ledgers:
            self._add(ledger, labels)

    def read(self, day: int, now: float) -> Floats:
        """Return the usage of a UTC day, in the order of the keys."""
        hours = (min(now, day + DAY) - day) / HOUR
        parts = [column.read(starts_of(ledger, day), hours) for ledger, column in self.columns]
        return np.concatenate(parts) if parts else np.zeros(0)

    def covers(self, day: int) -> bool:
        """Whether every ledger that was ever read has all buckets of a day."""
        read = [ledger for ledger in self.ledgers if ledger.last_success is not None]
        return bool(read) and all(len(starts_of(ledger, day)) == DAY // ledger.plan.width_seconds for ledger in read)

    def requests(self, day: int, unpriced: Mask) -> tuple[float, float]:
        """Return the requests of a UTC day whose usage has a price, and all; `unpriced` marks the keys without."""
        priced = total = 0.0
        for ledger, position, keys in self._requests:
            counts = as_floats(ledger.stores[0].column(position, starts_of(ledger, day)))
            total += float(counts.sum())
            priced += float(counts[~unpriced[keys].any(axis=0)].sum())
        return priced, total

    def _add(self, ledger: Ledger, labels: Sequence[str]) -> None:
        store = ledger.stores[0]
        positions = {measure.field: position for position, measure in enumerate(store.group.measures)}
        kinds = list(_kinds(positions))
        first = len(self.keys)
        for kind, plus, minus in kinds:
            self.columns.append((ledger, UsageColumn(kind, store, plus, minus)))
            self.keys += _usage_keys(ledger, kind, labels)
        counted = next((positions[name] for name in _REQUESTS if name in positions), None)
        if counted is not None and kinds:
            rows = len(store.rows)
            self._requests.append((ledger, counted, first + np.arange(rows * len(kinds)).reshape(len(kinds), rows)))


@dataclass(frozen=True, slots=True, eq=False)
class BilledDay:
    """The costs of one UTC day, in the order of the reader's keys."""

    exact: Column
    """Quanta."""
    dollars: Floats
    quantity: Floats
    """NaN where none was sent, although something was paid."""
    any: bool
    """Whether there are any costs."""


class CostReader:
    """Reads the ledger of costs."""

    def __init__(self, ledger: Ledger, labels: Sequence[str]) -> None:
        self.ledger = ledger
        self.money = ledger.stores[0]
        self.amounts = next((store for store in ledger.stores if store.group.key == "unit"), None)
        costs: dict[tuple[str, str], int] = {}
        self._row_of_money = _rows(self.money, labels, costs)
        self._row_of_amounts = _rows(self.amounts, labels, costs) if self.amounts else None
        units: dict[int, str] = {}
        if self.amounts and self._row_of_amounts is not None:
            units = {
                int(row): sets[-1]
                for row, sets in zip(self._row_of_amounts, self.amounts.rows.sets, strict=True)
                if sets[-1] != "unknown"
            }
        self._days: dict[int, tuple[Cells | None, BilledDay]] = {}
        self.keys = [CostKey(project, text, units.get(row, "")) for (project, text), row in costs.items()]

    def of(self, day: int) -> BilledDay:
        """Return the costs of a UTC day: calculated again only after a poll that had the day."""
        cells = self.money.cells.get(day)
        held = self._days.get(day)
        if held is None or held[0] is not cells:
            exact = self._exact(day)
            dollars = np.array([amount / QUANTA for amount in exact.tolist()], np.float64)
            quantity = self._quantity(day)
            quantity[(quantity == 0) & (dollars != 0)] = np.nan
            held = self._days[day] = cells, BilledDay(exact, dollars, quantity, bool(exact.any()))
        return held[1]

    def forget(self, before: int) -> None:
        """Drop the days before one."""
        self._days = {day: held for day, held in self._days.items() if day >= before}

    def _exact(self, day: int) -> Column:
        sums: Column = np.zeros(len(self.keys), object)
        np.add.at(sums, self._row_of_money, self.money.column(0, starts_of(self.ledger, day)))
        return sums

    def _quantity(self, day: int) -> Floats:
        sums = np.zeros(len(self.keys))
        known = np.zeros(len(self.keys), np.bool_)
        if self.amounts and self._row_of_amounts is not None:
            starts = starts_of(self.ledger, day)
            np.add.at(sums, self._row_of_amounts, as_floats(self.amounts.column(0, starts)))
            known[self._row_of_amounts] = True
        sums[~known] = np.nan
        return sums


def starts_of(ledger: Ledger, day: int) -> list[int]:
    """Return the buckets of a UTC day that were read."""
    read = ledger.coverage.read
    return [start for start in range(day, day + DAY, ledger.plan.width_seconds) if start in read]


def with_inputs(plan: Plan) -> Plan:
    """Return the plan with the measures that an estimate is made of; those that it lacked are not exported."""
    names = {measure.name for measure in plan.measures}
    added = {measure.name for measure in plan.resource.measures if measure.field in _FIELDS} - names
    measures = tuple(measure for measure in plan.resource.measures if measure.name in names | added)
    return replace(plan, measures=measures, unexported=frozenset(added))


def _kinds(positions: dict[str, int]) -> Iterator[tuple[Kind, int, tuple[int, ...]]]:
    for kind, plus, minus in _KINDS:
        if plus in positions:
            yield kind, positions[plus], tuple(positions[name] for name in minus if name in positions)
    if "num_requests" in positions:
        yield Kind.CALLS, positions["num_requests"], ()


def _usage_keys(ledger: Ledger, kind: Kind, labels: Sequence[str]) -> Iterator[UsageKey]:
    rows, name = ledger.stores[0].rows, ledger.plan.resource.name
    positions = {label: index for index, label in enumerate(rows.names)}
    tool = name if name in TOOLS else ""
    for label_set in rows.sets:
        value = {label: label_set[index] for label, index in positions.items()}
        project = value.get("project_id", "unknown") if "project_id" in labels else ""
        model = NO_MODEL if tool else value.get("model", "unknown")
        variant = variant_of(batch=value.get("batch", ""), service_tier=value.get("service_tier", ""))
        yield UsageKey(project, model, variant, kind, tool)


def _rows(store: BucketStore, labels: Sequence[str], costs: dict[tuple[str, str], int]) -> Indexes:
    names = store.rows.names
    project = names.index("project_id") if "project_id" in labels and "project_id" in names else None
    text = names.index("line_item") if "line_item" in names else None
    return np.array(
        [
            costs.setdefault(
                ("" if project is None else label_set[project], "" if text is None else label_set[text]), len(costs)
            )
            for label_set in store.rows.sets
        ],
        np.int64,
    )
