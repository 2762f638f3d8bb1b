"""Spend and model use for the status page, from one organization's ledgers."""

from collections.abc import Iterable
from typing import Final

from exporter.catalog import DAY, ApiFamily, Measure, Window, day_of
from exporter.exposition import ModelUse, Spend
from exporter.ledger import Ledger

_WEEK: Final = 7 * DAY
_TOP: Final = 10
_TOKENS: Final = frozenset({"input_tokens", "output_tokens"})
"""API fields that add up to a model's tokens; every breakdown is part of one of them."""


def spend(ledgers: Iterable[Ledger], now: float) -> Spend | None:
    """Return what was spent in US dollars, None while no costs are pulled or they are stale."""
    ledger = next((ledger for ledger in ledgers if ledger.plan.resource.branch is ApiFamily.COSTS), None)
    if ledger is None or not ledger.fresh(now):
        return None
    measure = ledger.stores[0].group.measures[0]
    today = day_of(now)
    return Spend(
        today=ledger.gauges.total(measure, now),
        yesterday=ledger.gauges.total(measure, now, Window("yesterday")),
        week=ledger.gauges.total(measure, now, Window("7d")),
        month=ledger.gauges.total(measure, now, Window("month")),
        daily=tuple(ledger.gauges.daily(measure, now)),
        line_items=_largest(ledger.gauges.by_label(measure, "line_item", today - _WEEK + DAY, today + DAY)),
    )


def models(ledgers: Iterable[Ledger], now: float) -> tuple[ModelUse, ...]:
    """Return what each model did in the last 7 days, the busiest first."""
    tokens: dict[str, float] = {}
    requests: dict[str, float] = {}
    today = day_of(now)
    for ledger in ledgers:
        if not ledger.fresh(now):
            continue
        for measure in ledger.stores[0].group.measures:
            if (into := _kind(measure, tokens, requests)) is not None:
                for model, value in ledger.gauges.by_label(measure, "model", today - _WEEK + DAY, today + DAY).items():
                    into[model] = into.get(model, 0) + value
    uses = [ModelUse(model, tokens.get(model, 0), requests.get(model, 0)) for model in {**tokens, **requests}]
    return tuple(sorted(uses, key=lambda use: (-use.tokens, -use.requests, use.model))[:_TOP])


def _kind(measure: Measure, tokens: dict[str, float], requests: dict[str, float]) -> dict[str, float] | None:
    if measure.field in _TOKENS:
        return tokens
    return requests if measure.requests else None


def _largest(amounts: dict[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(((k, v) for k, v in amounts.items() if v), key=lambda item: (-item[1], item[0]))[:_TOP])
