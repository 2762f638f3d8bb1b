"""Time of the state file: a commit of 31 days, a commit of a poll that changes 2 %, and loading."""

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.dense import DAYS, NOW, TODAY, Organization, plan, result
from bench.measurements import Measurement, emit, measurement, processor_ms
from exporter.catalog import DAY
from exporter.ledger import Ledger
from exporter.store import Entry, Store

_POLLS: Final = 5
_LOADS: Final = 3
_MIB: Final = 2**20


def measure(samples: int) -> list[Measurement]:
    """Return the measurements; commits are timed by the wall clock, because they wait for the disk."""
    organization, settings = Organization(samples), plan(samples)
    ledger = Ledger(settings)

    def poll(starts: list[int], now: float) -> None:
        ledger.apply(result((organization.page([start], now=now) for start in starts), settings, now))

    def commit(store: Store, now: float) -> None:
        releases = ledger.propose(now, 0.0)
        store.save([Entry("default", ledger, releases=releases)], {"default": "org-1"})
        for release in releases:
            release.adopt()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        log = Path(f"{path}-wal")
        store = Store(path)
        poll([TODAY - age * DAY for age in reversed(range(DAYS))], NOW)
        whole = processor_ms(lambda: commit(store, NOW), time.perf_counter)
        store.close()
        store = Store(path)
        commits, written = [], []
        for now in (NOW + 60 * turn for turn in range(1, _POLLS + 1)):
            organization.grow()
            poll([TODAY], now)
            before = log.stat().st_size if log.exists() else 0
            commits.append(processor_ms(lambda now=now: commit(store, now), time.perf_counter))  # type: ignore[misc]
            written.append((log.stat().st_size - before) / _MIB)
        store.close()
        loads = []
        for _ in range(_LOADS):
            store = Store(path)
            loads.append(processor_ms(lambda store=store: store.load("default", settings)))  # type: ignore[misc]
            store.close()
        size = path.stat().st_size / _MIB
    exported = organization.sets * 13
    return [
        measurement("commit of 31 days", exported, " ms", [whole]),
        measurement("commit of a poll that changes 2 %", exported, " ms", commits),
        measurement("written to disk by it", exported, " MiB", written),
        measurement("state file", exported, " MiB", [size]),
        measurement("state read back", exported, " ms", loads),
    ]


if __name__ == "__main__":
    emit(measure(int(sys.argv[1])))
