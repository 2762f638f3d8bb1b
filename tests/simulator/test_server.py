"""Serving: in an event loop, in a thread, and as a command; stopping in every situation."""

import asyncio
import logging
import socket
import threading
from time import time

import httpx
import pytest

from exporter.simulator import Simulator, keys, serve, serving
from exporter.simulator.faults import Fault, alter
from exporter.simulator.responses import Message, ResponseSender, json_response
from tests.support.simulation import NOW, TODAY

HEADERS = {"Authorization": f"Bearer {keys.FULL}"}


def test_served_in_an_event_loop() -> None:
    """Inside a loop the simulator has a free port and the system clock."""

    async def scene() -> tuple[int, int]:
        async with serve(Simulator(1)) as url, httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{url}/organization/usage/completions?start_time=0&limit=1", headers=HEADERS)
            page = await client.get(f"{url}/organization/costs?start_time={int(time()) - 60}", headers=HEADERS)
            return answer.status_code, page.json()["data"][-1]["end_time"]

    status, end = asyncio.run(scene())

    assert 200 == status
    assert time() == pytest.approx(end, abs=30)


@pytest.mark.parametrize(("kind", "options"), [("never", {}), ("slow", {"pause": 30, "piece": 10})])
def test_waiting_clients_do_not_hold_the_server_up(
    caplog: pytest.LogCaptureFixture, kind: str, options: dict[str, float]
) -> None:
    """A server stops while a client waits, without errors."""
    simulator = Simulator(1)
    simulator.faults.add(kind, **options)
    outcome: list[str] = []

    def wait(url: str) -> None:
        try:
            httpx.get(f"{url}/organization/projects", headers=HEADERS, timeout=20, trust_env=False)
        except httpx.TransportError as error:
            outcome.append(type(error).__name__)

    with caplog.at_level(logging.ERROR), serving(simulator) as url:
        client = threading.Thread(target=wait, args=(url,))
        client.start()
        while not simulator.requests:
            threading.Event().wait(0.005)
    client.join(timeout=10)

    assert ["ReadError"] == outcome
    assert [] == caplog.records


def test_ipv6_addresses_are_in_brackets() -> None:
    """The base URL of an IPv6 address is valid."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with serving(Simulator(1), host="::1") as url:
        assert 401 == httpx.get(f"{url}/organization/projects", trust_env=False).status_code
        assert url.startswith("http://[::1]:")


def test_other_servers_cannot_reset_connections() -> None:
    """A server that does not expose its transport gets an exception for a reset."""
    answer = json_response({})
    alter(answer, Fault("reset"), NOW)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_message: Message) -> None:
        pass

    with pytest.raises(ConnectionResetError):
        asyncio.run(ResponseSender().deliver(answer, receive, send, bodyless=False))


def test_bodies_of_requests_are_ignored() -> None:
    """A body sent with GET is read and ignored."""
    with serving(Simulator(1)) as url:
        response = httpx.request(
            "GET",
            f"{url}/organization/costs?start_time={TODAY - 10**8}&limit=1",
            headers=HEADERS,
            content=b"x" * 200_000,
            trust_env=False,
        )

    assert 200 == response.status_code
