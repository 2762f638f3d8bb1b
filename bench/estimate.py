"""`make bench-estimate`: how far the day's estimate is from what the day's usage finally costs.

Simulated organizations, each with a seed, a mix of models and events, are read into ledgers at 06, 12, 18 and 24 h of
every day for four weeks. Compared with the final cost of the usage up to that hour are the estimate, the cost that is
reported at that hour, and the final cost of yesterday's usage up to the same hour.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Final

import numpy as np

from exporter.catalog import CATALOG, DAY, HOUR, QUANTA, ApiFamily, Bucket, Plan, PollResult, Resource, Row
from exporter.estimate import ESTIMATED_COST, Estimator, with_inputs
from exporter.ledger import Ledger
from exporter.simulator import Policy, Scenario, Shape
from exporter.simulator.prices import DOLLAR, QUANTUM
from exporter.simulator.reports import Selection
from exporter.simulator.scenario import Tenant
from exporter.simulator.workloads import Dimension, row_layout

_START: Final = 1_790_553_600
"""2026-09-28 00:00 UTC, a Monday."""
_LEARN: Final = 18
"""Days before the first one that is judged."""
_JUDGED: Final = 28
_HOURS: Final = (6, 12, 18, 24)
_CREDITS: Final = 4
_SPIKES: Final = 0.05
"""Share of a project's days on which it is five times as busy."""
_LOOKBACK: Final = 31
_REFETCHED: Final = 3
_FINAL: Final = float(_START + 400 * DAY)

DEVELOPMENT: Final = (1, 2, 3, 4, 5, 6)
"""Seeds that the estimator was tuned on."""
HELD_OUT: Final = (101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112)
"""Seeds that were run once, when the estimator was finished."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is special about an organization; when and how much of it, its seed decides."""

    name: str
    quantities: bool = True
    """Whether costs carry `quantity`."""
    price_changes: int = 0
    launch: bool = False
    """Whether a new model comes into use."""
    allowances: int = 0
    """Line items of which the first units of a day are free."""
    credits: bool = False
    """Whether credits are booked as negative rows."""


PROFILES: Final = (
    Profile("mixed"),
    Profile("price changes", price_changes=2),
    Profile("new model", launch=True),
    Profile("free allowances and credits", allowances=3, credits=True),
    Profile("no quantities", quantities=False, credits=True),
    Profile("no quantities, price change", quantities=False, price_changes=1),
)
"""Seeds take these in turn."""

_CHAT_MODELS: Final = ("gpt-5-mini-2025-08-07", "gpt-5.5-2026-04-23", "gpt-5.6-sol", "ft-gpt-4o-2024-08-06")


@dataclass(frozen=True, slots=True)
class Judgement:
    """Relative errors at one hour of one day."""

    profile: str
    hour: int
    price_changed: bool
    estimate: float
    reported: float
    yesterday: float


class Trial:
    """One organization through all its days."""

    def __init__(self, seed: int, profile: Profile) -> None:
        self.profile = profile
        self.now = float(_START)
        self._random = Random(f"bench/{seed}")
        shape = Shape(projects=self._random.randint(3, 8), mixed=True)
        self._tenant = Tenant(seed, 0, shape, {}, Policy())
        self._scenario = Scenario(self._tenant, lambda: self.now)
        for row in CATALOG:
            usage = row.branch is ApiFamily.USAGE
            self._scenario.delay(row.name, 300 if usage else 6 * HOUR, late_percent=10 * usage, late_seconds=900)
        self._ledgers = [Ledger(_plan(row)) for row in CATALOG]
        self._estimator = Estimator("bench", lambda: self._ledgers, lambda _, plan: Ledger(plan))
        for model in self._random.sample(_CHAT_MODELS, profile.allowances):
            self._scenario.set_allowance(f"{model}, output", self._random.randint(100, 1000) * 1000)
        self._price_changes = [
            (self._day(), self._random.choice(_CHAT_MODELS), self._random.choice((0.5, 0.8, 1.25, 1.6)))
            for _ in range(profile.price_changes)
        ]

    def run(self) -> Iterator[Judgement]:
        """Yield a judgement for every hour of every judged day."""
        last_day = _LEARN + _JUDGED
        events = list(self._events(last_day))
        first = _START + (_LEARN - 2) * DAY
        self._happen(events, first)
        self._poll_all(first, _LOOKBACK)
        for day in range(_LEARN - 2, last_day):
            for hour in _HOURS:
                until = _START + day * DAY + hour * HOUR
                self._happen(events, until)
                self._poll_all(until - 1, _REFETCHED)
                if day >= _LEARN:
                    yield self._judge(_START + day * DAY, hour)

    def _day(self) -> float:
        return self._random.uniform(_LEARN + 1, _LEARN + _JUDGED - 2)

    def _happen(self, events: list[tuple[float, Callable[[], None]]], until: float) -> None:
        while events and events[0][0] <= until:
            self.now, happen = events.pop(0)
            happen()

    def _events(self, days: int) -> Iterable[tuple[float, Callable[[], None]]]:
        events: list[tuple[float, Callable[[], None]]] = []
        for at, model, multiple in self._price_changes:
            events.append((_START + at * DAY, lambda m=multiple, n=model: self._scenario.change_price(m, n)))  # type: ignore[misc]
        if self.profile.launch:
            events.append((_START + self._day() * DAY, lambda: self._scenario.launch_model("gpt-7-nova")))
        if self.profile.credits:
            credited = self._random.sample(range(_LEARN, days), _CREDITS)
            events += [(_START + day * DAY + 1.0, self._credit) for day in credited]
        for day in range(_LEARN, days):
            delay = self._random.uniform(3, 19) * HOUR
            events.append((_START + day * DAY + 2.0, lambda d=delay: self._scenario.delay("costs", d)))  # type: ignore[misc]
        for day in range(days):
            for project in range(len(self._tenant.organization.projects)):
                at = day + self._random.random()
                pace = self._random.uniform(0.5, 1.8) * (5 if self._random.random() < _SPIKES else 1)
                events.append((_START + at * DAY, lambda f=pace, n=project: self._scenario.spike(f, n)))  # type: ignore[misc]
        return sorted(events, key=lambda event: event[0])

    def _credit(self) -> None:
        usual = self._truth(int(self.now) // DAY * DAY - DAY, 24)
        amount = f"-{usual * self._random.uniform(0.02, 0.12):.6f}"
        visible = self._random.uniform(1, 20) * HOUR
        self._scenario.add_usage(
            "costs", {"amount": amount}, {"project_id": 0, "line_item": "promotional credit"}, visible_in=visible
        )

    def _judge(self, day: int, hour: int) -> Judgement:
        truth = self._truth(day, hour)
        costs = self._ledgers[0]
        figures = (
            self._estimator.ledger.gauges.total(ESTIMATED_COST, self.now),
            costs.gauges.total(costs.stores[0].group.measures[0], self.now),
            self._truth(day - DAY, hour),
        )
        errors = [abs((figure or 0.0) - truth) / truth for figure in figures]
        changed = any(int(_START + at * DAY) // DAY * DAY == day for at, *_ in self._price_changes)
        return Judgement(self.profile.name, hour, changed, *errors)

    def _truth(self, day: int, hour: int) -> float:
        rows = self._tenant.usage_log.rows("costs", day, day + hour * HOUR, _FINAL)
        return sum(amount for amount, _ in rows.values()) / DOLLAR

    def _poll_all(self, now: float, days: int) -> None:
        self.now = float(now)
        for ledger in self._ledgers:
            today = int(now) // DAY * DAY
            starts = range(today - (days - 1) * DAY, today + DAY, DAY)
            buckets = tuple(
                Bucket(start, min(start + DAY, int(now)), self._rows(ledger.plan, start)) for start in starts
            )
            ledger.apply(PollResult(starts.start, today + DAY, buckets, self.now))
        self._estimator.update(self.now)

    def _rows(self, plan: Plan, start: int) -> tuple[Sequence[Row], ...]:
        row = plan.resource
        end = min(start + DAY, int(self.now))
        finest = self._tenant.usage_log.rows(row.name, start, end, self.now)
        rows = Selection(plan.group_by, ()).regroup(row, finest)
        places = [row.dimensions.index(label) for label in plan.label_groups[0].labels]
        if row.branch is ApiFamily.COSTS:
            return self._costs(rows, places)
        fields = [measure.field for measure in plan.label_groups[0].measures]
        layout = row_layout(row)
        return (
            [
                (tuple(_label(key[place]) for place in places), tuple(map(layout.field_values(values).get, fields)))
                for key, values in rows.items()
            ],
        )

    def _costs(
        self, rows: dict[tuple[str | bool | None, ...], list[int]], places: Sequence[int]
    ) -> tuple[list[Row], ...]:
        money: list[Row] = []
        quantities: list[Row] = []
        for key, (amount, quantity) in rows.items():
            labels = tuple(_label(key[place]) for place in places)
            money.append((labels, (amount * (QUANTA // DOLLAR),)))
            if self.profile.quantities and quantity:
                unit = self._tenant.usage_log.units.get(labels[-1]) or "unknown"
                quantities.append(((*labels, unit), (quantity * (QUANTA // QUANTUM),)))
        return money, [], quantities


def _plan(row: Resource) -> Plan:
    plan = Plan(
        resource=row,
        group_by=row.group_by,
        filters=(),
        width="1d",
        measures=row.select(),
        windows=(),
        interval=600.0,
        lookback_days=_LOOKBACK,
        refetch_days=_REFETCHED,
        stale_after=DAY,
        max_series=10_000,
    )
    return with_inputs(plan)


def _label(value: Dimension) -> str:
    return str(value).lower() if isinstance(value, bool) else value or "unknown"


def _print(title: str, judgements: Sequence[Judgement]) -> None:
    print(f"\n{title}: {len(judgements) // len(_HOURS)} days")
    print(f"{'':8}{'estimate':>20}{'last reported':>20}{'yesterday':>20}")
    print(f"{'':8}" + f"{'median':>12}{'95 %':>8}" * 3)
    for hour in (*_HOURS, None):
        of_hour = [each for each in judgements if hour in {None, each.hour}]
        columns = ""
        for name in ("estimate", "reported", "yesterday"):
            errors = [getattr(each, name) for each in of_hour]
            columns += f"{100 * median(errors):10.2f} %{100 * np.quantile(errors, 0.95):6.1f} %"
        print(f"{f'{hour:02} h' if hour else 'all':8}{columns}")


def main() -> None:
    """Run the trials and print how far off everything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="run these seeds alone")
    parser.add_argument("--development", action="store_true", help="run the seeds that the estimator was tuned on")
    arguments = parser.parse_args()
    seeds = DEVELOPMENT if arguments.development else HELD_OUT
    chosen = arguments.seed or seeds
    began = time.monotonic()
    judgements: list[Judgement] = []
    for number, seed in enumerate(seeds):
        profile = PROFILES[number % len(PROFILES)]
        if seed not in chosen:
            continue
        found = list(Trial(seed, profile).run())
        judgements += found
        errors = [each.estimate for each in found]
        took = time.monotonic() - began
        print(f"seed {seed:3}  {profile.name:30} median {100 * median(errors):6.2f} %  {took:4.0f} s", flush=True)
    _print("days without a price change", [each for each in judgements if not each.price_changed])
    changed = [each for each in judgements if each.price_changed]
    if changed:
        _print("days of a price change", changed)
    for name in dict.fromkeys(each.profile for each in judgements):
        _print(name, [each for each in judgements if each.profile == name and not each.price_changed])


if __name__ == "__main__":
    main()
