"""The endpoints beside the table: names and limits, each asked for one page."""

from dataclasses import dataclass
from typing import Final

_ONE_PAGE: Final = (("limit", "20"),)

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """One endpoint that answers with names or limits."""

    name: str
    path: str
    """Relative to the base URL; `{project}` stands for the id of a project."""
    query: Query = ()
    absent: str = ""
    """What 404 means where it is a good answer."""
    without: str = "names stay ids"
    """What the exporter does when this cannot be read."""

    @property
    def per_project(self) -> bool:
        """Whether a project has to be named."""
        return "{project}" in self.path


PROJECTS: Final = Lookup("projects", "organization/projects", (*_ONE_PAGE, ("include_archived", "true")))

_PROJECT: Final = "organization/projects/{project}"
_NO_LIMITS: Final = "limits are left out"
_ORGANIZATION_LIMITS: Final = (
    Lookup("spend_limit", "organization/spend_limit", absent="none is set", without=_NO_LIMITS),
    Lookup("spend_alerts", "organization/spend_alerts", _ONE_PAGE, absent="none is set", without=_NO_LIMITS),
)
_PROJECT_LIMITS: Final = (
    Lookup("project_spend_limit", f"{_PROJECT}/spend_limit", absent="none is set", without=_NO_LIMITS),
    Lookup("project_spend_alerts", f"{_PROJECT}/spend_alerts", _ONE_PAGE, absent="none is set", without=_NO_LIMITS),
)


def lookups(
    *,
    projects: bool = False,
    api_keys: bool = False,
    admin_api_keys: bool = False,
    users: bool = False,
    organization_limits: bool = False,
    project_limits: bool = False,
    rate_limits: bool = False,
) -> tuple[Lookup, ...]:
    """Return what is looked up when these are switched on, the projects first where any of it needs one."""
    found = [
        *(_ORGANIZATION_LIMITS if organization_limits else ()),
        *([Lookup("admin_api_keys", "organization/admin_api_keys", _ONE_PAGE)] if admin_api_keys else ()),
        *([Lookup("users", "organization/users", _ONE_PAGE)] if users else ()),
        *(
            [Lookup("project_api_keys", f"{_PROJECT}/api_keys", (*_ONE_PAGE, ("owner_project_access", "any")))]
            if api_keys
            else ()
        ),
        *(_PROJECT_LIMITS if project_limits else ()),
        *(
            [Lookup("project_rate_limits", f"{_PROJECT}/rate_limits", _ONE_PAGE, without=_NO_LIMITS)]
            if rate_limits
            else ()
        ),
    ]
    if projects or any(lookup.per_project for lookup in found):
        found.insert(0, PROJECTS)
    return tuple(found)
