"""The history of a real Prometheus goes over into what it scrapes, and every total over the seam is right."""

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from exporter.backfill.span import DENSE_STEP
from exporter.catalog import DAY, MINUTE, day_of
from exporter.simulator import Shape, Simulator
from grafana.dashboards.promql import daily_growth
from tests.support.installation import Installation, installed
from tests.support.processes import until
from tests.support.prometheus import risen

DAYS = 10
SPAN = (f"--since={DAYS}d", "--dense-days=3")
TOKENS = "openai_accrued_embeddings_input_tokens_total"
DOLLARS = "openai_accrued_cost_usd_total"
STORAGE = "Vector storage"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    """Give a small organization."""
    return Simulator(7, shape=Shape(projects=1, activity=0.1))


@pytest.fixture(scope="module")
def installation(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Give an exporter whose backfill was killed after its first part and run again, and that has counted since."""
    folder = tmp_path_factory.mktemp("seam")
    with installed(folder, simulator, "costs", "embeddings") as installation:
        installation.interrupt(*SPAN)
        finished = installation.backfill(*SPAN)
        _, said = finished.communicate(timeout=120)
        assert 0 == finished.returncode, said
        assert "part 1 of 2" in said
        assert "already there" in said
        before = total(installation, TOKENS)
        row = simulator.scenario.truth("embeddings", ["project_id", "model"], since=day_of(time.time()) - DAY)[0]
        added = {"input_tokens": 500_000, "num_model_requests": 1}
        simulator.scenario.add_usage("embeddings", added, row["dimensions"])
        simulator.scenario.add_usage("costs", {"amount": "7.5"})
        until(lambda: total(installation, TOKENS) >= before + 500_000, "the counter has risen")
        until(lambda: last(installation, DOLLARS) >= 7.5, "the costs have risen")
        yield installation


def total(installation: Installation, counter: str) -> float:
    """Return the positive differences of all samples that Prometheus stores of a counter, a fall being a reset."""
    series = installation.prometheus.query(f"{counter}[{DAYS + 2}d]")
    return sum(risen([float(value) for _, value in each["values"]]) for each in series)


def last(installation: Installation, counter: str) -> float:
    """Return the sum of the counters now."""
    return sum(float(each["value"][1]) for each in installation.prometheus.query(counter))


def reported(simulator: Simulator, name: str, field: str, since: int, end: int | None = None) -> float:
    """Return what the API reports of a span."""
    truth = simulator.scenario.truth(name, since=since, until=end)
    return sum(float(row["values"][field]) for row in truth)


def test_everything_is_counted_once(installation: Installation, simulator: Simulator) -> None:
    """From the first day of the history until now, the counters rise by exactly what was reported."""
    start = day_of(time.time()) - DAYS * DAY

    def equal() -> bool:
        return reported(simulator, "embeddings", "input_tokens", start) == total(installation, TOKENS)

    until(equal, "the counters show what was reported", seconds=30)


def test_money_is_counted_once(installation: Installation, simulator: Simulator) -> None:
    """The counters of costs rise by what was reported, except for storage, whose cost grows by the second."""
    start = day_of(time.time()) - DAYS * DAY

    def equal() -> bool:
        rows = simulator.scenario.truth("costs", ["line_item"], since=start)
        used = [row for row in rows if row["dimensions"]["line_item"] != STORAGE]
        truth = sum(float(row["values"]["amount"]) for row in used)
        return abs(total(installation, f'{DOLLARS}{{line_item!="{STORAGE}"}}') - truth) <= 1e-9 * truth

    until(equal, "the counters show what was reported", seconds=30)


def test_the_history_ends_where_the_live_counter_begins(installation: Installation) -> None:
    """Each counter falls exactly once, to 0, and the history has no sample after the first of the live counter."""
    for each in installation.prometheus.query(f"{TOKENS}[{DAYS + 2}d]"):
        values = [float(value) for _, value in each["values"]]
        falls = [after for before, after in pairwise(values) if after < before]
        assert falls in ([0.0], [])


@pytest.mark.parametrize("ago", [1, 2, 6, DAYS])
def test_days_before(installation: Installation, simulator: Simulator, ago: int) -> None:
    """Of each day before, the plain difference of the counters, and the dashboards' formula, are what was reported."""
    day = day_of(time.time()) - ago * DAY
    truth = reported(simulator, "embeddings", "input_tokens", day, day + DAY)
    (difference,) = installation.prometheus.query(f"sum({TOKENS} - {TOKENS} offset 1d)", day + DAY)
    (formula,) = installation.prometheus.query(f"sum({daily_growth(TOKENS)})", day)

    assert truth == float(difference["value"][1])
    assert truth == float(formula["value"][1])


def test_the_day_of_the_seam(installation: Installation, simulator: Simulator) -> None:
    """The dashboards' formula gives today, which is partly history and partly live.

    Over a reset it is `increase()`, which extrapolates at either end of the samples: by less than two of the history's
    steps in all, which is much only just after midnight.
    """
    now = time.time()
    today = day_of(now)
    (formula,) = installation.prometheus.query(f"sum({daily_growth(TOKENS)})", today)

    assert float(formula["value"][1]) == pytest.approx(
        reported(simulator, "embeddings", "input_tokens", today), rel=2 * DENSE_STEP / (now - today)
    )


def test_increase_over_the_seam(installation: Installation, simulator: Simulator) -> None:
    """`increase()` over a range that begins before and ends after the seam is what was reported, to one percent."""
    now = time.time()
    start = day_of(now) - 3 * DAY
    (grown,) = installation.prometheus.query(f"sum(increase({TOKENS}[{int(now - start)}s]))", now)

    assert float(grown["value"][1]) == pytest.approx(reported(simulator, "embeddings", "input_tokens", start), rel=0.01)


def test_after_the_seam(installation: Installation) -> None:
    """A range after the seam has nothing of the history."""
    seam = max(
        float(after[0])
        for each in installation.prometheus.query(f"{DOLLARS}[1h]")
        for before, after in pairwise(each["values"])
        if float(after[1]) < float(before[1])
    )
    age = int(time.time() - seam)
    (grown,) = installation.prometheus.query(
        f"sum(max_over_time({DOLLARS}[{age}s]) - min_over_time({DOLLARS}[{age}s]))"
    )

    assert float(grown["value"][1]) <= 7.5 + 1


@pytest.mark.parametrize("after", [0, 7 * 3600 + 13 * MINUTE, 23 * 3600 + 59 * MINUTE])
def test_plain_queries(installation: Installation, simulator: Simulator, after: int) -> None:
    """An instant query sees gauges, windows and names at any time of the dense days."""
    day = day_of(time.time()) - 2 * DAY
    for selector in ("openai_cost_usd", 'openai_window_cost_usd{window="month"}', "openai_project_info"):
        assert installation.prometheus.query(selector, day + after)
    (yesterday,) = installation.prometheus.query('sum(openai_window_cost_usd{window="yesterday"})', day + after)
    truth = reported(simulator, "costs", "amount", day - DAY, day)
    assert float(yesterday["value"][1]) == pytest.approx(truth)
