"""Clients that behave badly, over real sockets."""

import asyncio
import contextlib
import gzip
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.exposition.snapshot import Format, Snapshot
from exporter.web.connection_limits import Limits
from exporter.web.listeners import ListenError
from exporter.web.server import Server
from tests.support.site import TAILS, WHOLE, Site, compressed, everything, raw, serving

_SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
_HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
_QUICK = Limits(request=0.4, answer=2.0, idle=1.6, connections=512, grace=0.5)
_NOISE = os.urandom(1 << 20).hex().encode() + b"\n"
_LARGE = _NOISE * 8
"""16 MiB: far beyond what the kernel buffers for a client that does not read."""

_ENDLESS = Snapshot(bodies={Format.TEXT: compressed(_LARGE, piece=len(_NOISE))})


def _scrape(site: Site) -> float:
    """Scrape, and return the seconds that it took."""
    begun = time.monotonic()
    body = raw(site, _SCRAPE).partition(b"\r\n\r\n")[2]
    assert WHOLE[Format.TEXT] == gzip.decompress(body)
    return time.monotonic() - begun


def _seconds_until_closed(client: socket.socket) -> float:
    begun = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        everything(client)
    return time.monotonic() - begun


def _ask_for_health(client: socket.socket) -> None:
    client.sendall(_HEALTHY)
    received = b""
    while not received.endswith(b"Healthy.\n"):
        data = client.recv(65536)
        assert data, "closed before the answer was whole"
        received += data


@pytest.fixture(scope="module")
def quick() -> Iterator[Site]:
    """Serve with deadlines that a test can wait for."""
    with serving(limits=_QUICK) as site:
        yield site


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET /metrics HT",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["silent", "half a line", "half a head", "half a body", "half a chunk"],
)
def test_an_unfinished_request_is_cut_off(quick: Site, beginning: bytes) -> None:
    """A request that does not become complete costs its connection."""
    with quick.connect() as client:
        client.sendall(beginning)
        assert 0.2 < _seconds_until_closed(client) < 3


def test_a_trickle_does_not_move_the_deadline(quick: Site) -> None:
    """A byte now and then, Slowloris, does not keep an unfinished request alive."""
    begun = time.monotonic()
    with quick.connect(timeout=0.05) as client, contextlib.suppress(OSError):
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        while time.monotonic() - begun < 5:
            client.sendall(b"X-A: b\r\n")
            with contextlib.suppress(TimeoutError):
                if not client.recv(1):
                    break

    assert time.monotonic() - begun < 3


def test_idle_connections_end_later_than_unfinished_requests(quick: Site) -> None:
    """After an answer the connection stays for another request, then closes."""
    with quick.connect() as client:
        for _ in range(3):
            _ask_for_health(client)
            time.sleep(0.5)
        assert _seconds_until_closed(client) < 3


def test_the_second_request_has_a_deadline_too(quick: Site) -> None:
    """An unfinished request on a kept connection is cut off as the first would be."""
    with quick.connect() as client:
        _ask_for_health(client)
        client.sendall(b"GET /met")
        assert _seconds_until_closed(client) < 3


def test_pipelined_requests_are_answered_in_order(quick: Site) -> None:
    """Two requests in one packet get two answers."""
    answers = raw(quick, _HEALTHY + b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert 0 < answers.index(b"Healthy.\n") < answers.index(b"HTTP/1.1 404")


@pytest.mark.parametrize("target", [b"http://host:1/-/healthy", b"HTTPS://host/-/healthy?x"])
def test_a_target_in_absolute_form_is_answered(quick: Site, target: bytes) -> None:
    """Scheme and authority, as a client of a proxy sends them, are left out."""
    request = b"GET " + target + b" HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n"

    assert raw(quick, request).endswith(b"\r\n\r\nHealthy.\n")


def test_a_client_that_never_reads_is_cut_off() -> None:
    """An answer that is not read in time ends; until then it does not hold up others."""
    site = Site(snapshot=_ENDLESS)
    limits = Limits(answer=1.0, grace=0.5)
    with serving(site, limits=limits), site.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw(site, _HEALTHY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).endswith(b"Healthy.\n")
        time.sleep(1.5)
        with pytest.raises(ConnectionResetError):
            everything(client)


def test_clients_that_never_read_do_not_hold_memory() -> None:
    """Fifty of them, each owed 16 MiB of plain text, hold a small part of that."""
    site = Site(snapshot=_ENDLESS)
    with serving(site, limits=Limits(grace=0.5)), contextlib.ExitStack() as clients:
        before = _resident()
        for _ in range(50):
            client = clients.enter_context(site.connect())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        raw(site, _SCRAPE.replace(b"/metrics", b"/-/healthy"))
        time.sleep(1)

        assert _resident() - before < 48 << 20


def test_a_slow_reader_gets_everything() -> None:
    """Back-pressure slows the answer down and loses nothing of it."""
    text = _NOISE * 4
    site = Site(snapshot=Snapshot(bodies={Format.TEXT: compressed(text)}))
    with serving(site), site.connect() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        time.sleep(0.5)
        assert text + TAILS[Format.TEXT] == everything(client).partition(b"\r\n\r\n")[2]


def test_fifty_idle_connections_do_not_slow_a_scrape() -> None:
    """Neither silent nor half-sent requests nor kept connections hold up a scrape."""
    with serving() as site, contextlib.ExitStack() as clients:
        for number in range(50):
            client = clients.enter_context(site.connect())
            client.sendall((b"", b"GET /metr", _HEALTHY)[number % 3])

        assert _scrape(site) < 1


def test_a_connection_too_many_closes_the_longest_idle() -> None:
    """At the limit, the connection that has been idle longest is closed for a scrape."""
    with serving(limits=Limits(connections=3, grace=0.5)) as site, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(site.connect()) for _ in range(3)]
        for client in (clients[1], clients[0], clients[2]):
            _ask_for_health(client)

        _scrape(site)

        assert _seconds_until_closed(clients[1]) < 2
        _ask_for_health(clients[2])


def test_silent_connections_do_not_block_scrapes() -> None:
    """Connections that never sent a request are closed as well."""
    with serving(limits=Limits(connections=3, grace=0.5)) as site, contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(site.connect())

        _scrape(site)


def test_responses_that_have_just_begun_are_not_displaced() -> None:
    """At the limit, where no response is slow yet, the new connection is closed."""
    site = Site(snapshot=_ENDLESS)
    with serving(site, limits=Limits(connections=2, slow=60, grace=0.5)), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(site.connect()) for _ in range(2)]
        for client in clients:
            client.sendall(_SCRAPE.replace(b"gzip", b"identity"))
            assert client.recv(1)
        with site.connect() as newcomer:
            assert _seconds_until_closed(newcomer) < 2

        assert everything(clients[0]).endswith(TAILS[Format.TEXT])


def test_stopping_does_not_wait_for_hung_clients() -> None:
    """Silent clients, kept connections and one that never reads do not keep the server from stopping."""
    site = Site(snapshot=_ENDLESS)
    with contextlib.ExitStack() as clients:
        with serving(site, limits=Limits(grace=1.0)):
            for request in (b"", b"GET /", _HEALTHY, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
                client = clients.enter_context(site.connect())
                client.sendall(request)
            time.sleep(0.3)
            begun = time.monotonic()

        assert time.monotonic() - begun < 5


def test_an_answer_under_way_is_finished_before_stopping() -> None:
    """A scrape that has begun is served to its end while the server stops."""
    site = Site(snapshot=_ENDLESS)
    with serving(site):
        client = site.connect()
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        received = client.recv(1024)
        rest: list[bytes] = []
        reader = threading.Thread(target=lambda: rest.append(everything(client)))
        reader.start()
    reader.join(10)
    client.close()

    assert _LARGE + TAILS[Format.TEXT] == (received + rest[0]).partition(b"\r\n\r\n")[2]


def test_a_taken_port_is_an_error_that_leaves_nothing_open() -> None:
    """When one of several addresses is taken, starting fails with a clear error and the others are free again."""

    async def start() -> int:
        site = Site()
        async with Server(site.app(), [("127.0.0.1", 0)]) as first:
            with pytest.raises(ListenError, match="Address already in use"):
                await Server(site.app(), [("127.0.0.1", 0), ("127.0.0.1", first.port)]).start()
            return first.port

    assert asyncio.run(start()) > 0


def test_several_addresses_are_served() -> None:
    """Every address answers, and says where it really is."""

    async def ports() -> list[int]:
        async with Server(Site().app(), [("127.0.0.1", 0), ("", 0)]) as server:
            for address in server.addresses:
                reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
                writer.write(_HEALTHY)
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
                writer.close()
                await writer.wait_closed()
            assert "http" == server.scheme
            return [address.port for address in server.addresses]

    assert 2 == len(set(asyncio.run(ports())))


def test_stopping_what_never_started_is_nothing() -> None:
    """A server that was not started can be stopped."""
    asyncio.run(Server(Site().app(), []).stop())


def test_a_failing_provider_is_an_internal_error() -> None:
    """An error while a response is made is a 500, and the server goes on."""
    site = Site(snapshot=None)  # type: ignore[arg-type]
    with serving(site):
        assert raw(site, _SCRAPE).startswith(b"HTTP/1.1 500 ")
        assert raw(site, _SCRAPE.replace(b"/metrics", b"/-/healthy")).startswith(b"HTTP/1.1 200 ")


def _resident() -> int:
    """Return the bytes of this process, which the server is a thread of, that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
