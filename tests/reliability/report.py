"""The measured tables as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.catalog import DAY, HOUR, MINUTE
from tests.reliability.alerts import Alert
from tests.reliability.cases import Case, Way
from tests.reliability.measure import Measured

BEGIN: Final = "<!-- measured: make reliability -->"
END: Final = "<!-- end -->"

_HEAD: Final = (
    "| fault | one response | lasting | meanwhile `up` | gauges | counters | usage, costs current again | lost "
    "| alerts (minutes after the beginning: receiver) |"
)
_LATE: Final = ((5, "5 s"), (30, "30 s"), (MINUTE, "1 min"), (5 * MINUTE, "5 min"), (HOUR, "1 h"))
_RECOVERY: Final = {
    "usage": ((75, "1 min"), (5 * MINUTE, "5 min"), (10 * MINUTE, "10 min"), (HOUR, "1 h"), (2 * HOUR, "2 h")),
    "costs": ((320, "5 min"), (10 * MINUTE, "10 min"), (HOUR, "1 h"), (2 * HOUR, "2 h")),
}
"""Seconds and how they are printed. The first bound is the interval between polls."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of one fault."""

    name: str
    once: str
    lasting: str
    up: str
    gauges: str
    counters: str
    recovery: str
    lost: str
    alerts: str

    def __str__(self) -> str:
        """Return a line of the table."""
        cells = (getattr(self, name) for name in self.__slots__)
        return f"| {' | '.join(cells)} |"


def row(
    case: Case,
    measured: Measured,
    fired: Sequence[tuple[int, frozenset[Alert]]],
    notified: Iterable[tuple[str, str]],
) -> Row:
    """Return the row of one fault. Times are rounded up to a few bounds, so that they do not depend on jitter."""
    lost = {kind: amount for kind, amount in measured.lost.items() if amount}
    recovery = [_bound(measured.recovery.get(kind), bounds) for kind, bounds in _RECOVERY.items()]
    return Row(
        case.name,
        "" if measured.once is None else f"{_bound(measured.once, _LATE)} late",
        _span(case.lasts),
        "" if case.way is Way.DOWN else str(int(measured.up)),
        measured.gauges,
        measured.counters,
        ", ".join(recovery),
        ", ".join(f"{amount:g} of {kind}" for kind, amount in lost.items()) or "nothing",
        _alerts(measured.begins, fired, notified),
    )


def table(rows: Iterable[Row]) -> str:
    """Return the whole table."""
    return "\n".join([_HEAD, "| --- " * (_HEAD.count("|") - 1) + "|", *map(str, rows)])


def _alerts(begins: int, fired: Sequence[tuple[int, frozenset[Alert]]], notified: Iterable[tuple[str, str]]) -> str:
    first: dict[str, int] = {}
    for at, alerts in fired:
        for alert in alerts:
            first.setdefault(dict(alert)["alertname"], at)
    receivers: Mapping[str, list[str]] = {
        name: sorted({receiver for receiver, alert in notified if alert == name}) for name in first
    }
    return ", ".join(
        f"{name.removeprefix('OpenAI')} ({_minutes(at - begins)}: {' and '.join(receivers[name]) or 'inhibited'})"
        for name, at in sorted(first.items(), key=lambda item: (item[1], item[0]))
    )


def _minutes(seconds: float) -> str:
    """Return minutes, rounded up to multiples of ten."""
    return f"{-(-max(seconds, 0) // (10 * MINUTE)) * 10:.0f}"


def _bound(seconds: float | None, bounds: Sequence[tuple[int, str]]) -> str:
    if seconds is None:
        return "not within 3 h"
    return next((f"≤ {text}" for bound, text in bounds if seconds <= bound), "≤ 3 h")


def _span(seconds: int) -> str:
    if seconds % DAY == 0:
        return f"{seconds // DAY} d"
    return f"{seconds // HOUR} h" if seconds % HOUR == 0 else f"{seconds // MINUTE} min"
