"""What is wrong, the worst first, and what to do about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from exporter.exposition import DegradedReason, OrganizationReport, ResourceReport, Snapshot

_LATE_INTERVALS: Final = 3
_LATE_AT_LEAST: Final = 300.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reader needs to know of a problem."""

    meaning: str
    advice: str


_FAILED: Final = "The last poll failed."
_LATE: Final = Explanation(
    "There has been no successful poll for some time.",
    "Read the exporter's log: it says what the last polls waited for.",
)

DEGRADED: Final[Mapping[DegradedReason, Explanation]] = {
    DegradedReason.UNSUPPORTED: Explanation(
        "This host does not have the endpoint.",
        "Nothing: the exporter tries again once a day.",
    ),
    DegradedReason.LEGACY: Explanation(
        "The key may not read this endpoint. The legacy billing endpoints are read instead: less detail, no projects.",
        "Use an admin key with the scope api.usage.read. The exporter switches to the endpoint on its first success.",
    ),
    DegradedReason.GAP: Explanation(
        "Some past days are missing: the API no longer serves them.",
        "Nothing brings them back. Gauges and counters lack these days; keep the exporter running to avoid gaps.",
    ),
    DegradedReason.GROUP_BY_REFUSED: Explanation(
        "The API refuses the configured grouping, so at least one label is missing.",
        "Remove what the log names from the resource's group_by. The full grouping is tried again once a day.",
    ),
    DegradedReason.ORGANIZATION_CHANGED: Explanation(
        "The key belongs to another organization than the state file; its data is not used.",
        "Restore the former key, or give the new organization another name and another state file.",
    ),
}
"""Every reason of `openai_exporter_resource_degraded`."""


class State(IntEnum):
    """How a resource is doing, worst last."""

    FINE = 0
    UNSUPPORTED = 1
    WAITING = 2
    DEGRADED = 3
    LATE = 4
    FAILING = 5

    @property
    def title(self) -> str:
        """The state as the page shows it."""
        return ("up to date", "not available", "not polled yet", "degraded", "late", "failing")[self]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, wherever it is."""

    state: State
    meaning: str
    advice: str
    where: tuple[tuple[str, tuple[str, ...]], ...]
    """Organizations, each with its resources."""


_STATE_NOT_WRITABLE: Final = Problem(
    State.FAILING,
    "The state file cannot be written: counters do not rise, gauges are not affected.",
    "Check free space, permissions and the file system of state.path; the log has the error.",
    (),
)


def resource_state(resource: ResourceReport, now: float) -> State:
    """Return how a resource is doing at `now`, Unix seconds."""
    if not resource.first_poll_done:
        return State.WAITING
    if DegradedReason.UNSUPPORTED in resource.degraded:
        return State.UNSUPPORTED
    if not resource.up:
        return State.FAILING
    if now - (resource.last_success or now) > max(_LATE_INTERVALS * resource.interval, _LATE_AT_LEAST):
        return State.LATE
    return State.DEGRADED if resource.degraded else State.FINE


def organization_state(organization: OrganizationReport, now: float) -> State:
    """Return the state of the worst resource."""
    return max((resource_state(resource, now) for resource in organization.resources), default=State.WAITING)


def problems(snapshot: Snapshot, now: float) -> tuple[Problem, ...]:
    """Return what is wrong, worst first; the same text in several resources is one problem."""
    found: dict[tuple[State, str, str], dict[str, list[str]]] = {}
    for organization in snapshot.organizations:
        for resource in organization.resources:
            if resource_state(resource, now) is not State.UNSUPPORTED:
                for problem in resource_problems(resource, now):
                    found.setdefault(problem, {}).setdefault(organization.name, []).append(resource.name)
    return (() if snapshot.state_writable else (_STATE_NOT_WRITABLE,)) + tuple(
        Problem(state, meaning, advice, tuple((name, tuple(names)) for name, names in where.items()))
        for (state, meaning, advice), where in sorted(found.items(), key=lambda entry: -entry[0][0])
    )


def resource_problems(resource: ResourceReport, now: float) -> Iterator[tuple[State, str, str]]:
    """Yield state, meaning and advice for everything that is wrong with one resource."""
    state = resource_state(resource, now)
    if state is State.FAILING:
        yield state, resource.error or _FAILED, resource.advice
    elif state is State.LATE:
        yield state, resource.error or _LATE.meaning, resource.advice or _LATE.advice
    for reason in resource.degraded if state is not State.WAITING else ():
        if state is not State.UNSUPPORTED or reason is DegradedReason.UNSUPPORTED:
            explanation = DEGRADED[reason]
            yield min(state, State.DEGRADED), explanation.meaning, explanation.advice
