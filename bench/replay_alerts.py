"""`make bench-alerts`: eight weeks of organizations with different habits, through the bundled rules.

Each organization (a seed) has a project of every profile, and an exporter that polls every minute, is down three times
and misses polls. The series that Prometheus would store are written for promtool, whose engine evaluates all rules each
minute. Printed is what was found, missed, and reported without a cause, with the delay since the usage could be read.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from alerting.quantities import quantities
from bench.alert_profiles import DAY, FIRST_DAY, PROFILES, Habit, Polls, Spike, habit, polls
from tests.support.promtool import RULES
from tests.support.rule_replay import Labels, Values, episodes, needed, replaying, timing

_ALERTS: Final = {"OpenAIRequestSpike": "requests", "OpenAISpendRateSpike": "estimated_cost_usd"}
"""By alert, the quantity that it is about."""
_NOTICE: Final = 4 * DAY
"""Minutes from a launch in which one page is the notice of it."""
_READABLE: Final = 2
"""Minutes until usage can be read, on average."""
_STEP: Final = 2
"""Minutes from scrape to scrape and from evaluation to evaluation: half as often as the bundled configuration."""
_TENFOLD: Final = 10
_LATE: Final = 30
"""Minutes after its end at which a spike can still be found."""

Habits = dict[tuple[int, str], Habit]
"""By seed and profile."""
Fired = dict[tuple[str, str], list[tuple[int, int]]]
"""By organization and project: from and to, in minutes."""


@dataclass(slots=True)
class Score:
    """What became of the spikes of a profile, and what fired without one."""

    delays: list[float] = field(default_factory=list)
    """Minutes; of tenfold spikes in `tenfold` as well."""
    tenfold: list[float] = field(default_factory=list)
    tenfold_planted: int = 0
    missed: list[str] = field(default_factory=list)
    notices: int = 0
    """Pages that tell of a launch: the first of each."""
    false: list[str] = field(default_factory=list)
    days: int = 0

    def add(self, other: "Score") -> None:
        """Add another score to this one."""
        for name in ("delays", "tenfold", "missed", "false"):
            getattr(self, name).extend(getattr(other, name))
        self.days += other.days
        self.tenfold_planted += other.tenfold_planted
        self.notices += other.notices


def main() -> None:
    """Write, replay, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay_alerts", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[200, 201])
    parser.add_argument("--days", type=int, default=56)
    parser.add_argument("--alert", default="OpenAIRequestSpike", choices=list(_ALERTS))
    parser.add_argument("--profiles", nargs="+", default=list(PROFILES), choices=list(PROFILES))
    options = parser.parse_args()
    began = time.monotonic()
    fates = {seed: polls(seed, options.days) for seed in options.seeds}
    habits = {
        (seed, name): habit(name, seed, options.days, fates[seed])
        for seed in options.seeds
        for name in options.profiles
    }
    with tempfile.TemporaryDirectory() as folder:
        fired = _replay(Path(folder), options.alert, habits, fates, options.days)
    print(f"{len(habits)} projects, {options.days} days each, seeds {options.seeds}:", end=" ")
    print(f"{time.monotonic() - began:.0f} s of replay\n")
    _report(options.alert, habits, fired, options.days)


def _replay(folder: Path, alert: str, habits: Habits, fates: dict[int, Polls], days: int) -> Fired:
    """Return when the alert fired, in minutes, by organization and project."""
    series: dict[tuple[str, Labels], Values] = {}
    for seed, fate in fates.items():
        series |= _exporter(f"org{seed}", fate)
    for (seed, name), each in habits.items():
        labels: Labels = (("organization", f"org{seed}"), ("project_id", name), ("model", "gpt-x"))
        counters = {
            "openai_accrued_completions_requests_total": each.counter,
            "openai_accrued_estimated_cost_usd_total": each.estimate,
        }
        for counter, values in counters.items():
            series[counter, labels] = np.where(fates[seed].up, values, np.nan)
        for window, values in each.costs.items():
            labels = (("organization", f"org{seed}"), ("project_id", name), ("line_item", "x"), ("window", window))
            series["openai_window_cost_usd", labels] = np.where(fates[seed].up, values, np.nan)
    series = {key: values[::_STEP] for key, values in series.items()}
    record = f"openai:project_{_ALERTS[alert]}:spike"
    others = [each.name for each in quantities() if each.name != _ALERTS[alert]]
    rules = needed(RULES, [record], absent="|".join(others))
    spiking: dict[tuple[str, str], list[int]] = defaultdict(list)
    with replaying(folder, rules, series, step=60 * _STEP, hours=4, origin=FIRST_DAY * 86400) as replay:
        for _, first, result in replay.run(days, [record]):
            for labels, values in result.items():
                named = dict(labels)
                spiking[named["organization"], named["project_id"]] += list(
                    _STEP * (first + np.flatnonzero(~np.isnan(values)))
                )
            if first * _STEP % (7 * DAY) == 0:
                print(f"day {first * _STEP // DAY} of {days}", file=sys.stderr, flush=True)
    hold, keep = timing(alert)
    return {key: episodes(minutes, hold, keep, step=_STEP) for key, minutes in spiking.items()}


def _exporter(organization: str, fate: Polls) -> dict[tuple[str, Labels], Values]:
    seconds = FIRST_DAY * 86400 + np.arange(len(fate.up)) * 60.0
    success = np.maximum.accumulate(np.where(fate.succeeded, seconds, 0.0))
    started = np.maximum.accumulate(np.where(fate.up & ~np.roll(fate.up, 1), seconds, 0.0))
    target: Labels = (("job", "openai-usage-exporter"), ("instance", f"{organization}:10180"))
    own = (*target, ("organization", organization))
    of_resource = (*own, ("resource", "completions"))
    columns = {
        ("process_start_time_seconds", target): started,
        ("openai_exporter_up", own): np.ones(len(seconds)),
        ("openai_exporter_resource_up", of_resource): fate.succeeded.astype(np.float64),
        ("openai_exporter_last_success_timestamp_seconds", of_resource): success,
        ("openai_exporter_poll_interval_seconds", of_resource): np.full(len(seconds), 60.0),
    }
    return {key: np.where(fate.up, values, np.nan) for key, values in columns.items()}


def _report(alert: str, habits: Habits, fired: Fired, days: int) -> None:
    scores: dict[str, Score] = {name: Score() for _, name in habits}
    for (seed, name), each in habits.items():
        scores[name].add(_judge(each, fired.get((f"org{seed}", name), []), f"org{seed}", days))
    print(f"{alert:24}{'spikes':>8}{'found':>8}{'median':>8}{'90 %':>8}{'notices':>8}{'false':>8}{'days':>8}")
    total = Score()
    for name, score in scores.items():
        _row(name, score)
        total.add(score)
    _row("all", total)
    if total.tenfold:
        count = f"{len(total.tenfold)} of {total.tenfold_planted} found"
        print(f"ten times the usual: {count}, after {np.median(total.tenfold):.0f} minutes (median)")
    for title, lines in (("missed", total.missed), ("without a spike", total.false)):
        print(f"{title}: {len(lines)}")
        for line in lines:
            print(f"  {line}")


def _row(name: str, score: Score) -> None:
    count = len(score.delays) + len(score.missed)
    share = f"{len(score.delays) / count:.0%}" if count else "-"
    delays = [f"{figure:.0f} m" for figure in np.percentile(score.delays, (50, 90))] if score.delays else ["-", "-"]
    print(
        f"{name:24}{count:8}{share:>8}{delays[0]:>8}{delays[1]:>8}{score.notices:8}{len(score.false):8}{score.days:8}"
    )


def _judge(each: Habit, fired: Sequence[tuple[int, int]], organization: str, days: int) -> Score:
    score = Score(days=days)
    explained: set[tuple[int, int]] = set()
    for spike in each.spikes:
        score.tenfold_planted += spike.factor >= _TENFOLD
        of_it = [episode for episode in fired if _explains(spike, episode)]
        explained.update(of_it)
        if of_it:
            score.delays.append(max(of_it[0][0] - spike.onset - _READABLE, 0))
            if spike.factor >= _TENFOLD:
                score.tenfold.append(score.delays[-1])
        else:
            score.missed.append(
                f"{organization} {each.profile}: day {spike.start / DAY:.2f}, x{spike.factor:g} for {spike.minutes} m"
            )
    for start, end in fired:
        if (start, end) in explained:
            continue
        if each.launched is not None and not score.notices and 0 <= start - each.launched <= _NOTICE:
            score.notices = 1
        else:
            score.false.append(f"{organization} {each.profile}: day {start / DAY:.2f} to {end / DAY:.2f}")
    return score


def _explains(spike: Spike, episode: tuple[int, int]) -> bool:
    return spike.start <= episode[0] <= spike.start + spike.minutes + _LATE


if __name__ == "__main__":
    main()
