"""The directory of an organization: what has an id there, and what it is called."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from exporter.openai.client import Client
from exporter.openai.error_responses import excerpt
from exporter.openai.errors import InvalidResponse
from exporter.openai.listing import Pagination
from exporter.openai.observer import Observer
from exporter.openai.rate_limiter import Priority

PROJECTS: Final = "projects"
API_KEYS: Final = "api_keys"
ADMIN_API_KEYS: Final = "admin_api_keys"
USERS: Final = "users"

_PAGE: Final = 100
_PAGE_OF_ADMIN_KEYS: Final = 20
"""The documented default: what more this endpoint would allow is not said anywhere."""

T = TypeVar("T")


class Project(msgspec.Struct, frozen=True):
    """A project, archived or not."""

    id: str
    name: str | None = None
    status: str | None = None
    """`active`, `archived`, or what else there may be."""


class Owner(msgspec.Struct, frozen=True):
    """Whom a key belongs to."""

    type: str | None = None
    """`user` or `service_account`."""


class ApiKey(msgspec.Struct, frozen=True):
    """A key, of a project or of the organization's administration."""

    id: str
    name: str | None = None
    last_used_at: float | None = None
    """Unix seconds."""
    expires_at: float | None = None
    """Unix seconds; None for never."""
    owner: Owner | None = None


class User(msgspec.Struct, frozen=True):
    """Somebody in the organization."""

    id: str
    name: str | None = None
    role: str | None = None
    """`owner`, `reader`, or what else there may be."""


class Directory:
    """Asks for names at the lowest priority. Every method raises UpstreamError; `due` is in monotonic seconds."""

    def __init__(self, client: Client, observer: Observer) -> None:
        self._client = client
        self._observer = observer

    async def projects(self, due: float) -> list[Project]:
        """Return every project of the organization, the archived ones too."""
        query = [("include_archived", "true")]
        return await self._list(Project, PROJECTS, "organization/projects", query, due=due)

    async def project(self, project_id: str, due: float) -> Project | None:
        """Return a single project, None where there is none of this id."""
        path = f"organization/projects/{quote(project_id, safe='')}"
        found = await self._client.get_json(path, resource=PROJECTS, priority=Priority.NAMES, due=due, optional=True)
        return None if found is None else read(Project, found, self._observer, PROJECTS)

    async def api_keys(self, project_id: str, due: float) -> list[ApiKey]:
        """Return every key of a project, whatever its owner may still do there; none where there is no project."""
        path = f"organization/projects/{quote(project_id, safe='')}/api_keys"
        return await self._list(ApiKey, API_KEYS, path, [("owner_project_access", "any")], due=due, optional=True)

    async def admin_api_keys(self, due: float) -> list[ApiKey]:
        """Return every admin key of the organization."""
        path = "organization/admin_api_keys"
        style = Pagination.LAST_ROW
        return await self._list(ApiKey, ADMIN_API_KEYS, path, (), due=due, style=style, limit=_PAGE_OF_ADMIN_KEYS)

    async def users(self, due: float) -> list[User]:
        """Return everybody in the organization."""
        return await self._list(User, USERS, "organization/users", (), due=due)

    async def _list(
        self,
        kind: type[T],
        resource: str,
        path: str,
        query: Sequence[tuple[str, str]],
        *,
        due: float,
        style: Pagination = Pagination.LAST_ID,
        limit: int = _PAGE,
        optional: bool = False,
    ) -> list[T]:
        return await self._client.listing(
            path, query, kind, style, limit, resource=resource, priority=Priority.NAMES, due=due, optional=optional
        )


def read(kind: type[T], content: Any, observer: Observer, resource: str) -> T:  # noqa: ANN401 -- decoded JSON
    """Return decoded JSON as what it has to be. Raises InvalidResponse, after telling the observer."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as complaint:
        error = InvalidResponse(f"the answer is not what the API promises: {excerpt(str(complaint))}")
        observer.error(resource, error)
        raise error from None
