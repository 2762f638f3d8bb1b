"""Free allowances: line items of which the first units of every day cost nothing."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.estimate.billing_match import Floats, History, Indexes, add_by

_DAYS: Final = 5
"""Settled days with costs, at least, that show an allowance."""
_EXPLAINED: Final = 0.1
"""Of the deviation from a constant price, what an allowance may leave."""
_VARIED: Final = 1e-6
"""Variance of the quantities, relative to their squares, without which nothing can be found."""
_NOTICEABLE: Final = 0.01
"""Deviation from a constant price, as a share of the mean cost, below which no allowance is looked for."""


@dataclass(frozen=True, slots=True)
class Allowances:
    """The free quantity per day of each line item of the organization."""

    item_of_cost: Indexes
    """For each row of the costs its line item."""
    quantity: Floats
    """For each line item the free quantity per day, 0 for most."""
    price: Floats
    """For each line item with an allowance, US dollars for one beyond it."""

    def value(self, quantity: Floats) -> Floats:
        """Return for each row of the costs, in US dollars, the free part of these quantities of one day."""
        whole = add_by(self.item_of_cost, quantity, len(self.quantity))
        free = self.price * np.minimum(whole, self.quantity)
        share = np.divide(free, whole, out=np.zeros_like(free), where=whole > 0)
        return np.asarray(quantity * share[self.item_of_cost])

    @property
    def has_any(self) -> bool:
        """Whether any line item has an allowance."""
        return bool(self.quantity.any())

    @property
    def of_cost(self) -> Floats:
        """For each row of the costs, the free quantity of its line item."""
        return np.asarray(self.quantity[self.item_of_cost])


def find(history: History) -> Allowances:
    """Return the allowances that the settled days show: a cost that is proportional to the quantity beyond one."""
    item_of_cost, items = history.match.line_item_of_cost, len(history.match.line_items)
    free, prices = np.zeros(items), np.zeros(items)
    cost = _by_item(history.cost[history.settled], item_of_cost, items)
    quantity = _by_item(np.nan_to_num(history.quantity[history.settled]), item_of_cost, items)
    for item in range(items):
        beyond = cost[:, item] > 0
        if beyond.sum() >= _DAYS:
            free[item], prices[item] = _fit(quantity[beyond, item], cost[beyond, item])
    return Allowances(item_of_cost, free, prices)


def _by_item(values: Floats, item_of_cost: Indexes, items: int) -> Floats:
    sums = np.zeros((len(values), items))
    for day, row in zip(sums, values, strict=True):
        day += add_by(item_of_cost, row, items)  # noqa: PLW2901 # in place
    return sums


def _fit(quantity: Floats, cost: Floats) -> tuple[float, float]:
    """Return the free quantity and the price beyond it; zeros where one price for everything explains the costs."""
    squares = float(quantity @ quantity)
    varied = quantity - quantity.mean()
    spread = float(varied @ varied)
    if spread <= _VARIED * squares:
        return 0.0, 0.0
    constant = cost - quantity * float(quantity @ cost) / squares
    price = float(varied @ cost) / spread
    offset = float(cost.mean() - price * quantity.mean())
    beyond = cost - (price * quantity + offset)
    deviation = float(np.sqrt(np.mean(constant**2)))
    left = float(np.sqrt(np.mean(beyond**2)))
    if price <= 0 or offset >= 0 or deviation < _NOTICEABLE * cost.mean() or left > _EXPLAINED * deviation:
        return 0.0, 0.0
    return -offset / price, price
