"""What the status page shows of one organization: spend, estimates and model use, from its ledgers and families."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from operator import is_
from typing import Final

from exporter.catalog import DAY, METADATA, ApiFamily, Measure, day_of
from exporter.estimate import ESTIMATED_COST
from exporter.exposition import Bounds, EstimateReport, Family, ModelUse, OrganizationReport, ResourceReport, Spend
from exporter.ledger import Ledger
from exporter.publisher.label_sums import LabelSums
from exporter.publisher.spend import CostSummary

_WEEK: Final = 7 * DAY
_TOP: Final = 10
_TOKENS: Final = frozenset({"input_tokens", "output_tokens"})
"""API fields that add up to a model's tokens; every breakdown is part of one of them."""
_OUTDATED: Final = 300.0
"""Seconds after which projections are calculated again although nothing has changed."""

PROJECT_INFO: Final = "openai_project_info"
BUDGET: Final = "openai_{owner}_budget_usd"
BUDGET_RUNWAY: Final = "openai_{owner}_budget_runway_days"
LIMIT: Final = "openai_{owner}_spend_limit_usd"
LIMIT_ENFORCING: Final = "openai_{owner}_spend_limit_enforcing"
ALERT_THRESHOLD: Final = "openai_{owner}_spend_alert_threshold_usd"
COVERAGE: Final = "openai_estimated_cost_coverage_ratio"
PREPAID_BALANCE: Final = "openai_prepaid_balance_usd"
PREPAID_RUNWAY: Final = "openai_prepaid_runway_days"


class _Facts:
    """What families without buckets say of projects, and of the organization under the empty id."""

    def __init__(self, families: Sequence[Family] = ()) -> None:
        self.families = tuple(families)
        self._by_name = {family.name: family for family in families}
        infos = (labels for labels, _ in _samples(self._by_name.get(PROJECT_INFO)))
        self._names = {each["project_id"]: (each["project_name"], each["status"]) for each in infos}
        self._budgets, self._runways = self._of_owners(BUDGET), self._of_owners(BUDGET_RUNWAY)
        self._limits, self._enforcing = self._of_owners(LIMIT), self._of_owners(LIMIT_ENFORCING)
        self._alerts: dict[str, set[float]] = {}
        for project, value in self._values(ALERT_THRESHOLD):
            self._alerts.setdefault(project, set()).add(value)
        self.series = {
            row.name: sum(_count(self._by_name[each.name]) for each in row.families if each.name in self._by_name)
            for row in METADATA
            if any(each.name in self._by_name for each in row.families)
        }
        """Samples of each row of the metadata table."""

    def name(self, project: str) -> tuple[str, str]:
        """Return name and status, both empty where they are not known."""
        return self._names.get(project, ("", ""))

    def bounds(self, project: str) -> Bounds:
        """Return budget, limit and thresholds of alerts."""
        return Bounds(
            budget=self._budgets.get(project),
            budget_runway_days=self._runways.get(project),
            limit=self._limits.get(project),
            limit_enforced=bool(self._enforcing.get(project)),
            alert_thresholds=tuple(sorted(self._alerts.get(project, ()))),
        )

    def bounded(self) -> Iterable[str]:
        """Return the projects that have a budget, a limit or an alert."""
        return filter(None, (*self._budgets, *self._limits, *self._alerts))

    def single(self, name: str) -> float | None:
        """Return the value of a family with one sample, None without one."""
        return next((value for _, value in _samples(self._by_name.get(name))), None)

    def _of_owners(self, name: str) -> dict[str, float]:
        return dict(self._values(name))

    def _values(self, name: str) -> Iterator[tuple[str, float]]:
        for owner in ("organization", "project"):
            for labels, value in _samples(self._by_name.get(name.format(owner=owner))):
                yield labels.get("project_id", ""), value


@dataclass(slots=True)
class Summary:
    """Completes the reports of one organization; what did not change is not calculated again."""

    _facts: _Facts = field(default_factory=_Facts)
    _made: float | None = None
    """Unix seconds."""
    _costs: CostSummary = field(default_factory=CostSummary)
    _estimates: LabelSums = field(default_factory=lambda: LabelSums("project_id"))
    _uses: dict[tuple[str, str], LabelSums] = field(default_factory=dict)
    _spend: Spend | None = None
    _estimate: EstimateReport | None = None
    _models: tuple[ModelUse, ...] = ()

    def complete(
        self,
        report: OrganizationReport,
        ledgers: Sequence[Ledger],
        estimates: Ledger | None,
        families: Sequence[Family],
        now: float,
        *,
        changed: AbstractSet[str],
    ) -> OrganizationReport:
        """Return the report with what ledgers and families hold at `now`, Unix seconds.

        `changed` are the names of the resources whose ledgers show other values than at the last call.
        """
        renewed = not _same(families, self._facts.families)
        if renewed:
            self._facts = _Facts(families)
        if changed or renewed or self._made is None or not self._made <= now < self._made + _OUTDATED:
            self._spend = self._make_spend(ledgers, estimates, now, changed)
            self._estimate = self._make_estimate(estimates, now)
            if not changed.isdisjoint(each.plan.resource.name for each in ledgers):
                self._models = self._make_models(ledgers, now)
            self._made = now
        return replace(
            report,
            resources=tuple(_with_series(each, self._facts.series) for each in report.resources),
            spend=self._spend,
            estimate=self._estimate,
            models=self._models,
        )

    def _make_spend(
        self, ledgers: Iterable[Ledger], estimates: Ledger | None, now: float, changed: AbstractSet[str]
    ) -> Spend | None:
        costs = next((each for each in ledgers if each.plan.resource.branch is ApiFamily.COSTS), None)
        if costs is None:
            return None
        estimated = self._estimated(estimates, now)
        return self._costs.spend(costs, self._facts, estimated, now, changed=costs.plan.resource.name in changed)

    def _estimated(self, estimates: Ledger | None, now: float) -> dict[str, float]:
        """Return today's estimate of each project that has one."""
        if estimates is None or not estimates.fresh(now) or "project_id" not in estimates.plan.group_by:
            return {}
        today = day_of(now)
        self._estimates.update(estimates.stores[0], 0, today)
        sums = self._estimates.between(today, today + DAY).tolist()
        return {project: usd for project, usd in zip(self._estimates.values, sums, strict=True) if usd}

    def _make_estimate(self, estimates: Ledger | None, now: float) -> EstimateReport | None:
        if estimates is None or not estimates.fresh(now):
            return None
        return EstimateReport(
            today=estimates.gauges.total(ESTIMATED_COST, now),
            coverage_ratio=self._facts.single(COVERAGE),
            prepaid_balance=self._facts.single(PREPAID_BALANCE),
            prepaid_runway_days=self._facts.single(PREPAID_RUNWAY),
        )

    def _make_models(self, ledgers: Iterable[Ledger], now: float) -> tuple[ModelUse, ...]:
        """Return what each model did in the last 7 days, the busiest first."""
        tokens: dict[str, float] = {}
        requests: dict[str, float] = {}
        start, end = day_of(now) - _WEEK + DAY, day_of(now) + DAY
        for ledger in ledgers:
            store = ledger.stores[0]
            if not ledger.fresh(now) or "model" not in store.rows.names:
                continue
            for position, measure in enumerate(store.group.measures):
                if (into := _kind(measure, tokens, requests)) is not None:
                    uses = self._uses.setdefault((ledger.plan.resource.name, measure.name), LabelSums("model"))
                    uses.update(store, position, start)
                    for model, value in zip(uses.values, uses.between(start, end).tolist(), strict=True):
                        into[model] = into.get(model, 0) + value
        found = [ModelUse(model, tokens.get(model, 0), requests.get(model, 0)) for model in {**tokens, **requests}]
        return tuple(sorted(found, key=lambda use: (-use.tokens, -use.requests, use.model))[:_TOP])


def _kind(measure: Measure, tokens: dict[str, float], requests: dict[str, float]) -> dict[str, float] | None:
    if measure.field in _TOKENS:
        return tokens
    return requests if measure.requests else None


def _with_series(resource: ResourceReport, series: Mapping[str, int]) -> ResourceReport:
    if resource.series is not None or resource.name not in series:
        return resource
    return replace(resource, series=series[resource.name])


def _same(families: Sequence[Family], others: Sequence[Family]) -> bool:
    return len(families) == len(others) and all(map(is_, families, others))


def _samples(family: Family | None) -> Iterator[tuple[dict[str, str], float]]:
    for column in family.columns if family else ():
        for labels, value in zip(column.rows.sets, column.values.tolist(), strict=True):
            yield dict(zip(column.rows.names, labels, strict=True)), value


def _count(family: Family) -> int:
    return sum(int(column.shown.sum()) for column in family.columns)
