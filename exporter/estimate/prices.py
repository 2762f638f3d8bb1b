"""Prices learned from what the organization paid. There is no price list."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.estimate import allowances
from exporter.estimate.allowances import Allowances
from exporter.estimate.billing_match import NONE, BillingMatch, Floats, History, Indexes, Mask, add_by, at
from exporter.estimate.line_items import STANDARD, Kind

_FADE: Final = 0.25
"""Weight of a settled day relative to the next one."""
_ENOUGH: Final = 0.002
"""Share of a usual day's quantity above which the costs of an open day show a new price."""
_SAME: Final = 0.005
"""Relative difference up to which two prices are one, rounded differently."""
UNKNOWN_UNIT: Final = "unknown"
"""The unit of a quantity that was sent without one."""
_ROUNDS: Final = 400
"""Steps of the fit for models whose line items name no kind of usage."""


@dataclass(frozen=True, slots=True)
class EffectivePrice:
    """What one unit of a line item last cost."""

    model: str
    line_item: str
    unit: str
    usd: float


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """What usage costs, and how much usage a billed quantity covers."""

    match: BillingMatch
    price: Floats
    """For each key, US dollars for one unit of usage; NaN where nothing is known."""
    usage_per_quantity: Floats
    """For each row of the costs, usage in one of its `quantity`; NaN where only the amount can be compared."""
    allowances: Allowances
    share: Floats
    """For each row of the costs its part of the quantity that its usage is billed as."""
    effective: tuple[EffectivePrice, ...]

    def unbilled(self, usage: Floats, cost: Floats, quantity: Floats) -> Floats:
        """Return for each cell, in US dollars, the value of a day's usage that its costs do not contain yet."""
        match, cells = self.match, len(self.match.cells)
        price = np.nan_to_num(self.price)
        value = add_by(match.cell_of_key, usage * price, cells)
        key = match.key_of_cost
        priced = key != NONE
        billed_usage = quantity * self.usage_per_quantity
        by_quantity = priced & ~np.isnan(billed_usage)
        list_cost = cost + self.allowances.value(np.nan_to_num(quantity))
        billed = np.where(match.compared, list_cost, 0.0)
        billed[by_quantity] = (billed_usage * at(price, key))[by_quantity]
        unbilled = np.maximum(value - add_by(match.cell_of_cost, billed, cells), 0.0)
        if self.allowances.has_any:
            unbilled -= self._still_free(usage, quantity)
        return np.maximum(unbilled, 0.0)

    def _still_free(self, usage: Floats, quantity: Floats) -> Floats:
        """Return for each cell, in US dollars, the free part of its usage that is not billed yet."""
        match = self.match
        known = (match.key_of_cost != NONE) & ~np.isnan(self.usage_per_quantity)
        used = np.zeros(len(match.costs))
        used[known] = (at(usage, match.key_of_cost) * self.share / self.usage_per_quantity)[known]
        done = np.nan_to_num(quantity)
        free = self.allowances.value(np.maximum(used, done)) - self.allowances.value(done)
        return add_by(match.cell_of_cost, free, len(match.cells))


def learn(history: History) -> Prices:
    """Learn from the settled days, and from open ones what has changed since."""
    return _Learner(history).prices()


class _Learner:
    def __init__(self, history: History) -> None:
        self.history, self.match = history, history.match
        self.allowances = allowances.find(history)
        self.listed = history.cost.clip(min=0.0)
        self.listed += [self.allowances.value(np.nan_to_num(quantity)) for quantity in history.quantity]
        self.quantity = np.where(history.cost < 0, 0.0, history.quantity) * self.match.unit_size
        weights = _weights(history.settled)
        self.usage = weights @ history.usage
        self.paid = weights @ self.listed
        self.billed = weights @ np.nan_to_num(self.quantity)
        self.counted: Mask = np.asarray(np.any(~np.isnan(self.quantity), axis=0))
        self.fresh_paid, self.fresh_billed = self._fresh()
        self.change = self._change()

    def prices(self) -> Prices:
        match = self.match
        own, ratio = self._level(match.levels.own)
        shared, shared_ratio = self._level(match.levels.organization)
        related, _ = self._level(match.levels.family)
        price = _first(own, shared, related)
        price = _first(price, self._by_ratio(price))
        for model in sorted(match.unsplit):
            self._fit(model, price)
        ratio = _first(ratio, shared_ratio, np.ones(len(price)))
        of_cost = np.full(len(match.costs), np.nan)
        billing = (match.key_of_cost != NONE) & self.counted
        of_cost[billing] = (match.unit_size * at(ratio, match.key_of_cost))[billing]
        whole = add_by(match.key_of_cost[billing], self.billed[billing], len(price))
        share = np.nan_to_num(_divide(self.billed, at(whole, match.key_of_cost)))
        return Prices(match, price, of_cost, self.allowances, share, tuple(self._effective()))

    def _level(self, level: Indexes) -> tuple[Floats, Floats]:
        """Return for each key the price of the level that it belongs to, and its usage per billed unit."""
        match, levels = self.match, int(level.max(initial=-1)) + 1
        billing = match.key_of_cost != NONE
        level_of_cost = level[match.key_of_cost[billing]]

        def added(values: Floats) -> Floats:
            return add_by(level_of_cost, values[billing], levels)

        used = add_by(level, self.usage, levels)
        seen = added(np.ones(len(billing))) > 0
        settled = np.where(seen & (used > 0), _divide(added(self.paid * self.change), used), np.nan)
        fresh = _divide(added(self.fresh_paid), added(self.fresh_billed))
        price = _first(settled, np.where(used > 0, np.nan, fresh))
        ratio = np.where(used > 0, _divide(used, added(self.billed)), np.nan)
        return price[level], ratio[level]

    def _fresh(self) -> tuple[Floats, Floats]:
        """Return for each row of the costs the amount and quantity of the newest open day with enough of it."""
        history = self.history
        days = max(int(history.settled.sum()), 1)
        usual = np.nan_to_num(self.quantity[history.settled]).sum(axis=0) / days
        paid, billed = np.zeros(len(usual)), np.zeros(len(usual))
        for day in np.flatnonzero(~history.settled):
            quantity = np.nan_to_num(self.quantity[day])
            shows = (quantity > _ENOUGH * usual) & (self.listed[day] > 0)
            paid, billed = np.where(shows, self.listed[day], paid), np.where(shows, quantity, billed)
        return paid, billed

    def _change(self) -> Floats:
        """Return for each row of the costs the newest price as a multiple of the settled one."""
        now, before = _divide(self.fresh_paid, self.fresh_billed), _divide(self.paid, self.billed)
        change = _divide(now, before)
        known = np.isfinite(change) & (change > 0) & (self.allowances.of_cost == 0)
        return np.where(known & (np.abs(change - 1) > _SAME), change, 1.0)

    def _by_ratio(self, price: Floats) -> Floats:
        """Return prices of unknown kinds and variants of known models, as other models of the organization have them.

        Cached input that a model never had costs as much less than its input as it does elsewhere.
        """
        _, firsts, level = np.unique(self.match.levels.organization, return_index=True, return_inverse=True)
        keys = [self.match.keys[index][1:] for index in firsts]
        known = {key: usd for key, usd in zip(keys, price[firsts].tolist(), strict=True) if not np.isnan(usd)}
        ratios: dict[Hashable, list[float]] = {}
        for (model, variant, kind, resource), usd in known.items():
            if standard := known.get((model, STANDARD, kind, resource)):
                ratios.setdefault(variant, []).append(usd / standard)
            if plain := known.get((model, variant, Kind.INPUT, resource)):
                ratios.setdefault(kind, []).append(usd / plain)
        guesses = np.full(len(keys), np.nan)
        for index, (model, variant, kind, resource) in enumerate(keys):
            for base, ratio in (
                ((model, STANDARD, kind, resource), variant),
                ((model, variant, Kind.INPUT, resource), kind),
            ):
                if np.isnan(guesses[index]) and base in known and ratio in ratios:
                    guesses[index] = known[base] * float(np.median(ratios[ratio]))
        return np.asarray(guesses[level])

    def _fit(self, model: str, price: Floats) -> None:
        """Set the prices of a model whose line items do not name kinds: those that explain its settled costs best."""
        match, settled = self.match, self.history.settled
        keys = np.array([index for index, key in enumerate(match.keys) if key.model == model])
        rows = np.array([index for index, item in enumerate(match.items) if item.model == model])
        kinds = sorted({match.keys[index][2:4] for index in keys}, key=str)
        projects = sorted({match.keys[index].project for index in keys})
        usage, cost = [], []
        for project in projects:
            mine = [index for index in keys if match.keys[index].project == project]
            columns = [
                self.history.usage[np.ix_(settled, [index for index in mine if match.keys[index][2:4] == kind])].sum(1)
                for kind in kinds
            ]
            usage.append(np.stack(columns, axis=1))
            cost.append(
                self.listed[np.ix_(settled, [row for row in rows if match.costs[row].project == project])].sum(1)
            )
        fitted = _non_negative(np.concatenate(usage), np.concatenate(cost))
        if fitted is not None:
            for index in keys:
                price[index] = fitted[kinds.index(match.keys[index][2:4])]

    def _effective(self) -> Iterable[EffectivePrice]:
        match = self.match
        items, item_of_cost = match.line_items, match.line_item_of_cost
        used = np.where(self.counted, 0.0, np.nan_to_num(at(self.usage, match.key_of_cost)))
        columns = (
            self.fresh_paid,
            self.fresh_billed / match.unit_size,
            self.paid,
            self.billed / match.unit_size,
            used,
        )
        sums = [add_by(item_of_cost, column, len(items)).tolist() for column in columns]
        kinds = {item: match.key_of_cost[row] for row, item in enumerate(item_of_cost.tolist())}
        for index, (item, *figures) in enumerate(zip(items, *sums, strict=True)):
            fresh_paid, fresh_count, paid, count, usage = figures
            if fresh_count or count:
                usd = fresh_paid / fresh_count if fresh_count else paid / count
                yield EffectivePrice(item.model, item.text, item.unit or UNKNOWN_UNIT, usd)
            elif usage:
                yield EffectivePrice(item.model, item.text, match.keys[kinds[index]].kind.value, paid / usage)


def _weights(settled: Mask) -> Floats:
    """Return the weight of each day: of the settled ones the newest counts most, open days nothing."""
    weights = np.zeros(len(settled))
    positions = np.flatnonzero(settled)
    weights[positions] = _FADE ** np.arange(len(positions))[::-1]
    return weights


def _divide(above: Floats, below: Floats) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))


def _first(*choices: Floats) -> Floats:
    """Return the first known value at each index."""
    result = choices[0]
    for choice in choices[1:]:
        result = np.where(np.isnan(result), choice, result)
    return result


def _non_negative(features: Floats, target: Floats) -> Floats | None:
    """Return the coefficients, none negative, with which the features explain the target best; None without any."""
    scale = np.sqrt((features**2).sum(axis=0))
    used = scale > 0
    if not used.any() or not target.any():
        return None
    scaled = features[:, used] / scale[used]
    products, wanted = scaled.T @ scaled, scaled.T @ target
    solution = np.zeros(int(used.sum()))
    for _ in range(_ROUNDS):
        for index in range(len(solution)):
            rest = wanted[index] - products[index] @ solution + products[index, index] * solution[index]
            solution[index] = max(rest / products[index, index], 0.0)
    result = np.full(features.shape[1], np.nan)
    result[used] = solution / scale[used]
    return result
