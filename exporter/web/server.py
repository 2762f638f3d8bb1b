"""The HTTP server inside a running loop: listeners, their connections, and the end of both."""

import asyncio
import time
from collections.abc import Callable, Sequence
from socket import socket
from types import TracebackType
from typing import Final, Self

import structlog

from exporter.web.connection import Connection, Handshake
from exporter.web.connection_limits import ConnectionLimiter, Limits
from exporter.web.http import Answer, Request
from exporter.web.listeners import Address, accept_connections, address_of, bind
from exporter.web.middleware import AuthMiddleware
from exporter.web.security import Security

_EXHAUSTED_SECONDS: Final = 60.0
"""Between two log lines about file descriptors."""

_log = structlog.get_logger()


class Server:
    """Serves one application from `start` to `stop`; also `async with`.

    Listens on the addresses, or on `sockets` that listen already. Signals are left to the caller. `start` raises
    ListenError. A stopped server, and its security, are not used again.
    """

    def __init__(
        self,
        app: Callable[[Request], Answer],
        addresses: Sequence[tuple[str, int]] = (),
        security: Security | None = None,
        *,
        sockets: Sequence[socket] = (),
        limits: Limits | None = None,
    ) -> None:
        self._security = security or Security()
        self._app = AuthMiddleware(app, self._security)
        self._wanted = tuple(Address(*address) for address in addresses)
        self._sockets = list(sockets)
        self._limits = (limits or Limits()).within_descriptors()
        self._limiter = ConnectionLimiter(self._limits)
        self._last_exhausted = float("-inf")
        self._acceptors: list[asyncio.Task[None]] = []
        self._connections: set[Connection] = set()
        self.addresses: tuple[Address, ...] = ()
        """Where the server listens, with the real port for 0: known once started."""

    @property
    def port(self) -> int:
        """The port of the first address."""
        return self.addresses[0].port

    @property
    def scheme(self) -> str:
        """`https` where a certificate is configured, else `http`."""
        return "https" if self._security.tls_context() else "http"

    async def start(self) -> None:
        """Listen; connections are accepted from now on."""
        self._sockets = self._sockets or bind(self._wanted)
        self.addresses = tuple(map(address_of, self._sockets))
        self._acceptors = [
            asyncio.create_task(accept_connections(each, self._connection, self._exhausted), name="accept")
            for each in self._sockets
        ]

    async def stop(self) -> None:
        """Stop listening, give responses under way a moment to end, cut off what hangs."""
        if not self._acceptors:
            return
        for acceptor in self._acceptors:
            acceptor.cancel()
        await asyncio.wait(self._acceptors)
        self._acceptors = []
        for each in self._sockets:
            each.close()
        for connection in tuple(self._connections):
            connection.shutdown()
        await self._closed(self._limits.grace)
        self._limiter.close_all()
        self._security.close()
        await self._closed(self._limits.grace)

    async def _closed(self, timeout: float) -> None:  # noqa: ASYNC109 - connections that hang are cut off afterwards
        if self._connections:
            await asyncio.wait([connection.closed for connection in self._connections], timeout=timeout)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _connection(self) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection: HTTP, or TLS with HTTP above it."""
        context = self._security.tls_context()
        connection = Connection(
            self._app,
            self._limiter,
            self._connections,
            self._security.headers,
            self._security.admits if context else None,
        )
        return Handshake(connection, context) if context else connection

    def _exhausted(self) -> None:
        self._limiter.close_idle(asyncio.get_running_loop().time())
        if time.monotonic() - self._last_exhausted > _EXHAUSTED_SECONDS:
            self._last_exhausted = time.monotonic()
            _log.warning(
                "file_descriptors_exhausted",
                connections=len(self._limiter.slots),
                advice="raise the limit on open files (ulimit -n, LimitNOFILE=)",
            )
