"""What things cost: changes of a price, free allowances, new models, and usage whose mix varies within a day."""

from collections.abc import Mapping

import pytest

from exporter.catalog import DAY, HOUR
from exporter.simulator import Policy, Scenario, Shape
from exporter.simulator.prices import DOLLAR, QUANTUM
from exporter.simulator.scenario import Tenant

TODAY = 1_794_960_000
MODEL = "gpt-5.5-2026-04-23"
ITEM = f"{MODEL}, output"


class _Bill:
    """The costs of an organization at a time that a test sets."""

    def __init__(self, shape: Shape | None = None) -> None:
        self.now = float(TODAY)
        self.tenant = Tenant(7, 0, shape or Shape(projects=2), {}, Policy())
        self.scenario = Scenario(self.tenant, lambda: self.now)

    def of(self, item: str, start: int, end: int) -> tuple[float, float]:
        """Return US dollars and quantity of a line item."""
        rows = [values for key, values in self._rows("costs", start, end).items() if key[2] == item]
        return sum(amount for amount, _ in rows) / DOLLAR, sum(quantity for _, quantity in rows) / QUANTUM

    def tokens(self, model: str, start: int, end: int) -> int:
        """Return everything that a model was used for."""
        return sum(sum(values) for key, values in self._rows("completions", start, end).items() if key[3] == model)

    def _rows(self, name: str, start: int, end: int) -> Mapping[tuple[str | bool | None, ...], list[int]]:
        return self.tenant.usage_log.rows(name, start, end, float(end))


def test_a_changed_price_is_that_of_usage_from_then_on() -> None:
    """Earlier usage keeps its price, later usage has the new one, and other models are unchanged."""
    other = "gpt-5-mini-2025-08-07, output"
    untouched = _Bill().of(other, TODAY, TODAY + DAY)
    bill = _Bill()
    bill.now = TODAY + 12 * HOUR
    before = bill.of(ITEM, TODAY, TODAY + 12 * HOUR)
    bill.scenario.change_price(1.5, MODEL)
    usd, tokens = bill.of(ITEM, TODAY, TODAY + DAY)

    assert before == bill.of(ITEM, TODAY, TODAY + 12 * HOUR)
    assert usd == pytest.approx(before[0] + 1.5 * before[0] / before[1] * (tokens - before[1]))
    assert untouched == bill.of(other, TODAY, TODAY + DAY)


def test_the_first_units_of_a_day_can_be_free() -> None:
    """Of every UTC day an allowance is free, in all projects together; quantities count everything."""
    bill = _Bill()
    usd, tokens = bill.of(ITEM, TODAY, TODAY + DAY)
    free = round(tokens / 4)
    bill.scenario.set_allowance(ITEM, free)

    assert tokens == bill.of(ITEM, TODAY, TODAY + DAY)[1]
    assert bill.of(ITEM, TODAY, TODAY + DAY)[0] == pytest.approx(usd * (tokens - free) / tokens)
    assert 0 == bill.of(ITEM, TODAY, TODAY + HOUR)[0]
    with pytest.raises(ValueError, match="no line item 'gpt-0, input': there are "):
        bill.scenario.set_allowance("gpt-0, input", 1)


def test_a_new_model_is_used_from_its_launch_on() -> None:
    """Nothing is used or billed before it, and everything after it is billed."""
    bill = _Bill()
    bill.now = TODAY + 12 * HOUR
    bill.scenario.launch_model("gpt-7-nova")

    assert 0 == bill.tokens("gpt-7-nova", TODAY - DAY, TODAY + 12 * HOUR)
    assert 0 < bill.tokens("gpt-7-nova", TODAY, TODAY + DAY)
    assert 0 < bill.of("gpt-7-nova, output", TODAY, TODAY + DAY)[0]


def test_priority_costs_twice_as_much() -> None:
    """The same tokens of a model are billed at double the price in the tier `priority`."""
    bill = _Bill()
    prices = [
        usd / count
        for usd, count in (
            bill.of(f"{prefix}gpt-5.6-sol, output", TODAY, TODAY + DAY) for prefix in ("", "priority | ")
        )
    ]

    assert prices[1] == pytest.approx(2 * prices[0])


def test_a_mixed_organization_pays_another_price_for_a_token_at_night() -> None:
    """Where streams differ in hours and proportions, the mean price varies within a day."""

    def price(shape: Shape, start: int) -> float:
        bill = _Bill(shape)
        paid = sum(
            bill.of(f"{MODEL}, {kind}", start, start + 3 * HOUR)[0] for kind in ("input", "cached input", "output")
        )
        return paid / bill.tokens(MODEL, start, start + 3 * HOUR)

    night, noon = (price(Shape(projects=1, mixed=True), TODAY + hour * HOUR) for hour in (1, 11))

    assert 0.02 < abs(night / noon - 1)
