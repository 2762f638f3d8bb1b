"""The HTTP server: uvicorn inside a running loop, with deadlines, bounded connections and TLS that reloads."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from socket import socket
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import uvicorn

from exporter.web.address import Address, listeners
from exporter.web.app import Application
from exporter.web.connection import Gate, Limits, connection_factory
from exporter.web.security import AuthMiddleware, Security

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application


class Server:
    """Serves one application on some addresses, from `start` to `stop`; also `async with`.

    Signals are left to the caller. `start` raises ListenError. A stopped server, and its security, are not used again.
    """

    def __init__(
        self,
        app: Application,
        addresses: Sequence[tuple[str, int]],
        security: Security | None = None,
        *,
        limits: Limits | None = None,
    ) -> None:
        self._security = security or Security()
        self._wanted = tuple(Address(*address) for address in addresses)
        self._limits = limits or Limits()
        self._gate = Gate(self._limits)
        self._uvicorn = _Uvicorn(self._configuration(app))
        self._serving: asyncio.Task[None] | None = None
        self.addresses: tuple[Address, ...] = ()
        """Where the server listens, real ports for 0: known once started."""

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
        sockets: list[socket] = []
        try:
            for address in self._wanted:
                sockets += listeners(address)
        except OSError:
            for bound in sockets:
                bound.close()
            raise
        self.addresses = tuple(Address(*bound.getsockname()[:2]) for bound in sockets)
        self._serving = asyncio.create_task(self._uvicorn.serve(sockets), name="http server")
        accepting = asyncio.create_task(self._uvicorn.accepting.wait())
        await asyncio.wait((self._serving, accepting), return_when=asyncio.FIRST_COMPLETED)
        if not accepting.done():
            accepting.cancel()
            await self._serving

    async def stop(self) -> None:
        """Stop listening, let answers under way end for a moment, cut off what hangs."""
        if self._serving is None:
            return
        self._uvicorn.should_exit = True
        await asyncio.wait((self._serving,), timeout=self._limits.grace)
        self._gate.close()
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
            http=connection_factory(self._gate, self._security.tls_context, self._security.admits),
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
    """Says when it accepts connections, and leaves signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
