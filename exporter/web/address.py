"""Where the server listens."""

import os
import socket
from typing import Final, NamedTuple

_BACKLOG: Final = 128


class ListenError(OSError):
    """An address that cannot be listened on; the message says which and why."""


class Address(NamedTuple):
    """A host, empty for every interface, and a port, 0 for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listeners(address: Address) -> list[socket.socket]:
    """Return bound sockets: one for every interface, else one for each address that the host name has.

    Raises ListenError.
    """
    try:
        bound = _by_name(address) if address.host else [_everywhere(address.port)]
        return [_named_tcp(each) for each in bound]
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ListenError(
            f"cannot listen on {address}: {reason}; choose another address with --web.listen-address"
        ) from error


def _named_tcp(bound: socket.socket) -> socket.socket:
    """Name the protocol: asyncio sends small pieces at once only on sockets that say they are TCP's."""
    return socket.socket(bound.family, bound.type, socket.IPPROTO_TCP, fileno=bound.detach())


def _everywhere(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
        except OSError:
            if _ipv6_works():
                raise
    return socket.create_server(("", port), backlog=_BACKLOG)


def _ipv6_works() -> bool:
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def _by_name(address: Address) -> list[socket.socket]:
    """Bind every address of the host to the same port."""
    sockets: list[socket.socket] = []
    port = address.port
    try:
        found = socket.getaddrinfo(address.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, target in dict.fromkeys((family, str(name[0])) for family, _, _, _, name in found):
            sockets.append(socket.create_server((target, port), family=family, backlog=_BACKLOG))
            port = sockets[0].getsockname()[1]
    except OSError:
        for bound in sockets:
            bound.close()
        raise
    return sockets
