"""Eight weeks of an exporter's life in minutes: its polls, its outages, and what its organization is made to do."""

import asyncio
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from exporter.catalog import CATALOG, DAY
from exporter.cli.service import Service
from exporter.collector import Poller
from exporter.exposition import Format, render
from exporter.settings import load
from exporter.simulator import Shape, Simulator, keys, serve
from exporter.store import Store
from tests.support.clock import LeapingClock

START: Final = 1_790_812_800
"""2026-10-01 00:00 UTC, a Thursday like Unix time 0, at which promtool begins."""

STEP: Final = 600
"""Seconds from scrape to scrape; usage is polled as often, costs every third time."""

WEEKS: Final = 8
SCRAPES: Final = WEEKS * 7 * DAY // STEP + 1
ORGANIZATION: Final = "acme"
GROWTH: Final = 1.02
"""A week."""

Span = tuple[float, float]
"""From and to, in days from the start."""


@dataclass(frozen=True, slots=True)
class Spike:
    """Something out of the ordinary that a project is made to do."""

    kind: str
    """`requests` or `spend` (the same usage at another price)."""
    project: int
    day: float
    hours: float
    factor: float
    mild: bool = False
    """Too little to be told."""

    def at(self, day: float) -> bool:
        """Tell whether it is going on."""
        return self.day <= day < self.day + self.hours / 24


SPIKES: Final = (
    Spike("requests", 0, 3.42, 3, 60),
    Spike("requests", 0, 9.40, 2, 8),
    Spike("requests", 1, 12.90, 2, 10),
    Spike("requests", 2, 16.50, 4, 6),
    Spike("requests", 0, 19.96, 3, 10),
    Spike("requests", 3, 25.30, 1, 15),
    Spike("requests", 1, 31.60, 6, 5),
    Spike("requests", 2, 37.42, 3, 12),
    Spike("requests", 0, 44.50, 1.5, 8),
    Spike("requests", 3, 51.35, 5, 7),
    Spike("requests", 1, 18.20, 2, 10),
    Spike("requests", 0, 39.60, 2, 4),
    Spike("requests", 2, 49.70, 2, 5),
    Spike("spend", 1, 5.0, 24, 12),
    Spike("spend", 2, 14.0, 24, 4),
    Spike("spend", 0, 23.5, 24, 5),
    Spike("spend", 3, 40.0, 36, 4),
    Spike("spend", 1, 48.0, 24, 3),
    Spike("requests", 1, 11.40, 3, 2, mild=True),
    Spike("requests", 3, 28.50, 2, 2, mild=True),
    Spike("spend", 2, 33.0, 24, 1.5, mild=True),
)

DOWN: Final[tuple[Span, ...]] = (
    (2.40, 2.412),
    (8.30, 8.50),
    (18.60, 18.90),
    (29.0, 31.0),
    (37.20, 37.35),
    (46.99, 47.02),
)
"""When the exporter does not run."""

UNREACHABLE: Final[tuple[Span, ...]] = ((6.5, 6.6), (22.4, 22.6), (35.9, 36.1), (53.3, 53.5))
"""When OpenAI answers with errors."""

LATE: Final[dict[str, tuple[Span, ...]]] = {
    "completions": ((10.30, 10.50), (27.35, 27.60), (42.40, 42.90)),
    "costs": ((26.0, 27.2), (50.5, 51.2)),
}
"""What is reported only at the end of these spans, at once."""

_DELAYS: Final = {"*": 60.0, "costs": 3600.0}
_WATCHED: Final = re.compile(
    r"openai_(exporter_(up|build_info|state_writable|resource_up|resource_degraded|last_\w+|poll_interval_seconds|series)"
    r"|(accrued_|window_)?(cost_usd|completions_(requests|input_tokens|output_tokens))(_total)?)"
)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_SHARED: Final = ("organization", "project_id", "window", "resource", "reason", "version")

Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass
class Life:
    """What happens, and the series that Prometheus stores of it."""

    folder: Path
    columns: dict[Key, list[float | None]] = field(default_factory=dict)
    projects: list[str] = field(default_factory=list)
    """Project ids, in the order of `Spike.project`."""
    _switches: dict[str, float] = field(default_factory=dict)
    _store: Store = field(init=False)

    def live(self) -> None:
        """Go through all the weeks. Series of one project are summed up, to keep promtool quick."""
        asyncio.run(self._live())

    async def _live(self) -> None:
        clock = LeapingClock(START)
        simulator = Simulator(11, clock, shape=Shape(projects=4, activity=30), delays=_DELAYS)
        simulator.scenario.set_spend_limit(None)
        self.projects = [project.id for project in simulator.tenants[0].organization.projects]
        async with serve(simulator) as url:
            service: Service | None = None
            started = 0.0
            for scrape in range(SCRAPES):
                clock.time = now = float(START + scrape * STEP)
                day = scrape * STEP / DAY
                self._script(simulator, day)
                if _within(day, DOWN):
                    if service:
                        await self._end(service)
                    service = None
                else:
                    if service is None:
                        service, started = self._begin(clock, url), now - START
                    await self._poll(service, clock, scrape)
                self._scrape(service, scrape, started)
            if service:
                await self._end(service)

    def _script(self, simulator: Simulator, day: float) -> None:
        scenario = simulator.scenario
        growth = GROWTH ** (day // 7)
        for number, project in enumerate(self.projects):
            own = [spike for spike in SPIKES if spike.project == number]
            for change, kind, usual in ((scenario.spike, "requests", growth), (scenario.spend_spike, "spend", 1.0)):
                factor = next((spike.factor for spike in own if spike.kind == kind and spike.at(day)), 1.0)
                if self._changed(f"{kind} {project}", factor * usual):
                    change(factor * usual, project)
        for name, spans in LATE.items():
            if self._changed(name, float(_within(day, spans))):
                scenario.delay(name, 20.0 * DAY if _within(day, spans) else _DELAYS.get(name, _DELAYS["*"]))
        if self._changed("faults", float(_within(day, UNREACHABLE))):
            simulator.faults.clear()
            if _within(day, UNREACHABLE):
                simulator.faults.add("unavailable")

    def _changed(self, name: str, value: float) -> bool:
        before = self._switches.get(name)
        self._switches[name] = value
        return before != value

    def _begin(self, clock: LeapingClock, url: str) -> Service:
        document = {
            "api": {"requests_per_minute": 600_000},
            "poll": {"interval": f"{STEP}s", "cost_interval": f"{3 * STEP}s"},
            "resources": {row.name: {"enabled": False} for row in CATALOG if row.name not in {"costs", "completions"}},
            "organizations": [{"name": ORGANIZATION, "admin_key_env": "ADMIN_KEY", "base_url": url}],
        }
        path = self.folder / "exporter.yaml"
        path.write_text(yaml.safe_dump(document))
        settings = load("run", ["--config.file", str(path)], {"ADMIN_KEY": keys.FULL})
        self._store = Store(self.folder / "state.db")
        return Service(settings, self._store, clock)

    async def _end(self, service: Service) -> None:
        for organization in service.organizations:
            await organization.close()
        service._worker.stop()  # noqa: SLF001 # nobody serves: the weeks are driven from here
        self._store.close()

    async def _poll(self, service: Service, clock: LeapingClock, scrape: int) -> None:
        at = clock.time
        for organization in service.organizations:
            for job in organization.jobs:
                if job.name == "completions" or scrape % 3 == 0 or not job.status.decided:
                    poller = Poller(organization.name, job, clock, service.telemetry, organization._show)  # noqa: SLF001
                    await poller.poll(at)
                    clock.time = at
            organization._show()  # noqa: SLF001 # as its own loop does after every poll
        await service.publisher.publish()

    def _scrape(self, service: Service | None, scrape: int, started: float) -> None:
        target = (("job", "openai-usage-exporter"), ("instance", "exporter:10180"))
        self._put(("up", target), scrape, float(service is not None))
        if service is None:
            return
        self._put(("process_start_time_seconds", target), scrape, started)
        for key, value in _samples(service):
            name, labels = key
            moved = value - START if name.endswith("_timestamp_seconds") else value
            self._put((name, labels + target) if name.startswith("openai_exporter") else key, scrape, moved)

    def _put(self, key: Key, scrape: int, value: float) -> None:
        column = self.columns.setdefault(key, [None] * SCRAPES)
        column[scrape] = value + (column[scrape] or 0.0)


_keys: dict[str, Key | None] = {}


def _samples(service: Service) -> Iterator[tuple[Key, float]]:
    pieces = service.publisher.snapshot.bodies[Format.TEXT].pieces
    body = zlib.decompressobj(-zlib.MAX_WBITS).decompress(b"".join(pieces)) + render(
        service.telemetry.registry, Format.TEXT
    )
    for line in body.decode().splitlines():
        if line.startswith("#"):
            continue
        series, _, value = line.rpartition(" ")
        if series not in _keys:
            _keys[series] = _key(series)
        if key := _keys[series]:
            yield key, float(value)


def _key(series: str) -> Key | None:
    name, _, labels = series.partition("{")
    if not _WATCHED.fullmatch(name):
        return None
    return name, tuple((label, value) for label, value in _LABEL.findall(labels) if label in _SHARED)


def _within(day: float, spans: tuple[Span, ...]) -> bool:
    return any(start <= day < end for start, end in spans)
