"""OpenAI's limits and the budgets of one's own, as series to alert on."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

import structlog

from exporter.collector.metadata_jobs import MetadataContext, PerProjectJob, Rotation
from exporter.collector.metrics import (
    ORGANIZATION_BUDGET,
    ORGANIZATION_SPEND_ALERT,
    ORGANIZATION_SPEND_LIMIT,
    ORGANIZATION_SPEND_LIMIT_ENFORCING,
    PROJECT_BUDGET,
    PROJECT_RATE_LIMIT_REQUESTS,
    PROJECT_RATE_LIMIT_TOKENS,
    PROJECT_SPEND_ALERT,
    PROJECT_SPEND_LIMIT,
    PROJECT_SPEND_LIMIT_ENFORCING,
    MetricDesc,
)
from exporter.collector.poller import Status
from exporter.collector.schedule import Outcome
from exporter.exposition import Family
from exporter.openai import Limits, Priority, RateLimit, Spending
from exporter.openai.limits import PROJECT_SPEND_LIMITS, RATE_LIMITS, SPEND_LIMITS

T = TypeVar("T")

Sample = tuple[tuple[str, ...], float]


class CurrencyWarner:
    """Says once of every owner that its limits are in a currency that no metric has."""

    def __init__(self, organization: str) -> None:
        self._log = structlog.get_logger("limits").bind(organization=organization)
        self._said: set[str] = set()

    def check(self, spending: Spending, owner: str) -> None:
        """Look at the currencies of an answer."""
        money = [*spending.alerts, *([spending.limit] if spending.limit else [])]
        if owner not in self._said and any(each.usd is None for each in money):
            self._said.add(owner)
            currencies = sorted({each.currency or "none" for each in money if each.usd is None})
            self._log.warning("a limit is not in US dollars: it is not exported", owner=owner, currencies=currencies)


class SpendLimits:
    """Keeps the organization's spend limit and alerts."""

    name = SPEND_LIMITS
    priority = Priority.LIMITS
    counts = False

    def __init__(self, context: MetadataContext, limits: Limits, *, interval: float, stale_after: float) -> None:
        """Take seconds between polls, and seconds without a success after which the limits vanish."""
        self.interval = interval
        self.status = Status()
        self._context, self._limits, self._stale_after = context, limits, stale_after
        self._tongue = CurrencyWarner(context.organization)
        self._known: tuple[float, Spending] | None = None

    async def poll(self, due: float) -> Outcome:
        """Ask for both."""
        spending = await self._limits.spending(due)
        self._tongue.check(spending, "organization")
        now = self._context.clock.now()
        if self._known is None or self._known[1] != spending:
            self.status.last_change = now
        self._known = now, spending
        return Outcome.DATA

    def families(self, now: float) -> Iterable[Family]:
        """Return what is not stale."""
        known = self._known
        spendings: dict[tuple[str, ...], Spending] = {}
        if known is not None and now < known[0] + self._stale_after:
            spendings[()] = known[1]
        yield from _spending(
            spendings,
            self._context.organization,
            (ORGANIZATION_SPEND_LIMIT, ORGANIZATION_SPEND_LIMIT_ENFORCING, ORGANIZATION_SPEND_ALERT),
        )


class PerProjectCache(Generic[T]):
    """What was last read of every project, as far as it is not stale and the project still counts."""

    def __init__(self, rotation: Rotation, projects: Callable[[], Collection[str]], stale_after: float) -> None:
        """`projects` gives those that count, on the ledgers' thread; the time of a whole round makes nothing stale."""
        self._rotation, self._projects, self._stale_after = rotation, projects, stale_after
        self._known: dict[str, tuple[float, T]] = {}

    def due(self, now: float) -> list[str]:
        """Return the projects to ask about now, and forget those that do not count any more."""
        projects = self._projects()
        self._known = {id_: known for id_, known in self._known.items() if id_ in projects}
        return self._rotation.due(projects, now)

    def keep(self, project_id: str, value: T, now: float) -> bool:
        """Take an answer over, and tell whether it is another."""
        before = self._known.get(project_id)
        self._known[project_id] = now, value
        return before is None or before[1] != value

    def fresh(self, now: float) -> dict[str, T]:
        """Return what is shown, by project."""
        projects = self._projects()
        oldest = now - self._stale_after - self._rotation.round(len(projects))
        return {id_: value for id_, (read, value) in sorted(self._known.items()) if id_ in projects and read > oldest}


class ProjectSpendLimits:
    """Keeps the spend limits and alerts of the projects in use."""

    def __init__(
        self,
        context: MetadataContext,
        rotation: Rotation,
        projects: Callable[[], Collection[str]],
        *,
        stale_after: float,
    ) -> None:
        self._context, self._rotation = context, rotation
        self._tongue = CurrencyWarner(context.organization)
        self._values: PerProjectCache[Spending] = PerProjectCache(rotation, projects, stale_after)

    def job(self, limits: Limits, interval: float) -> PerProjectJob[Spending]:
        """Return what asks about one project after the other."""
        return PerProjectJob(
            PROJECT_SPEND_LIMITS,
            self._context,
            self._rotation,
            interval=interval,
            priority=Priority.LIMITS,
            due=self._values.due,
            ask=limits.project_spending,
            keep=self._keep,
        )

    def families(self, now: float) -> Iterable[Family]:
        """Return what is not stale."""
        yield from _spending(
            {(id_,): spending for id_, spending in self._values.fresh(now).items()},
            self._context.organization,
            (PROJECT_SPEND_LIMIT, PROJECT_SPEND_LIMIT_ENFORCING, PROJECT_SPEND_ALERT),
        )

    def _keep(self, project_id: str, spending: Spending, now: float) -> bool:
        self._tongue.check(spending, project_id)
        return self._values.keep(project_id, spending, now)


class RateLimits:
    """Keeps the rate limits of the projects in use."""

    def __init__(
        self,
        context: MetadataContext,
        rotation: Rotation,
        projects: Callable[[], Collection[str]],
        *,
        stale_after: float,
    ) -> None:
        self._context, self._rotation = context, rotation
        self._values: PerProjectCache[tuple[RateLimit, ...]] = PerProjectCache(rotation, projects, stale_after)

    def job(self, limits: Limits, interval: float) -> PerProjectJob[tuple[RateLimit, ...]]:
        """Return what asks about one project after the other."""
        return PerProjectJob(
            RATE_LIMITS,
            self._context,
            self._rotation,
            interval=interval,
            priority=Priority.LIMITS,
            due=self._values.due,
            ask=limits.rate_limits,
            keep=self._values.keep,
        )

    def families(self, now: float) -> Iterable[Family]:
        """Return what is not stale."""
        limits = {
            (self._context.organization, id_, limit.model): limit
            for id_, found in self._values.fresh(now).items()
            for limit in found
        }
        for described, attribute in (
            (PROJECT_RATE_LIMIT_REQUESTS, "requests_per_minute"),
            (PROJECT_RATE_LIMIT_TOKENS, "tokens_per_minute"),
        ):
            yield described.family(
                (labels, figure)
                for labels, limit in limits.items()
                if (figure := getattr(limit, attribute)) is not None
            )


class Budgets:
    """The budgets of the configuration."""

    def __init__(self, organization: str, whole: float | None, projects: Mapping[str, float]) -> None:
        """Take US dollars a month: of the organization, if there is such a budget, and of projects by id."""
        self._families = (
            ORGANIZATION_BUDGET.family([((organization,), whole)] if whole is not None else []),
            PROJECT_BUDGET.family(((organization, id_), budget) for id_, budget in sorted(projects.items())),
        )

    def families(self, now: float) -> Iterable[Family]:  # noqa: ARG002 -- budgets do not age
        """Return them."""
        return self._families


def _spending(
    spendings: Mapping[tuple[str, ...], Spending],
    organization: str,
    described: tuple[MetricDesc, MetricDesc, MetricDesc],
) -> Iterator[Family]:
    limit, enforcing, alert = described
    limits = [
        ((organization, *owner), spending.limit)
        for owner, spending in spendings.items()
        if spending.limit and spending.limit.usd is not None
    ]
    yield limit.family((labels, found.usd or 0.0) for labels, found in limits)
    yield enforcing.family((labels, float(found.enforcing)) for labels, found in limits)
    alerts: dict[tuple[str, ...], float] = {
        (organization, *owner, found.id): found.usd
        for owner, spending in spendings.items()
        for found in spending.alerts
        if found.usd is not None
    }
    yield alert.family(alerts.items())
