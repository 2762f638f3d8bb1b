"""Scrapes of the exporter compared with those of Debian's nginx, which serves the same bytes from a file.

The exporter polls every 5 s meanwhile, and publishes as often. Both are scraped in turn over kept connections.
"""

import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Final

from bench.measurements import Measurement, emit, measurement
from bench.process import dense_exporter
from tests.support import nginx
from tests.support.processes import until

_REPETITIONS: Final = 5
_TURNS: Final = 120
"""Scrapes of each server in one repetition."""

_PAUSE: Final = 0.005
"""Seconds between two scrapes."""

_FIRST_POLL_SECONDS: Final = 900.0
_IDLE_SECONDS: Final = 5.0

_NGINX: Final = """
    default_type "text/plain; version=0.0.4; charset=utf-8";
    location /gzip { add_header Content-Encoding gzip; }
"""


@dataclass
class Target:
    """A server that is scraped over one connection."""

    port: int
    path: str
    encoding: str
    thread: Path
    """Of the thread that serves, in /proc."""
    seconds: list[float] = field(default_factory=list)
    _connection: socket.socket | None = None

    def scrape(self) -> bytes:
        """Return a body, and record its time."""
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self.port), 30)
        request = f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {self.encoding}\r\n\r\n"
        began = time.perf_counter()
        self._connection.sendall(request.encode())
        received = bytearray(self._connection.recv(1 << 20))
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._connection.recv(1 << 20)
        head = bytes(received[:end]).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        missing = end + 4 + length - len(received)
        while missing:
            data = self._connection.recv(min(missing, 1 << 20))
            received += data
            missing -= len(data)
        self.seconds.append(time.perf_counter() - began)
        return bytes(received[end + 4 :])

    def processor_seconds(self) -> float:
        """Return the CPU time of the serving thread."""
        return int((self.thread / "schedstat").read_text().split()[0]) / 1e9


@contextmanager
def _nginx(files: dict[str, bytes]) -> Iterator[tuple[int, int]]:
    """Serve the files; yields port and process id."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for path, content in files.items():
            (folder / path).write_bytes(content)
        with nginx.serving(folder, _NGINX) as served:
            yield served


def measure(samples: int) -> list[Measurement]:
    """Return time and processor time of scrapes, in multiples of nginx's."""
    with dense_exporter(samples) as exporter:
        exporter.environment["OPENAI_EXPORTER_POLL__INTERVAL"] = "5s"  # type: ignore[index]
        exporter.start()
        exporter.wait_until_serving()
        until(lambda: exporter.get("/-/ready").is_success, "the first polls", _FIRST_POLL_SECONDS)
        thread = Path(f"/proc/{exporter.pid}/task/{exporter.pid}")
        bodies = {name: Target(exporter.port, "/metrics", name, thread).scrape() for name in ("gzip", "identity")}
        exported = sum(not line.startswith(b"#") for line in bodies["identity"].splitlines())
        idle = _idle_share(thread)
        with _nginx(bodies) as (port, pid):
            measurements: list[Measurement] = []
            for name in bodies:
                ours = Target(exporter.port, "/metrics", name, thread)
                theirs = Target(port, f"/{name}", name, Path(f"/proc/{pid}"))
                measurements += _compare(name, exported, ours, theirs, idle)
    return measurements


def _compare(name: str, exported: int, ours: Target, theirs: Target, idle: float) -> list[Measurement]:
    median, tail, processor, absolute = [], [], [], []
    for _ in range(_REPETITIONS):
        ours.seconds.clear()
        theirs.seconds.clear()
        before, began = (ours.processor_seconds(), theirs.processor_seconds()), time.perf_counter()
        for _ in range(_TURNS):
            theirs.scrape()
            time.sleep(_PAUSE)
            ours.scrape()
            time.sleep(_PAUSE)
        spent = ours.processor_seconds() - before[0] - idle * (time.perf_counter() - began)
        processor.append(spent / (theirs.processor_seconds() - before[1]))
        mine, other = quantiles(ours.seconds, n=100), quantiles(theirs.seconds, n=100)
        median.append(mine[49] / other[49])
        tail.append(mine[98] / other[98])
        absolute.append(mine[49] * 1000)
    return [
        measurement(f"scrape, {name}: median against nginx", exported, "x", median),
        measurement(f"scrape, {name}: p99 against nginx", exported, "x", tail),
        measurement(f"scrape, {name}: processor time against nginx", exported, "x", processor),
        measurement(f"scrape, {name}: median", exported, " ms", absolute),
    ]


def _idle_share(thread: Path) -> float:
    """Return the share of a core that the serving thread uses without scrapes."""
    target = Target(0, "", "", thread)
    before = target.processor_seconds()
    time.sleep(_IDLE_SECONDS)
    return (target.processor_seconds() - before) / _IDLE_SECONDS


if __name__ == "__main__":
    emit(measure(int(sys.argv[1])))
