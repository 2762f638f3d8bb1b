"""Prices learned from what the organization paid. There is no price list."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.estimate import allowances
from exporter.estimate.allowances import Allowances
from exporter.estimate.history import NONE, Floats, History, Indexes, Joined, Mask, add_by, at
from exporter.estimate.line_items import STANDARD, Kind

_FADE: Final = 0.25
"""Weight of a settled day relative to the next one."""
_ENOUGH: Final = 0.002
"""Share of an ordinary day's quantity from which on what is billed of an open day shows a new price."""
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
    """What usage costs, and how much of it a billed quantity stands for."""

    joined: Joined
    price: Floats
    """For each key, US dollars for one unit of usage; NaN where nothing is known."""
    usage_per_quantity: Floats
    """For each row of the costs, usage in one of its `quantity`; NaN where only money says what is billed."""
    allowances: Allowances
    share: Floats
    """For each row of the costs its part of the quantity that its usage is billed as."""
    effective: tuple[EffectivePrice, ...]

    def unbilled(self, usage: Floats, cost: Floats, quantity: Floats) -> Floats:
        """Return for each cell, in US dollars, the value of a day's usage that its costs do not contain yet."""
        joined, cells = self.joined, len(self.joined.cells)
        price = np.nan_to_num(self.price)
        value = add_by(joined.cell_of_key, usage * price, cells)
        key = joined.key_of_cost
        priced = key != NONE
        billed_usage = quantity * self.usage_per_quantity
        by_quantity = priced & ~np.isnan(billed_usage)
        list_cost = cost + self.allowances.value(np.nan_to_num(quantity))
        billed = np.where(joined.compared, list_cost, 0.0)
        billed[by_quantity] = (billed_usage * at(price, key))[by_quantity]
        unbilled = np.maximum(value - add_by(joined.cell_of_cost, billed, cells), 0.0)
        if self.allowances.has_any:
            unbilled -= self._still_free(usage, quantity)
        return np.maximum(unbilled, 0.0)

    def _still_free(self, usage: Floats, quantity: Floats) -> Floats:
        """Return for each cell what is going to be free of its usage, beyond what already was."""
        joined = self.joined
        known = (joined.key_of_cost != NONE) & ~np.isnan(self.usage_per_quantity)
        used = np.zeros(len(joined.costs))
        used[known] = (at(usage, joined.key_of_cost) * self.share / self.usage_per_quantity)[known]
        done = np.nan_to_num(quantity)
        free = self.allowances.value(np.maximum(used, done)) - self.allowances.value(done)
        return add_by(joined.cell_of_cost, free, len(joined.cells))


def learn(history: History) -> Prices:
    """Learn from the settled days, and from open ones what has changed since."""
    return _Lesson(history).prices()


class _Lesson:
    def __init__(self, history: History) -> None:
        self.history, self.joined = history, history.joined
        self.allowances = allowances.find(history)
        self.listed = history.cost.clip(min=0.0)
        self.listed += [self.allowances.value(np.nan_to_num(quantity)) for quantity in history.quantity]
        self.quantity = np.where(history.cost < 0, 0.0, history.quantity) * self.joined.unit_size
        weights = _weights(history.settled)
        self.usage = weights @ history.usage
        self.paid = weights @ self.listed
        self.billed = weights @ np.nan_to_num(self.quantity)
        self.counted: Mask = np.asarray(np.any(~np.isnan(self.quantity), axis=0))
        self.fresh_paid, self.fresh_billed = self._fresh()
        self.change = self._change()

    def prices(self) -> Prices:
        joined = self.joined
        own, ratio = self._level(joined.levels.own)
        shared, shared_ratio = self._level(joined.levels.organization)
        related, _ = self._level(joined.levels.family)
        price = _first(own, shared, related)
        price = _first(price, self._by_ratio(price))
        for model in sorted(joined.unsplit):
            self._fit(model, price)
        ratio = _first(ratio, shared_ratio, np.ones(len(price)))
        of_cost = np.full(len(joined.costs), np.nan)
        billing = (joined.key_of_cost != NONE) & self.counted
        of_cost[billing] = (joined.unit_size * at(ratio, joined.key_of_cost))[billing]
        whole = add_by(joined.key_of_cost[billing], self.billed[billing], len(price))
        share = np.nan_to_num(_divide(self.billed, at(whole, joined.key_of_cost)))
        return Prices(joined, price, of_cost, self.allowances, share, tuple(self._effective()))

    def _level(self, level: Indexes) -> tuple[Floats, Floats]:
        """Return for each key the price of the level that it belongs to, and its usage per billed unit."""
        joined, levels = self.joined, int(level.max(initial=-1)) + 1
        billing = joined.key_of_cost != NONE
        level_of_cost = level[joined.key_of_cost[billing]]

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
        """Return for each row of the costs what was paid, and the quantity, on the newest open day that shows it."""
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
        _, firsts, level = np.unique(self.joined.levels.organization, return_index=True, return_inverse=True)
        keys = [self.joined.keys[place][1:] for place in firsts]
        known = {key: usd for key, usd in zip(keys, price[firsts].tolist(), strict=True) if not np.isnan(usd)}
        ratios: dict[Hashable, list[float]] = {}
        for (model, variant, kind, resource), usd in known.items():
            if standard := known.get((model, STANDARD, kind, resource)):
                ratios.setdefault(variant, []).append(usd / standard)
            if plain := known.get((model, variant, Kind.INPUT, resource)):
                ratios.setdefault(kind, []).append(usd / plain)
        guesses = np.full(len(keys), np.nan)
        for place, (model, variant, kind, resource) in enumerate(keys):
            for base, ratio in (
                ((model, STANDARD, kind, resource), variant),
                ((model, variant, Kind.INPUT, resource), kind),
            ):
                if np.isnan(guesses[place]) and base in known and ratio in ratios:
                    guesses[place] = known[base] * float(np.median(ratios[ratio]))
        return np.asarray(guesses[level])

    def _fit(self, model: str, price: Floats) -> None:
        """Set the prices of a model whose line items do not name kinds: those that explain its settled costs best."""
        joined, settled = self.joined, self.history.settled
        keys = np.array([place for place, key in enumerate(joined.keys) if key.model == model])
        rows = np.array([place for place, item in enumerate(joined.items) if item.model == model])
        kinds = sorted({joined.keys[place][2:4] for place in keys}, key=str)
        projects = sorted({joined.keys[place].project for place in keys})
        usage, cost = [], []
        for project in projects:
            mine = [place for place in keys if joined.keys[place].project == project]
            columns = [
                self.history.usage[np.ix_(settled, [place for place in mine if joined.keys[place][2:4] == kind])].sum(1)
                for kind in kinds
            ]
            usage.append(np.stack(columns, axis=1))
            cost.append(
                self.listed[np.ix_(settled, [row for row in rows if joined.costs[row].project == project])].sum(1)
            )
        fitted = _non_negative(np.concatenate(usage), np.concatenate(cost))
        if fitted is not None:
            for place in keys:
                price[place] = fitted[kinds.index(joined.keys[place][2:4])]

    def _effective(self) -> Iterable[EffectivePrice]:
        joined = self.joined
        items, item_of_cost = joined.line_items, joined.line_item_of_cost
        used = np.where(self.counted, 0.0, np.nan_to_num(at(self.usage, joined.key_of_cost)))
        columns = (
            self.fresh_paid,
            self.fresh_billed / joined.unit_size,
            self.paid,
            self.billed / joined.unit_size,
            used,
        )
        sums = [add_by(item_of_cost, column, len(items)).tolist() for column in columns]
        kinds = {item: joined.key_of_cost[row] for row, item in enumerate(item_of_cost.tolist())}
        for place, (item, *figures) in enumerate(zip(items, *sums, strict=True)):
            fresh_paid, fresh_count, paid, count, usage = figures
            if fresh_count or count:
                usd = fresh_paid / fresh_count if fresh_count else paid / count
                yield EffectivePrice(item.model, item.text, item.unit or UNKNOWN_UNIT, usd)
            elif usage:
                yield EffectivePrice(item.model, item.text, joined.keys[kinds[place]].kind.value, paid / usage)


def _weights(settled: Mask) -> Floats:
    """Return the weight of each day: of the settled ones the newest counts most, open days nothing."""
    weights = np.zeros(len(settled))
    places = np.flatnonzero(settled)
    weights[places] = _FADE ** np.arange(len(places))[::-1]
    return weights


def _divide(above: Floats, below: Floats) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))


def _first(*choices: Floats) -> Floats:
    """Return for each place the first value that is known."""
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
        for place in range(len(solution)):
            rest = wanted[place] - products[place] @ solution + products[place, place] * solution[place]
            solution[place] = max(rest / products[place, place], 0.0)
    result = np.full(features.shape[1], np.nan)
    result[used] = solution / scale[used]
    return result
