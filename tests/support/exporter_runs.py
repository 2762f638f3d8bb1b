"""The exporter runs that dashboards are tested with, far apart in one Prometheus: two weeks of everything, and less."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from exporter.catalog import DAY
from exporter.simulator import Simulator
from tests.support.exporter_run import ExporterRun, only
from tests.support.loaded_prometheus import LoadedPrometheus, loaded_prometheus

INTERVAL: Final = 6 * 3600.0
"""Seconds between two scrapes."""

TODAY: Final = 1_794_960_000
"""2026-11-18 00:00 UTC, a Wednesday."""

NOW: Final = TODAY + 18 * 3600.0

SPAN: Final = 7 * DAY
"""Seconds of the dashboards' time range."""

BUDGETS: Final = {"acme": 12_000.0, "globex": 8_000.0}
PREPAID: Final = 50_000.0
PROJECT: Final = "media-lab"
PROJECT_BUDGET: Final = 1_000.0

EMPTY: Final = NOW + 900 * DAY
"""A time of which Prometheus has no samples."""


def _change_weeks(simulator: Simulator, scrape: int) -> None:
    """Let the first organization have a busy week, another currency, an error, and a revision downwards."""
    scenario = simulator.scenario
    if scrape == 28:
        scenario.spend_spike(3, PROJECT)
        euros = {"project_id": PROJECT, "line_item": "gpt-5.5-2026-04-23, input"}
        scenario.add_usage("costs", {"amount": "12.5"}, euros, currency="eur")
    if scrape == 54:
        simulator.faults.add("bad_gateway", path="usage/images", count=1)
    if scrape == 56:
        scenario.revise("moderations", -50, time=NOW - DAY)


def _weeks() -> ExporterRun:
    budgets: dict[str, dict[str, Any]] = {
        name: {"budgets": {"monthly_usd": dollars}} for name, dollars in BUDGETS.items()
    }
    budgets["acme"]["prepaid"] = [{"balance_usd": PREPAID, "as_of": "2026-11-01T00:00:00Z"}]
    budgets["globex"]["resources"] = only("costs", "completions")
    return ExporterRun(
        NOW,
        57,
        INTERVAL,
        {"limits": {"projects": True, "rate_limits": True}},
        budgets,
        {PROJECT: PROJECT_BUDGET},
        _change_weeks,
    )


def _without_decisions(simulator: Simulator, scrape: int) -> None:
    """Let the host lack an endpoint, and another one return rows that are odd."""
    if scrape == 0:
        simulator.faults.add("odd_row", path="usage/moderations")
        simulator.faults.add("unsupported", path="usage/decisions")


def _with_legacy(simulator: Simulator, scrape: int) -> None:
    """Let the legacy billing endpoints answer an ordinary key."""
    if scrape == 0:
        simulator.set_policy(legacy="answer")


def _by_key_and_user() -> ExporterRun:
    everyone = ["project_id", "model", "batch", "api_key_id", "user_id"]
    settings = {
        "names": {
            "admin_api_keys": True,
            "personal_data": True,
            "groups": True,
            "service_accounts": True,
            "certificates": True,
            "project_certificates": True,
        },
        "resources": {
            "completions": {"group_by": everyone},
            "costs": {"group_by": ["project_id", "line_item", "api_key_id", "user_id"]},
            "embeddings": {"max_series": 2},
            "images": {"group_by": ["project_id", "model", "user_id"]},
        },
    }
    return ExporterRun(NOW + 200 * DAY, 5, INTERVAL, settings, script=_without_decisions)


def _costs_by_user() -> ExporterRun:
    costs = {"costs": {"group_by": ["line_item", "user_id"]}, **only("costs")}
    return ExporterRun(NOW + 300 * DAY, 3, INTERVAL, {"resources": costs})


RUNS: Final = {
    "weeks": _weeks(),
    "costs": ExporterRun(NOW + 100 * DAY, 37, INTERVAL, {"resources": only("costs")}),
    "keys": _by_key_and_user(),
    "users": _costs_by_user(),
    "fresh": ExporterRun(NOW + 400 * DAY, 1, INTERVAL, {}),
    "ordinary key": ExporterRun(NOW + 500 * DAY, 3, INTERVAL, {}, {}, script=_with_legacy),
}


@dataclass(frozen=True, slots=True)
class ExporterRuns:
    """All runs in one Prometheus."""

    prometheus: LoadedPrometheus
    simulators: dict[str, Simulator]
    """By run: its state at the last scrape."""


@contextlib.contextmanager
def exporter_runs(folder: Path) -> Iterator[ExporterRuns]:
    """Execute all runs, and serve what was scraped."""
    simulators, files = {}, []
    with _quiet():
        for name, run in RUNS.items():
            own = folder / name.replace(" ", "-")
            own.mkdir()
            files.append(own / "scraped.om")
            simulators[name] = run.execute(own, files[-1])
    with loaded_prometheus(folder, files, f"{INTERVAL / 60 + 10:.0f}m") as prometheus:
        yield ExporterRuns(prometheus, simulators)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(wrapper_class=before)
