"""A real Prometheus scrapes the exporter, and what it has stored is what the simulated API reported."""

import os
import re
import sys
from pathlib import Path

import pytest

from exporter.catalog import CATALOG, Kind, accrued_name, day_of, today_name
from exporter.clock import SystemClock
from exporter.simulator import keys, serving
from tests.support.processes import Child, exporter, free_port, until
from tests.support.prometheus import Labels, Prometheus, scraping
from tests.support.scripted import add, scripted
from tests.support.truth import Truth, counters

pytestmark = pytest.mark.slow

_ADDED = 7
"""How often everything is used while Prometheus looks on."""


def stored(prometheus: Prometheus, pattern: str) -> dict[tuple[str, Labels], float]:
    """Return the newest values of all series whose names match, by name and labels."""
    return {key: samples[-1] for key, samples in prometheus.samples(f'{{__name__=~"{pattern}"}}').items() if samples}


def test_prometheus_stores_what_the_api_reported(tmp_path: Path) -> None:
    """Every gauge of today, and what the counters rose by, for every row of the table."""
    simulator = scripted(SystemClock())
    with serving(simulator) as url, free_port() as port:
        truth = Truth(url.replace("/v1", "/simulator"))
        fast = {"API__REQUESTS_PER_MINUTE": "6000", "POLL__INTERVAL": "1s", "POLL__COST_INTERVAL": "1s"}
        run = exporter(port, tmp_path, url, keys.FULL, NEW_COUNTER_HOLD="2s", **fast)
        run.start()
        try:
            run.wait_until_serving()
            with scraping(tmp_path, {"openai": port}) as prometheus:
                until(lambda: prometheus.query("openai_exporter_up == 1") != [], "the first polls")
                until(lambda: _all_polled(prometheus), "a poll of everything")
                truth.begin()
                for row in CATALOG:
                    add(simulator, row, 0, _ADDED)
                accrued = counters(truth.look())
                names = "|".join(accrued_name(measure) for row in CATALOG for measure in row.select())
                until(lambda: accrued.items() <= stored(prometheus, names).items(), "what was used in the counters", 15)
                today = truth.days()[day_of(simulator.now())]
                gauges = stored(prometheus, "openai_[a-z_]+")

                assert 1 == prometheus.value('up{job="openai"}') == prometheus.value("openai_exporter_up")
                assert {
                    (f"openai_{name}", tuple(sorted((*labels, ("organization", "default"))))): float(value)
                    for (name, labels), value in today.items()
                }.items() <= gauges.items()
                assert {today_name(measure) for row in CATALOG for measure in row.select() if not measure.extra} == {
                    name
                    for name, _ in gauges
                    if not re.match("openai_(exporter|window|accrued|project|organ|estimated|effective|prepaid)", name)
                }
                for row in CATALOG:
                    if row.measures[0].kind is Kind.FLOW:
                        name = accrued_name(row.measures[0])
                        risen = sum(value for (measure, _), value in accrued.items() if measure == name)
                        assert float(risen) == prometheus.value(
                            f"sum(max_over_time({name}[1m]) - min_over_time({name}[1m]))"
                        )
        finally:
            run.stop()


def _all_polled(prometheus: Prometheus) -> bool:
    return len(prometheus.query("openai_exporter_resource_up == 1")) >= len(CATALOG)


def test_the_demo_is_up(tmp_path: Path) -> None:
    """One command, no key and no network: Prometheus finds it up, with costs."""
    with free_port() as port:
        command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address", f"127.0.0.1:{port}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
        demo = Child("demo", port, command, environment=environment, log=tmp_path / "demo.log", ready="/-/healthy")
        demo.start()
        try:
            demo.wait_until_serving()
            with scraping(tmp_path, {"openai": port}) as prometheus:
                until(lambda: prometheus.query("sum(openai_cost_usd) > 0") != [], "costs")
                until(lambda: prometheus.query("openai_exporter_up == 1") != [], "everything polled")

                assert 1 == prometheus.value('up{job="openai"}')
                assert 5 == prometheus.value("count(count by (project_id) (openai_window_cost_usd))")
        finally:
            demo.stop()
