"""Serving the simulated API on a port: inside an event loop, in a thread beside a test, or as a command."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Final

import uvicorn

from exporter.simulator.app import Simulator
from exporter.simulator.scenario import ALL

PREFIX: Final = "/v1"
"""The path that base URLs end with."""

REALISTIC_DELAYS: Final = {ALL: 45.0, "costs": 600.0}
"""Seconds after which usage and costs appear in `simulate` and `demo`."""


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to others, and lets waiting clients go when it stops."""

    def __init__(self, simulator: Simulator) -> None:
        config = uvicorn.Config(
            simulator,
            interface="asgi3",
            lifespan="off",
            ws="none",
            http="h11",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._simulator = simulator

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._simulator.release()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> tuple[socket.socket, str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(256)
    name, bound = listener.getsockname()[:2]
    return listener, f"http://{f'[{name}]' if ':' in name else name}:{bound}{PREFIX}"


@contextlib.asynccontextmanager
async def serve(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve in the running event loop, and give the base URL (`http://127.0.0.1:PORT/v1`)."""
    listener, url = _listen(host, port)
    server = _Server(simulator)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield url
    finally:
        server.should_exit = True
        await task


@contextlib.contextmanager
def serving(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread of its own, and give the base URL."""
    listener, url = _listen(host, port)
    server = _Server(simulator)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join()
