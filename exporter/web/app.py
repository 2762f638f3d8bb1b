"""The routes: `/metrics`, the status page, `/-/healthy` and `/-/ready`, as one ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from exporter.exposition.snapshot import Body, Format, Snapshot
from exporter.web.gzip_body import Content, gzip_member, plain
from exporter.web.negotiation import accepts_gzip, exposition_format
from exporter.web.status import CONTENT_SECURITY_POLICY, status_page

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = tuple[tuple[str, str], ...]

_METHODS: Final = ("GET", "HEAD")
_WORDS: Final = "text/plain; charset=utf-8"
_PAGE: Final = "text/html; charset=utf-8"
_PAGE_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Referrer-Policy", "no-referrer"),
)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, before it is sent."""

    status: HTTPStatus
    content_type: str
    content: Content
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The ASGI application; what it shows it asks for anew at every request."""

    snapshot: Callable[[], Snapshot]
    tail: Callable[[Format], bytes]
    """Renders what comes last: the exporter's own metrics; what ends the format (`# EOF`) included."""
    version: str
    now: Callable[[], float]
    """Unix seconds."""
    own: Callable[[Body, Format], Body] = lambda body, _: body
    """Puts those of the exporter's own metrics behind the snapshot's families that are encoded as they are."""
    _rendering: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = await self._answer(scope)
        await deliver(answer, send, with_body=scope["method"] != "HEAD")

    async def _answer(self, scope: Scope) -> Response:
        path = scope["path"]
        if path not in ("/", "/metrics", "/-/healthy", "/-/ready"):
            return words(HTTPStatus.NOT_FOUND, "Not found. There are /, /metrics, /-/healthy and /-/ready.\n")
        if scope["method"] not in _METHODS:
            allowed = ", ".join(_METHODS)
            return words(HTTPStatus.METHOD_NOT_ALLOWED, f"Only {allowed}.\n", (("Allow", allowed),))
        match path:
            case "/metrics":
                return self._metrics(scope)
            case "/":
                return await self._status(scope)
            case "/-/ready":
                return self._readiness()
            case _:
                return words(HTTPStatus.OK, "Healthy.\n")

    def _readiness(self) -> Response:
        if self.snapshot().ready:
            return words(HTTPStatus.OK, "Ready.\n")
        return words(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready: the first polls are not decided yet.\n")

    def _metrics(self, scope: Scope) -> Response:
        wanted = exposition_format(header(scope, b"accept"))
        body = self.own(self.snapshot().bodies.get(wanted, Body()), wanted)
        return _negotiated(scope, wanted.value, body, self.tail(wanted), vary="Accept, Accept-Encoding")

    async def _status(self, scope: Scope) -> Response:
        """Render and compress on a thread, one page at a time: many organizations must not hold up a scrape."""
        async with self._rendering:
            return await asyncio.to_thread(self._page, scope, self.snapshot(), self.now())

    def _page(self, scope: Scope, snapshot: Snapshot, now: float) -> Response:
        page = status_page(snapshot, version=self.version, now=now).encode("utf-8", "replace")
        return _negotiated(scope, _PAGE, Body(), page, _PAGE_HEADERS, vary="Accept-Encoding")


def words(status: HTTPStatus, text: str, headers: Headers = ()) -> Response:
    """Return an answer in plain text."""
    return Response(status, _WORDS, plain(Body(), text.encode()), headers)


def header(scope: Scope, name: bytes) -> str:
    """Return the value of a request header, that of repeated ones joined; empty when absent."""
    pairs: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return ",".join(value.decode("latin-1") for key, value in pairs if key == name)


async def deliver(answer: Response, send: Send, *, with_body: bool) -> None:
    """Send the answer, no faster than the client reads."""
    headers = (
        ("Content-Type", answer.content_type),
        ("Content-Length", str(answer.content.length)),
        ("X-Content-Type-Options", "nosniff"),
        *answer.headers,
    )
    await send(
        {
            "type": "http.response.start",
            "status": int(answer.status),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        }
    )
    for piece in answer.content.pieces if with_body else _nothing():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _nothing() -> Iterator[bytes]:
    return iter(())


def _negotiated(
    scope: Scope, content_type: str, body: Body, tail: bytes, headers: Headers = (), *, vary: str
) -> Response:
    varied = (("Vary", vary), *headers)
    if accepts_gzip(header(scope, b"accept-encoding")):
        return Response(HTTPStatus.OK, content_type, gzip_member(body, tail), (("Content-Encoding", "gzip"), *varied))
    return Response(HTTPStatus.OK, content_type, plain(body, tail), varied)
