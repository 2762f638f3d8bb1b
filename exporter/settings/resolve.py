"""From the written settings to organizations: keys found, defaults decided, contradictions refused."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter.catalog import METADATA, ApiFamily, MetadataKind, Plan
from exporter.settings.credentials import Credentials, GivenKey, KeyFile, KeySource, KeyUnavailableError
from exporter.settings.errors import Problem
from exporter.settings.model import CommandSettings
from exporter.settings.organizations import OrganizationSection
from exporter.settings.plans import Planner, unfit
from exporter.settings.resolved import OrganizationSettings, costs_narrowed

_SOLE = "default"
_NO_KEY = (
    "is not set: create an admin key in the organization's settings and give it in OPENAI_ADMIN_KEY, or the path of "
    "its file in OPENAI_ADMIN_KEY_FILE (with only an ordinary key in OPENAI_API_KEY, little can be read)"
)


def organizations_of(
    written: CommandSettings, credentials: Credentials | None, environ: Mapping[str, str], problems: list[Problem]
) -> tuple[OrganizationSettings, ...]:
    """Return the organizations. `credentials` is None where no key is needed; what is wrong goes to `problems`."""
    if written.organizations:
        found = _several(written, written.organizations, credentials, environ, problems)
    else:
        found = (_sole(written, credentials, problems),)
    _check_windows(written, found, problems)
    return found


def _sole(written: CommandSettings, credentials: Credentials | None, problems: list[Problem]) -> OrganizationSettings:
    admin_key, api_key = _keys(credentials, problems) if credentials else (None, None)
    project_id = credentials and credentials.project_id
    section = OrganizationSection(name=_SOLE, budgets=written.budgets)
    return _organization(
        written,
        section.model_copy(
            update={
                "organization_id": credentials and credentials.organization_id,
                "project_ids": (project_id,) if project_id else None,
            }
        ),
        (admin_key, api_key),
        "",
        problems,
    )


def _keys(credentials: Credentials, problems: list[Problem]) -> tuple[KeySource | None, KeySource | None]:
    if credentials.admin_key and credentials.admin_key_file:
        problems.append(Problem("OPENAI_ADMIN_KEY", "is set and so is OPENAI_ADMIN_KEY_FILE: unset one of the two"))
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
    written: CommandSettings,
    sections: Sequence[OrganizationSection],
    credentials: Credentials | None,
    environ: Mapping[str, str],
    problems: list[Problem],
) -> tuple[OrganizationSettings, ...]:
    problems += [
        Problem(variable, "is set and so is organizations: unset it, and give each organization its own")
        for variable in (credentials.given if credentials else ())
    ]
    if "budgets" in written.model_fields_set:
        problems.append(Problem("budgets", "belongs under each organization where organizations is set"))
    names = [section.name for section in sections]
    found = []
    for index, section in enumerate(sections):
        where = f"organizations[{index}]"
        if section.name in names[:index]:
            problems.append(
                Problem(f"{where}.name", f"{section.name!r} is the name of another organization: names are unique")
            )
        key = _named_key(section, where, environ, problems) if credentials else None
        found.append(_organization(written, section, (key, None), f"{where}.", problems))
    return tuple(found)


def _named_key(
    section: OrganizationSection, where: str, environ: Mapping[str, str], problems: list[Problem]
) -> KeySource | None:
    file, variable = section.admin_key_file, section.admin_key_env
    try:
        if file and not variable:
            key = KeyFile(file)
            key.read()
            return key
        if variable and not file:
            return GivenKey(environ.get(variable, ""), f"the variable {variable}")
    except KeyUnavailableError as error:
        problems.append(Problem(f"{where}.{'admin_key_file' if file else 'admin_key_env'}", str(error)))
    else:
        problems.append(Problem(where, "needs its admin key: set one of admin_key_file and admin_key_env"))
    return None


def _organization(
    written: CommandSettings,
    section: OrganizationSection,
    keys: tuple[KeySource | None, KeySource | None],
    prefix: str,
    problems: list[Problem],
) -> OrganizationSettings:
    planner = Planner(
        shared=written.resources,
        own=section.resources,
        prefix=prefix,
        poll=written.poll,
        windows=written.windows,
        max_series=written.max_series,
        project_ids=section.project_ids or (),
        problems=problems,
    )
    plans = planner.plans()
    if not plans:
        problems.append(Problem(f"{prefix}resources", "are all switched off: leave at least one enabled"))
    return OrganizationSettings(
        name=section.name,
        admin_key=keys[0],
        api_key=keys[1],
        base_url=section.base_url or written.api.base_url,
        organization_id=section.organization_id,
        requests_per_minute=section.requests_per_minute or written.api.requests_per_minute,
        project_ids=section.project_ids or (),
        plans=plans,
        metadata=_metadata(written, plans),
        personal_data=written.names.personal_data,
        budgets=section.budgets,
    )


def _metadata(written: CommandSettings, plans: Sequence[Plan]) -> frozenset[str]:
    """Return the rows of the metadata table that are switched on, and that a project filter leaves meaningful."""
    grouped = {dimension for plan in plans for dimension in plan.group_by}
    narrowed = costs_narrowed(plans)
    sections = {MetadataKind.NAMES: written.names, MetadataKind.LIMITS: written.limits}
    found = set()
    for row in METADATA:
        if (setting := row.setting) is None or (row.compared_with_costs and narrowed):
            continue
        value = sections[setting.kind].value(setting)
        if setting.grouped_by in grouped if value is None else value:
            found.add(row.name)
    return frozenset(found)


def _check_windows(written: CommandSettings, found: Sequence[OrganizationSettings], problems: list[Problem]) -> None:
    """Refuse a window that was asked for and that no resource can have."""
    for branch in ApiFamily:
        if branch.value not in written.windows.model_fields_set:
            continue
        plans = [plan for organization in found for plan in organization.plans if plan.resource.branch is branch]
        for window in getattr(written.windows, branch.value):
            reasons = [unfit(window, plan) for plan in plans]
            if reasons and all(reasons):
                problems.append(Problem(f"windows.{branch.value}", reasons[0]))
