"""From a spike at OpenAI to a pager, through real processes, in time-lapse.

The rules' hours and days are the one thing that is not real here. The rule files are the bundled ones with every
duration in them divided by 120 (`tests.support.timelapse`), so an hour is half a minute; the simulated organizations
live 120 times as fast to match. That the bundled durations are right is what the promtool tests beside this one show.
Routes and inhibitions of Alertmanager are the bundled ones; its waits are seconds, its receivers a web server here.
"""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from exporter.catalog import CATALOG, DAY, HOUR, day_of
from exporter.simulator import Shape, Simulator, keys, serving
from tests.support.alertmanager import Receivers, alertmanager, receiving
from tests.support.processes import Child, free_port, until
from tests.support.prometheus import Prometheus, running
from tests.support.promtool import ROOT
from tests.support.timelapse import hurried, write_rules

FACTOR: Final = 120
SPIKE: Final = 240
"""Usual hours that are used in each hour of the spike: the first week asks for 37, and usage may be low."""

_ORGANIZATIONS: Final = {"acme": keys.FULL, "quiet": keys.OTHER_ORGANIZATION}


@contextlib.contextmanager
def _exporter(folder: Path, url: str, *, before: str = ":") -> Iterator[Child]:
    """Run an exporter of two organizations; `before` is what its shell does first."""
    off = {row.name: {"enabled": False} for row in CATALOG if row.name not in {"costs", "completions"}}
    document = {
        "api": {"requests_per_minute": 60_000},
        "poll": {"interval": "1s", "cost_interval": "5s"},
        "new_counter_hold": "2s",
        "state": {"path": str(folder / "state.db")},
        "resources": off,
        "organizations": [
            {"name": name, "admin_key_env": f"KEY_OF_{name.upper()}", "base_url": url} for name in _ORGANIZATIONS
        ],
    }
    file = folder / "exporter.yaml"
    file.write_text(yaml.safe_dump(document))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "STATE_"))}
    environment |= {f"KEY_OF_{name.upper()}": key for name, key in _ORGANIZATIONS.items()}
    with free_port() as port:
        command = [sys.executable, "-m", "exporter", "run", "--config.file", str(file)]
        command += ["--web.listen-address", f"127.0.0.1:{port}"]
        child = Child("exporter", port, command, environment=environment, log=folder / "exporter.log", ready="/-/ready")
        child.through_bash(before)
        child.start()
        try:
            child.wait_until_serving()
            yield child
        finally:
            child.stop()


@contextlib.contextmanager
def _prometheus(folder: Path, exporter: int, alertmanager: int, *, scrape: str = "500ms") -> Iterator[Prometheus]:
    configuration = yaml.safe_load(hurried((ROOT / "deploy/prometheus/prometheus.yml").read_text(), FACTOR))
    configuration["global"]["scrape_interval"] = configuration["global"]["scrape_timeout"] = scrape
    configuration["rule_files"] = [str(path) for path in write_rules(folder, FACTOR)]
    (job,) = configuration["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{exporter}"]}]
    (address,) = configuration["alerting"]["alertmanagers"]
    address["static_configs"] = [{"targets": [f"127.0.0.1:{alertmanager}"]}]
    with running(folder, "--rules.alert.resend-delay=1s", configuration=yaml.safe_dump(configuration)) as server:
        yield Prometheus(server.url)


def _requests(simulator: Simulator, organization: int, project: str, since: float, width: str) -> float:
    rows = simulator.scenarios[organization].truth("completions", ["project_id"], since=since, width=width)
    figures = (row["values"]["num_model_requests"] for row in rows if row["dimensions"]["project_id"] == project)
    return sum(float(figure) for figure in figures)


def _paces(simulator: Simulator, organization: int) -> dict[str, float]:
    """Return how busy each project that is used is at this time of the day: multiples of its mean hour."""
    projects = [project.id for project in simulator.tenants[organization].organization.projects if project.in_use]
    paces = {project: _pace(simulator, organization, project) for project in projects}
    return {project: pace for project, pace in paces.items() if pace}


def _pace(simulator: Simulator, organization: int, project: str) -> float:
    now = time.time()
    mean = _requests(simulator, organization, project, day_of(now) - 6 * DAY, "1d") / (6 + now % DAY / DAY) / 24
    recent = _requests(simulator, organization, project, now - 2 * HOUR, "1m") / 2
    return recent / mean if mean else 0.0


@pytest.mark.slow
def test_a_spike_pages_once_and_resolves(tmp_path: Path) -> None:
    """One notification for the one project that spikes, one when it is over; none for the quiet organization."""
    simulator = Simulator(3, shape=Shape(projects=2, activity=20), delays={"*": 0.0, "costs": 6.0 * HOUR})
    spiking = simulator.tenants[0].organization.projects[0].id
    paces = [_paces(simulator, number) for number in range(len(simulator.tenants))]
    for number, scenario in enumerate(simulator.scenarios):
        scenario.set_spend_limit(None)
        for project, pace in paces[number].items():
            scenario.spike(FACTOR / pace, project)
    with (
        serving(simulator) as url,
        receiving() as pager,
        alertmanager(tmp_path, pager) as alertmanager_port,
        _exporter(tmp_path, url) as exporter,
        _prometheus(tmp_path, exporter.port, alertmanager_port) as prometheus,
    ):
        until(
            lambda: 2 == len(prometheus.query('openai:resource:steady10m{resource="completions"}')),
            "ten minutes without a missed poll",
            seconds=90,
        )
        simulator.scenario.spike(SPIKE * FACTOR / paces[0][spiking], spiking)
        until(lambda: bool(_about_projects(pager, "firing")), "a page", seconds=60)
        simulator.scenario.spike(FACTOR / paces[0][spiking], spiking)
        until(lambda: bool(_about_projects(pager, "resolved")), "the end of it", seconds=60)

    labels = {
        "alertname": "OpenAIRequestSpike",
        "organization": "acme",
        "project_id": spiking,
        "severity": "critical",
    }
    assert [("page", labels)] == _about_projects(pager, "firing")
    assert [("page", labels)] == _about_projects(pager, "resolved")


def _about_projects(pager: Receivers, status: str) -> list[tuple[str, dict[str, str]]]:
    """Return the notifications about projects; a busy machine can miss scrapes, which is another alert."""
    return [(path, labels) for path, labels in pager.notified(status) if "project_id" in labels]


@pytest.mark.slow
def test_a_flood_of_connections_alerts_nobody(tmp_path: Path) -> None:
    """For an hour 100 connections and 64 descriptors: every scrape succeeds, no alert. Only the end of it pages."""
    simulator = Simulator(3, shape=Shape(projects=1))
    with (
        serving(simulator) as url,
        receiving() as pager,
        alertmanager(tmp_path, pager) as alertmanager_port,
        _exporter(tmp_path, url, before="ulimit -n 64") as exporter,
        _prometheus(tmp_path, exporter.port, alertmanager_port, scrape="1s") as prometheus,
    ):
        until(
            lambda: bool(prometheus.query("openai:resource:steady10m")),
            "ten minutes without a missed poll",
            seconds=90,
        )
        pager.received.clear()
        begun = time.monotonic()
        while time.monotonic() < begun + HOUR / FACTOR:
            _connect(exporter.port, 100)
        lasted = f"{time.monotonic() - begun:.0f}s"
        succeeded = prometheus.value(f"avg_over_time(up[{lasted}])")
        scrapes = prometheus.value(f"count_over_time(up[{lasted}])")
        alerts = prometheus.query(f"last_over_time(ALERTS[{lasted}])")
        meanwhile = pager.notified("firing")
        said = len(exporter.said)
        exporter.kill()
        until(lambda: bool(pager.notified("firing")), "a page", seconds=30)

    assert (1.0, [], []) == (succeeded, alerts, meanwhile)
    assert scrapes >= 0.9 * HOUR / FACTOR
    assert said < 16384
    assert {"OpenAIExporterDown"} == {labels["alertname"] for _, labels in pager.notified("firing")}


def _connect(port: int, count: int) -> None:
    """Hold so many connections for a second: half of them request and never read, half never finish a request."""
    with contextlib.ExitStack() as stack:
        for number in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            with contextlib.suppress(OSError):
                client.sendall((b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /met")[number % 2])
        time.sleep(1)


def test_time_lapse_changes_durations_alone() -> None:
    """In time-lapse every duration of a rule is shorter, and nothing else is different."""
    rule = 'expr: rate(x{a="5m"}[1h]) + y offset 1w > 3600\nfor: 15m\nkeep_firing_for: 10m\ninterval: 1m\nz[6d:1h]'

    assert (
        'expr: rate(x{a="5m"}[30000ms]) + y offset 5040000ms > 3600\n'
        "for: 7500ms\nkeep_firing_for: 5000ms\ninterval: 500ms\nz[4320000ms:30000ms]"
    ) == hurried(rule, FACTOR)
