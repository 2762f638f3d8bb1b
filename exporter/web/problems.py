"""What is wrong, in the order in which somebody who was just woken has to know it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from exporter.exposition import OrganizationReport, ResourceReport

_LATE_INTERVALS: Final = 3
_LATE_AT_LEAST: Final = 300.0

_LATE_WORDS: Final = "There has been no successful poll for some time."
_LATE_ADVICE: Final = "Read the exporter's log: it says what the last polls waited for."

UNSUPPORTED: Final = "unsupported"

_DEGRADED: Final = {
    "unsupported": ("This host does not have the endpoint.", "Nothing: it is asked again once a day."),
    "gap": (
        "Some past days are missing: the API no longer serves them.",
        "Nothing brings them back. Gauges and counters lack these days; keep the exporter running to avoid gaps.",
    ),
    "group_by_refused": (
        "The API refuses to group this by everything that was asked for; a label is missing.",
        "Take what the log names out of the resource's group_by. The full grouping is tried again once a day.",
    ),
    "organization_changed": (
        "The key now belongs to another organization than the state remembers; its answers are not applied.",
        "Put the former key back, or give the new organization a name and a state of its own.",
    ),
}


class State(IntEnum):
    """How a resource is doing, worst last."""

    FINE = 0
    UNSUPPORTED = 1
    WAITING = 2
    DEGRADED = 3
    LATE = 4
    FAILING = 5

    @property
    def words(self) -> str:
        """How the state is called on the page."""
        return ("up to date", "not offered here", "not polled yet", "degraded", "late", "failing")[self]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong, wherever it is."""

    state: State
    what: str
    advice: str
    where: tuple[tuple[str, tuple[str, ...]], ...]
    """Organizations, each with its resources."""


def resource_state(resource: ResourceReport, now: float) -> State:
    """Tell how a resource is doing."""
    if not resource.first_poll_done:
        return State.WAITING
    if UNSUPPORTED in resource.degraded:
        return State.UNSUPPORTED
    if not resource.up:
        return State.FAILING
    if now - (resource.last_success or now) > max(_LATE_INTERVALS * resource.interval, _LATE_AT_LEAST):
        return State.LATE
    return State.DEGRADED if resource.degraded else State.FINE


def organization_state(organization: OrganizationReport, now: float) -> State:
    """Tell how the worst of its resources is doing."""
    return max((resource_state(resource, now) for resource in organization.resources), default=State.WAITING)


def troubles(organizations: Iterable[OrganizationReport], now: float) -> tuple[Trouble, ...]:
    """Return what is wrong, worst first; the same words in several places are one trouble."""
    found: dict[tuple[State, str, str], dict[str, list[str]]] = {}
    for organization in organizations:
        for resource in organization.resources:
            for trouble in resource_troubles(resource, now):
                found.setdefault(trouble, {}).setdefault(organization.name, []).append(resource.name)
    return tuple(
        Trouble(state, what, advice, tuple((name, tuple(names)) for name, names in where.items()))
        for (state, what, advice), where in sorted(found.items(), key=lambda entry: -entry[0][0])
    )


def resource_troubles(resource: ResourceReport, now: float) -> Iterator[tuple[State, str, str]]:
    """Yield state, words and advice for everything that is wrong with one resource."""
    state = resource_state(resource, now)
    if state is State.FAILING:
        yield state, resource.error or "The last poll failed.", resource.advice
    elif state is State.LATE:
        yield state, resource.error or _LATE_WORDS, resource.advice or _LATE_ADVICE
    if state not in (State.WAITING, State.UNSUPPORTED):
        for reason in resource.degraded:
            yield State.DEGRADED, *degraded_words(reason)


def degraded_words(reason: str) -> tuple[str, str]:
    """Return what a reason of `openai_exporter_resource_degraded` means, and what to do."""
    if reason in _DEGRADED:
        return _DEGRADED[reason]
    return f"Degraded: {reason.replace('_', ' ')}.", "The log tells more."
