"""What the settings come to: all that the commands build from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from exporter.catalog import ApiFamily, Plan
from exporter.settings.credentials import KeySource
from exporter.settings.points_in_time import PointInTime
from exporter.settings.sections import Api, Budgets, Log, Poll, Web


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationSettings:
    """One organization."""

    name: str
    """The value of the label `organization`."""
    admin_key: KeySource | None
    api_key: KeySource | None
    """An ordinary key, for the legacy billing endpoints. Neither key is there for commands that need none."""
    base_url: str
    """Without a trailing slash."""
    organization_id: str | None
    """For the header `OpenAI-Organization`; None: not sent."""
    requests_per_minute: float
    project_ids: tuple[str, ...]
    """The filter that every request carries; empty for the whole organization. The plans' filters hold it already."""
    plans: tuple[Plan, ...]
    """The enabled resources in the order of the catalog."""
    metadata: frozenset[str]
    """Names of the rows of the metadata table that are polled, defaults decided."""
    personal_data: bool
    """Whether names of users, and names that look like e-mail addresses, may be shown."""
    budgets: Budgets

    @property
    def key(self) -> KeySource | None:
        """The key to ask with: the admin key, else the ordinary one."""
        return self.admin_key or self.api_key

    @property
    def project_scoped(self) -> bool:
        """Whether any plan is narrowed to projects: then the legacy endpoints, which know none, are out."""
        return any(parameter == "project_ids" for plan in self.plans for parameter, _ in plan.filters)

    @property
    def costs_narrowed(self) -> bool:
        """Whether the costs are those of some projects only: then the organization's limits do not compare to them."""
        return costs_narrowed(self.plans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What every command gets."""

    web: Web
    api: Api
    poll: Poll
    log: Log
    state_path: Path
    new_counter_hold: float
    """Seconds."""
    organizations: tuple[OrganizationSettings, ...]
    reread: "Callable[[], Settings]" = field(compare=False, repr=False)
    """Reads the same sources again. Raises SettingsError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillSettings(Settings):
    """What `backfill` gets."""

    since: PointInTime
    until: PointInTime | None
    output: Path
    """`-` for standard output."""
    step: float
    """Seconds between two samples of a series."""
    labels: dict[str, str]
    """Labels that every sample gets, such as job and instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateSettings(Settings):
    """What `simulate` and `demo` get."""

    seed: int
    """Of the simulated organization: the same seed, the same organization."""


def costs_narrowed(plans: Iterable[Plan]) -> bool:
    """Return whether the costs are those of some projects only."""
    costs = (plan for plan in plans if plan.resource.branch is ApiFamily.COSTS)
    return any(parameter == "project_ids" for plan in costs for parameter, _ in plan.filters)
