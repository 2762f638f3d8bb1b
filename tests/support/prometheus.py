"""A real Prometheus, as Debian ships it, with a temporary data folder."""

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import Child, free_port

Labels = tuple[tuple[str, str], ...]
"""The labels of a series without its name, job and instance, sorted."""

_TARGET_LABELS = frozenset({"__name__", "job", "instance"})


@dataclass
class Prometheus:
    """A running server."""

    url: str

    def query(self, expression: str, time: float | None = None) -> list[dict[str, Any]]:
        """Return the result of an instant query, now or at a Unix time."""
        asked = {"query": expression, **({} if time is None else {"time": str(time)})}
        answer = httpx.get(f"{self.url}/api/v1/query", params=asked, timeout=30, trust_env=False)
        answer.raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def value(self, expression: str, time: float | None = None) -> float:
        """Return the value of an instant query that has one, now or at a Unix time."""
        ((_, value),) = [series["value"] for series in self.query(expression, time)]
        return float(value)

    def samples(self, selector: str) -> dict[tuple[str, Labels], list[float]]:
        """Return the raw samples of the last half hour, in their order, by name and labels."""
        return {
            (series["metric"]["__name__"], labels_of(series["metric"])): [float(value) for _, value in series["values"]]
            for series in self.query(f"{selector}[30m]")
        }


def labels_of(metric: Mapping[str, str]) -> Labels:
    """Return the labels that the exporter gave a series."""
    return tuple(sorted((name, value) for name, value in metric.items() if name not in _TARGET_LABELS))


@contextmanager
def running(folder: Path, *flags: str, configuration: str = "", blocks: Path | None = None) -> Iterator[Child]:
    """Run the program in a folder while the block lasts; with `blocks`, what it stores is there already."""
    program = shutil.which("prometheus")
    assert program, "Debian's prometheus is missing: run deploy/install/debian.sh"
    file = folder / "prometheus.yml"
    file.write_text(configuration)
    with free_port() as port:
        command = [program, f"--config.file={file}", f"--storage.tsdb.path={blocks or folder / 'tsdb'}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", *flags]
        server = Child("prometheus", port, command, environment={}, log=folder / "prometheus.log", ready="/-/ready")
        server.start()
        try:
            server.wait_until_serving()
            yield server
        finally:
            server.stop()


@contextmanager
def scraping(folder: Path, targets: Mapping[str, int], interval: str = "1s") -> Iterator[Prometheus]:
    """Let a Prometheus scrape these jobs, each on its port of 127.0.0.1, while the block lasts."""
    configuration = [f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}", "scrape_configs:"]
    configuration += [
        f'  - {{job_name: {job}, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}' for job, port in targets.items()
    ]
    with running(folder, configuration="\n".join(configuration) + "\n") as server:
        yield Prometheus(server.url)


@contextmanager
def holding(folder: Path, files: Iterable[Path], *flags: str, longest: str = "720h") -> Iterator[Prometheus]:
    """Run a Prometheus with the content of OpenMetrics files, converted to blocks that are no longer than `longest`."""
    blocks = folder / "blocks"
    for file in files:
        command = ["promtool", "tsdb", "create-blocks-from", f"--max-block-duration={longest}", "openmetrics"]
        made = subprocess.run(
            [*command, str(file), str(blocks)], capture_output=True, text=True, timeout=120, check=False
        )

        assert 0 == made.returncode, made.stderr
    with running(folder, "--storage.tsdb.retention.time=20y", *flags, blocks=blocks) as server:
        yield Prometheus(server.url)


def risen(samples: list[float]) -> float:
    """Return the sum of the positive differences of successive samples; a fall is a reset, which begins at 0."""
    return sum(after - before if after >= before else after for before, after in pairwise(samples))
