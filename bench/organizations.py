"""`make bench-organizations`: cost of one exporter with 1, 50 and 200 organizations and default resources.

The exporter runs as an operator runs it, on a state file, and is scraped with gzip twice a second.
"""

import argparse
import gzip
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from bench.admin_api import admin_api
from bench.measurements import Measurement, emit, measurement
from tests.support.exposed import Exposed
from tests.support.processes import Child, free_port, until

_COUNTS: Final = (1, 50, 200)
_PAUSE: Final = 0.5
_READY_SECONDS: Final = 600.0
_MIB: Final = 2**20
_PUBLISHED: Final = re.compile(rb"\nopenai_exporter_publish_duration_seconds (\S+)")


@dataclass(frozen=True, slots=True)
class Cost:
    """The measurements of one run."""

    organizations: int
    series: float
    """Samples about OpenAI and about the exporter."""
    first: float
    """Seconds until every first poll had ended."""
    starting: float
    """Share of a core until then."""
    memory: float
    """MiB."""
    cpu: float
    """Seconds of CPU time a minute, scrapes included."""
    publish: float
    """Seconds, the median."""
    publish_most: float
    scrapes: tuple[float, ...]
    """Seconds of each scrape, ascending."""
    body: int
    """Bytes of a compressed scrape."""

    def figures(self) -> list[Measurement]:
        """Return what `make bench` prints."""
        title, samples = f"{self.organizations} organizations", int(self.series)
        p50, p99 = (1000 * self.scrapes[int(len(self.scrapes) * part)] for part in (0.5, 0.99))
        return [
            measurement(f"{title}: ready", samples, " s", [self.first]),
            measurement(f"{title}: processor until then, of a core", samples, " %", [self.starting * 100]),
            measurement(f"{title}: processor, of a core", samples, " %", [self.cpu / 60 * 100]),
            measurement(f"{title}: resident memory", samples, " MiB", [self.memory]),
            measurement(f"{title}: scrape, median", samples, " ms", [p50]),
            measurement(f"{title}: scrape, p99", samples, " ms", [p99]),
        ]

    def line(self) -> str:
        """Return a row of the table."""
        p50, p99 = (1000 * self.scrapes[int(len(self.scrapes) * part)] for part in (0.5, 0.99))
        return (
            f"{self.organizations:>5} {self.series:>9.0f} {self.first:>8.1f} {self.starting:>7.0%} "
            f"{self.memory:>8.0f} {self.cpu:>8.2f} "
            f"{1000 * self.publish:>9.1f} {1000 * self.publish_most:>8.1f} {p50:>8.1f} {p99:>8.1f} "
            f"{self.body / 1024:>9.0f}\n"
        )


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=_COUNTS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--figures", action="store_true", help="for `make bench`")
    given = parser.parse_args()
    if given.figures:
        emit(each for count in given.counts for each in _measure(count, given.seconds).figures())
        return
    sys.stdout.write(
        " orgs   samples  ready s    core  RSS MiB    cpu/m  publish ms     max  p50 ms   p99 ms  body KiB\n"
    )
    for count in given.counts:
        sys.stdout.write(_measure(count, given.seconds).line())
        sys.stdout.flush()


def _measure(count: int, seconds: float) -> Cost:
    with (
        admin_api("bench.cheap_api") as base_url,
        tempfile.TemporaryDirectory() as folder,
        free_port() as port,
    ):
        exporter = _exporter(count, Path(folder), base_url, port)
        exporter.start()
        try:
            return _observe(exporter, count, seconds)
        finally:
            exporter.stop()


def _exporter(count: int, folder: Path, base_url: str, port: int) -> Child:
    names = "".join(f"  - {{name: org-{number:03}, admin_key_env: BENCH_KEY}}\n" for number in range(count))
    (folder / "config.yaml").write_text(
        f"api: {{base_url: '{base_url}'}}\nstate: {{path: {folder}/state.db}}\norganizations:\n{names}"
        f"web: {{listen_address: '127.0.0.1:{port}'}}\nlog: {{level: warning}}\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    command = [sys.executable, "-m", "exporter", "run", "--config.file", f"{folder}/config.yaml"]
    log = folder / "exporter.log"
    return Child(
        "exporter",
        port,
        command,
        environment=environment | {"BENCH_KEY": "sk-admin-bench"},
        log=log,
        ready="/-/healthy",
    )


def _ready(exporter: Child, began: float) -> bool:
    elapsed = time.monotonic() - began
    sys.stderr.write(f"\r{elapsed:.0f} s, {_processor_seconds(exporter):.0f} s of CPU time, not ready yet ")
    try:
        return exporter.get("/-/ready").is_success
    except httpx.TransportError:
        return False


def _processor_seconds(exporter: Child) -> float:
    user, system = Path(f"/proc/{exporter.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _observe(exporter: Child, count: int, seconds: float) -> Cost:
    began = time.monotonic()
    used = _processor_seconds(exporter)
    until(lambda: _ready(exporter, began), "every first poll", _READY_SECONDS, pause=1.0)
    first = time.monotonic() - began
    starting = (_processor_seconds(exporter) - used) / first
    time.sleep(20)
    publishes: list[float] = []
    scrapes: list[float] = []
    body = b""
    with httpx.Client(base_url=exporter.url, trust_env=False, timeout=60) as client:
        before, start = Exposed(client.get("/metrics").text), time.monotonic()
        while time.monotonic() < start + seconds:
            time.sleep(_PAUSE)
            began = time.perf_counter()
            with client.stream("GET", "/metrics", headers={"Accept-Encoding": "gzip"}) as answer:
                body = b"".join(answer.iter_raw())
            scrapes.append(time.perf_counter() - began)
            publishes += map(float, _PUBLISHED.findall(gzip.decompress(body)))
        spent, after = time.monotonic() - start, Exposed(client.get("/metrics").text)

    def reported(exposed: Exposed, name: str) -> float:
        return exposed.value(name) or 0.0

    return Cost(
        organizations=count,
        series=sum(map(len, after.lines.values())),
        first=first,
        starting=starting,
        memory=reported(after, "process_resident_memory_bytes") / _MIB,
        cpu=(reported(after, "process_cpu_seconds_total") - reported(before, "process_cpu_seconds_total")) / spent * 60,
        publish=median(set(publishes)),
        publish_most=max(publishes),
        scrapes=tuple(sorted(scrapes)),
        body=len(body),
    )


if __name__ == "__main__":
    _main()
