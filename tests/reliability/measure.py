"""Runs an exporter through one fault, on real sockets and a clock that is passed, and measures what it costs."""

import asyncio
import random
import re
import resource as resource_limits
import shutil
import sqlite3
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from structlog.testing import capture_logs

from exporter.catalog import DAY, HOUR, MINUTE, resource
from exporter.simulator import keys, serve
from tests.reliability.cases import Case, Way
from tests.support.certificates import Authority
from tests.support.clock import ManualClock
from tests.support.exporter_harness import RunningExporter, running_exporter
from tests.support.processes import free_port
from tests.support.promtool import RULES
from tests.support.scripted import add, scripted

EPOCH: Final = 1_790_812_800
"""2026-10-01 UTC, a Thursday like the first day of Unix time, with which promtool begins."""

_START: Final = 2 * HOUR
_BEFORE_MIDNIGHT: Final = DAY - 20 * MINUTE
_WARM: Final = 10 * MINUTE
_PATIENCE: Final = 3 * HOUR
"""Seconds after the end of a fault within which everything has to be current again."""
_AFTERWARDS: Final = 20 * MINUTE
_LOOK: Final = 5
"""Seconds from one look at the exposition to the next while something is awaited."""

_RESOURCES: Final = {
    "usage": ("completions", "openai_completions_requests", "openai_accrued_completions_requests_total"),
    "costs": ("costs", "openai_cost_usd", "openai_accrued_cost_usd_total"),
}
_READ: Final = frozenset(
    re.findall(r"\b(?:openai_\w+|process_start_time_seconds)\b", "".join(path.read_text() for path in RULES))
)
"""What the bundled rules read."""

_REQUESTS: Final = 1 + [measure.name for measure in resource("completions").select()].index("completions_requests")
"""Requests in one use: see `tests.support.scripted.add`."""

_SAMPLE: Final = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:\\.|[^"\\])*)"')

Series = tuple[str, tuple[tuple[str, str], ...]]
Change = Callable[[], Awaitable[None]]


@dataclass
class Measured:
    """What one fault cost."""

    once: float | None = None
    """Seconds by which data was late when only one response for each resource was at fault; None if not tried."""
    up: bool = False
    """`openai_exporter_up` at the end of the fault."""
    gauges: str = ""
    """At its end: `current`, `last` (from before), `absent` or `other`."""
    counters: str = ""
    recovery: dict[str, float] = field(default_factory=dict)
    """Seconds from the end of the fault until usage, and costs, are current."""
    lost: dict[str, float] = field(default_factory=dict)
    """Requests, and US dollars, that no counter ever showed; negative if too many were shown."""
    series: dict[Series, dict[int, float]] = field(default_factory=dict)
    """What the rules read: by name and labels, by seconds since EPOCH."""
    begins: int = 0
    """When the fault began, seconds since EPOCH."""
    ends: int = 0
    """When the last scrape was, seconds since EPOCH."""


class _SteadyClock:
    """The right time, whatever the exporter's wall clock is set to."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock, self._offset = clock, clock.now() - clock.monotonic()

    def now(self) -> float:
        return self._clock.monotonic() + self._offset

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class _Gate:
    """Forwards connections to a port, or refuses them."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        """Accept connections, always on the same port."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections, and end those that are open."""
        assert self._server
        self._server.close()
        for writer in [*self._writers]:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, there_writer}
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        self._writers -= {writer, there_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class _Run:
    """One case under way: the lives of the exporter, the API, the clock and what Prometheus would have scraped."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        begins = _BEFORE_MIDNIGHT if case.way is Way.MIDNIGHT else _START
        self.clock = ManualClock(EPOCH + begins)
        self.right = _SteadyClock(self.clock)
        self.simulator = scripted(self.right, [resource("completions"), resource("costs")])
        self.measured = Measured()
        self.added = {"usage": 0.0, "costs": 0.0}
        self.environ: dict[str, str] = {}
        self.state = folder / "state.db"
        self.each_minute: Change = _nothing
        self._stack = AsyncExitStack()
        self._on: RunningExporter | None = None
        self._born = 0.0

    @property
    def on(self) -> RunningExporter:
        assert self._on
        return self._on

    @property
    def running(self) -> bool:
        return self._on is not None

    async def start(self, **environ: str) -> None:
        """Start the exporter: with the state that its last life has left."""
        given = {"OPENAI_ADMIN_KEY": keys.FULL} | self.environ | environ
        given |= {f"OPENAI_EXPORTER_{name}": value for name, value in self.case.settings.items()}
        self._stack = AsyncExitStack()
        self._born = self.right.now()
        self._on = await self._stack.enter_async_context(
            running_exporter(
                self.simulator,
                self.clock,
                only=("completions", "costs"),
                environ=given,
                state=self.state,
                wait_until_ready=False,
            )
        )

    async def stop(self) -> None:
        """Stop it."""
        self._on = None
        await self._stack.aclose()

    def use(self) -> None:
        """Let the organization use something and pay for it."""
        add(self.simulator, resource("completions"), 0, 3, self.right.now())
        add(self.simulator, resource("costs"), 0, 3, self.right.now())
        self.added["usage"] += 3.0 * _REQUESTS
        self.added["costs"] += 3.25

    async def advance(self, seconds: float) -> None:
        """Let time pass, and scrape at each multiple of the step."""
        end = self.clock.monotonic() + seconds
        while True:
            into = (self.right.now() - EPOCH) % self.case.step
            pause = min(self.case.step - into, end - self.clock.monotonic())
            if self._on is None:
                await self.clock.advance(pause)
            else:
                await self._patiently(pause)
            if round(self.right.now() - EPOCH, 3) % self.case.step == 0:
                await self._scrape()
                await self.each_minute()
            if self.clock.monotonic() >= end - 1e-6:
                return

    async def _patiently(self, seconds: float) -> None:
        """Let time pass; requests that the API keeps waiting run into their timeout before it goes on."""
        await self.on.advance(seconds)
        await self.on.run_pending()
        while self.simulator.waiting:
            await asyncio.sleep(0.01)
            await self.on.run_pending()

    async def _scrape(self) -> None:
        at = round(self.right.now() - EPOCH)
        self.measured.ends = at
        target = {"job": "openai-usage-exporter", "instance": self.case.id}
        self._put(("up", tuple(target.items())), at, float(self._on is not None))
        if self._on is None:
            return
        for line in (await self._on.scrape()).text.splitlines():
            found = None if line.startswith("#") else _SAMPLE.fullmatch(line)
            if found is None or found["name"] not in _READ:
                continue
            labels = target | dict(_LABEL.findall(found["labels"] or ""))
            if "organization" in labels:
                labels["organization"] = self.case.id
            value = float(found["value"])
            if found["name"] == "process_start_time_seconds":
                value = self._born
            if found["name"].endswith(("_timestamp_seconds", "start_time_seconds")):
                value -= EPOCH
            self._put((found["name"], tuple(labels.items())), at, value)

    def _put(self, series: Series, at: int, value: float) -> None:
        self.measured.series.setdefault(series, {})[at] = value

    async def sums(self, view: int) -> dict[str, float | None]:
        """Return the totals of a view of usage and costs: 1 for today's gauges, 2 for the counters."""
        scraped = await self.on.scrape()
        return {
            kind: scraped.sum(names[view]) if scraped.samples(names[view]) else None
            for kind, names in _RESOURCES.items()
        }


async def measure(case: Case, folder: Path) -> Measured:
    """Run one case."""
    random.seed(case.id)
    run = _Run(case, folder)
    with capture_logs():
        await _measure(run)
    return run.measured


async def _measure(run: _Run) -> None:
    case = run.case
    async with serve(run.simulator) as url, _obstacle(run, url) as (begin, end):
        run.environ.setdefault("OPENAI_EXPORTER_API__BASE_URL", url)
        await run.start()
        await run.advance(_WARM)
        counted = await run.sums(2)
        if case.way is Way.API:
            run.measured.once = await _once(run)
            counted = await run.sums(2)
            run.added = {"usage": 0.0, "costs": 0.0}
        gauges = await run.sums(1)
        held = await run.sums(2)
        run.measured.begins = round(run.right.now() - EPOCH)
        await begin()
        if case.way is Way.MIDNIGHT:
            gauges = dict.fromkeys(gauges, 0.0)
        await _during(run, gauges, held)
        await end()
        ended = run.right.now()
        await _recover(run, counted, ended)
        await run.advance(_AFTERWARDS)
        shown = await run.sums(2)
        run.measured.lost = {
            kind: round(run.added[kind] - ((shown[kind] or 0) - (counted[kind] or 0)), 6) for kind in run.added
        }
        await run.stop()


async def _once(run: _Run) -> float:
    """Let one response for each resource be at fault, and return how late the data of that poll was."""
    faults = run.simulator.faults
    before = await run.sums(2)
    run.added = {"usage": 0.0, "costs": 0.0}
    run.use()
    options = {name: value for name, value in run.case.options.items() if name != "probability"}
    hit = [faults.add(run.case.fault, path=path, count=1, **options) for path in ("completions", "costs")]
    since = run.right.now()
    late = 0.0
    for kind, (path, *_) in _RESOURCES.items():
        while not _counted(run, kind, before, await run.sums(2)):
            assert run.right.now() < since + _PATIENCE, f"{run.case.name}: {kind} did not come back"
            await run.advance(_LOOK)
        asked = [request.time for request in run.simulator.requests if request.time > since and path in request.path]
        late = max(late, run.right.now() - asked[0] - _LOOK) if asked else late
    for fault in hit:
        faults.active.remove(fault)
    return max(late, 0.0)


def _counted(run: _Run, kind: str, before: dict[str, float | None], now: dict[str, float | None]) -> bool:
    return abs((now[kind] or 0) - (before[kind] or 0) - run.added[kind]) < 1e-6


async def _during(run: _Run, gauges: dict[str, float | None], counters: dict[str, float | None]) -> None:
    added = dict(run.added)
    third = run.case.lasts / 3
    for _ in range(2):
        await run.advance(third)
        run.use()
    await run.advance(third)
    if not run.running:
        run.measured.gauges = run.measured.counters = "absent"
        return
    new = {kind: run.added[kind] - added[kind] for kind in added}
    scraped = await run.on.scrape()
    run.measured.up = scraped.value("openai_exporter_up") == 1
    run.measured.gauges = _state(await run.sums(1), gauges, new)
    run.measured.counters = _state(await run.sums(2), counters, new)


def _state(now: dict[str, float | None], before: dict[str, float | None], new: dict[str, float]) -> str:
    states = set()
    for kind, value in now.items():
        if value is None:
            states.add("absent")
        elif abs(value - (before[kind] or 0)) < 1e-6:
            states.add("last")
        elif abs(value - (before[kind] or 0) - new[kind]) < 1e-6:
            states.add("current")
        else:
            states.add("other")
    return " and ".join(sorted(states))


async def _recover(run: _Run, counted: dict[str, float | None], ended: float) -> None:
    while len(run.measured.recovery) < len(run.added) and run.right.now() < ended + _PATIENCE:
        shown = await run.sums(2)
        for kind in run.added:
            if kind not in run.measured.recovery and _counted(run, kind, counted, shown):
                run.measured.recovery[kind] = run.right.now() - ended
        await run.advance(_LOOK)


@asynccontextmanager
async def _obstacle(run: _Run, url: str) -> AsyncIterator[tuple[Change, Change]]:
    """Give what begins the fault of a case, and what ends it."""
    case, target = run.case, int(url.rsplit(":", 1)[1].partition("/")[0])
    async with AsyncExitStack() as stack:
        match case.way:
            case Way.API:
                yield partial(_add_fault, run), partial(_clear_faults, run)
            case Way.REFUSED:
                gate = _Gate(target)
                await gate.open()
                stack.push_async_callback(gate.close)
                run.environ["OPENAI_EXPORTER_API__BASE_URL"] = f"http://127.0.0.1:{gate.port}/v1"
                yield gate.close, gate.open
            case Way.CLOCK:
                seconds = case.options["seconds"]
                yield partial(_set_clock, run, seconds), partial(_set_clock, run, -seconds)
            case Way.MIDNIGHT:
                yield partial(run.advance, 10 * MINUTE), _nothing
            case Way.DOWN:
                yield run.stop, run.start
            case Way.KILLED | Way.RELOADED:
                action = partial(_kill if case.way is Way.KILLED else _reload, run)
                yield partial(_do_each_minute, run, action), partial(_do_each_minute, run, _nothing)
            case Way.DISK:
                yield partial(_limit_files, 4096), partial(_limit_files, resource_limits.RLIM_INFINITY)
            case Way.LOCK:
                other = stack.enter_context(closing(sqlite3.connect(run.folder / "state.db", isolation_level=None)))
                yield partial(_execute, other, "BEGIN IMMEDIATE"), partial(_execute, other, "ROLLBACK")
            case Way.WEB_CONFIG:
                file = run.folder / "web.yml"
                run.environ["OPENAI_EXPORTER_WEB__CONFIG__FILE"] = str(file)
                await _write(file, "")
                yield partial(_write, file, "tls_server_config: {"), partial(_write, file, "")
            case _:
                changed = await _changed_settings(run, stack)
                yield partial(_restart, run, changed), partial(_restart, run, {})


def _add_fault(run: _Run) -> Awaitable[None]:
    run.simulator.faults.add(run.case.fault, **run.case.options)
    return _nothing()


def _clear_faults(run: _Run) -> Awaitable[None]:
    run.simulator.faults.clear()
    return _nothing()


def _set_clock(run: _Run, seconds: float) -> Awaitable[None]:
    run.clock.jump(seconds)
    return _nothing()


def _limit_files(size: int) -> Awaitable[None]:
    """Let this process write files up to so many bytes."""
    _, hard = resource_limits.getrlimit(resource_limits.RLIMIT_FSIZE)
    resource_limits.setrlimit(resource_limits.RLIMIT_FSIZE, (size, hard))
    return _nothing()


def _execute(database: sqlite3.Connection, statement: str) -> Awaitable[None]:
    database.execute(statement)
    return _nothing()


def _write(file: Path, text: str) -> Awaitable[None]:
    file.write_text(text)
    return _nothing()


async def _nothing() -> None:
    pass


async def _restart(run: _Run, changed: Mapping[str, str]) -> None:
    await run.stop()
    await run.start(**changed)


def _do_each_minute(run: _Run, action: Change) -> Awaitable[None]:
    run.each_minute = action
    return _nothing()


async def _kill(run: _Run) -> None:
    """Go on with what is on disk, as after SIGKILL: what the end of the process saves is lost."""
    every = run.case.options["every"]
    if round(run.right.now()) % every != every // 2 // MINUTE * MINUTE:
        return
    left = run.folder / f"left-{round(run.right.now())}"
    left.mkdir()
    for file in run.state.parent.glob("state.db*"):
        shutil.copy(file, left)
    await run.stop()
    run.state = left / "state.db"
    await run.start()


async def _reload(run: _Run) -> None:
    assert not await run.on.service.reloader.reload()


async def _changed_settings(run: _Run, stack: AsyncExitStack) -> dict[str, str]:
    """Return the environment with which the exporter is restarted: usually one that cannot reach the API."""
    match run.case.way:
        case Way.RESTART:
            return {}
        case Way.NAME:
            return {"OPENAI_EXPORTER_API__BASE_URL": "https://api.openai.invalid/v1"}
        case Way.PROXY:
            with free_port() as port:
                return {"OPENAI_EXPORTER_API__PROXY": f"http://127.0.0.1:{port}"}
        case Way.PROXY_PASSWORD:
            server = await asyncio.start_server(_refuse_proxy, "127.0.0.1", 0)
            stack.push_async_callback(_close, server)
            return {"OPENAI_EXPORTER_API__PROXY": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    authority = Authority(run.folder)
    expired = run.case.way is Way.EXPIRED
    pair = authority.issue("host", "DNS:localhost" if expired else "DNS:elsewhere.example", -1 if expired else 2)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    server = await asyncio.start_server(_refuse_proxy, "127.0.0.1", 0, ssl=context)
    stack.push_async_callback(_close, server)
    return {
        "OPENAI_EXPORTER_API__BASE_URL": f"https://localhost:{server.sockets[0].getsockname()[1]}/v1",
        "OPENAI_EXPORTER_API__CA_FILE": str(authority.pair.certificate),
    }


async def _close(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()


async def _refuse_proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
    writer.close()
