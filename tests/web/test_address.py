"""Addresses to listen on."""

import socket
from contextlib import closing

import pytest

from exporter.web.address import Address, ListenError, listeners


def test_no_host_is_every_interface() -> None:
    """Without a host both IPv4 and, where the machine has it, IPv6 are answered."""
    (bound,) = listeners(Address("", 0))

    with closing(bound):
        port = bound.getsockname()[1]
        hosts = ("127.0.0.1", "::1") if bound.family == socket.AF_INET6 else ("127.0.0.1",)
        for host in hosts:
            socket.create_connection((host, port), 5).close()


def test_all_addresses_of_a_name_have_one_port() -> None:
    """With port 0 every address of a host name gets the same free port."""
    bound = listeners(Address("localhost", 0))

    ports = {each.getsockname()[1] for each in bound}
    for each in bound:
        each.close()
    assert 1 == len(ports)


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
def test_a_port_in_use_says_what_to_do(host: str) -> None:
    """The error names the address and the flag that changes it."""
    (taken,) = listeners(Address(host, 0))

    with closing(taken):
        address = Address(host, taken.getsockname()[1])
        with pytest.raises(ListenError, match=rf"cannot listen on {address}: Address already in use; .*listen-address"):
            listeners(address)


def test_an_unknown_host_is_refused() -> None:
    """A host name that does not resolve is an address that cannot be listened on."""
    with pytest.raises(ListenError, match=r"cannot listen on nowhere\.invalid:0"):
        listeners(Address("nowhere.invalid", 0))
