"""Spikes of requests, tokens and moderations: what pages, and all that must not."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.history import DAY, History, Span, late, office, only, steady, times_as_much
from tests.support.promtool import RULES, Replay, Watched, unclear

pytestmark = pytest.mark.slow

DAYS: Final = 9.6
"""Thursday to Saturday of the next week: the second week begins on day 7."""

STEP: Final = 600
"""Seconds: as coarse as windows of a quarter of an hour allow."""

_RULES: Final = tuple(path for path in RULES if path.stem != "usage")
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
    history.requests("old", times_as_much(office(4000), 10, (8.40, 8.407)))
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


SITUATIONS: Final[dict[str, tuple[Callable[[], History], set[tuple[str, ...]]]]] = {
    "a spike": (_spike, {("OpenAIRequestSpike", "critical", "old"), ("OpenAITokenSpike", "critical", "old")}),
    "a spike in the first week": (_first_week_spike, {("OpenAIRequestSpike", "critical", "old")}),
    "a moderation spike": (_moderation_spike, {("OpenAIModerationSpike", "warning", "old")}),
    "a spike without windows": (_no_windows, {("OpenAIRequestSpike", "critical", "old")}),
    "a spike where only usage is read": (
        _usage_alone,
        {("OpenAIRequestSpike", "critical", "old"), ("OpenAITokenSpike", "critical", "old")},
    ),
    "nothing special, weekend and midnights": (_ordinary, set()),
    "a spike below the floor": (_small, set()),
    "ten minutes of many requests": (_short, set()),
    "a job every night": (_nightly_job, set()),
    "work on weekends only": (_weekend_work, set()),
    "a project that is new": (_new_project, set()),
    "late data in one lump": (_late_lump, set()),
    "late data that is caught up with": (_late_backlog, set()),
    "catching up after the exporter was down": (_outage, {("OpenAIExporterDown", "critical", "down")}),
    "a restart": (_restart, set()),
    "catching up after OpenAI was unreachable": (
        _unreachable,
        {("OpenAIExporterDataStale", "critical", resource) for resource in ("costs", "completions", "moderations")},
    ),
    "five percent more every day": (_growth, set()),
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """All situations, side by side in one Prometheus: each has its own exporter and organization."""
    replay = Replay(tmp_path_factory.mktemp("flow"), step=f"{STEP}s", rules=_RULES)
    for build, _ in SITUATIONS.values():
        build().write(replay)
    return replay.watch(0, int(DAYS * DAY))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_fires(situation: str, watched: Watched) -> None:
    """A situation fires its alerts, and no other, over its whole ten days."""
    build, expected = SITUATIONS[situation]
    name = build().organization

    assert expected == _of(name, watched)


def test_how_soon(watched: Watched) -> None:
    """A tenfold rate pages within the hour, and resolves within the hour after it ended."""
    times = watched.fired["OpenAIRequestSpike", "critical", "spike", "old"]

    assert _LUNCH[0] * DAY < times[0] < _LUNCH[0] * DAY + 5400
    assert _LUNCH[1] * DAY < times[-1] < _LUNCH[1] * DAY + 5400


def test_words(watched: Watched) -> None:
    """Descriptions have their figures, in units for people; no template fails."""
    assert (
        "80k requests in the last hour, 10 times the 8k expected at most of this hour"
        in watched.said["OpenAIRequestSpike", "spike"]["description"]
    )
    assert [] == unclear(watched)


def test_quiet_hours(tmp_path: Path) -> None:
    """Once there are two weeks, a Saturday's spike counts that would be nothing on a Friday."""
    replay = Replay(tmp_path, step=f"{STEP}s", rules=_RULES)
    history = History("quiet-hours", 16.8, step=STEP)
    history.cost("old", office(1))
    history.requests("old", times_as_much(office(4000), 4, (9.30, 9.45), (16.55, 16.70)))
    history.write(replay)

    fired = replay.watch(0, int(16.8 * DAY), words=False).fired

    assert {"OpenAIRequestSpike", "OpenAITokenSpike"} == {alert for alert, *_ in fired}
    assert all(times[0] > 16.5 * DAY for times in fired.values())


def _of(organization: str, watched: Watched) -> set[tuple[str, ...]]:
    """Return an organization's alerts by what else they are about than it."""
    found = set()
    for name, severity, *others in watched.fired:
        if organization in others:
            found.add((name, severity, *(value for value in others if value != organization)))
        elif f"{organization}:10180" in others:
            found.add((name, severity, "down"))
    return found
