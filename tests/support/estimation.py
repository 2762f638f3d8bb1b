"""Usage and costs written down by hand, read into ledgers, and the estimate that is made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from exporter.catalog import CATALOG, DAY, HOUR, QUANTA, Bucket, Plan, PollResult, resource
from exporter.estimate import ESTIMATED_COST, Estimator, Funds, with_inputs
from exporter.ledger import Ledger, as_floats
from tests.support.organization_harness import samples

TODAY: Final = 1_794_960_000
"""2026-11-18 00:00 UTC."""
NOON: Final = TODAY + 12 * HOUR
MODEL: Final = "gpt-5.5-2026-04-23"

_LOOKBACK: Final = 31


@dataclass
class Accounts:
    """An organization whose usage and costs are written down day by day; days count from today, 0, backwards."""

    group_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    now: float = NOON
    funds: Funds | None = None
    ledgers: list[Ledger] = field(init=False)
    estimator: Estimator = field(init=False)
    _rows: dict[tuple[str, int, str], list[tuple[tuple[str, ...], tuple[float | int | None, ...]]]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        """Open the ledgers."""
        self.ledgers = [
            Ledger(_plan(row.name, self.group_by.get(row.name, row.group_by)))
            for row in CATALOG
            if row.name in {"costs", "completions", "web_search_calls", "vector_stores"}
        ]
        self.estimator = Estimator("acme", lambda: self.ledgers, lambda _, plan: Ledger(plan), self.funds)

    def use(
        self, day: int, name: str = "completions", labels: Mapping[str, str] | None = None, **fields: float
    ) -> None:
        """Write down usage by API field; without labels it is project `p` with MODEL, not in a batch."""
        ledger = self._ledger(name)
        group = ledger.plan.label_groups[0]
        given = {"project_id": "p", "model": MODEL, "batch": "false", "context_level": "low", **(labels or {})}
        values = tuple(fields.get(measure.field, 0 if measure.required else None) for measure in group.measures)
        self._add(name, day, "", tuple(given[label] for label in group.labels), values)

    def pay(  # a row of the costs
        self,
        day: int,
        line_item: str,
        usd: str,
        quantity: float | None = None,
        *,
        project: str = "p",
        unit: str = "tokens",
        currency: str = "usd",
    ) -> None:
        """Write down a row of the costs."""
        labels = {"project_id": project, "line_item": line_item}
        own = tuple(labels[label] for label in self._ledger("costs").plan.group_by)
        amount = int(Decimal(usd) * QUANTA)
        if currency == "usd":
            self._add("costs", day, "", own, (amount,))
        else:
            self._add("costs", day, "currency", (*own, currency), (amount,))
        if quantity is not None:
            self._add("costs", day, "unit", (*own, unit), (int(quantity) * QUANTA,))

    def history(self, days: int = 7, tokens: int = 1_000_000) -> None:
        """Write complete days: input at 2 dollars, cached input at 0.5 and output at 8 for a million tokens."""
        for day in range(2, 2 + days):
            self.use(
                day, input_tokens=2 * tokens, input_cached_tokens=tokens, output_tokens=tokens, num_model_requests=100
            )
            self.pay(day, f"{MODEL}, input", str(Decimal(2 * tokens) / 10**6), tokens)
            self.pay(day, f"{MODEL}, cached input", str(Decimal(tokens) / 10**6 / 2), tokens)
            self.pay(day, f"{MODEL}, output", str(Decimal(8 * tokens) / 10**6), tokens)
        self.pay(1, f"{MODEL}, input", "0.000002", 1)

    def clear(self, name: str, day: int) -> None:
        """Take back what was written down of a resource for a day."""
        for key in [key for key in self._rows if key[:2] == (name, day)]:
            del self._rows[key]

    def later(self, days: int) -> None:
        """Let days pass: what was today is so many days ago."""
        self.now += days * DAY
        self._rows = {(name, day + days, extra): rows for (name, day, extra), rows in self._rows.items()}

    def estimate(self, day: int = 0) -> dict[tuple[str, ...], float]:
        """Read everything and return the estimate of a day, rounded to a millionth of a dollar, by its labels."""
        today = int(self.now) // DAY * DAY
        for ledger in self.ledgers:
            starts = range(today - (_LOOKBACK - 1) * DAY, today + DAY, DAY)
            buckets = tuple(
                Bucket(
                    start,
                    min(start + DAY, int(self.now)),
                    tuple(
                        self._rows.get((ledger.plan.resource.name, (today - start) // DAY, group.key), [])
                        for group in ledger.plan.label_groups
                    ),
                )
                for start in starts
            )
            ledger.apply(PollResult(starts.start, today + DAY, buckets, self.now))
        self.estimator.update(self.now)
        store = self.estimator.ledger.stores[0]
        values = as_floats(store.column(0, [today - day * DAY])).tolist()
        return {labels: round(value, 6) for labels, value in zip(store.rows.sets, values, strict=True) if value}

    def counter(self) -> float:
        """Return what all counters of the estimate have accrued."""
        counter = self.estimator.ledger.stores[0].counters[ESTIMATED_COST.name]
        return round(float(as_floats(counter.accrued).sum()), 6)

    def figures(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the samples of a family that goes with the estimate, by their labels after `organization`."""
        (family,) = (family for family in self.estimator.families(self.now) if family.name == name)
        return {tuple(labels.values()): round(value, 6) for labels, value in samples(family)}

    def _ledger(self, name: str) -> Ledger:
        return next(ledger for ledger in self.ledgers if ledger.plan.resource.name == name)

    def _add(
        self, name: str, day: int, extra: str, labels: tuple[str, ...], values: tuple[float | int | None, ...]
    ) -> None:
        self._rows.setdefault((name, day, extra), []).append((labels, values))


def _plan(name: str, group_by: tuple[str, ...]) -> Plan:
    row = resource(name)
    plan = Plan(
        resource=row,
        group_by=group_by,
        filters=(),
        width="1d",
        measures=row.select(),
        windows=(),
        interval=600.0,
        lookback_days=_LOOKBACK,
        refetch_days=3,
        stale_after=DAY,
        max_series=1000,
    )
    return with_inputs(plan)
