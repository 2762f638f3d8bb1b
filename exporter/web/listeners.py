"""The sockets the server listens on: bound to configured addresses, or passed by systemd."""

import asyncio
import errno
import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple

import structlog

_BACKLOG: Final = 128
_FIRST_PASSED: Final = 3
"""File descriptor of the first socket that systemd passes (sd_listen_fds)."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RETRY: Final = 0.1
"""Seconds until another attempt to accept once file descriptors have run out."""

_COUNT: Final = re.compile(r"[1-9]\d{0,5}", re.ASCII)

_log = structlog.get_logger()


class ListenError(OSError):
    """An address that cannot be listened on; the message says which and why."""


class Address(NamedTuple):
    """A host, empty for every interface, and a port, 0 for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return self.host == "localhost"


def bind(addresses: Sequence[Address]) -> list[socket.socket]:
    """Return listening sockets for all addresses, or none of them. Raises ListenError."""
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            sockets += _bind(address)
    except OSError:
        _close(sockets)
        raise
    return sockets


def passed_by_systemd(environ: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the sockets of a systemd socket unit. Raises ListenError where there are none."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not _COUNT.fullmatch(count):
        raise ListenError(
            "systemd passed no socket to this process: start it through a .socket unit, "
            "or use --web.listen-address instead of --web.systemd-socket"
        )
    sockets = []
    for descriptor in range(_FIRST_PASSED, _FIRST_PASSED + int(count)):
        try:
            passed = socket.socket(fileno=descriptor)
        except OSError as error:
            raise ListenError(_not_listening(descriptor)) from error
        if not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ListenError(_not_listening(descriptor))
        passed.set_inheritable(False)
        sockets.append(_with_protocol(passed) if passed.family != socket.AF_UNIX else passed)
    return sockets


def address_of(listener: socket.socket) -> Address:
    """Return where the socket listens; for a Unix socket its path, and port 0."""
    name = listener.getsockname()
    return Address(*name[:2]) if isinstance(name, tuple) else Address(os.fsdecode(name), 0)


async def accept_connections(
    listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], exhausted: Callable[[], None]
) -> None:
    """Accept one connection after another until cancelled, whatever becomes of one.

    `exhausted` is called when there are no file descriptors left; accepting goes on a moment later.
    """
    loop = asyncio.get_running_loop()
    listener.setblocking(False)  # noqa: FBT003 - the standard library's
    while True:
        try:
            connected, _ = await loop.sock_accept(listener)
        except OSError as error:
            if error.errno in _EXHAUSTED:
                exhausted()
            await asyncio.sleep(_RETRY)
            continue
        try:
            await loop.connect_accepted_socket(protocol, connected)
        except OSError:
            connected.close()
        except Exception:  # noqa: BLE001 - logged with its traceback
            _log.exception("connection_failed")
            connected.close()


def _not_listening(descriptor: int) -> str:
    return (
        f"file descriptor {descriptor} passed by systemd is not a listening stream socket: "
        "use ListenStream= and Accept=no in the .socket unit"
    )


def _bind(address: Address) -> list[socket.socket]:
    try:
        bound = [_everywhere(address.port)] if address.host in {"", "::"} else _by_name(address)
        return [_with_protocol(each) for each in bound]
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ListenError(
            f"cannot listen on {address}: {reason}; choose another address with --web.listen-address"
        ) from error


def _with_protocol(bound: socket.socket) -> socket.socket:
    """Return the socket with its protocol set: asyncio sets TCP_NODELAY only on sockets that say they are TCP's."""
    return socket.socket(bound.family, bound.type, socket.IPPROTO_TCP, fileno=bound.detach())


def _everywhere(port: int) -> socket.socket:
    """Listen on IPv6 and IPv4 with one socket, as Go programs do for `:port` and `[::]:port`."""
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
        _close(sockets)
        raise
    return sockets


def _close(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()
