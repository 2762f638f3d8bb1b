"""Sockets that listen."""

import asyncio
import socket
import subprocess
import sys
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from exporter.web.listeners import Address, ListenError, accept_connections, bind


@pytest.mark.parametrize("host", ["", "::"])
def test_no_host_and_the_ipv6_wildcard_are_every_interface(host: str) -> None:
    """`:port` and `[::]:port` answer over IPv4 and, where the machine has it, IPv6, as Go programs do."""
    (bound,) = bind([Address(host, 0)])

    with closing(bound):
        port = bound.getsockname()[1]
        hosts = ("127.0.0.1", "::1") if bound.family == socket.AF_INET6 else ("127.0.0.1",)
        for target in hosts:
            socket.create_connection((target, port), 5).close()


def test_all_addresses_of_a_name_have_one_port() -> None:
    """With port 0 every address of a host name gets the same free port."""
    bound = bind([Address("localhost", 0)])

    ports = {each.getsockname()[1] for each in bound}
    for each in bound:
        each.close()
    assert 1 == len(ports)


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
def test_a_port_in_use_says_what_to_do(host: str) -> None:
    """The error names the address and the flag that changes it."""
    (taken,) = bind([Address(host, 0)])

    with closing(taken):
        address = Address(host, taken.getsockname()[1])
        with pytest.raises(ListenError, match=rf"cannot listen on {address}: Address already in use; .*listen-address"):
            bind([address])


def test_an_unknown_host_is_refused() -> None:
    """A host name that does not resolve is an address that cannot be listened on."""
    with pytest.raises(ListenError, match=r"cannot listen on nowhere\.invalid:0"):
        bind([Address("nowhere.invalid", 0)])


def test_loopback_is_recognised() -> None:
    """Only addresses that no other machine can reach count as loopback."""
    hosts = ("127.0.0.1", "::1", "localhost", "127.8.9.1", "", "::", "0.0.0.0", "10.0.0.1", "example.org")  # noqa: S104

    assert ["127.0.0.1", "::1", "localhost", "127.8.9.1"] == [host for host in hosts if Address(host, 1).loopback]


def test_a_connection_that_fails_does_not_end_accepting() -> None:
    """Whatever error it raises is logged, its socket is closed, and the next connection is served."""
    (bound,) = bind([Address("127.0.0.1", 0)])
    failures = iter((OverflowError(), RuntimeError()))

    def protocol() -> asyncio.Protocol:
        for failure in failures:
            raise failure
        return _Greeting()

    async def received() -> list[bytes]:
        accepting = asyncio.create_task(accept_connections(bound, protocol, lambda: None))
        answers = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*bound.getsockname())
            answers.append(await asyncio.wait_for(reader.read(), 10))
            writer.close()
        accepting.cancel()
        return answers

    with closing(bound), capture_logs() as logged:
        assert [b"", b"", b"hello"] == asyncio.run(received())
    assert ["connection_failed"] * 2 == [entry["event"] for entry in logged]


class _Greeting(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


_PASSED = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0)) if sys.argv[1] == "listening" else socket.socket()
if sys.argv[1] == "file":
    os.dup2(os.open("/dev/null", os.O_RDONLY), 3)
else:
    os.dup2(listener.fileno(), 3)
os.environ |= {"LISTEN_FDS": sys.argv[2], "LISTEN_PID": str(os.getpid() + int(sys.argv[3]))}
from exporter.web import ListenError, passed_by_systemd
try:
    print([each.getsockname()[1] == listener.getsockname()[1] for each in passed_by_systemd()])
except ListenError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("kind", "count", "other_process", "expected"),
    [
        ("listening", "1", 0, "[True]"),
        ("listening", "", 0, "systemd passed no socket to this process"),
        ("listening", "9" * 5000, 0, "systemd passed no socket to this process"),
        ("listening", "1", 1, "systemd passed no socket to this process"),
        ("connected", "1", 0, "file descriptor 3 passed by systemd is not a listening stream socket"),
        ("file", "1", 0, "file descriptor 3 passed by systemd is not a listening stream socket"),
    ],
)
def test_sockets_of_systemd(kind: str, count: str, other_process: int, expected: str) -> None:
    """A listening socket passed to this process is used; anything else is an error that says what to do."""
    done = subprocess.run(
        [sys.executable, "-c", _PASSED, kind, count, str(other_process)], check=True, capture_output=True, text=True
    )

    assert done.stdout.startswith(expected)
