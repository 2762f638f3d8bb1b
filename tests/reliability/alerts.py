"""Which alerts fire during each fault, by the bundled rules, and whom the real Alertmanager then notifies."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx

from tests.reliability.cases import CASES, Case
from tests.reliability.measure import Measured
from tests.support.alertmanager import alertmanager, receiving
from tests.support.promtool import Replay

_ROUND: Final = 2.5
"""Seconds for which each set of firing alerts is kept: longer than Alertmanager waits."""

Alert = tuple[tuple[str, str], ...]
"""Labels, sorted."""


def firing(folder: Path, measured: Mapping[str, Measured]) -> dict[str, list[tuple[int, frozenset[Alert]]]]:
    """Return for each case, by its id, when the set of firing alerts changes: seconds since the first scrape."""
    found: dict[str, list[tuple[int, frozenset[Alert]]]] = {}
    for step in sorted({case.step for case in CASES}):
        cases = [case for case in CASES if case.step == step and case.id in measured]
        if cases:
            found |= _replayed(folder, step, cases, measured)
    return found


def _replayed(
    folder: Path, step: int, cases: Sequence[Case], measured: Mapping[str, Measured]
) -> dict[str, list[tuple[int, frozenset[Alert]]]]:
    replay = Replay(folder, step=f"{step}s")
    times = range(0, max(measured[case.id].ends for case in cases) + 1, step)
    for case in cases:
        for (name, labels), values in measured[case.id].series.items():
            replay.add(name, dict(labels), [values.get(at) for at in times])
    results = replay.query('ALERTS{alertstate="firing"}', times)
    found: dict[str, list[tuple[int, frozenset[Alert]]]] = {case.id: [] for case in cases}
    for at, samples in zip(times, results, strict=True):
        now: dict[str, set[Alert]] = {case.id: set() for case in cases}
        for sample in samples:
            alert = {name: value for name, value in sample.labels.items() if name not in {"__name__", "alertstate"}}
            owner = _owner(alert)
            if owner in now and at <= measured[owner].ends:
                now[owner].add(tuple(sorted(alert.items())))
        for owner, alerts in now.items():
            if frozenset(alerts) != (found[owner][-1][1] if found[owner] else frozenset()):
                found[owner].append((at, frozenset(alerts)))
    return found


def notified(
    folder: Path, fired: Mapping[str, Sequence[tuple[int, frozenset[Alert]]]]
) -> dict[str, set[tuple[str, str]]]:
    """Return for each case receiver and alert of every notification: all cases at once, one set of alerts at a time."""
    rounds = max(map(len, fired.values()), default=0)
    with receiving() as receivers, alertmanager(folder, receivers) as port:
        for number in range(rounds):
            current = [sets[number][1] if number < len(sets) else frozenset() for sets in fired.values()]
            earlier = {alert for sets in fired.values() for _, alerts in sets[:number] for alert in alerts}
            now = {alert for alerts in current for alert in alerts}
            _post(port, now, earlier - now)
            time.sleep(_ROUND)
    notifications: dict[str, set[tuple[str, str]]] = {case: set() for case in fired}
    for receiver, labels in receivers.notified("firing"):
        owner = _owner(labels)
        notifications[owner].add((receiver, labels["alertname"]))
    return notifications


def _owner(labels: Mapping[str, str]) -> str:
    """Return the id of the case that an alert belongs to."""
    return labels.get("organization", labels.get("instance", ""))


def _post(port: int, active: set[Alert], over: set[Alert]) -> None:
    ended = datetime.now(UTC).isoformat()
    body: list[dict[str, object]] = [{"labels": dict(alert)} for alert in active]
    body += [{"labels": dict(alert), "endsAt": ended} for alert in over]
    answer = httpx.post(f"http://127.0.0.1:{port}/api/v2/alerts", json=body, timeout=10, trust_env=False)
    answer.raise_for_status()
