"""The HTTP server: uvicorn inside a running loop, with deadlines, bounded connections and TLS that reloads."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from socket import socket
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, cast

import structlog
import uvicorn

from exporter.web.app import Application
from exporter.web.connection import connection_factory
from exporter.web.connection_limits import ConnectionLimiter, Limits
from exporter.web.listeners import Address, accept_connections, address_of, bind
from exporter.web.middleware import AuthMiddleware
from exporter.web.security import Security

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

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
        app: Application,
        addresses: Sequence[tuple[str, int]] = (),
        security: Security | None = None,
        *,
        sockets: Sequence[socket] = (),
        limits: Limits | None = None,
    ) -> None:
        self._security = security or Security()
        self._wanted = tuple(Address(*address) for address in addresses)
        self._sockets = list(sockets)
        self._limits = (limits or Limits()).within_descriptors()
        self._limiter = ConnectionLimiter(self._limits)
        self._uvicorn = _Uvicorn(self._configuration(app), self._limiter)
        self._serving: asyncio.Task[None] | None = None
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
        """Listen; return once connections are accepted."""
        sockets = self._sockets or bind(self._wanted)
        self.addresses = tuple(map(address_of, sockets))
        self._serving = asyncio.create_task(self._uvicorn.serve(sockets), name="http server")
        accepting = asyncio.create_task(self._uvicorn.accepting.wait())
        await asyncio.wait((self._serving, accepting), return_when=asyncio.FIRST_COMPLETED)
        if not accepting.done():
            accepting.cancel()
            await self._serving

    async def stop(self) -> None:
        """Stop listening, give responses under way a moment to end, cut off what hangs."""
        if self._serving is None:
            return
        self._uvicorn.should_exit = True
        await asyncio.wait((self._serving,), timeout=self._limits.grace)
        self._limiter.close_all()
        self._security.close()
        await self._serving
        await asyncio.sleep(0)
        self._serving = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _configuration(self, app: Application) -> uvicorn.Config:
        return uvicorn.Config(
            cast("ASGI3Application", AuthMiddleware(app, self._security)),
            interface="asgi3",
            http=connection_factory(self._limiter, self._security.tls_context, self._security.admits),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=[("server", "openai-usage-exporter")],
            timeout_graceful_shutdown=int(self._limits.grace) + 1,
            timeout_keep_alive=int(self._limits.idle) + 1,
        )


class _Uvicorn(uvicorn.Server):
    """Accepts connections one at a time, says when it begins to, and leaves signals alone.

    Asyncio's own server accepts as many as are waiting in one go: more than there may be file descriptors.
    """

    def __init__(self, config: uvicorn.Config, limiter: ConnectionLimiter) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()
        self.servers = []
        self._limiter = limiter
        self._acceptors: list[asyncio.Task[None]] = []
        self._last_exhausted = float("-inf")

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await self.lifespan.startup()
        self._acceptors = [
            asyncio.create_task(accept_connections(each, self._protocol, self._exhausted), name="accept")
            for each in sockets or ()
        ]
        self.started = True
        self.accepting.set()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        for acceptor in self._acceptors:
            acceptor.cancel()
        await asyncio.gather(*self._acceptors, return_exceptions=True)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def _protocol(self) -> asyncio.BaseProtocol:
        make = cast("Callable[..., asyncio.BaseProtocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def _exhausted(self) -> None:
        self._limiter.close_idle(asyncio.get_running_loop().time())
        if time.monotonic() - self._last_exhausted > _EXHAUSTED_SECONDS:
            self._last_exhausted = time.monotonic()
            _log.warning(
                "file_descriptors_exhausted",
                connections=len(self._limiter.slots),
                advice="raise the limit on open files (ulimit -n, LimitNOFILE=)",
            )
