"""A running exporter, the Prometheus that scrapes it, and history before them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.catalog import CATALOG
from exporter.simulator import Simulator, keys, serving
from tests.support.processes import Child, exporter, free_port, until
from tests.support.prometheus import Prometheus, running

_CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
storage: {{tsdb: {{out_of_order_time_window: {window}}}}}
scrape_configs: [{{job_name: openai, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""


@dataclass
class Installation:
    """An exporter that was installed a moment ago."""

    prometheus: Prometheus
    command: list[str]
    """Backfills by remote write, but for `--since`."""
    environment: dict[str, str]
    target: str
    """Where the exporter is scraped."""

    @property
    def state(self) -> Path:
        """The exporter's state file."""
        return Path(self.environment["OPENAI_EXPORTER_STATE__PATH"])

    def backfill(self, *words: str) -> subprocess.Popen[str]:
        """Start a backfill."""
        return subprocess.Popen(
            [*self.command, *words], env=self.environment, stderr=subprocess.PIPE, text=True, bufsize=1
        )

    def interrupt(self, *words: str) -> None:
        """Start a backfill and kill it once its first part is complete."""
        with self.backfill(*words) as started:
            assert started.stderr
            assert any("part 1 of" in line for line in started.stderr), "it ended before its first part"
            started.kill()


@contextmanager
def installed(
    folder: Path, simulator: Simulator, *resources: str, seconds: int = 1, window: str = "400d"
) -> Iterator[Installation]:
    """Run an exporter of these resources (of all, by default), and a Prometheus that scrapes and receives.

    It polls every so many seconds; `window` is how old a sample Prometheus takes.
    """
    disabled = {
        f"RESOURCES__{row.name.upper()}__ENABLED": "false" for row in CATALOG if resources and row.name not in resources
    }
    with serving(simulator) as url, free_port() as port:
        settings = {
            "POLL__INTERVAL": str(seconds),
            "POLL__COST_INTERVAL": str(seconds),
            "NEW_COUNTER_HOLD": "3",
            "API__REQUESTS_PER_MINUTE": "60000",
        }
        child: Child = exporter(port, folder, url, keys.FULL, **settings, **disabled)
        child.start()
        try:
            child.wait_until_serving()
            until(lambda: child.get("/-/ready").is_success, "the first polls")
            flags = ("--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=2y")
            with running(folder, *flags, configuration=_CONFIGURATION.format(port=port, window=window)) as server:
                prometheus = Prometheus(server.url)
                until(lambda: bool(prometheus.query("openai_project_info")), "a scrape with names")
                command = [sys.executable, "-m", "exporter", "backfill"]
                command += [
                    f"--remote-write={server.url}/api/v1/write",
                    f"--remote-write-progress={folder / 'progress'}",
                ]
                command += ["--label=job=openai", f"--label=instance=127.0.0.1:{port}"]
                yield Installation(prometheus, command, dict(child.environment), f"127.0.0.1:{port}")
        finally:
            child.stop()
