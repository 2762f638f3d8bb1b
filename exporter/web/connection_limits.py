"""How many connections there may be, how long each may take, and which one is closed for another."""

import asyncio
import contextlib
import resource
import socket
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from ipaddress import IPv6Address, ip_address
from typing import Final, cast

_NO_LINGER: Final = struct.pack("ii", 1, 0)
_RESERVED_DESCRIPTORS: Final = 40
"""File descriptors kept for the state, the log, and connections to OpenAI."""

_FEWEST_CONNECTIONS: Final = 8
_IPV6_NETWORK: Final = 64
"""Prefix length that one IPv6 client is usually given as a whole."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may use. Times in seconds."""

    request: float = 10.0
    """For the TLS handshake, and again until a request is complete."""
    answer: float = 60.0
    """Until a response has been read to its end."""
    idle: float = 120.0
    """Between two requests: longer than the usual scrape intervals, so that scrapers keep their connection."""
    connections: int = 512
    """Open at the same time; fewer where the process may open fewer files."""
    connections_per_peer: int = 128
    """Open at the same time from one IPv4 address or IPv6 /64 network."""
    slow: float = 0.25
    """After this long a response under way may be cut off to make room for another connection."""
    grace: float = 3.0
    """For responses under way when the server stops."""

    def seconds(self, phase: "Phase") -> float:
        """Return how long a phase may take."""
        if phase is Phase.REQUEST:
            return self.request
        return self.answer if phase is Phase.ANSWER else self.idle

    def within_descriptors(self) -> "Limits":
        """Return the limits with as many connections as the process has file descriptors for."""
        available, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if available == resource.RLIM_INFINITY:
            return self
        connections = max(_FEWEST_CONNECTIONS, available - _RESERVED_DESCRIPTORS)
        return replace(self, connections=min(self.connections, connections))


class Phase(Enum):
    """What a connection is waiting for."""

    REQUEST = "the rest of a request, or of the TLS handshake"
    ANSWER = "a response to be made, or to be read"
    IDLE = "the next request"


@dataclass(slots=True, eq=False)
class Slot:
    """One open connection."""

    transport: asyncio.BaseTransport
    """Of the socket, below TLS."""
    peer: str
    phase: Phase = Phase.REQUEST
    since: float = 0.0
    """Seconds of the loop's clock at which the phase began."""


@dataclass(frozen=True, slots=True)
class ConnectionLimiter:
    """The open connections. One too many closes the least useful one of the peer that has the most."""

    limits: Limits
    slots: dict[asyncio.BaseTransport, Slot] = field(default_factory=dict)

    def admit(self, transport: asyncio.BaseTransport, now: float) -> Slot:
        """Register a connection; where that is one too many, close another one, or else this one."""
        slot = Slot(transport, peer_of(transport), since=now)
        own = [other for other in self.slots.values() if other.peer == slot.peer]
        if len(own) >= self.limits.connections_per_peer:
            self._close(self._dispensable(own, now, self.limits.slow) or slot)
        elif len(self.slots) >= self.limits.connections:
            self._close(self._of_largest_peer(now, len(own)) or slot)
        self.slots[transport] = slot
        return slot

    def release(self, transport: asyncio.BaseTransport) -> None:
        """Forget a connection that was closed."""
        self.slots.pop(transport, None)

    def close_idle(self, now: float) -> None:
        """Close the least useful connection, if any can be spared: its file descriptor is needed."""
        if slot := self._of_largest_peer(now, 0):
            self._close(slot)

    def close_all(self) -> None:
        """Cut every connection off."""
        for slot in tuple(self.slots.values()):
            self._close(slot)

    def _of_largest_peer(self, now: float, own: int) -> Slot | None:
        """Return one of the peer with the most; its responses count as slow at once if it has more than its share."""
        for peer, count in Counter(slot.peer for slot in self.slots.values()).most_common():
            slots = (slot for slot in self.slots.values() if slot.peer == peer)
            if found := self._dispensable(slots, now, 0.0 if count > own + 1 else self.limits.slow):
                return found
        return None

    def _dispensable(self, slots: Iterable[Slot], now: float, slow_after: float) -> Slot | None:
        """Return the one idle longest, else the slowest to send its request, else the slowest to read its response."""
        by_phase: dict[Phase, list[Slot]] = {phase: [] for phase in Phase}
        for slot in slots:
            by_phase[slot.phase].append(slot)
        slow = [slot for slot in by_phase[Phase.ANSWER] if now - slot.since >= slow_after]
        candidates = by_phase[Phase.IDLE] or by_phase[Phase.REQUEST] or slow
        return min(candidates, key=lambda slot: slot.since, default=None)

    def _close(self, slot: Slot) -> None:
        self.release(slot.transport)
        cut_off(cast("asyncio.Transport", slot.transport))


def cut_off(transport: asyncio.Transport) -> None:
    """Close at once; the kernel drops what the client has not read yet."""
    if connected := transport.get_extra_info("socket"):
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def peer_of(transport: asyncio.BaseTransport) -> str:
    """Return whose connection it is: an IPv4 address, an IPv6 /64 network, or empty for a Unix socket."""
    name = transport.get_extra_info("peername")
    return network_of(name[0]) if isinstance(name, tuple) else ""


def network_of(host: str) -> str:
    """Return the IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) >> _IPV6_NETWORK << _IPV6_NETWORK))
    return str(address)
