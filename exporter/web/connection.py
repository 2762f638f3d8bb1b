"""One client's connection: HTTP, optionally over TLS, with a deadline for every phase."""

import asyncio
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from ssl import SSLContext
from typing import Any, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from exporter.web.connection_limits import ConnectionLimiter, Phase, Slot, cut_off
from exporter.web.gzip_body import PIECE


class Connection(H11Protocol):
    """HTTP on one socket."""

    limiter: ConnectionLimiter
    """Set after construction: uvicorn fixes the constructor's arguments."""
    admits: Callable[[Any], bool] | None = None
    """Whether a client with this certificate, as returned by `getpeercert`, may connect."""

    _slot: Slot | None = None
    _deadline: asyncio.TimerHandle | None = None
    _cycle: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Register the connection and start the first deadline."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=PIECE)
        if self._slot is None:
            self._slot = self.limiter.admit(transport, self.loop.time())
        if self.admits and not self.admits(transport.get_extra_info("peercert")):
            cut_off(transport)
        self._enter(Phase.REQUEST)

    def take_over(self, slot: Slot) -> None:
        """Use the slot that the TLS handshake was given."""
        self._slot = slot

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline and release the slot."""
        super().connection_lost(exc)
        self._cancel_deadline()
        if self._slot:
            self.limiter.release(self._slot.transport)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        super().data_received(data)
        self._update_phase()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one."""
        super().on_response_complete()
        self._update_phase()

    def shutdown(self) -> None:
        """Close now, or once the response under way is sent."""
        if self._answering():
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _update_phase(self) -> None:
        """Restart the deadline when the phase, or the request it belongs to, has changed."""
        if self.transport.is_closing():
            return
        phase, cycle = self._phase(), self.cycle
        if self._slot and (phase is not self._slot.phase or cycle is not self._cycle):
            self._cycle = cycle
            self._enter(phase)

    def _phase(self) -> Phase:
        state = self.conn.their_state
        if state == h11.SEND_BODY or (state == h11.IDLE and self.conn.trailing_data[0]):
            return Phase.REQUEST
        return Phase.ANSWER if state == h11.DONE or self._answering() else Phase.IDLE

    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _enter(self, phase: Phase) -> None:
        self._cancel_deadline()
        limits = self.limiter.limits
        seconds = {Phase.REQUEST: limits.request, Phase.ANSWER: limits.answer, Phase.IDLE: limits.idle}[phase]
        self._deadline = self.loop.call_later(seconds, cut_off, self.transport)
        if self._slot:
            self._slot.phase = phase
            self._slot.since = self.loop.time()

    def _cancel_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()


class Handshake(SSLProtocol):
    """TLS below a connection.

    Each connection gets one, so that it uses the certificate that is valid when it arrives, and so that a client that
    never finishes its handshake has a slot and a deadline like every other.
    """

    max_size = PIECE

    def __init__(self, connection: Connection, context: SSLContext) -> None:
        super().__init__(
            loop=connection.loop,
            app_protocol=connection,
            sslcontext=context,
            waiter=cast("asyncio.Future[Any]", None),
            server_side=True,
            ssl_handshake_timeout=cast("int", connection.limiter.limits.request),
            ssl_shutdown_timeout=1.0,
        )
        self._connection = connection
        self._socket_transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection and begin the handshake."""
        self._socket_transport = transport
        connection = self._connection
        connection.take_over(connection.limiter.admit(transport, connection.loop.time()))
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Release the slot, also where no HTTP was ever spoken."""
        if self._socket_transport:
            self._connection.limiter.release(self._socket_transport)
        super().connection_lost(exc)


def connection_factory(
    limiter: ConnectionLimiter, context: Callable[[], SSLContext | None], admits: Callable[[Any], bool] | None
) -> type[asyncio.Protocol]:
    """Return what uvicorn makes a protocol with: HTTP, or TLS with HTTP above it."""

    def make(
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.BaseProtocol:
        connection = Connection(config, server_state, app_state, _loop or asyncio.get_running_loop())
        connection.limiter = limiter
        if (current := context()) is None:
            return connection
        connection.admits = admits
        return Handshake(connection, current)

    return cast("type[asyncio.Protocol]", make)
