"""The language of everything that a user can see."""

import pytest

from tests.support.user_visible_strings import Visible, user_visible_strings

_AREAS = (
    "dashboards",
    "help",
    "settings",
    "messages/catalog",
    "messages/cli",
    "messages/collector",
    "messages/durations",
    "messages/exposition",
    "messages/settings",
    "messages/store",
    "messages/telemetry",
    "messages/web",
)
"""The areas whose texts follow the rules; every other area is added when it does."""


@pytest.fixture(scope="module")
def visible() -> list[Visible]:
    """Give every text."""
    return list(user_visible_strings())


def test_every_area_is_collected(visible: list[Visible]) -> None:
    """The list has metric help, settings, log events, alert annotations, panels and messages of every kind."""
    areas = {each.area for each in visible}

    assert {"log", "rules", "dashboards", "messages/check", "messages/openai", "messages/web"} <= areas
    assert set(_AREAS) <= areas


def test_texts_avoid_the_words_that_are_not_used(visible: list[Visible]) -> None:
    """No text has a word that plain technical English does not need."""
    problems = [
        f"{each.where}: {each.text}: {each.problem}" for each in visible if each.area in _AREAS and each.problem
    ]

    assert [] == problems


def test_log_events_are_stable_names(visible: list[Visible]) -> None:
    """An event is a name for programs; the sentence for people is in a field."""
    packages = ("exporter/cli", "exporter/publisher", "exporter/settings", "exporter/web")
    events = [each for each in visible if each.is_event and each.where.startswith(packages)]

    assert events
    assert [] == [f"{each.where}: {each.text}" for each in events if each.problem]
