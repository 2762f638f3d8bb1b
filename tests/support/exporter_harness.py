"""The whole exporter and a simulated API on real sockets, in one event loop, with a clock that the test advances."""

import asyncio
import selectors
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from exporter.catalog import CATALOG
from exporter.cli.service import Service
from exporter.clock import Clock
from exporter.collector import Organization
from exporter.settings import load
from exporter.simulator import Shape, Simulator, keys, serve
from exporter.store import Store
from tests.support.clock import ManualClock
from tests.support.exposed import Exposed

T = TypeVar("T")

NOW: Final = 1_795_016_537.0
"""2026-11-18 15:42:17 UTC, a Wednesday."""

TODAY: Final = 1_794_960_000

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"

_STILL: Final = 3
"""Consecutive idle checks without a change, after which nothing happens before the clock advances."""

_LOOK: Final = 0.001
"""Seconds of one idle check."""


class _Selector(selectors.DefaultSelector):
    """Resolves futures when the loop is idle."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[asyncio.Future[None]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if not self.waiting or timeout == 0:
            return super().select(timeout)
        events = super().select(_LOOK if timeout is None else min(timeout, _LOOK))
        if not events:
            for future in self.waiting:
                if not future.done():
                    future.set_result(None)
            self.waiting = []
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    async def idle(self) -> None:
        """Wait until no callback and no socket is ready."""
        future: asyncio.Future[None] = self.create_future()
        self.selector.waiting.append(future)
        await future


def run(work: Coroutine[Any, Any, T], limit: float = 180.0) -> T:
    """Return the result of a coroutine on an event loop that detects when it is idle, within `limit` real seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(limit):
            return await work

    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(bounded())


@dataclass
class RunningExporter:
    """A running exporter, the simulated API, and their common clock."""

    simulator: Simulator
    clock: ManualClock
    service: Service
    http: httpx.AsyncClient

    @property
    def organization(self) -> Organization:
        """The only organization, or the first."""
        return self.service.organizations[0]

    async def run_pending(self) -> None:
        """Run everything that is due now."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Loop)
        still, seen = 0, self._happened()
        while still < _STILL:
            await loop.idle()
            await self.service._worker.run(lambda: None)
            now = self._happened()
            still, seen = still + 1 if now == seen else 0, now

    async def advance(self, seconds: float) -> None:
        """Advance the clock, and run everything that is due on the way at its time."""
        end = self.clock.monotonic() + seconds
        await self.run_pending()
        while (wake := self.clock.next_wake) is not None and wake <= end:
            await self.clock.advance(max(wake - self.clock.monotonic(), 0.0))
            await self.run_pending()
        await self.clock.advance(max(end - self.clock.monotonic(), 0.0))

    async def advance_to(self, moment: float) -> None:
        """Advance the clock to a Unix time."""
        await self.advance(moment - self.clock.now())

    async def scrape(self, accept: str = "") -> Exposed:
        """GET /metrics, by default in the text format."""
        response = await self.http.get("/metrics", headers={"Accept": accept} if accept else {})

        assert 200 == response.status_code
        return Exposed(response.text)

    async def status(self, path: str) -> int:
        """Return the status of a GET."""
        return (await self.http.get(path)).status_code

    def asked(self, path: str = "", since: float = 0.0) -> list[float]:
        """Return the times, in Unix seconds, of all requests for an endpoint under `/organization/`, or for all."""
        return [
            request.time
            for request in self.simulator.requests
            if request.time >= since and request.path.startswith(f"/v1/organization/{path}")
        ]

    def _happened(self) -> tuple[int, int, int]:
        return len(self.clock.slept), len(self.simulator.requests), id(self.service.publisher.snapshot)


@asynccontextmanager
async def exporting(
    simulator: Simulator,
    clock: Clock,
    *,
    environ: Mapping[str, str] | None = None,
    config: str = "",
    folder: Path | None = None,
    state: Path | None = None,
) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    """Serve the simulator and an exporter of it; yields the exporter and a client of it.

    `config` is the text of a YAML file, in which `URL` is replaced by the base URL, and which is written to `folder`.
    Without an `environ` the exporter has an admin key; without a `state` it keeps no state.
    """
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(simulator))
        given = {
            "OPENAI_EXPORTER_API__BASE_URL": url,
            "OPENAI_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0",
            **({"OPENAI_ADMIN_KEY": keys.FULL} if environ is None else environ),
        }
        if config and folder:
            (folder / "config.yaml").write_text(config.replace("URL", url))
            given["OPENAI_EXPORTER_CONFIG__FILE"] = str(folder / "config.yaml")
        kept = Store(state) if state else None
        if kept:
            stack.callback(kept.close)
        service = Service(load("run", [], given), kept, clock)
        server = await stack.enter_async_context(service.serving())
        http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=20)
        yield service, await stack.enter_async_context(http)


@asynccontextmanager
async def running_exporter(
    simulator: Simulator | None = None,
    clock: ManualClock | None = None,
    *,
    only: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
    wait_until_ready: bool = True,
    **more: Any,  # noqa: ANN401 -- what `exporting` takes
) -> AsyncIterator[RunningExporter]:
    """Run an exporter of a simulated organization; of `only` these resources, if any is given, and nothing else.

    With `wait_until_ready` all first polls are over when the block begins.
    """
    clock = clock or ManualClock(NOW)
    simulator = simulator or simulated(clock)
    given = {"OPENAI_ADMIN_KEY": keys.FULL} if environ is None else dict(environ)
    if wanted := set(only):
        given |= {
            f"OPENAI_EXPORTER_RESOURCES__{row.name.upper()}__ENABLED": "false"
            for row in CATALOG
            if row.name not in wanted
        }
        given |= {"OPENAI_EXPORTER_NAMES__PROJECTS": "false", "OPENAI_EXPORTER_LIMITS__ORGANIZATION": "false"}
        given["OPENAI_EXPORTER_POLL__RECONCILIATION_INTERVAL"] = "0"
    async with exporting(simulator, clock, environ=given, **more) as (service, http):
        running = RunningExporter(simulator, clock, service, http)
        if wait_until_ready:
            while not all(organization.ready for organization in service.organizations):
                await running.advance(1)
            await running.advance(1)
        yield running


def simulated(clock: Clock, **more: Any) -> Simulator:  # noqa: ANN401 -- what `Simulator` takes
    """Return a simulator of a small organization."""
    return Simulator(7, clock, **({"shape": Shape(projects=2)} | more))
