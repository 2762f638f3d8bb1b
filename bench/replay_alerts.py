"""`make bench-alerts`: eight weeks through the real exporter and the bundled rules; how often they page in vain.

A simulated organization with the rhythm of days and weeks grows by 2 % a week. Spikes are planted, the exporter goes
down, OpenAI is unreachable, and usage and costs come late. The exporter polls every ten minutes, Prometheus' rules are
evaluated as often by promtool. Printed is which alerts fired, beside what was planted.
"""

import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bench.eight_weeks import DOWN, LATE, SCRAPES, SPIKES, STEP, UNREACHABLE, WEEKS, Life, Span, Spike
from exporter.catalog import DAY
from tests.support.promtool import RULES, Replay, alert_names

_EVERY: Final = 1800
_SPIKE_ALERTS: Final = {"OpenAIRequestSpike", "OpenAITokenSpike", "OpenAISpendSpike"}
_EXPECTED: Final = {"requests": {"OpenAIRequestSpike"}, "spend": {"OpenAISpendSpike"}}
_AFTER: Final = {"OpenAIRequestSpike": 0.1, "OpenAITokenSpike": 0.1, "OpenAISpendSpike": 1.5}
"""Days after the end of a spike in which its alert may still fire: spend is judged by whole days."""


@dataclass(frozen=True, slots=True)
class Episode:
    """An alert from its first to its last half hour; half an hour of silence ends it."""

    alert: str
    severity: str
    others: tuple[str, ...]
    start: float
    end: float
    """Days from the start."""


def main() -> None:
    """Live, replay, judge, print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        life = Life(folder)
        life.live()
        lived = time.monotonic()
        episodes = _replay(life, folder)
        print(
            f"{WEEKS} weeks, {SCRAPES} scrapes, {len(life.columns)} series: lived in {lived - began:.0f} s,"
            f" {len(RULES)} rule files with {len(alert_names(RULES))} alerts replayed in"
            f" {time.monotonic() - lived:.0f} s\n"
        )
    _judge_spikes(life, episodes)
    _judge_troubles(episodes)


def _replay(life: Life, folder: Path) -> list[Episode]:
    replay = Replay(folder, step=f"{STEP}s")
    for (name, labels), column in life.columns.items():
        replay.add(name, dict(labels), column)
    episodes: list[Episode] = []
    for (alert, severity, *others), times in replay.watch(0, WEEKS * 7 * DAY, every=_EVERY, words=False).fired.items():
        for start, end in _runs(times):
            episodes.append(Episode(alert, severity, tuple(others), start / DAY, end / DAY))
    return sorted(episodes, key=lambda episode: episode.start)


def _runs(times: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for at in times:
        if runs and at - runs[-1][1] <= 2 * _EVERY:
            runs[-1] = runs[-1][0], at
        else:
            runs.append((at - _EVERY, at))
    return runs


def _judge_spikes(life: Life, episodes: list[Episode]) -> None:
    told = [episode for episode in episodes if episode.alert in _SPIKE_ALERTS]
    print("planted                                            told by")
    missed, found, silent = 0, 0, 0
    for spike in sorted(SPIKES, key=lambda spike: spike.day):
        of_it = [episode for episode in told if _explains(life, spike, episode)]
        names = {episode.alert for episode in of_it}
        if spike.mild:
            silent += not of_it
        elif _EXPECTED[spike.kind] & names:
            found += 1
        else:
            missed += 1
        delays = [
            f"{episode.alert} after {max(episode.start - spike.day, 0) * 24:.1f} h"
            for episode in of_it
            if life.projects[spike.project] in episode.others
        ]
        what = f"{spike.kind} x{spike.factor:g} for {spike.hours:g} h, project {spike.project}"
        print(f"day {spike.day:5.2f}  {what:38} {'mild: ' if spike.mild else ''}{', '.join(delays) or '-'}")
    vain = [episode for episode in told if not any(_explains(life, spike, episode) for spike in SPIKES)]
    real = sum(not spike.mild for spike in SPIKES)
    project_days = WEEKS * 7 * len(life.projects)
    print(f"\n{real} spikes: {found} found (true positives), {missed} missed (false negatives)")
    print(f"{len(SPIKES) - real} mild ones: {silent} not told (true negatives), {len(SPIKES) - real - silent} told")
    print(f"{len(vain)} spike alerts without any spike (false positives) in {project_days} days of a project:")
    _print(vain)


def _explains(life: Life, spike: Spike, episode: Episode) -> bool:
    if episode.start > spike.day + spike.hours / 24 + _AFTER[episode.alert] or episode.end < spike.day:
        return False
    return life.projects[spike.project] in episode.others or len(episode.others) == 1


def _judge_troubles(episodes: list[Episode]) -> None:
    late = tuple(span for spans in LATE.values() for span in spans)
    others = [episode for episode in episodes if episode.alert not in _SPIKE_ALERTS]
    print("\ntroubles (planted: down, unreachable, late) and other alerts")
    for title, spans in (("down", DOWN), ("unreachable", UNREACHABLE), ("late", late)):
        for span in sorted(spans):
            during = Counter(f"{episode.alert} ({episode.severity})" for episode in others if _overlaps(episode, span))
            words = ", ".join(f"{count} {name}" for name, count in during.items())
            print(f"day {span[0]:5.2f}  {title} for {(span[1] - span[0]) * 24:.1f} h: {words or '-'}")
    spans = (*DOWN, *UNREACHABLE, *late)
    outside = [episode for episode in others if not any(_overlaps(episode, span) for span in spans)]
    print(f"{len(outside)} other alerts outside of these:")
    _print(outside)


def _overlaps(episode: Episode, span: Span) -> bool:
    return episode.start <= span[1] + 0.1 and episode.end >= span[0]


def _print(episodes: list[Episode]) -> None:
    for episode in episodes:
        where = " ".join(episode.others)
        print(f"  day {episode.start:5.2f} to {episode.end:5.2f}  {episode.alert} ({episode.severity}) {where}")


if __name__ == "__main__":
    main()
