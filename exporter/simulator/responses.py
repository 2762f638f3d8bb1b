"""Responses of the simulated API: status, headers, body, errors, and how the body is sent."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

Json = Any
"""A JSON value."""

_UNAUTHORIZED: Final = 401
"""The status that the API repeats in the body."""

_HTML: Final = (
    b"<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n</body></html>"
)


@dataclass(slots=True)
class Delivery:
    """How a body is sent, if not at once."""

    never: bool = False
    """No response is ever sent."""
    pause: float = 0.0
    """Seconds between pieces."""
    piece: int = 0
    """Bytes of a piece; 0 is the whole body."""
    reset_after: int | None = None
    """Bytes after which the connection is reset."""
    filler: int = 0
    """Bytes of white space before the body."""


@dataclass(slots=True)
class Response:
    """One response."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    delivery: Delivery = field(default_factory=Delivery)


class ApiError(Exception):
    """The response is an error in the documented format."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        plain: bool = False,
    ) -> None:
        """Take status, message and fields; `plain` sends the message instead of an object."""
        super().__init__(message)
        self.status = status
        self.error: Json = message if plain else {"message": message, "type": kind, "param": param, "code": code}

    def response(self) -> Response:
        """Return the response."""
        body = {"error": self.error}
        return json_response(body | {"status": self.status} if self.status == _UNAUTHORIZED else body, self.status)


def json_response(content: Json, status: int = 200) -> Response:
    """Return a response with a JSON body."""
    return Response(status, msgspec.json.encode(content), {"content-type": "application/json"})


def html_response(status: int, reason: str) -> Response:
    """Return an error page as a gateway sends it."""
    page = _HTML % (status, reason.encode(), status, reason.encode())
    return Response(status, page, {"content-type": "text/html"})


def unknown_url(method: str, path: str) -> ApiError:
    """Return the error of a path that does not exist."""
    return ApiError(404, f"Invalid URL ({method} {path})")


def number(amount: int, unit: int) -> str:
    """Return `amount / unit` as the shortest decimal; unit is a power of ten."""
    digits = len(str(unit)) - 1
    sign = "-" if amount < 0 else ""
    whole, parts = divmod(abs(amount), unit)
    decimals = f"{parts:0{digits}d}".rstrip("0") if digits else ""
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_FILLER: Final = b" " * 65536
_RESET: Final = struct.pack("ii", 1, 0)


class ResponseSender:
    """Sends responses and keeps track of waiting clients."""

    def __init__(self) -> None:
        """Start with no waiting client."""
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def waiting(self) -> int:
        """How many clients are being kept waiting."""
        return len(self._waiting)

    def release(self) -> None:
        """Disconnect every waiting client. Call it on the event loop."""
        for waiter in list(self._waiting):
            waiter.cancel()

    async def body(self, receive: Receive) -> bytes:
        """Return the body of a request."""
        pieces = []
        while True:
            message = await receive()
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(pieces)

    async def deliver(self, response: Response, receive: Receive, send: Send, *, bodyless: bool) -> None:
        """Send a response as its delivery specifies."""
        delivery = response.delivery
        if delivery.never:
            await self._wait(None, receive)
            await _reset(receive, send)
            return
        headers = response.headers | {"content-length": str(len(response.body) + delivery.filler)}
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": encoded})
        if bodyless:
            await send({"type": "http.response.body", "body": b""})
            return
        for sent in range(0, delivery.filler, len(_FILLER)):
            await _piece(send, _FILLER[: delivery.filler - sent])
        body = response.body if delivery.reset_after is None else response.body[: delivery.reset_after]
        if delivery.piece:
            for start in range(0, len(body), delivery.piece):
                await _piece(send, body[start : start + delivery.piece])
                if await self._wait(delivery.pause, receive):
                    await _reset(receive, send)
                    return
            body = b""
        if delivery.reset_after is None:
            await send({"type": "http.response.body", "body": body})
        else:
            await _piece(send, body)
            await asyncio.sleep(0)
            await _reset(receive, send)

    async def _wait(self, seconds: float | None, receive: Receive) -> bool:
        """Wait, for ever if None; return whether the client disconnected or was released first."""
        disconnected: asyncio.Future[Any] = asyncio.ensure_future(receive())
        self._waiting.add(disconnected)
        try:
            done, _ = await asyncio.wait({disconnected}, timeout=seconds)
        finally:
            self._waiting.discard(disconnected)
            disconnected.cancel()
        return bool(done)


async def _piece(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _reset(receive: Receive, send: Send) -> None:
    """Reset the connection: in uvicorn, `send` is a method of the object that holds the transport."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("this server does not expose its connections")
    if transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
