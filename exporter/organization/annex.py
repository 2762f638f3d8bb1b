"""Everything that is asked for beside buckets: which of it is wanted, and the jobs and sources that it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.organization.annex_jobs import PLACEHOLDERS, AnnexSurroundings, Rotation
from exporter.organization.api_keys import AdminApiKeys, ApiKeys
from exporter.organization.credit import Credit
from exporter.organization.job import Job, Source
from exporter.organization.limits import Budgets, ProjectSpendLimits, RateLimits, SpendLimits
from exporter.organization.projects import ACTIVE, ARCHIVED, DELETED, ProjectNames
from exporter.organization.users import Users
from exporter.upstream import SIDE_SHARE, Directory, Limits

_MINUTE: Final = 60
_KEYS_SHARE: Final = 0.3
_SPEND_LIMITS_SHARE: Final = 0.3
_RATE_LIMITS_SHARE: Final = 0.2
"""What each of the jobs that ask project by project may take of the rate of names and limits: some is left over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnexPlan:
    """What is wanted beside buckets, and how often."""

    projects: bool = False
    api_keys: bool = False
    admin_api_keys: bool = False
    users: bool = False
    personal_data: bool = False
    """Whether names of users, and names that look like e-mail addresses, may be shown."""
    spend_limits: bool = False
    """Of the organization."""
    project_spend_limits: bool = False
    rate_limits: bool = False
    credit: bool = False
    """Prepaid credit, which only keys are asked for that are no admin keys."""
    budget: float | None = None
    """US dollars a month."""
    project_budgets: Mapping[str, float] = field(default_factory=dict)
    """US dollars a month, by project."""
    project_ids: tuple[str, ...] = ()
    """The filter of the organization, empty for all."""
    requests_per_minute: float = 60.0
    """The rate of the organization."""
    directory_interval: float = 900.0
    """Seconds, as all that follow."""
    organization_interval: float = 300.0
    limits_interval: float = 3600.0
    stale_after: float = 21600.0


class Annex:
    """The jobs and sources of one organization that have no ledger."""

    def __init__(self, annex_plan: AnnexPlan, around: AnnexSurroundings) -> None:
        """Build what is wanted."""
        self.jobs: list[Job] = []
        self.sources: list[Source] = []
        self._annex_plan, self._around = annex_plan, around
        self._directory = Directory(around.client, around.observer)
        self._limits = Limits(around.client, around.observer)
        self._projects: ProjectNames | None = None
        self._keys: ApiKeys | None = None
        self._name()
        self._limit()
        if annex_plan.credit:
            credit = Credit(around, interval=annex_plan.organization_interval, stale_after=annex_plan.stale_after)
            self.jobs.append(credit)
            self.sources.append(credit)
        if annex_plan.budget is not None or annex_plan.project_budgets:
            self.sources.append(Budgets(around.organization, annex_plan.budget, annex_plan.project_budgets))

    def _name(self) -> None:
        wanted, around, directory = self._annex_plan, self._around, self._directory
        interval = wanted.directory_interval
        if wanted.projects:
            self._projects = ProjectNames(
                around, directory, interval=interval, only=wanted.project_ids, also=self._also_shown
            )
            self.jobs.append(self._projects)
            self.sources.append(self._projects)
        if wanted.api_keys:
            rotation = Rotation(interval, self._quota(_KEYS_SHARE, interval))
            self._keys = ApiKeys(
                around, rotation, in_use=lambda: self._in_use(DELETED), listed=lambda: self._having(ACTIVE)
            )
            self.jobs.append(self._keys.job(directory, interval))
            self.sources.append(self._keys)
        if wanted.admin_api_keys:
            admin_keys = AdminApiKeys(around, directory, interval=interval)
            self.jobs.append(admin_keys)
            self.sources.append(admin_keys)
        if wanted.users:
            users = Users(around, directory, interval=interval)
            self.jobs.append(users)
            self.sources.append(users)

    def _limit(self) -> None:
        wanted, around, limits = self._annex_plan, self._around, self._limits
        interval, stale_after = wanted.limits_interval, wanted.stale_after
        if wanted.spend_limits:
            spend_limits = SpendLimits(around, limits, interval=wanted.organization_interval, stale_after=stale_after)
            self.jobs.append(spend_limits)
            self.sources.append(spend_limits)
        if wanted.project_spend_limits:
            rotation = Rotation(interval, self._quota(_SPEND_LIMITS_SHARE / 2, interval))
            spending = ProjectSpendLimits(around, rotation, self._limited, stale_after=stale_after)
            self.jobs.append(spending.job(limits, interval))
            self.sources.append(spending)
        if wanted.rate_limits:
            rotation = Rotation(interval, self._quota(_RATE_LIMITS_SHARE, interval))
            rates = RateLimits(around, rotation, self._limited, stale_after=stale_after)
            self.jobs.append(rates.job(limits, interval))
            self.sources.append(rates)

    def _quota(self, share: float, interval: float) -> int:
        """Return about how many projects a poll may ask in a share of the rate that is set aside."""
        return max(int(share * SIDE_SHARE * self._annex_plan.requests_per_minute * interval / _MINUTE), 1)

    def _limited(self) -> set[str]:
        return self._in_use(DELETED, ARCHIVED) or self._having(ACTIVE)

    def _in_use(self, *excluded: str) -> set[str]:
        return self._around.shown.ids("project_id") - PLACEHOLDERS - self._having(*excluded)

    def _having(self, *statuses: str) -> set[str]:
        return self._projects.having(*statuses) if self._projects else set()

    def _also_shown(self) -> set[str]:
        return {*self._annex_plan.project_budgets, *(self._keys.project_ids() if self._keys else ())}
