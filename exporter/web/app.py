"""The routes: metrics, the status page, health, readiness and reload, as one ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from exporter.exposition import Body, Format, Snapshot
from exporter.web.gzip_body import Content, GzipMembers, plain
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

_READING: Final = ("GET", "HEAD")
_RELOADING: Final = ("POST", "PUT")
_TEXT: Final = "text/plain; charset=utf-8"
_HTML: Final = "text/html; charset=utf-8"
_PAGE_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Referrer-Policy", "no-referrer"),
)
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
    rendered: float = 0.0
    text: bytes = b""


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
    _page: _Page = field(default_factory=_Page, init=False)
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
            "/": self._status,
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
        return self._negotiated(scope, format_.value, body, self.tail(format_), vary="Accept, Accept-Encoding")

    async def _status(self, scope: Scope) -> Response:
        """Render on a thread, one page at a time and at most one a second: pages must not delay a scrape."""
        async with self._rendering:
            page, snapshot, now = self._page, self.snapshot(), self.now()
            if page.snapshot is not snapshot or not 0 <= now - page.rendered < _PAGE_SECONDS:
                page.text = await asyncio.to_thread(self._render, snapshot, now)
                page.snapshot, page.rendered = snapshot, now
            text = page.text
        return self._negotiated(scope, _HTML, _EMPTY, text, _PAGE_HEADERS, vary="Accept-Encoding")

    def _render(self, snapshot: Snapshot, now: float) -> bytes:
        return status_page(snapshot, version=self.version, now=now).encode("utf-8", "replace")

    def _negotiated(
        self, scope: Scope, content_type: str, body: Body, tail: bytes, headers: Headers = (), *, vary: str
    ) -> Response:
        varied = (("Vary", vary), *headers)
        if accepts_gzip(header(scope, b"accept-encoding")):
            content = self._members.member(content_type, body, tail)
            return Response(HTTPStatus.OK, content_type, content, (("Content-Encoding", "gzip"), *varied))
        return Response(HTTPStatus.OK, content_type, plain(body, tail), varied)


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
