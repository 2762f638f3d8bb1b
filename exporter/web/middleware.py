"""What happens to a request before the application sees it: length, rate, password; and the configured headers."""

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Final

from exporter.web.app import (
    HEALTHY,
    READY,
    Application,
    Message,
    Receive,
    Response,
    Scope,
    Send,
    deliver,
    header,
    plain_text,
)
from exporter.web.connection_limits import network_of
from exporter.web.passwords import Credentials, TooManyChecksError
from exporter.web.security import Security

_OPEN: Final = frozenset({HEALTHY, READY})
_CHALLENGE: Final = (("WWW-Authenticate", 'Basic realm="openai-usage-exporter", charset="UTF-8"'),)
_RETRY_SOON: Final = (("Retry-After", "1"),)


class AuthMiddleware:
    """An ASGI application in front of another: refuses requests, and adds the configured headers to every response.

    Health and readiness need no password and have no rate limit: probes have none, and they reveal nothing.
    """

    def __init__(self, app: Application, security: Security) -> None:
        self._app = app
        self._security = security

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        headers = self._security.headers()
        sending = _adding(headers, send) if headers else send
        try:
            refusal = await self._refusal(scope, receive)
        except _DisconnectedError:
            return
        if refusal:
            await deliver(refusal, sending, with_body=scope["method"] != "HEAD")
        else:
            await self._app(scope, receive, sending)

    async def _refusal(self, scope: Scope, receive: Receive) -> Response | None:
        if _has_ambiguous_length(scope):
            return plain_text(HTTPStatus.BAD_REQUEST, "Both Content-Length and Transfer-Encoding are given.\n")
        if scope["path"] in _OPEN:
            return None
        if not self._security.within_rate():
            return plain_text(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests.\n", _RETRY_SOON)
        allowed = self._security.decide(header(scope, b"authorization"))
        if isinstance(allowed, Credentials):
            client = scope.get("client")
            peer = network_of(client[0]) if client else ""
            try:
                allowed = await _while_connected(receive, self._security.check(allowed, peer))
            except TooManyChecksError:
                text = "Too many passwords are being checked.\n"
                return plain_text(HTTPStatus.SERVICE_UNAVAILABLE, text, _RETRY_SOON)
        return None if allowed else plain_text(HTTPStatus.UNAUTHORIZED, "Unauthorized.\n", _CHALLENGE)


class _DisconnectedError(Exception):
    """The client has gone."""


async def _while_connected(receive: Receive, checking: Coroutine[object, object, bool]) -> bool:
    """Return the result. Cancels the check and raises _DisconnectedError once the client has gone."""
    check = asyncio.ensure_future(checking)
    gone = asyncio.ensure_future(_disconnection(receive))
    try:
        await asyncio.wait((check, gone), return_when=asyncio.FIRST_COMPLETED)
        if not check.done():
            raise _DisconnectedError
        return check.result()
    finally:
        check.cancel()
        gone.cancel()


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _has_ambiguous_length(scope: Scope) -> bool:
    """Return whether two lengths are given, which is how requests are smuggled past a proxy."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}


def _adding(headers: tuple[tuple[str, str], ...], send: Send) -> Send:
    """Return a `send` that sets these headers instead of the response's own of the same name."""
    added = [(name.lower().encode(), value.encode()) for name, value in headers]
    names = {name for name, _ in added}

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [pair for pair in message["headers"] if pair[0] not in names] + added
        await send(message)

    return sending
