"""The real promtool makes blocks of the file, and the real Prometheus answers from them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.catalog import CATALOG, DAY, HOUR, MINUTE, day_of
from exporter.cli import main
from exporter.simulator import Shape, Simulator, keys, serving
from tests.support.prometheus import Prometheus, holding

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
def prometheus(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Give a Prometheus that holds the history twice: a sample a day, and one every four minutes."""
    folder = tmp_path_factory.mktemp("backfill")
    with pytest.MonkeyPatch.context() as patch, serving(simulator) as url:
        patch.setenv("OPENAI_ADMIN_KEY", keys.FULL)
        files = [file_of(folder, url, step) for step in ("1d", "4m")]
    with holding(folder, files, longest="48h") as server:
        yield server


def asked(prometheus: Prometheus, expression: str, time: int) -> list[float]:
    """Return the values of an instant query at a moment of the past."""
    return [float(series["value"][1]) for series in prometheus.query(expression, time)]


def costs_of(simulator: Simulator, day: int) -> float:
    """Return what the API reports of a day."""
    truth = simulator.scenario.truth("costs", since=day, until=day + DAY)
    return sum(float(row["values"]["amount"]) for row in truth)


@pytest.mark.parametrize("ago", [1, 2, DAYS])
@pytest.mark.parametrize("after", [0, 7 * HOUR + 13 * MINUTE, 20 * HOUR + 59 * MINUTE])
def test_any_moment_of_a_day(prometheus: Prometheus, simulator: Simulator, ago: int, after: int) -> None:
    """With a sample a day, `last_over_time` over a day gives the day's value at every moment of it."""
    day = day_of(simulator.now()) - ago * DAY
    (value,) = asked(prometheus, 'sum(last_over_time(openai_cost_usd{job="1d"}[1d]))', day + after)

    assert value == pytest.approx(costs_of(simulator, day))


@pytest.mark.parametrize("after", [0, 7 * HOUR + 13 * MINUTE, 20 * HOUR + 59 * MINUTE])
def test_plain_query(prometheus: Prometheus, simulator: Simulator, after: int) -> None:
    """With a sample every four minutes a plain query sees every moment, as it does live."""
    day = day_of(simulator.now()) - 2 * DAY
    (value,) = asked(prometheus, 'sum(openai_cost_usd{job="4m"})', day + after)

    assert value == pytest.approx(costs_of(simulator, day))


def test_nothing_was_dropped(prometheus: Prometheus, simulator: Simulator) -> None:
    """Every sample of the file is there: promtool drops what is out of order without a word."""
    today = day_of(simulator.now())
    (least,) = asked(prometheus, f'min(count_over_time(openai_cost_usd{{job="1d"}}[{DAYS}d]))', today - 1)
    (most,) = asked(prometheus, f'max(count_over_time(openai_cost_usd{{job="4m"}}[{DAYS}d]))', today - 1)

    assert 1 <= least <= DAYS
    assert DAYS * DAY / (4 * MINUTE) == most


def test_today_is_left_out(prometheus: Prometheus, simulator: Simulator) -> None:
    """The running day belongs to the live metrics."""
    assert [] == asked(prometheus, "openai_cost_usd", day_of(simulator.now()) + MINUTE * 6)
