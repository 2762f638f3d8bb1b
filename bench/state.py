"""`make bench-state`: what ledger, state file and encoder cost at 10,000 and 100,000 series.

A series is a label set times a measure: completions by project, model and batch, with six measures, over 31 dense days
of which a poll changes 2 % of today's rows.
"""

import argparse
import gc
import json
import random
import resource as limits
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from exporter.catalog import DAY, Bucket, Plan, PollResult, Row, Window, resource
from exporter.exposition import Body, Encoder, Family, Format, Type, columns_of, of_measures
from exporter.ledger import Ledger, PendingRelease
from exporter.store import Entry, Store

_NOW: Final = 1_795_016_537.0
_TODAY: Final = 1_794_960_000
_DAYS: Final = 31
_CHANGED: Final = 0.02
_POLLS: Final = 5

_FACTS: Final = {
    "apply": "take 31 days into the ledger",
    "apply_poll": "take a poll that changes 2 %",
    "memory": "memory of the ledger, for each series",
    "commit": "commit 31 days (wall clock, fsync included)",
    "commit_poll": "commit a poll that changes 2 % (likewise)",
    "written_poll": "written to disk by it",
    "file": "state file",
    "load": "read the state back",
    "samples": "samples of a scrape",
    "publish": "both formats, encoded and compressed, first",
    "publish_poll": "again, with 2 % changed",
    "library": "`generate_latest` of the same families, one format, not compressed",
    "ratio": "times as long as ours with 2 % changed",
}
Facts = dict[str, float]


class Meter:
    """Takes times: the best of several, for other programs can only add to them."""

    def __init__(self) -> None:
        self.facts: Facts = {}

    @contextmanager
    def measure(self, name: str, clock: Callable[[], float] = time.process_time) -> Iterator[None]:
        """Note the milliseconds that the block takes: of the processor, or of another clock."""
        gc.collect()
        began = clock()
        yield
        taken = (clock() - began) * 1000
        self.facts[name] = min(taken, self.facts.get(name, taken))


def _plan(sets: int) -> Plan:
    row = resource("completions")
    measures = row.select()
    return Plan(
        resource=row,
        group_by=row.group_by,
        filters=(),
        width="1d",
        measures=measures,
        windows=tuple((measure, (Window("7d"),)) for measure in measures if measure.requests),
        interval=60.0,
        lookback_days=_DAYS,
        refetch_days=3,
        stale_after=21600.0,
        max_series=sets,
    )


def _rows(sets: int, draw: random.Random) -> list[Row]:
    return [
        (
            (f"proj_{number % 40:024}", f"gpt-5.{number // 80}-2025-11-13", ("false", "true")[number // 40 % 2]),
            tuple(float(draw.randrange(10**4, 10**8)) for _ in range(6)),
        )
        for number in range(sets)
    ]


def _answers(sets: int) -> tuple[PollResult, list[PollResult]]:
    """Return the answer of a first poll, and those of some that follow it."""
    draw = random.Random(1)
    days = [_TODAY - age * DAY for age in reversed(range(_DAYS))]
    buckets = [Bucket(day, day + DAY, (_rows(sets, draw),)) for day in days]
    unchanged = [Bucket(day, day + DAY, None) for day in days[-3:-1]]
    today = (buckets[-1].rows or ((),))[0]
    polls = []
    for number in range(1, _POLLS + 1):
        today = [
            (labels, tuple((value or 0) + 1000 for value in values) if draw.random() < _CHANGED else values)
            for labels, values in today
        ]
        bucket = Bucket(_TODAY, int(_NOW), (today,))
        polls.append(PollResult(days[-3], _TODAY + DAY, (*unchanged, bucket), _NOW + 60 * number))
    return PollResult(days[0], _TODAY + DAY, tuple(buckets), _NOW), polls


def _adopt(releases: list[PendingRelease]) -> None:
    for release in releases:
        release.adopt()


def _commit(store: Store, ledger: Ledger, now: float) -> None:
    releases = ledger.propose(now, 0.0)
    store.save([Entry("default", ledger, releases=releases)], {"default": "org-1"})
    _adopt(releases)


def _families(ledger: Ledger, now: float) -> list[Family]:
    return of_measures(columns_of("default", ledger.views(now)))


class Library:
    """The same families as `prometheus_client` would have them built."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield the library's families."""
        for family in self._families:
            for column in family.columns:
                names = [name for name, _ in (*column.before, *column.after)]
                constant = [value for _, value in (*column.before, *column.after)]
                make = CounterMetricFamily if family.type is Type.COUNTER else GaugeMetricFamily
                metric = make(family.name, family.help, labels=[*names, *column.rows.names])
                for labels, value, shown in zip(
                    column.rows.sets, column.values.tolist(), column.shown.tolist(), strict=False
                ):
                    if shown:
                        metric.add_metric([*constant, *labels], value)
                yield metric


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * limits.getpagesize()


def measure(series: int) -> Facts:
    """Return what one size costs."""
    sets = series // 6
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        log = Path(f"{path}-wal")
        store, ledger = Store(path), Ledger(_plan(sets))
        first, polls = _answers(sets)
        with meter.measure("apply"):
            ledger.apply(first)
        with meter.measure("commit", time.perf_counter):
            _commit(store, ledger, _NOW)
        store.close()

        run = [sys.executable, "-m", "bench.state", "--load", str(path), str(series)]
        loaded = subprocess.run(run, capture_output=True, text=True, check=True)
        meter.facts |= json.loads(loaded.stdout)

        encoder = Encoder()
        with meter.measure("publish"):
            encoder.encode(_families(ledger, _NOW))
        store = Store(path)
        families: list[Family] = []
        bodies: dict[Format, Body] = {}
        for poll in polls:
            with meter.measure("apply_poll"):
                ledger.apply(poll)
            before = log.stat().st_size if log.exists() else 0
            with meter.measure("commit_poll", time.perf_counter):
                _commit(store, ledger, poll.received)
            written = log.stat().st_size - before
            meter.facts["written_poll"] = max(written, meter.facts.get("written_poll", 0))
            with meter.measure("publish_poll"):
                families = _families(ledger, poll.received)
                bodies = encoder.encode(families)
        store.close()
        meter.facts["file"] = path.stat().st_size
        registry = CollectorRegistry()
        registry.register(Library(families))
        with meter.measure("library"):
            text = generate_latest(registry)
        meter.facts["samples"] = sum(not line.startswith(b"#") for line in text.splitlines())
        if len(text) != bodies[Format.TEXT].length:
            raise ValueError("the library writes something else")
    meter.facts["ratio"] = meter.facts["library"] / meter.facts["publish_poll"]
    return meter.facts


def _load(path: Path, series: int) -> Facts:
    meter = Meter()
    plan = _plan(series // 6)
    before = _resident()
    with meter.measure("load"):
        store = Store(path)
        ledger = store.load("default", plan)
    gc.collect()
    meter.facts["memory"] = (_resident() - before) / series
    if ledger.series != series // 6:
        raise ValueError(f"{ledger.series} of {series // 6} label sets were read back")
    store.close()
    return meter.facts


def _shown(name: str, value: float) -> str:
    if name in {"samples", "ratio"}:
        return f"{value:,.0f}"
    if name in {"written_poll", "file"}:
        return f"{value / 2**20:.1f} MiB"
    return f"{value:,.0f} bytes" if name == "memory" else f"{value:,.0f} ms"


def main() -> None:
    """Measure each size in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("series", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--one", action="store_true", help="measure one size here, and print JSON")
    parser.add_argument("--load", type=Path, help="measure what loading this state of one size costs")
    given = parser.parse_args()
    if given.load or given.one:
        print(json.dumps(_load(given.load, given.series[0]) if given.load else measure(given.series[0])))
        return
    run = [sys.executable, "-m", "bench.state", "--one"]
    sizes = [
        json.loads(subprocess.run([*run, str(size)], capture_output=True, text=True, check=True).stdout)
        for size in given.series
    ]
    print("| | " + " | ".join(f"{size:,} series" for size in given.series) + " |")
    print("| --- |" + " ---: |" * len(sizes))
    for name, words in _FACTS.items():
        print(f"| {words} | " + " | ".join(_shown(name, facts[name]) for facts in sizes) + " |")


if __name__ == "__main__":
    main()
