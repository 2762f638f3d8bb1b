"""The estimate of one organization: prices from its costs, applied to the usage that they do not contain yet."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.catalog import DAY, QUANTA, ApiFamily, Bucket, Plan, PollResult, Row, day_of
from exporter.estimate.billing_match import BillingMatch, Floats, History, match_billing
from exporter.estimate.metrics import of_prices
from exporter.estimate.plan import ESTIMATED_COSTS, plan_of
from exporter.estimate.prices import EffectivePrice, Prices, learn
from exporter.estimate.reader import BilledDay, CostReader, UsageReader
from exporter.estimate.runway import Funds, Runway
from exporter.exposition import Family
from exporter.ledger import Column, Ledger
from exporter.store import Refusal

_SETTLED_AFTER: Final = DAY
"""Seconds after its end from which on a day's costs can be complete."""
_LEARNED_DAYS: Final = 14
"""Settled days that prices are learned from."""
_CELL: Final = {"project_id": "project", "model": "model"}
"""The labels of an estimate, and the attributes of a cell that have their values."""
_PICODOLLARS: Final = 10**12


@dataclass(frozen=True, slots=True)
class _Sources:
    version: object
    usage: UsageReader
    costs: CostReader
    match: BillingMatch
    labels: tuple[tuple[str, ...], ...]
    """Of each cell."""


@dataclass(frozen=True, slots=True)
class _Days:
    """The UTC days of an estimate at a moment."""

    all: tuple[int, ...]
    settled: frozenset[int]
    """Those whose costs are complete."""
    received: float
    """Up to when usage and costs were read, Unix seconds."""

    @property
    def open(self) -> list[int]:
        return [day for day in self.all if day not in self.settled]


class Estimator:
    """Keeps the ledger of estimates in step with the ledgers of usage and costs.

    The publisher commits it like the ledgers that are polled.
    """

    name = ESTIMATED_COSTS.name
    refusal = Refusal()

    def __init__(
        self,
        organization: str,
        ledgers: Callable[[], Sequence[Ledger]],
        load: Callable[[str, Plan], Ledger],
        funds: Funds | None = None,
    ) -> None:
        """`ledgers` gives those of the organization, `load` what the state remembers of an estimate."""
        self.organization = organization
        self._runway = Runway(organization, funds) if funds else None
        self._families: list[Family] = []
        self._ledgers, self._load = ledgers, load
        self.ledger = Ledger(plan_of(None, ()))
        self.unsaved = False
        """Whether the ledger has changed since it was last saved."""
        self.prices: tuple[EffectivePrice, ...] = ()
        self.coverage: float | None = None
        """Share of today's usage that has a price; None without any usage."""
        self._loaded = False
        self._version: object = None
        self._sources: _Sources | None = None
        self._learned: tuple[object, Prices] | None = None
        self._basis: dict[int, tuple[BilledDay, Prices | None, Floats | None]] = {}
        """What the estimate of each day was made of."""

    def update(self, now: float) -> bool:
        """Estimate again where usage, costs or the day changed; return whether anything did. `now` in Unix seconds."""
        ledgers = self._ledgers()
        costs = next((each for each in ledgers if each.plan.resource.branch is ApiFamily.COSTS), None)
        if costs is None or costs.last_success is None:
            return False
        version = day_of(now), [(id(each), _versions(each)) for each in ledgers]
        received = min(each.last_success for each in ledgers if each.last_success is not None)
        if version == self._version:
            self.ledger.last_success = received
            return False
        self._version = version
        plan = plan_of(costs.plan, ledgers)
        if not self._loaded or self.ledger.plan != plan:
            self.ledger = self._load(self.organization, plan)
            self._loaded = True
            self._basis.clear()
        sources = self._read(ledgers, costs)
        self._estimate(sources, _days(plan, sources.costs, received))
        self._families = of_prices(self.organization, self.prices, self.coverage)
        if self._runway:
            self._families += self._runway.families(costs, self.ledger, received)
        self.unsaved = True
        return True

    def families(self, now: float) -> Iterable[Family]:
        """Return what goes with the estimate at `now`, Unix seconds: nothing when usage or costs are stale."""
        return self._families if self.ledger.fresh(now) else ()

    def _read(self, ledgers: Sequence[Ledger], costs: Ledger) -> _Sources:
        version = [(id(each), [(store.rows.generation, len(store.rows)) for store in each.stores]) for each in ledgers]
        if self._sources is None or self._sources.version != version:
            labels = self.ledger.plan.group_by
            usage, billing = UsageReader(ledgers, labels), CostReader(costs, labels)
            match = match_billing(usage.keys, billing.keys)
            cells = tuple(tuple(getattr(cell, _CELL[label]) for label in labels) for cell in match.cells)
            self._sources = _Sources(version, usage, billing, match, cells)
            self._learned = None
            self._basis.clear()
        return self._sources

    def _estimate(self, sources: _Sources, days: _Days) -> None:
        prices = self._learn(sources, days)
        self.prices = prices.effective
        today = days.all[-1]
        used = {day: sources.usage.read(day, days.received) for day in days.open}
        buckets = []
        for day in days.all:
            basis = sources.costs.of(day), prices if day in used else None, used.get(day)
            held = self._basis.get(day)
            if held and held[:2] == basis[:2] and _same(held[2], basis[2]):
                rows = None
            else:
                rows = (tuple(self._rows(sources, *basis)),)
                self._basis[day] = basis
            buckets.append(Bucket(day, min(day + DAY, int(days.received)), rows))
        self._basis = {day: self._basis[day] for day in days.all}
        sources.costs.forget(days.all[0])
        self.ledger.apply(PollResult(days.all[0], today + DAY, tuple(buckets), days.received))
        unpriced = np.isnan(prices.price[sources.match.key_of_usage]) & (used[today] > 0)
        priced, total = sources.usage.requests(today, unpriced)
        self.coverage = priced / total if total else None

    def _learn(self, sources: _Sources, days: _Days) -> Prices:
        settled = [day for day in sorted(days.settled) if sources.usage.covers(day)][-_LEARNED_DAYS:]
        learned = [*settled, *days.open]
        billed = [sources.costs.of(day) for day in learned]
        if self._learned is None or self._learned[0] != (learned, billed):
            usage = np.array([sources.usage.read(day, days.received) for day in learned])
            history = History(
                sources.match,
                np.array([day in days.settled for day in learned]),
                sources.match.add_up(usage),
                np.array([day.dollars for day in billed]),
                np.array([day.quantity for day in billed]),
            )
            self._learned = (learned, billed), learn(history)
        return self._learned[1]

    def _rows(self, sources: _Sources, billed: BilledDay, prices: Prices | None, used: Floats | None) -> Iterator[Row]:
        """Yield the estimates of a day; without prices and usage they are its costs."""
        match = sources.match
        sums: Column = np.zeros(len(match.cells), object)
        np.add.at(sums, match.cell_of_cost, billed.exact)
        if prices is not None and used is not None:
            usage = match.add_up(used[np.newaxis])[0]
            sums = sums + _quanta(prices.unbilled(usage, billed.dollars, billed.quantity))
        for labels, amount in zip(sources.labels, sums.tolist(), strict=True):
            if amount:
                yield labels, (amount,)


def _days(plan: Plan, costs: CostReader, received: float) -> _Days:
    """Return the days that are estimated; settled are those that ended a day ago and have costs of a later day."""
    today = day_of(received)
    read = costs.ledger.coverage.read
    days = [day for day in range(plan.lookback_start(received), today + DAY, DAY) if day in read or day == today]
    newest = max((day for day in days if costs.of(day).any), default=0)
    settled = frozenset(day for day in days if day + DAY + _SETTLED_AFTER <= received and day < newest)
    return _Days(tuple(days), settled, received)


def _same(before: Floats | None, now: Floats | None) -> bool:
    return before is now or (before is not None and now is not None and np.array_equal(before, now))


def _quanta(dollars: Floats) -> Column:
    exact = [round(amount * _PICODOLLARS) * (QUANTA // _PICODOLLARS) for amount in dollars.tolist()]
    return np.array(exact, object)


def _versions(ledger: Ledger) -> list[int]:
    return [store.version for store in ledger.stores]
