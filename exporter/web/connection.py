"""One client's connection: what it may take its time over, and how many there may be."""

import asyncio
import contextlib
import socket
import struct
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from ssl import SSLContext
from typing import Any, Final, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from exporter.web.gzip_body import PIECE

_NO_LINGER: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take, in seconds, and how many there may be."""

    request: float = 10.0
    """For the TLS handshake, and again until a request is complete."""
    answer: float = 60.0
    """Until an answer is read to its end."""
    idle: float = 120.0
    """Between two requests: longer than the usual scrape intervals, so that scrapers keep their connection."""
    connections: int = 512
    """Open at the same time; a further one displaces the one that has been idle longest."""
    grace: float = 3.0
    """For answers under way when the server stops."""


class Phase(Enum):
    """What a connection is waiting for."""

    REQUEST = "the rest of a request, or of the TLS handshake"
    ANSWER = "an answer to be made, or to be read"
    IDLE = "the next request"


@dataclass(slots=True)
class Slot:
    """One open connection, by the transport of its socket."""

    transport: asyncio.BaseTransport
    phase: Phase = Phase.REQUEST
    since: float = 0.0
    """Seconds of the loop's clock at which the phase began."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The open connections, and which of them goes when there are too many."""

    limits: Limits
    slots: dict[asyncio.BaseTransport, Slot] = field(default_factory=dict)

    def admit(self, transport: asyncio.BaseTransport, now: float) -> Slot:
        """Give the connection a place; one too many closes the longest idle, else the slowest to ask, else itself."""
        if len(self.slots) >= self.limits.connections:
            self._close(self._dispensable() or transport)
        slot = self.slots[transport] = Slot(transport, since=now)
        return slot

    def leave(self, transport: asyncio.BaseTransport) -> None:
        """Give the place back."""
        self.slots.pop(transport, None)

    def close(self) -> None:
        """Cut every connection off."""
        for transport in tuple(self.slots):
            self._close(transport)

    def _dispensable(self) -> asyncio.BaseTransport | None:
        for phase in (Phase.IDLE, Phase.REQUEST):
            slots = (slot for slot in self.slots.values() if slot.phase is phase)
            if oldest := min(slots, key=lambda slot: slot.since, default=None):
                return oldest.transport
        return None

    def _close(self, transport: asyncio.BaseTransport) -> None:
        self.leave(transport)
        cut_off(cast("asyncio.Transport", transport))


def cut_off(transport: asyncio.Transport) -> None:
    """Close at once; what the client has not read yet is dropped by the kernel as well."""
    if connected := transport.get_extra_info("socket"):
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


class Connection(H11Protocol):
    """HTTP on one socket, with a deadline for every phase."""

    gate: Gate
    """Set where the connection is made: uvicorn has a constructor of its own."""
    admits: Callable[[Any], bool] | None = None
    """Whether the client's certificate, as `getpeercert` tells it, is one of those that may come in."""

    _slot: Slot | None = None
    _deadline: asyncio.TimerHandle | None = None
    _cycle: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the clock."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=PIECE)
        if self._slot is None:
            self._slot = self.gate.admit(transport, self.loop.time())
        if self.admits and not self.admits(transport.get_extra_info("peercert")):
            cut_off(transport)
        self._enter(Phase.REQUEST)

    def seated(self, slot: Slot) -> None:
        """Take over the place of the handshake."""
        self._slot = slot

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        super().connection_lost(exc)
        self._stop_clock()
        if self._slot:
            self.gate.leave(self._slot.transport)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one."""
        super().on_response_complete()
        self._look()

    def shutdown(self) -> None:
        """Close now, or once the answer under way is sent."""
        if self._answering():
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _look(self) -> None:
        """Start the clock anew when the phase is another one, or another request's."""
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
        self._stop_clock()
        limits = self.gate.limits
        seconds = {Phase.REQUEST: limits.request, Phase.ANSWER: limits.answer, Phase.IDLE: limits.idle}[phase]
        self._deadline = self.loop.call_later(seconds, cut_off, self.transport)
        if self._slot:
            self._slot.phase = phase
            self._slot.since = self.loop.time()

    def _stop_clock(self) -> None:
        if self._deadline:
            self._deadline.cancel()


class Handshake(SSLProtocol):
    """TLS below a connection.

    Made for every connection by itself, so that each gets the certificate that is valid when it comes in, and so that a
    client that never finishes its handshake has a place, and a deadline, like every other.
    """

    max_size = PIECE

    def __init__(self, connection: Connection, context: SSLContext) -> None:
        super().__init__(
            loop=connection.loop,
            app_protocol=connection,
            sslcontext=context,
            waiter=cast("asyncio.Future[Any]", None),
            server_side=True,
            ssl_handshake_timeout=cast("int", connection.gate.limits.request),
            ssl_shutdown_timeout=1.0,
        )
        self._connection = connection
        self._socket_transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place and begin."""
        self._socket_transport = transport
        self._connection.seated(self._connection.gate.admit(transport, self._connection.loop.time()))
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back, whether or not there ever was HTTP."""
        if self._socket_transport:
            self._connection.gate.leave(self._socket_transport)
        super().connection_lost(exc)


def connection_factory(
    gate: Gate, context: Callable[[], SSLContext | None], admits: Callable[[Any], bool] | None
) -> type[asyncio.Protocol]:
    """Return what uvicorn makes a protocol with: HTTP, or TLS with HTTP above it."""

    def make(
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.BaseProtocol:
        connection = Connection(config, server_state, app_state, _loop or asyncio.get_running_loop())
        connection.gate = gate
        if (current := context()) is None:
            return connection
        connection.admits = admits
        return Handshake(connection, current)

    return cast("type[asyncio.Protocol]", make)
