"""More clients, requests and passwords than the limits allow, over real sockets."""

import base64
import contextlib
import gzip
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from exporter.exposition.snapshot import Format, Snapshot
from exporter.web.connection_limits import Limits
from tests.support.site import OPENMETRICS, WHOLE, Site, compressed, everything, raw, serving

_NOISE = os.urandom(1 << 18).hex().encode() + b"\n"
_ENDLESS = compressed(_NOISE * 8, piece=len(_NOISE))
"""4 MiB: far beyond what the kernel buffers for a client that does not read."""

_LIMITS = Limits(connections=32, connections_per_peer=8, grace=0.2)
_HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"


def _site() -> Site:
    return Site(Snapshot(bodies={Format.TEXT: _ENDLESS, Format.OPENMETRICS: compressed(OPENMETRICS)}, ready=True))


def _scrape(site: Site, login: str = "") -> float:
    """Scrape as Prometheus does, and return the seconds that it took."""
    authorization = f"Authorization: {_basic(login)}\r\n" if login else ""
    begun = time.monotonic()
    response = raw(
        site,
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: application/openmetrics-text\r\n"
        b"Accept-Encoding: gzip\r\n" + authorization.encode() + b"\r\n",
    )
    assert WHOLE[Format.OPENMETRICS] == gzip.decompress(response.partition(b"\r\n\r\n")[2])
    return time.monotonic() - begun


def _basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


def _connect(site: Site, peer: int, request: bytes) -> socket.socket:
    """Connect from the address 127.0.1.<peer> with a small receive buffer, and send a request."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.bind((f"127.0.1.{peer}", 0))
    client.settimeout(5)
    client.connect(("127.0.0.1", site.port))
    with contextlib.suppress(OSError):
        client.sendall(request)
    return client


@pytest.mark.parametrize("peers", [1, 8])
@pytest.mark.parametrize(
    "request_",
    [b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100, _HEALTHY * 100],
    ids=["never reading", "pipelining pages", "pipelining probes"],
)
def test_scrapes_go_on_during_a_flood(request_: bytes, peers: int) -> None:
    """Twice as many clients as may connect, none of which reads, do not keep a scrape waiting."""
    site = _site()
    with serving(site, limits=_LIMITS), contextlib.ExitStack() as stack:
        for number in range(2 * _LIMITS.connections):
            stack.enter_context(_connect(site, 1 + number % peers, request_))

        assert max(_scrape(site) for _ in range(3)) < 10


def test_a_peer_displaces_only_its_own_connections() -> None:
    """A peer at its limit loses its own idle connections; those of others stay open."""
    with serving(limits=_LIMITS) as site, contextlib.ExitStack() as stack:
        kept = stack.enter_context(_connect(site, 1, _HEALTHY))
        assert kept.recv(4096).startswith(b"HTTP/1.1 200")
        flood = [stack.enter_context(_connect(site, 2, _HEALTHY)) for _ in range(3 * _LIMITS.connections_per_peer)]
        time.sleep(0.2)

        kept.sendall(_HEALTHY)
        assert kept.recv(4096)
        assert _LIMITS.connections_per_peer >= sum(not _closed(client) for client in flood)


def _closed(client: socket.socket) -> bool:
    client.setblocking(False)  # noqa: FBT003 - the standard library's
    try:
        while data := client.recv(4096):
            assert b"503" not in data
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    return True


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve with a password whose hash takes about a quarter of a second to compare."""
    config = tmp_path_factory.mktemp("guarded") / "web.yml"
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(12)).decode()
    config.write_text(f"basic_auth_users: {{a: {hashed}, b: {hashed}}}")
    with serving(_site(), web_config=config, limits=Limits(grace=0.1)) as site:
        yield site


def _wrong(number: int) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {_basic(f'a:{number}')}\r\n\r\n".encode()


def test_a_remembered_password_never_waits_for_strangers(guarded: Site) -> None:
    """While 250 wrong passwords are being checked, scrapes with a remembered one take no longer than usual."""
    _scrape(guarded, "a:secret")
    with contextlib.ExitStack() as stack:
        for number in range(250):
            stack.enter_context(_connect(guarded, 1 + number % 10, _wrong(number)))

        assert max(_scrape(guarded, "a:secret") for _ in range(3)) < 10


def test_wrong_passwords_cost_nothing_once_their_clients_have_gone(guarded: Site) -> None:
    """Right after 250 clients with wrong passwords have left, a password that is not remembered is checked."""
    begun = time.monotonic()
    assert raw(guarded, _wrong(-1)).startswith(b"HTTP/1.1 401 ")
    alone = time.monotonic() - begun
    with contextlib.ExitStack() as stack:
        for number in range(250):
            stack.enter_context(_connect(guarded, 1 + number % 10, _wrong(number)))
        time.sleep(0.5)

    assert _scrape(guarded, "b:secret") < 5 * alone + 0.5


def test_too_many_passwords_of_one_peer_are_refused_at_once(guarded: Site) -> None:
    """A peer has at most four passwords waiting; its older ones get 503 and a time to retry."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(_connect(guarded, 9, _wrong(number))) for number in range(12)]
        answers = [everything(client) for client in clients]

    statuses = [answer[9:12] for answer in answers]
    assert {b"401", b"503"} == set(statuses)
    assert 4 <= statuses.count(b"401") <= 6
    assert all(b"retry-after: 1\r\n" in answer.lower() for answer in answers if answer[9:12] == b"503")


_REFUSED = {
    "not found": b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
    "method": b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "nonsense": b"HELO x\r\n\r\n",
    "no host": b"GET /-/healthy HTTP/1.1\r\n\r\n",
    "lifecycle": b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("refused", _REFUSED.values(), ids=_REFUSED)
def test_a_refused_request_closes_its_connection(refused: bytes) -> None:
    """What follows a refused request is not answered."""
    with serving() as site:
        answer = raw(site, refused + _HEALTHY)

    assert b"HTTP/1.1 4" == answer[:10]
    assert b"Healthy" not in answer


def test_a_wrong_password_closes_its_connection(guarded: Site) -> None:
    """A request without the password costs its connection, and what follows is not answered."""
    answer = raw(guarded, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" + _HEALTHY)

    assert (b"HTTP/1.1 401", False) == (answer[:12], b"Healthy" in answer)


def test_the_rate_limit_counts_requests_and_spares_probes(tmp_path: Path) -> None:
    """Beyond the burst requests get 429 until the interval has passed; health checks are never refused."""
    config = tmp_path / "web.yml"
    config.write_text("rate_limit: {interval: 1h, burst: 3}")
    with serving(web_config=config) as site:
        asked = [raw(site, b"GET /metrics HTTP/1.0\r\n\r\n")[9:12] for _ in range(5)]
        probed = {raw(site, b"GET /-/healthy HTTP/1.0\r\n\r\n")[9:12] for _ in range(5)}

    assert ([b"200"] * 3 + [b"429"] * 2, {b"200"}) == (asked, probed)
