"""The exporter as a process, with a dense organization: memory, start, idle CPU time."""

import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from bench.admin_api import admin_api
from bench.measurements import Measurement, emit, measurement
from tests.support import processes
from tests.support.exposed import Exposed
from tests.support.processes import Child, free_port, until

_FIRST_POLL_SECONDS: Final = 900.0
_STARTS: Final = 3
_SETTLE_SECONDS: Final = 90
"""Endpoints without usage are polled every minute at first, and every five minutes from then on."""
_REST_SECONDS: Final = 300
"""One interval of the endpoints that are polled least often."""
_SCRAPE_SECONDS: Final = 15
_KIB: Final = 1024
_INSTALLED: Final = (
    "import sys; sys.modules.update(rich=None, pygments=None, attr=None);"
    "from exporter.cli import main; sys.exit(main(['run']))"
)
"""Runs the exporter as it is installed: only development has these packages, which structlog and httpx would import.

Modules are compiled by the first start, as pip does it.
"""


@contextmanager
def dense_exporter(samples: int) -> Iterator[Child]:
    """Yield an exporter, not started, whose Admin API is a dense organization's."""
    with (
        admin_api("bench.dense_api", samples) as base_url,
        tempfile.TemporaryDirectory() as folder,
        free_port() as port,
    ):
        child = processes.exporter(
            port, Path(folder), base_url, "sk-admin-bench", MAX_SERIES=str(samples), LOG__LEVEL="warning"
        )
        child.command = [sys.executable, "-c", _INSTALLED]
        try:
            yield child
        finally:
            child.stop()


def measure(samples: int) -> list[Measurement]:
    """Return memory after the first polls and at its peak, the time of a start with state, and the share of a core."""
    with dense_exporter(samples) as exporter:
        exporter.start()
        exporter.wait_until_serving()
        until(lambda: exporter.get("/-/ready").is_success, "the first polls", _FIRST_POLL_SECONDS)
        time.sleep(5)
        exported = _samples(exporter)
        resident, peak = _status(exporter, "VmRSS"), _status(exporter, "VmHWM")
        rest = _rest(exporter)
        starts = []
        for _ in range(_STARTS):
            exporter.stop()
            starts.append(_start(exporter))
    return [
        measurement("resident memory for each sample", exported, " B", [resident / exported]),
        measurement("peak memory against resident", exported, "x", [peak / resident]),
        measurement("processor at rest", exported, " %", [rest]),
        measurement("start with state to first scrape", exported, " s", starts),
    ]


def _samples(exporter: Child) -> int:
    return sum(map(len, Exposed(exporter.get("/metrics").text).lines.values()))


def _status(exporter: Child, name: str) -> int:
    text = Path(f"/proc/{exporter.pid}/status").read_text()
    return int(re.findall(rf"{name}:\s+(\d+) kB", text)[0]) * _KIB


def _processor_seconds(exporter: Child) -> float:
    return Exposed(exporter.get("/metrics").text).value("process_cpu_seconds_total") or 0.0


def _rest(exporter: Child) -> float:
    """Return the share of a core in percent, scraped over a kept connection as Prometheus does."""
    time.sleep(_SETTLE_SECONDS)
    before, began = _processor_seconds(exporter), time.monotonic()
    with httpx.Client(
        base_url=exporter.url, headers={"Accept-Encoding": "gzip"}, timeout=30, trust_env=False
    ) as client:
        while time.monotonic() < began + _REST_SECONDS:
            time.sleep(_SCRAPE_SECONDS)
            client.get("/metrics")
    return 100 * (_processor_seconds(exporter) - before) / (time.monotonic() - began)


def _start(exporter: Child) -> float:
    began = time.monotonic()
    exporter.start()
    until(lambda: _has_usage(exporter), "a scrape with usage", pause=0.01)
    return time.monotonic() - began


def _has_usage(exporter: Child) -> bool:
    try:
        return "\nopenai_completions_requests{" in exporter.get("/metrics").text
    except OSError:
        return False
    except Exception as error:
        if type(error).__module__.startswith("httpx"):
            return False
        raise


if __name__ == "__main__":
    emit(measure(int(sys.argv[1])))
