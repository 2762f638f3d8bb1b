"""Where the server listens: `:10180`, `127.0.0.1:10180`, `[::1]:10180`, `localhost:0`."""

import os
import re
import socket
from typing import Final, NamedTuple

_ADDRESS: Final = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})")
_BACKLOG: Final = 128
_LAST_PORT: Final = 65535


class ListenError(OSError):
    """An address that cannot be listened on; the message says which and why."""


class Address(NamedTuple):
    """A host, empty for every interface, and a port, 0 for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address that a `web.listen_address` names. ValueError says how one is written."""
    found = _ADDRESS.fullmatch(text.strip())
    if not found or int(found["port"]) > _LAST_PORT:
        raise ValueError(
            f"{text!r} is not an address to listen on: write :10180 for every interface, 127.0.0.1:10180 or [::1]:10180"
        )
    return Address(found["six"] or found["host"] or "", int(found["port"]))


def listeners(address: Address) -> list[socket.socket]:
    """Return bound sockets: one for every interface, else one for each address that the host name has.

    Raises ListenError.
    """
    try:
        return [_everywhere(address.port)] if not address.host else _by_name(address)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ListenError(
            f"cannot listen on {address}: {reason}; choose another address with --web.listen-address"
        ) from error


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
