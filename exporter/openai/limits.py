"""OpenAI's own limits: money a month, and requests and tokens a minute."""

from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from exporter.openai.client import Client
from exporter.openai.listing import Pagination
from exporter.openai.names import read
from exporter.openai.observer import Observer
from exporter.openai.rate_limiter import Priority

SPEND_LIMITS: Final = "spend_limits"
PROJECT_SPEND_LIMITS: Final = "project_spend_limits"
RATE_LIMITS: Final = "rate_limits"

T = TypeVar("T")

_PAGE: Final = 100
_CENTS: Final = 100
_NO_LIMIT: Final = 2**31 - 1


class _Enforcement(msgspec.Struct, frozen=True):
    status: str | None = None


class _Money(msgspec.Struct, frozen=True):
    threshold_amount: int
    """Cents."""
    currency: str | None = None

    @property
    def usd(self) -> float | None:
        """US dollars a month, to the cent; None in another currency."""
        return self.threshold_amount / _CENTS if (self.currency or "").casefold() == "usd" else None


class SpendLimit(_Money, frozen=True):
    """What may be spent in a month."""

    enforcement: _Enforcement | None = None

    @property
    def enforcing(self) -> bool:
        """Whether requests are blocked now."""
        return self.enforcement is not None and self.enforcement.status == "enforcing"


class SpendAlert(_Money, frozen=True, kw_only=True):
    """What has to be spent in a month for people to be told."""

    id: str


class Spending(msgspec.Struct, frozen=True):
    """The limit, if one is set, and the alerts of an organization or a project."""

    limit: SpendLimit | None
    alerts: tuple[SpendAlert, ...]


class RateLimit(msgspec.Struct, frozen=True):
    """How fast a project may ask one model."""

    model: str
    max_requests_per_1_minute: int | None = None
    max_tokens_per_1_minute: int | None = None

    @property
    def requests_per_minute(self) -> int | None:
        """None where there is no limit."""
        return _limited(self.max_requests_per_1_minute)

    @property
    def tokens_per_minute(self) -> int | None:
        """None where there is no limit."""
        return _limited(self.max_tokens_per_1_minute)


class Limits:
    """Asks for limits. Every method raises UpstreamError; 404 means that none is set. `due` is in monotonic seconds."""

    def __init__(self, client: Client, observer: Observer) -> None:
        self._client = client
        self._observer = observer

    async def spending(self, due: float) -> Spending:
        """Return spend limit and alerts of the organization."""
        return await self._spending("organization", SPEND_LIMITS, due)

    async def project_spending(self, project_id: str, due: float) -> Spending:
        """Return spend limit and alerts of a project."""
        return await self._spending(_project(project_id), PROJECT_SPEND_LIMITS, due)

    async def rate_limits(self, project_id: str, due: float) -> tuple[RateLimit, ...]:
        """Return the rate limits of a project, model by model."""
        path = f"{_project(project_id)}/rate_limits"
        return tuple(await self._list(RateLimit, path, RATE_LIMITS, due))

    async def _spending(self, path: str, resource: str, due: float) -> Spending:
        limit = await self._client.get_json(
            f"{path}/spend_limit", resource=resource, priority=Priority.LIMITS, due=due, optional=True
        )
        spend_limit = None if limit is None else read(SpendLimit, limit, self._observer, resource)
        return Spending(spend_limit, tuple(await self._list(SpendAlert, f"{path}/spend_alerts", resource, due)))

    async def _list(self, kind: type[T], path: str, resource: str, due: float) -> list[T]:
        return await self._client.listing(
            path,
            (),
            kind,
            Pagination.LAST_ID,
            _PAGE,
            resource=resource,
            priority=Priority.LIMITS,
            due=due,
            optional=True,
        )


def _project(project_id: str) -> str:
    return f"organization/projects/{quote(project_id, safe='')}"


def _limited(figure: int | None) -> int | None:
    return None if figure == _NO_LIMIT else figure
