"""How an answer travels: at once, slowly, never, or with the connection reset in the middle."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from exporter.simulator.answers import Answer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_FILLER: Final = b" " * 65536
_RESET: Final = struct.pack("ii", 1, 0)


class Delivering:
    """Sends answers, and knows which clients are being kept waiting."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._waiting: set[asyncio.Future[None]] = set()

    def release(self) -> None:
        """Let everybody go who is being kept waiting. Call it on the event loop."""
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

    async def deliver(self, answer: Answer, receive: Receive, send: Send, *, bodyless: bool) -> None:
        """Send an answer as its delivery says."""
        delivery = answer.delivery
        if delivery.never:
            await self._wait(None, receive)
            await _reset(receive, send)
            return
        headers = answer.headers | {"content-length": str(len(answer.body) + delivery.filler)}
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        if bodyless:
            await send({"type": "http.response.body", "body": b""})
            return
        for sent in range(0, delivery.filler, len(_FILLER)):
            await _piece(send, _FILLER[: delivery.filler - sent])
        body = answer.body if delivery.reset_after is None else answer.body[: delivery.reset_after]
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
        """Wait so long, or for ever; tell whether the client went away, or was let go, before."""
        gone: asyncio.Future[Any] = asyncio.ensure_future(receive())
        self._waiting.add(gone)
        try:
            done, _ = await asyncio.wait({gone}, timeout=seconds)
        finally:
            self._waiting.discard(gone)
            gone.cancel()
        return bool(done)


async def _piece(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _reset(receive: Receive, send: Send) -> None:
    """Reset the connection under the server: uvicorn hands out `send` as a method of what holds the transport."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("this server does not let go of its connections")
    if transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
