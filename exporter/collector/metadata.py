"""Everything that is asked for beside buckets: which of it is wanted, and the jobs and sources that it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.collector.api_keys import AdminApiKeys, ApiKeys
from exporter.collector.credit import Credit
from exporter.collector.limits import Budgets, ProjectSpendLimits, RateLimits, SpendLimits
from exporter.collector.metadata_jobs import PLACEHOLDERS, MetadataContext, Rotation
from exporter.collector.poller import Job, Source
from exporter.collector.projects import ACTIVE, ARCHIVED, DELETED, ProjectNames
from exporter.collector.users import Users
from exporter.openai import SIDE_SHARE, Directory, Limits

_MINUTE: Final = 60
_KEYS_SHARE: Final = 0.3
_SPEND_LIMITS_SHARE: Final = 0.3
_RATE_LIMITS_SHARE: Final = 0.2
"""What each of the jobs that ask project by project may take of the rate of names and limits: some is left over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataPlan:
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


class Metadata:
    """The jobs and sources of one organization that have no ledger."""

    def __init__(self, metadata_plan: MetadataPlan, context: MetadataContext) -> None:
        """Build what is wanted."""
        self.jobs: list[Job] = []
        self.sources: list[Source] = []
        self._metadata_plan, self._context = metadata_plan, context
        self._directory = Directory(context.client, context.observer)
        self._limits = Limits(context.client, context.observer)
        self._projects: ProjectNames | None = None
        self._keys: ApiKeys | None = None
        self._name()
        self._limit()
        if metadata_plan.credit:
            credit = Credit(
                context, interval=metadata_plan.organization_interval, stale_after=metadata_plan.stale_after
            )
            self.jobs.append(credit)
            self.sources.append(credit)
        if metadata_plan.budget is not None or metadata_plan.project_budgets:
            self.sources.append(Budgets(context.organization, metadata_plan.budget, metadata_plan.project_budgets))

    def _name(self) -> None:
        wanted, context, directory = self._metadata_plan, self._context, self._directory
        interval = wanted.directory_interval
        if wanted.projects:
            self._projects = ProjectNames(
                context, directory, interval=interval, only=wanted.project_ids, also=self._also_shown
            )
            self.jobs.append(self._projects)
            self.sources.append(self._projects)
        if wanted.api_keys:
            rotation = Rotation(interval, self._quota(_KEYS_SHARE, interval))
            self._keys = ApiKeys(
                context, rotation, in_use=lambda: self._in_use(DELETED), listed=lambda: self._having(ACTIVE)
            )
            self.jobs.append(self._keys.job(directory, interval))
            self.sources.append(self._keys)
        if wanted.admin_api_keys:
            admin_keys = AdminApiKeys(context, directory, interval=interval)
            self.jobs.append(admin_keys)
            self.sources.append(admin_keys)
        if wanted.users:
            users = Users(context, directory, interval=interval)
            self.jobs.append(users)
            self.sources.append(users)

    def _limit(self) -> None:
        wanted, context, limits = self._metadata_plan, self._context, self._limits
        interval, stale_after = wanted.limits_interval, wanted.stale_after
        if wanted.spend_limits:
            spend_limits = SpendLimits(context, limits, interval=wanted.organization_interval, stale_after=stale_after)
            self.jobs.append(spend_limits)
            self.sources.append(spend_limits)
        if wanted.project_spend_limits:
            rotation = Rotation(interval, self._quota(_SPEND_LIMITS_SHARE / 2, interval))
            spending = ProjectSpendLimits(context, rotation, self._limited, stale_after=stale_after)
            self.jobs.append(spending.job(limits, interval))
            self.sources.append(spending)
        if wanted.rate_limits:
            rotation = Rotation(interval, self._quota(_RATE_LIMITS_SHARE, interval))
            rates = RateLimits(context, rotation, self._limited, stale_after=stale_after)
            self.jobs.append(rates.job(limits, interval))
            self.sources.append(rates)

    def _quota(self, share: float, interval: float) -> int:
        """Return about how many projects a poll may ask in a share of the rate that is set aside."""
        return max(int(share * SIDE_SHARE * self._metadata_plan.requests_per_minute * interval / _MINUTE), 1)

    def _limited(self) -> set[str]:
        return self._in_use(DELETED, ARCHIVED) or self._having(ACTIVE)

    def _in_use(self, *excluded: str) -> set[str]:
        return self._context.shown.ids("project_id") - PLACEHOLDERS - self._having(*excluded)

    def _having(self, *statuses: str) -> set[str]:
        return self._projects.having(*statuses) if self._projects else set()

    def _also_shown(self) -> set[str]:
        return {*self._metadata_plan.project_budgets, *(self._keys.project_ids() if self._keys else ())}
