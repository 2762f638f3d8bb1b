"""After a backfill of 90 days, every panel and spike detection have a past."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import pytest
import yaml

from exporter.backfill.span import DENSE_STEP
from exporter.catalog import DAY, HOUR
from exporter.simulator import Shape, Simulator
from tests.support.dashboards import QueryContext, Target, every_target
from tests.support.installation import installed
from tests.support.loaded_prometheus import LoadedPrometheus

pytestmark = pytest.mark.slow

RULES: Final = Path("deploy/prometheus/backfill-rules.yml")

POINTS: Final = 250
"""Of a panel: a fourth of what fills a screen, since every query takes the time of its points."""

NO_PAST: Final = re.compile(
    r"openai_exporter_|estimate|_limit|budget|credit|prepaid|runway|_price_|effective|_expires|_last_used|threshold"
)
"""What OpenAI keeps no history of."""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedPrometheus]:
    """Give a Prometheus that has 90 days of history and a few live scrapes of a small organization."""
    folder = tmp_path_factory.mktemp("dashboards")
    simulator = Simulator(7, shape=Shape(projects=1, models=1, activity=0.02))
    with installed(folder, simulator, seconds=600) as installation:
        finished = installation.backfill("--since=90d")
        _, said = finished.communicate(timeout=300)
        assert 0 == finished.returncode, said
        with httpx.Client(base_url=f"{installation.prometheus.url}/api/v1", timeout=60, trust_env=False) as client:
            yield LoadedPrometheus(client)


def test_panels(history: LoadedPrometheus) -> None:
    """Each query that has data now has data at 24 hours and at 90 days before the installation as well.

    Of one that leaves out zeros, a zero is data: an hour ago the day may have had no request yet.
    """
    now = time.time()
    targets = [target for target in every_target() if not NO_PAST.search(target.expr)]
    live = history.run_queries(targets, QueryContext(span=15 * 60), now)
    shown = [target for target, reply in live.items() if reply.series]
    assert len(shown) > 30

    for days in (1, 90):
        past = history.run_queries(shown, QueryContext(span=days * DAY, points=POINTS), now - HOUR)
        empty = [replace(target, expr=target.expr.replace(" > 0", "")) for target in shown if not past[target].series]
        with_zeros = history.run_queries(empty, QueryContext(span=days * DAY, points=POINTS), now - HOUR)

        assert {} == {target.key: reply.error for target, reply in with_zeros.items() if not reply.series}


def test_the_whole_range_is_drawn(history: LoadedPrometheus) -> None:
    """Of a range query over 90 days or 24 hours every step has a value, from the first day of the history on."""
    now = time.time() - HOUR
    for days in (1, 7, 30, 89):
        context = QueryContext(span=days * DAY)
        target = Target(
            "", "", "A", 'sum(openai_window_cost_usd{window="7d"})', instant=False, legend="", interval=0, kind=""
        )
        (series,) = history.run_query(target, context, now).series

        assert len(series[1]) >= days * DAY // context.step()


@pytest.mark.parametrize("ago", [15 * DAY, 8 * HOUR])
def test_spike_detection(history: LoadedPrometheus, tmp_path: Path, ago: float) -> None:
    """Promtool records the series of spike detection, two weeks ago and up to now."""
    promtool = shutil.which("promtool")
    assert promtool
    begin = (time.time() - HOUR - ago) // (2 * HOUR) * 2 * HOUR
    start, end = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" for at in (begin, begin + 6 * HOUR))
    command = [promtool, "tsdb", "create-blocks-from", "rules", f"--url={str(history.client.base_url)[:-8]}"]
    command += [f"--start={start}", f"--end={end}", "--eval-interval=4m", f"--output-dir={tmp_path}", str(RULES)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)

    assert 0 == made.returncode, made.stderr
    (tmp_path / "wal").mkdir()
    dumped = subprocess.run([promtool, "tsdb", "dump", str(tmp_path)], capture_output=True, text=True, check=True)
    times: dict[str, set[int]] = {}
    for line in dumped.stdout.splitlines():
        times.setdefault(line.partition('__name__="')[2].partition('"')[0], set()).add(int(line.split()[-1]))
    recorded = {rule["record"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}

    assert recorded == {name for name, seen in times.items() if len(seen) >= 6 * HOUR // DENSE_STEP}
