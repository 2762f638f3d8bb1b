"""After a backfill of 90 days, every panel and spike detection have a past."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import pytest

from exporter.catalog import DAY, HOUR
from exporter.simulator import Shape, Simulator
from tests.support.dashboards import QueryContext, Target, every_target
from tests.support.installation import installed
from tests.support.loaded_prometheus import LoadedPrometheus

pytestmark = pytest.mark.slow

RULES: Final = Path("deploy/prometheus/backfill-rules.yml")

NO_PAST: Final = re.compile(
    r"openai_exporter_|estimate|_limit|budget|credit|prepaid|runway|_price_|effective|_expires|_last_used|threshold"
)
"""What OpenAI keeps no history of."""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedPrometheus]:
    """Give a Prometheus that has 90 days of history and a few live scrapes of a small organization."""
    folder = tmp_path_factory.mktemp("dashboards")
    simulator = Simulator(7, shape=Shape(projects=2, activity=0.2))
    with installed(folder, simulator) as installation:
        finished = installation.backfill("--since=90d")
        _, said = finished.communicate(timeout=300)
        assert 0 == finished.returncode, said
        with httpx.Client(base_url=f"{installation.prometheus.url}/api/v1", timeout=60, trust_env=False) as client:
            yield LoadedPrometheus(client)


def test_panels(history: LoadedPrometheus) -> None:
    """Each query that has data now has data at 24 hours and at 90 days before the installation as well."""
    now = time.time()
    targets = [target for target in every_target() if not NO_PAST.search(target.expr)]
    live = history.run_queries(targets, QueryContext(span=15 * 60), now)
    shown = [target for target, reply in live.items() if reply.series]
    assert len(shown) > 30

    for days in (1, 90):
        past = history.run_queries(shown, QueryContext(span=days * DAY), now - HOUR)

        assert {} == {target.key: reply.error for target, reply in past.items() if not reply.series}


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


def test_spike_detection(history: LoadedPrometheus, tmp_path: Path) -> None:
    """Promtool makes the recorded series' past in one pass, and it covers the two weeks that the rules look back at."""
    promtool = shutil.which("promtool")
    assert promtool
    now = time.time() - HOUR
    start, end = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" for at in (now - 15 * DAY, now))
    command = [promtool, "tsdb", "create-blocks-from", "rules", f"--url={str(history.client.base_url)[:-8]}"]
    command += [f"--start={start}", f"--end={end}", "--eval-interval=4m", f"--output-dir={tmp_path}", str(RULES)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)

    assert 0 == made.returncode, made.stderr
    listed = subprocess.run([promtool, "tsdb", "list", str(tmp_path)], capture_output=True, text=True, check=True)
    spans = [[int(word) for word in line.split()[1:3]] for line in listed.stdout.splitlines()[1:]]
    assert min(begin for begin, _ in spans) / 1000 <= now - 14 * DAY - 2 * HOUR
    assert max(stop for _, stop in spans) / 1000 >= now - 5 * 60
