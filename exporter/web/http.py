"""HTTP/1.1 requests as h11 reads them, and responses as bytes."""

import re
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import h11

from exporter.web.gzip_body import Content, plain

Headers: TypeAlias = tuple[tuple[str, str], ...]

_TEXT: Final = "text/plain; charset=utf-8"
_LONGEST_REPEATED: Final = 4096
"""Bytes of a request that is remembered, at most."""

_ABSOLUTE: Final = re.compile(r"https?://[^/?#]+", re.IGNORECASE)
"""Scheme and authority of a target in absolute form, which clients of proxies send."""


@dataclass(frozen=True, slots=True)
class Request:
    """One complete request; its body, which no route uses, was read and dropped."""

    method: str
    path: str
    """Without percent-encoding."""
    query: str
    """As it was sent."""
    headers: Sequence[tuple[bytes, bytes]]
    """Names in lower case."""
    keep_alive: bool = True
    """Whether the client allows another request on the connection."""

    def header(self, name: bytes) -> str:
        """Return the value of a header, repeated ones joined; empty when absent."""
        return ",".join(value.decode("latin-1") for key, value in self.headers if key == name)


@dataclass(frozen=True, slots=True)
class Response:
    """One response, before it is sent."""

    status: HTTPStatus
    content_type: str
    content: Content
    headers: Headers = ()

    def head(self, configured: Headers, *, keep_alive: bool) -> bytes:
        """Return the status line and the headers; configured ones replace those of the same name."""
        fields = {
            "date": _date(int(time.time())),
            "server": "openai-usage-exporter",
            "content-type": self.content_type,
            "content-length": str(self.content.length),
            "x-content-type-options": "nosniff",
        }
        fields |= {name.lower(): value for name, value in (*self.headers, *configured)}
        if not keep_alive:
            fields["connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n{lines}\r\n".encode("latin-1")


Answer: TypeAlias = Response | Coroutine[Any, Any, Response]
"""A response, or what has to be awaited for one."""


@lru_cache(maxsize=1)
def _date(now: int) -> str:
    return formatdate(now, usegmt=True)


def plain_text(status: HTTPStatus, text: str, headers: Headers = ()) -> Response:
    """Return a response in plain text."""
    return Response(status, _TEXT, plain(text.encode()), headers)


class RequestReader:
    """Requests from the bytes of one connection.

    A scraper sends the same bytes every time: a request that equals the last one is not parsed again.
    """

    def __init__(self) -> None:
        self._parser = h11.Connection(h11.SERVER)
        self._unread = b""
        self._request: Request | None = None
        """Of the parser's message, once its head is complete."""
        self._last: tuple[bytes, Request] | None = None
        """The last message that arrived by itself, and what it was parsed to."""

    @property
    def within_message(self) -> bool:
        """Whether a request has begun and is not complete."""
        return bool(self._unread or self._request or self._parser.trailing_data[0])

    def receive(self, data: bytes) -> None:
        """Take bytes of the connection."""
        self._unread += data

    def next(self) -> Request | None:
        """Return the next request, or None until it is complete. Raises h11.RemoteProtocolError."""
        data, self._unread = self._unread, b""
        by_itself = not self.within_message
        if by_itself and self._last and data == self._last[0]:
            return self._last[1]
        if data:
            self._parser.receive_data(data)
        request = self._parse()
        if request and by_itself and not self.within_message and len(data) <= _LONGEST_REPEATED:
            self._last = data, request
        return request

    def interim_response(self) -> bytes:
        """Return `100 Continue` where the client waits for it before it sends a body, else nothing."""
        if not self._parser.they_are_waiting_for_100_continue:
            return b""
        return self._parser.send(h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[])) or b""

    def _parse(self) -> Request | None:
        while (event := self._parser.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Request):
                self._request = _request(event)
            elif isinstance(event, h11.EndOfMessage) and self._request:
                request, self._request = self._request, None
                following, _ = self._parser.trailing_data
                self._parser = h11.Connection(h11.SERVER)
                if following:
                    self._parser.receive_data(following)
                return request
        return None


def _request(event: h11.Request) -> Request:
    target = event.target.decode("ascii")
    if absolute := _ABSOLUTE.match(target):
        target = target[absolute.end() :]
    path, _, query = target.partition("?")
    path = path or "/"
    request = Request(event.method.decode("ascii"), unquote(path), query, tuple(event.headers))
    options = {option.strip() for option in request.header(b"connection").lower().split(",")}
    return replace(request, keep_alive=event.http_version >= b"1.1" and "close" not in options)
