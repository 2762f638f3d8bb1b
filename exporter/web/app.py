"""The routes: metrics, the status page, health, readiness and reload."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from exporter.exposition import Body, Format, Snapshot
from exporter.web.api import costs_csv, status_json
from exporter.web.gzip_body import Content, GzipMembers, gzip_member, plain
from exporter.web.http import Answer, Headers, Request, Response, plain_text
from exporter.web.negotiation import accepts_gzip, exposition_format
from exporter.web.status import CONTENT_SECURITY_POLICY, status_page

HEALTHY: Final = "/-/healthy"
READY: Final = "/-/ready"
RELOAD: Final = "/-/reload"
STATUS: Final = "/api/status"
COSTS: Final = "/api/costs.csv"

_READING: Final = ("GET", "HEAD")
_RELOADING: Final = ("POST", "PUT")
_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json; charset=utf-8"
_CSV: Final = "text/csv; charset=utf-8; header=present"
_NO_STORE: Final = ("Cache-Control", "no-store")
_PAGE_HEADERS: Final = (
    _NO_STORE,
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Referrer-Policy", "no-referrer"),
)
_CSV_HEADERS: Final = (_NO_STORE, ("Content-Disposition", 'attachment; filename="openai-costs.csv"'))
_PAGE_SECONDS: Final = 1.0
"""How long a rendered status page is served again."""

_ENCODING_SECONDS: Final = 5.0
"""The longest wait for the first body of a format: Prometheus gives up after ten by default."""

_EMPTY: Final = Body()


async def _published(_: Format) -> None:
    """Expect every format in the snapshot."""


@dataclass(slots=True)
class _Page:
    snapshot: Snapshot | None = None
    organization: str = ""
    rendered: float = 0.0
    text: bytes = b""
    compressed: Content | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Answers requests; it reads the current snapshot at every one."""

    snapshot: Callable[[], Snapshot]
    tail: Callable[[Format], bytes]
    """Renders the end of the exposition: the rest of the exporter's own metrics, and `# EOF` in OpenMetrics."""
    version: str
    now: Callable[[], float]
    """Unix seconds."""
    labelled: Callable[[Format], Body] = lambda _: _EMPTY
    """Those of the exporter's own metrics that are encoded like the snapshot's families."""
    want: Callable[[Format], Awaitable[None]] = _published
    """Returns when the snapshot has a format, which a scraper prefers."""
    telemetry_path: str = "/metrics"
    reload: Callable[[], Awaitable[str]] | None = None
    """Reads settings and files again and returns what is wrong with them; None where /-/reload is not enabled."""
    _routes: dict[str, Callable[[Request], Answer]] = field(default_factory=dict, init=False)
    _rendering: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _pages: dict[str, _Page] = field(default_factory=dict, init=False)
    """The last rendered page of each content type."""
    _members: GzipMembers = field(default_factory=GzipMembers, init=False)

    def __post_init__(self) -> None:
        """Build the routes; a configured path replaces the one that it is equal to."""
        self._routes.update(
            {
                "/": partial(self._page, self._status, _HTML, _PAGE_HEADERS),
                STATUS: partial(self._page, self._status_json, _JSON, (_NO_STORE,)),
                COSTS: partial(self._page, self._costs_csv, _CSV, _CSV_HEADERS),
                HEALTHY: self._health,
                READY: self._readiness,
                RELOAD: self._reload,
                self.telemetry_path: self._metrics,
            }
        )

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        route = self._routes.get(request.path)
        if route is None:
            text = f"Not found. Try {self.telemetry_path}, /, {HEALTHY} or {READY}.\n"
            return plain_text(HTTPStatus.NOT_FOUND, text)
        methods = _RELOADING if request.path == RELOAD else _READING
        if request.method not in methods:
            allowed = ", ".join(methods)
            return plain_text(HTTPStatus.METHOD_NOT_ALLOWED, f"Only {allowed}.\n", (("Allow", allowed),))
        return route(request)

    def _health(self, _request: Request) -> Response:
        return plain_text(HTTPStatus.OK, "Healthy.\n")

    def _readiness(self, _request: Request) -> Response:
        if self.snapshot().ready:
            return plain_text(HTTPStatus.OK, "Ready.\n")
        return plain_text(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready: the first polls have not finished yet.\n")

    async def _reload(self, _request: Request) -> Response:
        if self.reload is None:
            return plain_text(HTTPStatus.FORBIDDEN, "Lifecycle API is not enabled: set web.enable_lifecycle.\n")
        if error := await self.reload():
            return plain_text(HTTPStatus.INTERNAL_SERVER_ERROR, f"Not reloaded: {error}\n")
        return plain_text(HTTPStatus.OK, "Reloaded.\n")

    def _metrics(self, request: Request) -> Answer:
        wanted, bodies = exposition_format(request.header(b"accept")), self.snapshot().bodies
        return self._exposition(request) if wanted in bodies else self._encoded_first(request, wanted)

    async def _encoded_first(self, request: Request, wanted: Format) -> Response:
        """Respond to the first request for a format: in another one if the worker thread is busy for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENCODING_SECONDS):
                await self.want(wanted)
        return self._exposition(request)

    def _exposition(self, request: Request) -> Response:
        bodies = self.snapshot().bodies
        format_ = exposition_format(request.header(b"accept"), tuple(bodies or Format))
        body, own = bodies.get(format_, _EMPTY), self.labelled(format_)
        content_type, tail, headers = format_.value, self.tail(format_), (("Vary", "Accept, Accept-Encoding"),)
        if accepts_gzip(request.header(b"accept-encoding")):
            content = self._members.member(content_type, tail, body, own)
            return Response(HTTPStatus.OK, content_type, content, (("Content-Encoding", "gzip"), *headers))
        return Response(HTTPStatus.OK, content_type, plain(tail, body, own), headers)

    async def _page(
        self, render: Callable[[Snapshot, float], str], content_type: str, headers: Headers, request: Request
    ) -> Response:
        """Render on a thread, one page at a time and each at most once a second: pages must not delay a scrape.

        `?organization=NAME` narrows it to one organization.
        """
        name = parse_qs(request.query).get("organization", [""])[-1]
        async with self._rendering:
            page, snapshot, now = self._pages.setdefault(content_type, _Page()), self.snapshot(), self.now()
            if name and all(name != each.name for each in snapshot.organizations):
                return plain_text(HTTPStatus.NOT_FOUND, "There is no organization with this name.\n")
            same = page.snapshot is snapshot and page.organization == name
            if not (same and 0 <= now - page.rendered < _PAGE_SECONDS):
                page.text, page.compressed = await asyncio.to_thread(_rendered, render, _narrowed(snapshot, name), now)
                page.snapshot, page.organization, page.rendered = snapshot, name, now
            text, compressed = page.text, page.compressed
        varied = (("Vary", "Accept-Encoding"), *headers)
        if compressed is not None and accepts_gzip(request.header(b"accept-encoding")):
            return Response(HTTPStatus.OK, content_type, compressed, (("Content-Encoding", "gzip"), *varied))
        return Response(HTTPStatus.OK, content_type, plain(text), varied)

    def _status(self, snapshot: Snapshot, now: float) -> str:
        single = len(snapshot.organizations) < len(self.snapshot().organizations)
        path = self.telemetry_path
        return status_page(snapshot, version=self.version, now=now, telemetry_path=path, single=single)

    def _status_json(self, snapshot: Snapshot, now: float) -> str:
        return status_json(snapshot, version=self.version, now=now)

    def _costs_csv(self, snapshot: Snapshot, now: float) -> str:
        return costs_csv(snapshot, now=now)


def _narrowed(snapshot: Snapshot, organization: str) -> Snapshot:
    if not organization:
        return snapshot
    return replace(snapshot, organizations=tuple(each for each in snapshot.organizations if each.name == organization))


def _rendered(render: Callable[[Snapshot, float], str], snapshot: Snapshot, now: float) -> tuple[bytes, Content]:
    text = render(snapshot, now).encode("utf-8", "replace")
    return text, gzip_member(text)
