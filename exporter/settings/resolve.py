"""The resolved settings: keys located, defaults applied, contradictions refused. Commands are built from these."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from exporter.catalog import METADATA, ApiFamily, MetadataKind, Plan
from exporter.settings.credentials import Credentials, GivenKey, KeyFile, KeySource, KeyUnavailableError
from exporter.settings.messages import Problem
from exporter.settings.model import CommandSettings
from exporter.settings.plans import Planner, window_problem
from exporter.settings.sections import Api, Budgets, Log, OrganizationSection, Poll, TopUp, Web
from exporter.settings.types import PointInTime

_DEFAULT_NAME: Final = "default"
_NO_KEY: Final = (
    "is not set: create an admin key in the organization's settings and set OPENAI_ADMIN_KEY to it, or "
    "OPENAI_ADMIN_KEY_FILE to the path of a file with it (an ordinary key in OPENAI_API_KEY can read very little)"
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """The HTTP proxy."""

    url: str
    """Without credentials."""
    auth: str = field(default="", repr=False)
    """`user:password`, or empty."""

    @property
    def url_with_credentials(self) -> str:
        """The URL for the HTTP client; never to be shown."""
        if not self.auth:
            return self.url
        user, _, password = self.auth.partition(":")
        return (
            urlsplit(self.url)
            ._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{urlsplit(self.url).netloc}")
            .geturl()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationSettings:
    """One organization."""

    name: str
    """The value of the label `organization`."""
    admin_key: KeySource | None
    api_key: KeySource | None
    """An ordinary key, for the legacy billing endpoints. Both keys are None for commands that need none."""
    base_url: str
    """Without a trailing slash."""
    organization_id: str | None
    """Value of the header `OpenAI-Organization`; None: not sent."""
    requests_per_minute: float
    project_ids: tuple[str, ...]
    """The project filter of every request; empty for the whole organization. The plans' filters include it."""
    plans: tuple[Plan, ...]
    """The enabled resources in the order of the catalog."""
    metadata: frozenset[str]
    """Names of the rows of the metadata table that are polled, defaults applied."""
    personal_data: bool
    """Whether names of users, and names that look like e-mail addresses, may be exported."""
    budgets: Budgets
    prepaid: tuple[TopUp, ...]

    @property
    def key(self) -> KeySource | None:
        """The key for requests: the admin key if there is one, otherwise the ordinary key."""
        return self.admin_key or self.api_key

    @property
    def project_scoped(self) -> bool:
        """Whether any plan filters by project, which the legacy endpoints cannot."""
        return any(parameter == "project_ids" for plan in self.plans for parameter, _ in plan.filters)

    @property
    def costs_narrowed(self) -> bool:
        """Whether costs are filtered by project, so that they cannot be compared with the organization's limits."""
        return costs_narrowed(self.plans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings that every command gets."""

    web: Web
    api: Api
    proxy: Proxy | None
    poll: Poll
    log: Log
    state_path: Path
    state_path_is_default: bool
    same_organization: tuple[str, ...]
    """OpenAI ids that are one and the same organization."""
    new_counter_hold: float
    """Seconds."""
    organizations: tuple[OrganizationSettings, ...]
    reread: "Callable[[], Settings]" = field(compare=False, repr=False)
    """Reads the same sources again. Raises SettingsError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetsSettings(Settings):
    """The settings of `assets`."""

    directory: Path
    force: bool
    """Whether files that differ are overwritten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteWriteSettings:
    """A remote write receiver and how to authenticate with it."""

    url: str
    query_url: str | None
    """URL of instant queries; None where it follows from `url`."""
    progress: Path
    """File that records which parts are stored."""
    bearer_token_file: Path | None
    username: str | None
    password_file: Path | None
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillSettings(Settings):
    """The settings of `backfill`."""

    since: PointInTime
    until: PointInTime | None
    output: Path | None
    """Directory for OpenMetrics files; None with remote write."""
    step: float
    """Seconds between two samples of a series before the last days."""
    dense_days: int
    """Days before the end with a sample every four minutes."""
    new_prometheus: bool
    """Whether the Prometheus that gets the files has no data yet."""
    dry_run: bool
    remote_write: RemoteWriteSettings | None
    labels: dict[str, str]
    """Labels added to every sample, such as job and instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateSettings(Settings):
    """The settings of `simulate` and `demo`."""

    seed: int
    """Seed of the simulated organization."""


def resolve_organizations(
    configured: CommandSettings, credentials: Credentials | None, environ: Mapping[str, str], problems: list[Problem]
) -> tuple[OrganizationSettings, ...]:
    """Return the organizations. `credentials` is None where no key is needed; problems are appended to `problems`."""
    if configured.organizations:
        organizations = _several(configured, configured.organizations, credentials, environ, problems)
    else:
        organizations = (_single(configured, credentials, problems),)
    _check_windows(configured, organizations, problems)
    return organizations


def _single(
    configured: CommandSettings, credentials: Credentials | None, problems: list[Problem]
) -> OrganizationSettings:
    keys = _keys(credentials, problems) if credentials else (None, None)
    project_id = credentials and credentials.project_id
    section = OrganizationSection(
        name=_DEFAULT_NAME, budgets=configured.budgets, prepaid=configured.prepaid
    ).model_copy(
        update={
            "organization_id": credentials and credentials.organization_id,
            "project_ids": (project_id,) if project_id else None,
        }
    )
    return _organization(configured, section, keys, "", problems)


def _keys(credentials: Credentials, problems: list[Problem]) -> tuple[KeySource | None, KeySource | None]:
    if credentials.admin_key and credentials.admin_key_file:
        problems.append(Problem("", "OPENAI_ADMIN_KEY and OPENAI_ADMIN_KEY_FILE are both set: unset one of the two"))
        return None, None
    admin_key: KeySource | None = None
    api_key: KeySource | None = None
    try:
        if credentials.admin_key:
            admin_key = GivenKey(credentials.admin_key.get_secret_value(), "OPENAI_ADMIN_KEY")
        elif credentials.admin_key_file:
            admin_key = KeyFile(Path(credentials.admin_key_file))
            admin_key.read()
        if credentials.api_key:
            api_key = GivenKey(credentials.api_key.get_secret_value(), "OPENAI_API_KEY")
    except KeyUnavailableError as error:
        problems.append(Problem("", str(error)))
    else:
        if not admin_key and not api_key:
            problems.append(Problem("OPENAI_ADMIN_KEY", _NO_KEY))
    return admin_key, api_key


def _several(
    configured: CommandSettings,
    sections: Sequence[OrganizationSection],
    credentials: Credentials | None,
    environ: Mapping[str, str],
    problems: list[Problem],
) -> tuple[OrganizationSettings, ...]:
    problems += [
        Problem("", f"{variable} and organizations are both set: unset the variable, and set it per organization")
        for variable in (credentials.of_one_organization if credentials else ())
    ]
    problems += [
        Problem(name, "must be set per organization where organizations is set")
        for name in ("budgets", "prepaid")
        if name in configured.model_fields_set
    ]
    names = [section.name for section in sections]
    organizations = []
    for index, section in enumerate(sections):
        where = f"organizations[{index}]"
        if section.name in names[:index]:
            problems.append(
                Problem(f"{where}.name", f"{section.name!r} is the name of another organization: names must be unique")
            )
        key = _configured_key(section, where, environ, problems) if credentials else None
        organizations.append(_organization(configured, section, (key, None), f"{where}.", problems))
    return tuple(organizations)


def _configured_key(
    section: OrganizationSection, where: str, environ: Mapping[str, str], problems: list[Problem]
) -> KeySource | None:
    file, variable = section.admin_key_file, section.admin_key_env
    try:
        if file and not variable:
            key = KeyFile(file)
            key.read()
            return key
        if variable and not file:
            return _key_in_variable(variable, environ)
    except KeyUnavailableError as error:
        problems.append(Problem(f"{where}.{'admin_key_file' if file else 'admin_key_env'}", str(error)))
    else:
        problems.append(Problem(where, "needs an admin key: set either admin_key_file or admin_key_env"))
    return None


def _key_in_variable(variable: str, environ: Mapping[str, str]) -> GivenKey:
    if variable not in environ:
        raise KeyUnavailableError(f"the variable {variable} is not set: put the key there")
    return GivenKey(environ[variable], f"the variable {variable}")


def _organization(
    configured: CommandSettings,
    section: OrganizationSection,
    keys: tuple[KeySource | None, KeySource | None],
    prefix: str,
    problems: list[Problem],
) -> OrganizationSettings:
    planner = Planner(
        shared=configured.resources,
        own=section.resources,
        prefix=prefix,
        poll=configured.poll,
        windows=configured.windows,
        max_series=configured.max_series,
        project_ids=section.project_ids or (),
        problems=problems,
    )
    plans = planner.plans()
    if not plans:
        problems.append(Problem(f"{prefix}resources", "are all disabled: enable at least one"))
    return OrganizationSettings(
        name=section.name,
        admin_key=keys[0],
        api_key=keys[1],
        base_url=section.base_url or configured.api.base_url,
        organization_id=section.organization_id,
        requests_per_minute=section.requests_per_minute or configured.api.requests_per_minute,
        project_ids=section.project_ids or (),
        plans=plans,
        metadata=_metadata(configured, plans),
        personal_data=configured.names.personal_data,
        budgets=section.budgets,
        prepaid=section.prepaid,
    )


def costs_narrowed(plans: Iterable[Plan]) -> bool:
    """Return whether costs are filtered by project."""
    costs = (plan for plan in plans if plan.resource.branch is ApiFamily.COSTS)
    return any(parameter == "project_ids" for plan in costs for parameter, _ in plan.filters)


def _metadata(configured: CommandSettings, plans: Sequence[Plan]) -> frozenset[str]:
    """Return the enabled rows of the metadata table, without limits that filtered costs cannot be compared with."""
    dimensions = {dimension for plan in plans for dimension in plan.group_by}
    narrowed = costs_narrowed(plans)
    sections = {MetadataKind.NAMES: configured.names, MetadataKind.LIMITS: configured.limits}
    enabled = set()
    for row in METADATA:
        if (setting := row.setting) is None or (row.compared_with_costs and narrowed):
            continue
        value = sections[setting.kind].value(setting)
        if setting.grouped_by in dimensions if value is None else value:
            enabled.add(row.name)
    return frozenset(enabled)


def _check_windows(
    configured: CommandSettings, organizations: Sequence[OrganizationSettings], problems: list[Problem]
) -> None:
    """Refuse a configured window that no resource can have."""
    for family in ApiFamily:
        if family.value not in configured.windows.model_fields_set:
            continue
        plans = [
            plan for organization in organizations for plan in organization.plans if plan.resource.branch is family
        ]
        for window in getattr(configured.windows, family.value):
            reasons = [window_problem(window, plan) for plan in plans]
            if reasons and all(reasons):
                problems.append(Problem(f"windows.{family.value}", reasons[0]))
