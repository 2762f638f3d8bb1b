"""The real promtool makes blocks of the file, and the real Prometheus answers from them."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from exporter.catalog import CATALOG, DAY, HOUR, MINUTE, day_of
from exporter.cli import main
from exporter.simulator import Shape, Simulator, keys, serving
from tests.support.processes import Child, free_port

DAYS = 6

pytestmark = pytest.mark.slow


def file_of(folder: Path, url: str, step: str) -> Path:
    """Return a file with the history of costs and embeddings."""
    output = folder / f"history-{step}.om"
    others = [row.name.replace("_", "-") for row in CATALOG if row.name not in {"costs", "embeddings"}]
    words = ["backfill", f"--since={DAYS}d", f"--output={output}", f"--step={step}", f"--label=job={step}"]
    words += ["--label=instance=a:1", "--api.base-url", url, *(f"--resources.{name}.enabled=false" for name in others)]

    assert 0 == main(words)
    return output


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    """Give a small organization."""
    return Simulator(7, shape=Shape(activity=0.1))


@pytest.fixture(scope="module")
def prometheus(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """Give a Prometheus that holds the history twice: a sample a day, and one every four minutes."""
    folder = tmp_path_factory.mktemp("backfill")
    blocks = folder / "tsdb"
    with pytest.MonkeyPatch.context() as patch, serving(simulator) as url:
        patch.setenv("OPENAI_ADMIN_KEY", keys.FULL)
        files = [file_of(folder, url, step) for step in ("1d", "4m")]
    for file in files:
        words = ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=48h", "openmetrics"]
        subprocess.run([*words, str(file), str(blocks)], check=True, capture_output=True, timeout=120)
    (folder / "prometheus.yml").write_text("{}\n")
    program = shutil.which("prometheus")
    assert program, "Debian's prometheus is missing: run deploy/install/debian.sh"
    with free_port() as port:
        command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={blocks}",
            "--storage.tsdb.retention.time=1y",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        log = folder / "prometheus.log"
        server = Child("prometheus", port, command, environment={}, log=log, ready="/-/ready")
        server.start()
        try:
            server.wait_until_serving()
            yield server
        finally:
            server.stop()


def asked(prometheus: Child, expression: str, time: int) -> list[float]:
    """Return the values of an instant query at a moment of the past."""
    query = {"query": expression, "time": str(time)}
    answer = httpx.get(f"{prometheus.url}/api/v1/query", params=query, timeout=30, trust_env=False)
    answer.raise_for_status()
    return [float(series["value"][1]) for series in answer.json()["data"]["result"]]


def costs_of(simulator: Simulator, day: int) -> float:
    """Return what the API reports of a day."""
    truth = simulator.scenario.truth("costs", since=day, until=day + DAY)
    return sum(float(row["values"]["amount"]) for row in truth)


@pytest.mark.parametrize("ago", [1, 2, DAYS])
@pytest.mark.parametrize("after", [0, 7 * HOUR + 13 * MINUTE, 20 * HOUR + 59 * MINUTE])
def test_any_moment_of_a_day(prometheus: Child, simulator: Simulator, ago: int, after: int) -> None:
    """With a sample a day, `last_over_time` over a day gives the day's value at every moment of it."""
    day = day_of(simulator.now()) - ago * DAY
    (value,) = asked(prometheus, 'sum(last_over_time(openai_cost_usd{job="1d"}[1d]))', day + after)

    assert value == pytest.approx(costs_of(simulator, day))


@pytest.mark.parametrize("after", [0, 7 * HOUR + 13 * MINUTE, 20 * HOUR + 59 * MINUTE])
def test_plain_query(prometheus: Child, simulator: Simulator, after: int) -> None:
    """With a sample every four minutes a plain query sees every moment, as it does live."""
    day = day_of(simulator.now()) - 2 * DAY
    (value,) = asked(prometheus, 'sum(openai_cost_usd{job="4m"})', day + after)

    assert value == pytest.approx(costs_of(simulator, day))


def test_nothing_was_dropped(prometheus: Child, simulator: Simulator) -> None:
    """Every sample of the file is there: promtool drops what is out of order without a word."""
    today = day_of(simulator.now())
    (least,) = asked(prometheus, f'min(count_over_time(openai_cost_usd{{job="1d"}}[{DAYS}d]))', today - 1)
    (most,) = asked(prometheus, f'max(count_over_time(openai_cost_usd{{job="4m"}}[{DAYS}d]))', today - 1)

    assert 1 <= least <= DAYS
    assert DAYS * DAY / (4 * MINUTE) == most


def test_today_is_left_out(prometheus: Child, simulator: Simulator) -> None:
    """The running day belongs to the live metrics."""
    assert [] == asked(prometheus, "openai_cost_usd", day_of(simulator.now()) + MINUTE * 6)
