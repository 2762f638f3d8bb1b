"""How late the event loop runs while the worker decodes, commits and encodes, compared with an idle process."""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.dense import DAYS, NOW, TODAY, Organization, plan, result
from bench.measurements import Measurement, emit
from exporter.catalog import DAY
from exporter.exposition import Encoder, columns_of, of_measures
from exporter.ledger import Ledger
from exporter.store import Entry, Store
from exporter.worker import Worker

_TICK: Final = 0.001
_SWITCH_INTERVAL: Final = 0.0005
_POLLS: Final = 5
_CONTROL_SECONDS: Final = 20


async def _lateness(until: asyncio.Event, seconds: float = float("inf")) -> list[float]:
    """Return the delay of each iteration of the loop in milliseconds."""
    late = []
    end = time.perf_counter() + seconds
    while not until.is_set() and time.perf_counter() < end:
        began = time.perf_counter()
        await asyncio.sleep(_TICK)
        late.append((time.perf_counter() - began - _TICK) * 1000)
    return sorted(late)


async def _busy(samples: int) -> list[float]:
    worker, done = Worker(), asyncio.Event()
    organization, settings = Organization(samples), plan(samples)
    days = [TODAY - age * DAY for age in reversed(range(DAYS))]
    ledger, encoder = Ledger(settings), Encoder()

    def poll(pages: list[bytes], now: float) -> None:
        ledger.apply(result(pages, settings, now, ledger.known))

    def publish(store: Store, now: float) -> None:
        releases = ledger.propose(now, 0.0)
        store.save([Entry("default", ledger, releases=releases)], {"default": ""})
        for release in releases:
            release.adopt()
        encoder.encode(of_measures(columns_of("default", ledger.views(now))))

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "state.db")
        polls = [[organization.page([day]) for day in days]]
        for turn in range(1, _POLLS + 1):
            organization.grow()
            polls.append([organization.page([TODAY], now=NOW + 60 * turn)])
        measuring = asyncio.create_task(_lateness(done))
        for turn, pages in enumerate(polls):
            now = NOW + 60 * turn
            await worker.run(lambda pages=pages, now=now: poll(pages, now))  # type: ignore[misc]
            await worker.run(lambda now=now: publish(store, now))  # type: ignore[misc]
        done.set()
        late = await measuring
        store.close()
    worker.stop()
    return late


def measure(samples: int) -> list[Measurement]:
    """Return the 99th percentile and the maximum, of the busy loop and of the control."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    command = [sys.executable, "-m", "bench.event_loop", "--control"]
    control = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    late = asyncio.run(_busy(samples))
    idle = [float(value) for value in control.communicate()[0].split()]
    at = int(0.99 * len(late))
    return [
        Measurement("event loop held, 99th percentile", samples, " ms", late[at], idle[0], late[at]),
        Measurement("event loop held, longest", samples, " ms", late[-1], idle[1], late[-1]),
    ]


def _control() -> None:
    late = asyncio.run(_lateness(asyncio.Event(), _CONTROL_SECONDS))
    sys.stdout.write(f"{late[int(0.99 * len(late))]} {late[-1]}\n")


if __name__ == "__main__":
    if sys.argv[1] == "--control":
        _control()
    else:
        emit(measure(int(sys.argv[1])))
