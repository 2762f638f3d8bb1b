"""The routes: metrics, the status page, health, readiness and reload, as one ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

from exporter.exposition import Body, Format, Snapshot
from exporter.web.api import costs_csv, status_json
from exporter.web.gzip_body import Content, GzipMembers, gzip_member, plain
from exporter.web.negotiation import accepts_gzip, exposition_format
from exporter.web.status import CONTENT_SECURITY_POLICY, status_page

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = tuple[tuple[str, str], ...]

HEALTHY: Final = "/-/healthy"
READY: Final = "/-/ready"
RELOAD: Final = "/-/reload"
STATUS: Final = "/api/status"
COSTS: Final = "/api/costs.csv"

_READING: Final = ("GET", "HEAD")
_RELOADING: Final = ("POST", "PUT")
_TEXT: Final = "text/plain; charset=utf-8"
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
_TURN: Final = 1 << 20
"""Bytes that one response may send before others get their turn."""

_PAGE_SECONDS: Final = 1.0
"""How long a rendered status page is served again."""

_EMPTY: Final = Body()


@dataclass(frozen=True, slots=True)
class Response:
    """One response, before it is sent."""

    status: HTTPStatus
    content_type: str
    content: Content
    headers: Headers = ()


@dataclass(slots=True)
class _Page:
    snapshot: Snapshot | None = None
    organization: str = ""
    rendered: float = 0.0
    text: bytes = b""
    compressed: Content | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The ASGI application; it reads the current snapshot at every request."""

    snapshot: Callable[[], Snapshot]
    tail: Callable[[Format], bytes]
    """Renders the end of the exposition: the exporter's own metrics, and `# EOF` in OpenMetrics."""
    version: str
    now: Callable[[], float]
    """Unix seconds."""
    own: Callable[[Body, Format], Body] = lambda body, _: body
    """Appends those of the exporter's own metrics that are encoded like the snapshot's families."""
    want: Callable[[Format], None] = lambda _: None
    """Says which format a scraper prefers: one that is not in the snapshot yet will be in the next."""
    telemetry_path: str = "/metrics"
    reload: Callable[[], Awaitable[str]] | None = None
    """Reads settings and files again and returns what is wrong with them; None where /-/reload is not enabled."""
    _rendering: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _pages: dict[str, _Page] = field(default_factory=dict, init=False)
    """The last rendered page of each content type."""
    _members: GzipMembers = field(default_factory=GzipMembers, init=False)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._respond(scope)
        await deliver(response, send, with_body=scope["method"] != "HEAD")

    async def _respond(self, scope: Scope) -> Response:
        route = self._routes().get(scope["path"])
        if route is None:
            text = f"Not found. Try {self.telemetry_path}, /, {HEALTHY} or {READY}.\n"
            return plain_text(HTTPStatus.NOT_FOUND, text)
        methods = _RELOADING if scope["path"] == RELOAD else _READING
        if scope["method"] not in methods:
            allowed = ", ".join(methods)
            return plain_text(HTTPStatus.METHOD_NOT_ALLOWED, f"Only {allowed}.\n", (("Allow", allowed),))
        return await route(scope)

    def _routes(self) -> dict[str, Callable[[Scope], Awaitable[Response]]]:
        return {
            "/": partial(self._page, self._status, _HTML, _PAGE_HEADERS),
            STATUS: partial(self._page, self._status_json, _JSON, (_NO_STORE,)),
            COSTS: partial(self._page, self._costs_csv, _CSV, _CSV_HEADERS),
            HEALTHY: self._health,
            READY: self._readiness,
            RELOAD: self._reload,
            self.telemetry_path: self._metrics,
        }

    async def _health(self, _scope: Scope) -> Response:
        return plain_text(HTTPStatus.OK, "Healthy.\n")

    async def _readiness(self, _scope: Scope) -> Response:
        if self.snapshot().ready:
            return plain_text(HTTPStatus.OK, "Ready.\n")
        return plain_text(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready: the first polls have not finished yet.\n")

    async def _reload(self, _scope: Scope) -> Response:
        if self.reload is None:
            return plain_text(HTTPStatus.FORBIDDEN, "Lifecycle API is not enabled: set web.enable_lifecycle.\n")
        if error := await self.reload():
            return plain_text(HTTPStatus.INTERNAL_SERVER_ERROR, f"Not reloaded: {error}\n")
        return plain_text(HTTPStatus.OK, "Reloaded.\n")

    async def _metrics(self, scope: Scope) -> Response:
        bodies, accept = self.snapshot().bodies, header(scope, b"accept")
        self.want(exposition_format(accept))
        format_ = exposition_format(accept, bodies or tuple(Format))
        body = self.own(bodies.get(format_, _EMPTY), format_)
        content_type, tail, headers = format_.value, self.tail(format_), (("Vary", "Accept, Accept-Encoding"),)
        if accepts_gzip(header(scope, b"accept-encoding")):
            content = self._members.member(content_type, body, tail)
            return Response(HTTPStatus.OK, content_type, content, (("Content-Encoding", "gzip"), *headers))
        return Response(HTTPStatus.OK, content_type, plain(body, tail), headers)

    async def _page(
        self, render: Callable[[Snapshot, float], str], content_type: str, headers: Headers, scope: Scope
    ) -> Response:
        """Render on a thread, one page at a time and each at most once a second: pages must not delay a scrape.

        `?organization=NAME` narrows it to one organization.
        """
        name = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("organization", [""])[-1]
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
        if compressed is not None and accepts_gzip(header(scope, b"accept-encoding")):
            return Response(HTTPStatus.OK, content_type, compressed, (("Content-Encoding", "gzip"), *varied))
        return Response(HTTPStatus.OK, content_type, plain(_EMPTY, text), varied)

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
    return text, gzip_member(_EMPTY, text)


def plain_text(status: HTTPStatus, text: str, headers: Headers = ()) -> Response:
    """Return a response in plain text."""
    return Response(status, _TEXT, plain(_EMPTY, text.encode()), headers)


def header(scope: Scope, name: bytes) -> str:
    """Return the value of a request header, repeated ones joined; empty when absent."""
    pairs: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return ",".join(value.decode("latin-1") for key, value in pairs if key == name)


async def deliver(response: Response, send: Send, *, with_body: bool) -> None:
    """Send the response, no faster than the client reads. One that refuses the request closes the connection."""
    headers = (
        ("Content-Type", response.content_type),
        ("Content-Length", str(response.content.length)),
        ("X-Content-Type-Options", "nosniff"),
        *response.headers,
    )
    if response.status >= HTTPStatus.BAD_REQUEST:
        headers = (*headers, ("Connection", "close"))
    await send(
        {
            "type": "http.response.start",
            "status": int(response.status),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        }
    )
    sent = 0
    for piece in response.content.pieces if with_body else ():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        sent += len(piece)
        if sent >= _TURN:
            await asyncio.sleep(0)
            sent = 0
    await send({"type": "http.response.body", "body": b"", "more_body": False})
