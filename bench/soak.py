"""An exporter at high pace for an hour, with faults, reloads and hostile clients.

Memory, descriptors and tasks are sampled every second: are they flat? `make soak`, or `make soak SECONDS=600`. The
simulated API, the exporter and the clients are on this machine's loopback.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import IO, Any, Final

import httpx

from exporter.cli.logging import configure_logging
from exporter.cli.service import serve_until_signalled
from exporter.settings import load
from exporter.simulator import Shape, Simulator, keys, serving
from exporter.store import Store

_SAMPLE_SECONDS: Final = 1.0
_LINES: Final = 20
"""Lines of progress in a run."""
_SCRAPERS: Final = 3
_SCRAPE_PAUSE: Final = 0.2
_FAULT_SECONDS: Final = 2.0
_RELOAD_SECONDS: Final = 5.0
_HOSTILE_SECONDS: Final = 3.0
_GROWTH: Final = 1.05
"""By how much the last quarter may exceed the second: the first is warm-up."""
_MEMORY_SLACK: Final = 4 * 2**20
_COUNT_SLACK: Final = 8
_RECOVERY_SECONDS: Final = 120.0
_ACCEPTS: Final = ("text/plain", "application/openmetrics-text", "text/html")
_FAULTS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("server_error", {}),
    ("bad_gateway", {}),
    ("rate_limited", {"retry_after": 1}),
    ("status", {"status": 401, "body": "html"}),
    ("status", {"status": 404, "body": "json"}),
    ("never", {"count": 3}),
    ("reset", {}),
    ("truncated", {}),
    ("not_json", {}),
    ("nested", {"count": 2}),
    ("slow", {"count": 3}),
    ("missing_bucket", {}),
    ("unknown_fields", {}),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The exporter's process at one moment."""

    memory: int
    """Resident bytes."""
    descriptors: int
    threads: int
    tasks: int
    """Of the event loop."""


def main() -> None:
    """Run, print, and exit with 1 if something grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--exporter", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.exporter:
        _export()
        return
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(_soak(Path(folder), given.seconds, given.seed))


def _export() -> None:
    """Be the exporter, and print a sample every second."""
    sampling: list[asyncio.Task[None]] = []

    def on_listening(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        sampling.append(asyncio.get_running_loop().create_task(_print_samples()))

    settings = load("run", [], os.environ)
    configure_logging(settings.log)
    store = Store(Path(os.environ["OPENAI_EXPORTER_STATE__PATH"]))
    asyncio.run(serve_until_signalled(settings, store, on_listening))
    store.close()


async def _print_samples() -> None:
    while True:
        sys.stdout.write(f"{json.dumps([*_resources(), threading.active_count(), len(asyncio.all_tasks())])}\n")
        sys.stdout.flush()
        await asyncio.sleep(_SAMPLE_SECONDS)


def _resources() -> tuple[int, int]:
    """Return resident bytes and open descriptors of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), sum(1 for _ in Path("/proc/self/fd").iterdir())


def _soak(folder: Path, seconds: float, seed: int) -> int:
    simulator = Simulator(seed, shape=Shape(projects=4))
    done: Counter[str] = Counter()
    samples: list[Sample] = []
    stop = threading.Event()
    with serving(simulator) as url, _exporter(folder, url) as child:
        output = child.stdout
        address = output.readline().strip() if output else ""
        if not (output and address):
            raise SystemExit(f"the exporter did not start: {(folder / 'exporter.log').read_text()[-2000:]}")
        tasks = [
            threading.Thread(target=_collect, args=(output, samples)),
            threading.Thread(target=_disturb, args=(simulator, Random(seed), stop, done)),
            threading.Thread(target=_reload, args=(folder / "web.yml", child.pid, stop, done)),
            threading.Thread(target=_be_hostile, args=(address, stop, done)),
            *(threading.Thread(target=_scrape, args=(address, number, stop, done)) for number in range(_SCRAPERS)),
        ]
        for task in tasks:
            task.start()
        try:
            _show_progress(seconds, samples, done, child)
        finally:
            stop.set()
            for task in tasks[1:]:
                task.join()
        simulator.faults.clear()
        recovered = _recovered(address)
        child.send_signal(signal.SIGTERM)
        status = child.wait(30)
        tasks[0].join()
    return _verdict(samples, recovered=recovered, status=status)


@contextlib.contextmanager
def _exporter(folder: Path, url: str) -> Iterator["subprocess.Popen[str]"]:
    (folder / "web.yml").write_text("")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "STATE_"))}
    environment |= {
        "OPENAI_ADMIN_KEY": keys.FULL,
        "OPENAI_EXPORTER_API__BASE_URL": url,
        "OPENAI_EXPORTER_API__TIMEOUT": "3s",
        "OPENAI_EXPORTER_API__REQUESTS_PER_MINUTE": "60000",
        "OPENAI_EXPORTER_POLL__INTERVAL": "1s",
        "OPENAI_EXPORTER_POLL__COST_INTERVAL": "5s",
        "OPENAI_EXPORTER_NEW_COUNTER_HOLD": "2s",
        "OPENAI_EXPORTER_STATE__PATH": str(folder / "state.db"),
        "OPENAI_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0",
        "OPENAI_EXPORTER_WEB__CONFIG__FILE": str(folder / "web.yml"),
        "OPENAI_EXPORTER_LOG__LEVEL": "error",
    }
    with (folder / "exporter.log").open("w") as log:
        command = [sys.executable, "-m", "bench.soak", "--exporter"]
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield child
        finally:
            child.kill()
            child.wait()


def _collect(output: IO[str], samples: list[Sample]) -> None:
    samples.extend(Sample(*json.loads(line)) for line in output)


def _disturb(simulator: Simulator, random: Random, stop: threading.Event, done: Counter[str]) -> None:
    """Change the fault every two seconds; half of the time there is none."""
    while not stop.wait(_FAULT_SECONDS):
        simulator.faults.clear()
        if random.random() < 1 / 2:
            kind, options = random.choice(_FAULTS)
            simulator.faults.add(kind, probability=0.5, seed=random.randrange(2**32), **options)
            done["faults"] += 1


def _reload(file: Path, pid: int, stop: threading.Event, done: Counter[str]) -> None:
    """Change the web configuration and have it reloaded, every five seconds; every fourth is broken and refused."""
    for number in itertools.count(1):
        if stop.wait(_RELOAD_SECONDS):
            return
        broken = number % 4 == 0
        header = "X-Unknown" if broken else "Content-Security-Policy"
        file.write_text(f"http_server_config:\n  headers:\n    {header}: 'default-src none; report-uri /{number}'\n")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)
        done["broken reloads" if broken else "reloads"] += 1


def _scrape(address: str, number: int, stop: threading.Event, done: Counter[str]) -> None:
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        while not stop.wait(_SCRAPE_PAUSE):
            accept = _ACCEPTS[number % len(_ACCEPTS)]
            try:
                response = client.get("/" if "html" in accept else "/metrics", headers={"Accept": accept})
                done["scrapes" if response.is_success else "refused scrapes"] += 1
            except httpx.TransportError:
                done["failed scrapes"] += 1


def _be_hostile(address: str, stop: threading.Event, done: Counter[str]) -> None:
    """Open connections that never finish their request, or never read the response, and leave them for a while."""
    host, port = address.removeprefix("http://").rstrip("/").rsplit(":", 1)
    held: list[socket.socket] = []
    while not stop.wait(_HOSTILE_SECONDS):
        for request in (b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20) * 5:
            with contextlib.suppress(OSError):
                held.append(socket.create_connection((host, int(port)), timeout=5))
                held[-1].sendall(request)
                done["hostile connections"] += 1
        while len(held) > 40:  # noqa: PLR2004 # four rounds
            held.pop(0).close()
    for each in held:
        each.close()


def _show_progress(seconds: float, samples: list[Sample], done: Counter[str], child: "subprocess.Popen[str]") -> None:
    begun = time.monotonic()
    sys.stdout.write(f"{'s':>6} {'MiB':>7} {'fds':>5} {'threads':>7} {'tasks':>6} {'scrapes':>8}\n")
    for line in range(1, _LINES + 1):
        time.sleep(max(0.0, begun + seconds * line / _LINES - time.monotonic()))
        if child.poll() is not None:
            raise SystemExit(f"the exporter has ended with {child.returncode}")
        if samples:
            last = samples[-1]
            sys.stdout.write(
                f"{time.monotonic() - begun:6.0f} {last.memory / 2**20:7.1f} {last.descriptors:5} {last.threads:7} "
                f"{last.tasks:6} {done['scrapes']:8}\n"
            )
            sys.stdout.flush()
    sys.stdout.write(", ".join(f"{count:,} {what}" for what, count in sorted(done.items())) + "\n")


def _recovered(address: str) -> bool:
    """Print how much the exporter did, and return whether everything is up again after the last fault."""
    end = time.monotonic() + _RECOVERY_SECONDS
    text = httpx.get(f"{address}/metrics", trust_env=False, timeout=30).text
    for what in ("requests", "errors"):
        values = re.findall(rf"^openai_exporter_api_{what}_total\{{.*\}} (\S+)$", text, re.MULTILINE)
        sys.stdout.write(f"{sum(map(float, values)):,.0f} API {what}\n")
    while time.monotonic() < end:
        text = httpx.get(f"{address}/metrics", trust_env=False, timeout=30).text
        if 'openai_exporter_up{organization="default"} 1.0' in text:
            return True
        time.sleep(1)
    return False


def _verdict(samples: list[Sample], *, recovered: bool, status: int) -> int:
    quarter = len(samples) // 4
    before, after = samples[quarter : 2 * quarter], samples[-quarter:]
    flat = True
    for name, slack in (("memory", _MEMORY_SLACK), ("descriptors", _COUNT_SLACK), ("tasks", _COUNT_SLACK)):
        first, last = (statistics.median(getattr(sample, name) for sample in part) for part in (before, after))
        grows = last > max(first * _GROWTH, first + slack)
        flat &= not grows
        unit = 2**20 if name == "memory" else 1
        sys.stdout.write(
            f"{name}: median {first / unit:.1f} in the second quarter, {last / unit:.1f} in the last: "
            f"{'grows' if grows else 'flat'}\n"
        )
    sys.stdout.write(f"up again after the last fault: {'yes' if recovered else 'no'}; exit status {status}\n")
    sys.stdout.write(f"verdict: {'flat' if flat else 'not flat'}\n")
    return 0 if flat and recovered and status == 0 else 1


if __name__ == "__main__":
    main()
