"""A real Prometheus, as Debian ships it, with a data folder of its own."""

import shutil
from collections.abc import Iterator, Mapping
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
    """A running server that scrapes."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30, trust_env=False)
        answer.raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def value(self, expression: str) -> float:
        """Return the value of a query that has one."""
        ((_, value),) = [series["value"] for series in self.query(expression)]
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
def scraping(folder: Path, targets: Mapping[str, int], interval: str = "1s") -> Iterator[Prometheus]:
    """Let a Prometheus scrape these jobs, each on its port of 127.0.0.1, while the block lasts."""
    program = shutil.which("prometheus")
    assert program, "Debian's prometheus is missing: run deploy/install/debian.sh"
    configuration = [f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}", "scrape_configs:"]
    configuration += [
        f'  - {{job_name: {job}, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}' for job, port in targets.items()
    ]
    file = folder / "prometheus.yml"
    file.write_text("\n".join(configuration) + "\n")
    with free_port() as port:
        command = [
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        server = Child("prometheus", port, command, environment={}, log=folder / "prometheus.log", ready="/-/ready")
        server.start()
        try:
            server.wait_until_serving()
            yield Prometheus(server.url)
        finally:
            server.stop()


def risen(samples: list[float]) -> float:
    """Return the sum of the positive differences of successive samples; a fall is a reset, which begins at 0."""
    return sum(after - before if after >= before else after for before, after in pairwise(samples))
