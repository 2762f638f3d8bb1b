"""The language of everything that a user can see."""

from pathlib import Path

import pytest

from tests.support.user_visible_strings import Visible, user_visible_strings

ROOT = Path(__file__).parents[1]
_WITHOUT_MESSAGES = {"ledger", "publisher", "simulator"}
"""Packages without messages for users: those of the simulator imitate OpenAI."""


@pytest.fixture(scope="module")
def visible() -> list[Visible]:
    """Return every text."""
    return list(user_visible_strings())


def test_every_area_is_collected(visible: list[Visible]) -> None:
    """The list has metric help, settings, log events, alerts, panels and the messages of every package."""
    packages = {path.name for path in (ROOT / "exporter").iterdir() if (path / "__init__.py").exists()}
    areas = {each.area for each in visible}

    assert {"help", "settings", "log", "rules", "dashboards"} <= areas
    assert packages - _WITHOUT_MESSAGES <= {area.removeprefix("messages/") for area in areas}


def test_texts_avoid_unwanted_phrases(visible: list[Visible]) -> None:
    """No text has a phrase that plain technical English does not need."""
    problems = [f"{each.where}: {each.text}: {each.problem}" for each in visible if each.problem and not each.is_event]

    assert [] == problems


def test_log_events_are_stable_names(visible: list[Visible]) -> None:
    """An event is a name for programs; the sentence for people is in a field."""
    events = [each for each in visible if each.is_event]

    assert events
    assert [] == [f"{each.where}: {each.text}" for each in events if each.problem]
