"""Weeks of an exporter in seconds: polled, published and scraped by a clock that leaps from scrape to scrape."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from exporter.catalog import CATALOG
from exporter.cli.service import Service
from exporter.collector import Poller
from exporter.exposition import Format
from exporter.settings import load
from exporter.simulator import Simulator, keys, serve
from tests.support.bodies import inflate
from tests.support.clock import LeapingClock

TARGET_LABELS: Final = {"job": "openai-usage-exporter", "instance": "exporter:10180"}
"""The target labels that Prometheus adds."""

_KEYS: Final = {"acme": keys.FULL, "globex": keys.OTHER_ORGANIZATION}
_SELDOM: Final = 4
"""Scrapes between two look-ups of names and limits."""

_SAMPLE: Final = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")


@dataclass
class ExporterRun:
    """An exporter with its settings, over a number of scrapes."""

    until: float
    """The last scrape, Unix seconds."""
    scrapes: int
    interval: float
    """Seconds between scrapes; everything is polled before each."""
    settings: Mapping[str, Any]
    organizations: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"acme": {}})
    """Settings by name, without the keys; empty is a sole organization with an ordinary key."""
    project_budgets: Mapping[str, float] = field(default_factory=dict)
    """Of the first organization, by the project's name."""
    script: Callable[[Simulator, int], None] = lambda simulator, scrape: None  # noqa: ARG005 -- nothing happens
    """Changes the organization before each scrape, by the scrape's number."""

    def execute(self, folder: Path, file: Path) -> Simulator:
        """Write what Prometheus scraped as OpenMetrics, and return the simulator as it is at the end."""
        clock = LeapingClock(self.until - (self.scrapes - 1) * self.interval)
        simulator = Simulator(7, clock, delays={"*": 60.0, "costs": 3600.0})
        with file.open("w") as out:
            asyncio.run(self._scrape(simulator, clock, folder, out.write))
            out.write("# EOF\n")
        return simulator

    async def _scrape(
        self, simulator: Simulator, clock: LeapingClock, folder: Path, write: Callable[[str], object]
    ) -> None:
        async with serve(simulator) as url:
            service = Service(load("run", *self._given(simulator, url, folder)), None, clock)
            pollers: dict[int, Poller] = {}
            for number in range(self.scrapes):
                clock.time = at = self.until - (self.scrapes - 1 - number) * self.interval
                self.script(simulator, number)
                for organization in service.organizations:
                    for job in organization.jobs:
                        if not job.affects_up and number % _SELDOM and number != self.scrapes - 1:
                            continue
                        poller = pollers.get(id(job)) or Poller(
                            organization.name, job, clock, service.telemetry, organization._show
                        )
                        pollers[id(job)] = poller
                        await poller.poll(clock.monotonic())
                    organization._show()
                clock.time = at
                await service.publisher.publish()
                for line in _samples(service):
                    write(f"{line} {at:.0f}\n")
            for organization in service.organizations:
                await organization.close()
            service._worker.stop()

    def _given(self, simulator: Simulator, url: str, folder: Path) -> tuple[list[str], dict[str, str]]:
        ids = {project.name: project.id for project in simulator.tenants[0].organization.projects}
        environ = {f"KEY_OF_{name.upper()}": key for name, key in _KEYS.items()}
        document: dict[str, Any] = {
            "api": {"requests_per_minute": 600_000},
            "poll": {"stale_after": "3d"},
            **self.settings,
        }
        if self.organizations:
            document["organizations"] = [
                {"name": name, "admin_key_env": f"KEY_OF_{name.upper()}", "base_url": url, **own}
                for name, own in self.organizations.items()
            ]
            budgets = document["organizations"][0].setdefault("budgets", {})
            budgets["projects"] = {ids[name]: dollars for name, dollars in self.project_budgets.items()}
        else:
            environ |= {"OPENAI_API_KEY": keys.ORDINARY, "OPENAI_EXPORTER_API__BASE_URL": url}
        path = folder / "settings.yaml"
        path.write_text(yaml.safe_dump(document))
        return ["--config.file", str(path)], environ


def only(*names: str) -> dict[str, Any]:
    """Return settings of resources that enable nothing but these."""
    return {row.name: {"enabled": False} for row in CATALOG if row.name not in names}


def _samples(service: Service) -> Iterator[str]:
    target = ",".join(f'{name}="{value}"' for name, value in TARGET_LABELS.items())
    published, own = service.publisher.snapshot.bodies[Format.TEXT], service._labelled_metrics(Format.TEXT)
    body = inflate(published) + inflate(own) + service._self_metrics.rest(Format.TEXT)
    for line in body.decode().splitlines():
        if not line.startswith("#"):
            name, labels, value = _SAMPLE.findall(line)[0]
            yield f"{name}{{{labels},{target}}} {value}" if labels else f"{name}{{{target}}} {value}"
