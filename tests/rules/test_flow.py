"""Spikes of requests, tokens and moderations: what pages, and all that must not."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.history import DAY, History, Span, late, office, only, steady, times_as_much
from tests.support.promtool import RULES, Replay, unclear
from tests.support.rule_replay import Labels, Values, episodes, needed, replaying, timing

pytestmark = pytest.mark.slow

DAYS: Final = 9.6
"""Thursday to Saturday of the next week: the second week begins on day 7."""

STEP: Final = 240
"""Seconds: as far apart as backfilled samples are, and the rarest scrapes that instant queries always see."""

_RECORDS: Final = {
    "openai:project_requests:spike": "OpenAIRequestSpike",
    "openai:project_tokens:spike": "OpenAITokenSpike",
    "openai:project_moderations:spike": "OpenAIModerationSpike",
    "openai:project_estimated_cost_usd:spike": "OpenAISpendRateSpike",
}
_LUNCH: Final = (8.40, 8.60)


def _history(name: str, *, down: tuple[Span, ...] = (), unreachable: tuple[Span, ...] = ()) -> History:
    history = History(name, DAYS, step=STEP, down=down, unreachable=unreachable)
    history.cost("old", office(1))
    return history


def _spike() -> History:
    history = _history("spike")
    history.requests("old", times_as_much(office(4000), 10, _LUNCH))
    history.requests("calm", office(4000))
    return history


def _first_week_spike() -> History:
    history = _history("first-week-spike")
    history.requests("old", times_as_much(office(4000), 40, (1.4, 1.6)))
    return history


def _moderation_spike() -> History:
    history = _history("moderation-spike")
    labels = {"organization": history.organization, "project_id": "old", "model": "omni-moderation"}
    history.usage("moderations_requests", labels, times_as_much(office(4000), 10, _LUNCH))
    return history


def _ordinary() -> History:
    history = _history("ordinary")
    history.requests("old", office(4000))
    labels = {"organization": history.organization, "project_id": "old", "model": "omni-moderation"}
    history.usage("moderations_requests", labels, office(4000))
    return history


def _no_windows() -> History:
    history = _history("no-windows")
    labels = {"organization": history.organization, "project_id": "old", "model": "gpt-x", "batch": "false"}
    history.usage("completions_requests", labels, times_as_much(office(4000), 10, _LUNCH), windows=())
    return history


def _usage_alone() -> History:
    history = History("usage-alone", DAYS, step=STEP, resources=("completions",))
    history.requests("old", times_as_much(office(4000), 10, (3.4, 3.6), _LUNCH))
    return history


def _small() -> History:
    history = _history("small")
    history.requests("old", times_as_much(office(20), 10, _LUNCH))
    return history


def _short() -> History:
    history = _history("short")
    history.requests("old", times_as_much(office(4000), 10, (8.40, 8.404)))
    return history


def _nightly_job() -> History:
    history = _history("nightly-job")

    def rate(times: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(times % DAY // 3600 == 2, 20000.0, 100.0)  # two o'clock

    history.requests("old", rate)
    return history


def _weekend_work() -> History:
    history = _history("weekend-work")
    history.requests("old", only(steady(5000), (-5, -3), (2, 4), (9, 11)))
    return history


def _new_project() -> History:
    history = _history("new-project")
    history.requests("old", office(4000))
    history.requests("new", steady(50000), since=8.4)
    return history


def _late_lump() -> History:
    history = _history("late-lump")
    history.requests("old", office(4000), delay=late((1.30, 1.60), (8.30, 8.60)))
    return history


def _late_backlog() -> History:
    history = _history("late-backlog")

    def delay(times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Nothing for five hours, which are then reported within one."""
        since = times / DAY - 8.40
        backlog = (since >= 0) & (since < 5 / 24)
        return np.where(backlog, (5 / 24 - since * 0.8) * DAY, 0.0)

    history.requests("old", office(4000), delay=delay)
    return history


def _outage() -> History:
    history = _history("outage", down=((8.30, 8.55),))
    history.requests("old", office(4000))
    return history


def _restart() -> History:
    history = _history("restart", down=((1.4, 1.406), (8.4, 8.406)))
    history.requests("old", office(4000))
    return history


def _unreachable() -> History:
    history = _history("unreachable", unreachable=((8.30, 8.55),))
    history.requests("old", office(4000))
    return history


def _growth() -> History:
    history = _history("growth")
    history.requests("old", lambda times: office(4000)(times) * 1.05 ** (times / DAY))
    return history


def _spend() -> History:
    history = _history("spend")
    history.estimate("old", times_as_much(office(20), 3, _LUNCH))
    return history


SITUATIONS: Final[dict[str, tuple[Callable[[], History], set[tuple[str, ...]]]]] = {
    "a spike": (_spike, {("OpenAIRequestSpike", "old"), ("OpenAITokenSpike", "old")}),
    "a spike in the first week": (_first_week_spike, {("OpenAIRequestSpike", "old")}),
    "a spike of estimated spend": (_spend, {("OpenAISpendRateSpike", "old")}),
    "a moderation spike": (_moderation_spike, {("OpenAIModerationSpike", "old")}),
    "a spike without windows": (_no_windows, {("OpenAIRequestSpike", "old")}),
    "a spike where only usage is read": (
        _usage_alone,
        {("OpenAIRequestSpike", "old"), ("OpenAITokenSpike", "old")},
    ),
    "nothing special, weekend and midnights": (_ordinary, set()),
    "a spike below the floor": (_small, set()),
    "six minutes of many requests": (_short, set()),
    "a job every night": (_nightly_job, set()),
    "work on weekends only": (_weekend_work, set()),
    "a project that is new": (_new_project, set()),
    "late data in one lump": (_late_lump, set()),
    "late data that is caught up with": (_late_backlog, set()),
    "catching up after the exporter was down": (_outage, set()),
    "a restart": (_restart, set()),
    "catching up after OpenAI was unreachable": (_unreachable, set()),
    "five percent more every day": (_growth, set()),
}


Fired = dict[tuple[str, str], dict[str, tuple[int, int]]]
"""By organization and project, for each alert: the minutes from which and until which it fired."""


@pytest.fixture(scope="module")
def histories() -> dict[str, History]:
    """What happens in each situation: each has its own exporter and organization."""
    return {situation: build() for situation, (build, _) in SITUATIONS.items()}


@pytest.fixture(scope="module")
def fired(tmp_path_factory: pytest.TempPathFactory, histories: dict[str, History]) -> Fired:
    """All situations, side by side in one Prometheus."""
    return _fired(tmp_path_factory.mktemp("flow"), histories.values(), DAYS)


def _fired(folder: Path, histories: Iterable[History], days: float) -> Fired:
    series: dict[tuple[str, Labels], Values] = {}
    for history in histories:
        series |= history.arrays()
    minutes: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    with replaying(folder, needed(RULES, _RECORDS), series, step=STEP, hours=12) as replay:
        for record, first, result in replay.run(days, _RECORDS):
            for labels, values in result.items():
                of = dict(labels)
                key = of["organization"], of["project_id"], _RECORDS[record]
                minutes[key] += list((first + np.flatnonzero(~np.isnan(values))) * STEP // 60)
    found: Fired = defaultdict(dict)
    for (organization, project, alert), at in minutes.items():
        if spans := episodes(at, *timing(alert), step=STEP // 60):
            found[organization, project][alert] = (spans[0][0], spans[-1][1])
    return found


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_fires(situation: str, histories: dict[str, History], fired: Fired) -> None:
    """A situation fires its spike alerts, and no other, over its whole ten days."""
    _, expected = SITUATIONS[situation]
    name = histories[situation].organization

    assert expected == {(alert, project) for (of, project), alerts in fired.items() if of == name for alert in alerts}


def test_how_soon(fired: Fired) -> None:
    """A tenfold rate pages within 15 minutes, and for at most an hour after it ended before the alert is kept."""
    start, end = fired["spike", "old"]["OpenAIRequestSpike"]

    assert _LUNCH[0] * 1440 < start <= _LUNCH[0] * 1440 + 15
    assert _LUNCH[1] * 1440 - 30 < end < _LUNCH[1] * 1440 + 60


def test_what_it_says(tmp_path: Path) -> None:
    """The page names project and models, with figures for people; no template fails."""
    replay = Replay(tmp_path, step="2m")
    history = History("spike", 0.17, step=120)
    history.cost("old", office(1))
    history.requests("old", times_as_much(office(4000), 400, (0.05, 0.2)))
    info = {"organization": "spike", "project_id": "old", "project_name": "Search", "status": "active"}
    history.put("openai_project_info", info, 1)
    history.write(replay)

    said = replay.annotations("OpenAIRequestSpike", int(0.15 * DAY))

    assert said["description"].startswith("Project Search (old) of organization spike makes 160k requests per hour, ")
    assert said["description"].endswith("time. Largest contributors: gpt-x 100%")
    assert [] == unclear(said.values())


def test_quiet_hours(tmp_path: Path) -> None:
    """Once there are two weeks, a Saturday's spike counts that would be nothing on a Friday."""
    history = History("quiet-hours", 16.8, step=STEP)
    history.cost("old", office(1))
    history.requests("old", times_as_much(office(4000), 4, (16.55, 16.70)))

    (found,) = _fired(tmp_path, [history], 16.8).values()

    assert {"OpenAIRequestSpike", "OpenAITokenSpike"} == set(found)
    assert all(start > 16.5 * 1440 for start, _ in found.values())
