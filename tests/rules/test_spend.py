"""Spend spikes, budgets, limits and new line items: what fires on which days of forty, and what must not."""

from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.history import DAY, History, Rate, late, office, only, steady, times_as_much
from tests.support.promtool import RULES, Replay, Watched, unclear

pytestmark = pytest.mark.slow

DAYS: Final = 40
STEP: Final = 3600
"""Seconds: money changes slowly."""

_RULES: Final = tuple(path for path in RULES if path.stem in {"thresholds", "owners", "spend", "alerts"})

Days = tuple[float, float]
Fired = dict[tuple[str, ...], Days]
"""Alerts, with the first and the last day on which they fired."""


def _history(name: str, rate: Rate | None = None, *, down: tuple[Days, ...] = ()) -> History:
    history = History(name, DAYS, step=STEP, resources=("costs",), down=down)
    if rate:
        history.cost("old", rate)
    return history


def _spike() -> History:
    history = _history("spike", times_as_much(office(20), 5, (20.3, 20.8)))
    history.cost("calm", office(1))
    return history


def _new_project() -> History:
    history = _history("new-project", office(40))
    history.cost("new", steady(5), since=20)
    return history


def _new_organization() -> History:
    history = _history("new-organization")
    history.cost("new", steady(20), since=2)
    return history


def _waking_project() -> History:
    history = _history("waking-project", office(100))
    history.cost("asleep", only(steady(10), (-40, -2), (20, 20.9)))
    return history


def _late_lump() -> History:
    history = _history("late-lump")
    history.cost("old", office(20), delay=late((20.2, 21.2)))
    return history


def _every_sunday(times: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where((times // DAY + 3) % 7 == 6, 10.0, 0.0)  # Sunday


def _budget() -> History:
    history = _history("budget", steady(1))
    history.put("openai_organization_budget_usd", {"organization": "budget"}, 900)
    history.put("openai_project_budget_usd", {"organization": "budget", "project_id": "old"}, 100_000)
    return history


def _budget_while_stale() -> History:
    """The costs of half of the month, then an exporter that is down: until a day later, and into the next month."""
    history = _history("budget-while-stale", steady(4), down=((16.0, 17.0), (29.5, 33.0)))
    history.put("openai_organization_budget_usd", {"organization": "budget-while-stale"}, 1500)
    return history


def _budget_removed() -> History:
    history = _history("budget-removed", steady(4))
    history.put("openai_organization_budget_usd", {"organization": "budget-removed"}, 1500, during=(0, 17))
    return history


def _budget_about_to_break() -> History:
    history = _history("budget-about-to-break", times_as_much(steady(1), 10, (20, 31)))
    history.put("openai_project_budget_usd", {"organization": "budget-about-to-break", "project_id": "old"}, 1500)
    return history


def _spend_limit() -> History:
    history = _history("spend-limit", steady(1))
    history.put("openai_organization_spend_limit_usd", {"organization": "spend-limit"}, 700)
    enforcing = [float(29.2 * DAY <= at < 31 * DAY) for at in history.times]
    history.put("openai_organization_spend_limit_enforcing", {"organization": "spend-limit"}, enforcing)
    return history


def _new_line_item() -> History:
    history = _history("new-line-item", steady(4))
    history.cost("old", steady(1), item="gpt-y, output", since=20)
    history.cost("old", steady(0.01), item="gpt-y, cached input", since=20)
    return history


SITUATIONS: Final[dict[str, tuple[Callable[[], History], Fired]]] = {
    "weekends, midnights and the start of a month": (lambda: _history("ordinary", office(20)), {}),
    "two percent more every day": (
        lambda: _history("growth", lambda times: office(20)(times) * 1.02 ** (times / DAY)),
        {},
    ),
    "a spike": (
        _spike,
        {
            ("OpenAISpendSpike", "critical", "old"): (20, 21),
            ("OpenAISpendSpike", "critical"): (20, 21),
        },
    ),
    "ten times as much in the first week": (
        lambda: _history("early-spike", times_as_much(office(20), 10, (1, 2))),
        {("OpenAISpendSpike", "critical", "old"): (1, 2), ("OpenAISpendSpike", "critical"): (1, 2)},
    ),
    "three times as much in the first week": (
        lambda: _history("early-bump", times_as_much(office(20), 3, (1, 2))),
        {},
    ),
    "a spike below the floor": (lambda: _history("small", times_as_much(office(0.3), 5, (20, 21))), {}),
    "something that runs on Sundays": (lambda: _history("sundays", _every_sunday), {}),
    "a project that is new": (_new_project, {}),
    "an organization that is new": (_new_organization, {}),
    "a project that wakes up": (_waking_project, {("OpenAISpendSpike", "critical", "asleep"): (20, 21)}),
    "costs of a day in one lump": (_late_lump, {}),
    "catching up after two days": (
        lambda: _history("outage", office(20), down=((20.0, 22.1),)),
        {("OpenAIExporterDown", "critical", "down"): (20, 22)},
    ),
    "a budget that does not last": (
        _budget,
        {
            ("OpenAIBudgetSpent", "info"): (18, 29),
            ("OpenAIBudgetSpent", "warning"): (30, 30),
        },
    ),
    "a budget while data is stale": (
        _budget_while_stale,
        {
            ("OpenAIBudgetProjected", "warning"): (0, 39),
            ("OpenAIBudgetProjected", "critical"): (13, 15),
            ("OpenAIBudgetSpent", "info"): (7, 39),
            ("OpenAIBudgetSpent", "warning"): (12, 15),
            ("OpenAIBudgetSpent", "critical"): (15, 30),
            ("OpenAIExporterDown", "critical", "down"): (16, 32),
        },
    ),
    "a budget about to break": (
        _budget_about_to_break,
        {
            ("OpenAISpendSpike", "critical", "old"): (20, 23),
            ("OpenAISpendSpike", "critical"): (20, 23),
            ("OpenAIBudgetSpent", "info", "old"): (21, 22),
            ("OpenAIBudgetProjected", "warning", "old"): (22, 35),
            ("OpenAIBudgetSpent", "warning", "old"): (23, 24),
            ("OpenAIBudgetProjected", "critical", "old"): (23, 24),
            ("OpenAIBudgetSpent", "critical", "old"): (24, 30),
        },
    ),
    "a spend limit": (
        _spend_limit,
        {
            ("OpenAISpendLimitProjected", "warning"): (0, 27),
            ("OpenAISpendLimitNear", "warning"): (23, 27),
            ("OpenAISpendLimitProjected", "critical"): (27, 29),
            ("OpenAISpendLimitNear", "critical"): (27, 30),
            ("OpenAISpendLimitEnforcing", "critical"): (29, 30),
        },
    ),
    "a new line item": (_new_line_item, {("OpenAINewLineItem", "info", "gpt-y, output"): (20, 26)}),
    "a budget that is removed": (
        _budget_removed,
        {
            ("OpenAIBudgetSpent", "info"): (7, 12),
            ("OpenAIBudgetSpent", "warning"): (12, 15),
            ("OpenAIBudgetSpent", "critical"): (15, 16),
            ("OpenAIBudgetProjected", "warning"): (0, 13),
            ("OpenAIBudgetProjected", "critical"): (13, 15),
        },
    ),
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """All situations, side by side in one Prometheus."""
    replay = Replay(tmp_path_factory.mktemp("spend"), step=f"{STEP}s", rules=_RULES)
    for build, _ in SITUATIONS.values():
        build().write(replay)
    return replay.watch(0, DAYS * DAY, every=6 * 3600)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_fires(situation: str, watched: Watched) -> None:
    """A situation fires its alerts on its days, and nothing else in forty."""
    build, expected = SITUATIONS[situation]

    assert expected == _of(build().organization, watched)


def test_words(watched: Watched) -> None:
    """Descriptions have their figures, in units for people; no template fails."""
    assert "% of the budget of 900.00 USD" in watched.said["OpenAIBudgetSpent", "budget"]["description"]
    assert [] == unclear(watched.texts)


def _of(organization: str, watched: Watched) -> Fired:
    """Return an organization's alerts by what else they are about, with first and last day."""
    found: Fired = {}
    for (name, severity, *others), times in watched.fired.items():
        days = ((times[0] - 1) // DAY, (times[-1] - 1) // DAY)
        if organization in others:
            found[name, severity, *(value for value in others if value != organization)] = days
        elif f"{organization}:10180" in others:
            found[name, severity, "down"] = days
    return found
