"""How long the money lasts: prepaid credit and the month's budgets, at the pace of the last week."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from exporter.catalog import DAY, Measure, day_of, month_start
from exporter.estimate.metrics import ORGANIZATION_BUDGET_RUNWAY, PREPAID_BALANCE, PREPAID_RUNWAY, PROJECT_BUDGET_RUNWAY
from exporter.estimate.plan import ESTIMATED_COST
from exporter.exposition import Family
from exporter.ledger import Ledger, as_floats

_PACE_DAYS: Final = 7
"""Full UTC days whose mean is the pace at which money is spent."""


@dataclass(frozen=True, slots=True)
class TopUp:
    """Prepaid credit that was bought, or the balance that the billing page showed."""

    balance_usd: float
    as_of: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Funds:
    """What an organization can spend, from the settings."""

    top_ups: tuple[TopUp, ...] = ()
    monthly_usd: float | None = None
    project_budgets: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Spending:
    """What was spent: estimated for the days that have an estimate, reported before."""

    costs: Ledger
    estimates: Ledger
    now: float

    def of(self, start: float, end: float) -> float:
        """Return the US dollars of a span, Unix seconds: of a part of a day its share of the day so far."""
        return sum(usd * self._share(day, start, end) for day, usd in self._days(start, end))

    def by_project(self, start: int, end: int) -> dict[str, float]:
        """Return the US dollars of UTC days by project."""
        sums: dict[str, float] = {}
        for ledger, measure, since, until in self._parts(start, end):
            for project, usd in ledger.gauges.by_label(measure, "project_id", since, until).items():
                sums[project] = sums.get(project, 0.0) + usd
        return sums

    def knows(self, start: float) -> bool:
        """Whether costs are known from there on."""
        return min(self.costs.coverage.read, default=self.now) <= start

    def _days(self, start: float, end: float) -> Iterator[tuple[int, float]]:
        for ledger, _, since, until in self._parts(day_of(start), end):
            for day in ledger.coverage.read:
                if since <= day < until:
                    yield day, float(as_floats(ledger.stores[0].column(0, [day]).sum(keepdims=True))[0])

    def _parts(self, start: float, end: float) -> Iterator[tuple[Ledger, Measure, int, int]]:
        first = min(self.estimates.coverage.read, default=int(self.now))
        yield self.costs, self.costs.stores[0].group.measures[0], int(start), int(min(end, first))
        yield self.estimates, ESTIMATED_COST, int(max(start, first)), int(end)

    def _share(self, day: int, start: float, end: float) -> float:
        so_far = min(day + DAY, self.now)
        counted = min(so_far, end) - max(day, start)
        return min(max(counted, 0.0) / (so_far - day), 1.0) if so_far > day else 0.0


class Runway:
    """Balance and days left of one organization."""

    def __init__(self, organization: str, funds: Funds) -> None:
        self._organization, self._funds = organization, funds
        self._log = structlog.get_logger("estimate").bind(organization=organization)
        self._warned = False

    def families(self, costs: Ledger, estimates: Ledger, now: float) -> Iterator[Family]:
        """Return what is left at `now`, Unix seconds."""
        spending = _Spending(costs, estimates, now)
        today, month = day_of(now), month_start(now)
        pace = spending.of(today - _PACE_DAYS * DAY, today) / _PACE_DAYS
        own = (self._organization,)
        balance = self._balance(spending, now)
        yield PREPAID_BALANCE.family([(own, balance)] if balance is not None else [])
        yield PREPAID_RUNWAY.family([(own, _days(balance, pace))] if balance is not None and pace > 0 else [])
        budget = self._funds.monthly_usd
        left = None if budget is None else budget - spending.of(month, now)
        yield ORGANIZATION_BUDGET_RUNWAY.family([(own, _days(left, pace))] if left is not None and pace > 0 else [])
        yield PROJECT_BUDGET_RUNWAY.family(self._projects(spending, today, month))

    def _balance(self, spending: _Spending, now: float) -> float | None:
        bought = [top_up for top_up in self._funds.top_ups if top_up.as_of <= now]
        if not bought:
            return None
        since = min(top_up.as_of for top_up in bought)
        if not spending.knows(since):
            if not self._warned:
                self._warned = True
                self._log.warning(
                    "prepaid_before_lookback",
                    as_of=since,
                    advice="increase poll.cost_lookback_days, or replace the top-ups by the present balance",
                )
            return None
        return sum(top_up.balance_usd for top_up in bought) - spending.of(since, now)

    def _projects(self, spending: _Spending, today: int, month: int) -> Iterator[tuple[tuple[str, str], float]]:
        if not self._funds.project_budgets:
            return
        paces = spending.by_project(today - _PACE_DAYS * DAY, today)
        spent = spending.by_project(month, today + DAY)
        for project, budget in sorted(self._funds.project_budgets.items()):
            if (pace := paces.get(project, 0.0) / _PACE_DAYS) > 0:
                yield (self._organization, project), _days(budget - spent.get(project, 0.0), pace)


def _days(left: float, pace: float) -> float:
    return max(left, 0.0) / pace
