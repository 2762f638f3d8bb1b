"""Prometheus with start timestamps on: it scrapes protobuf, and sees the first step of a new counter without a hold."""

import shutil
import subprocess
from pathlib import Path

import pytest

from exporter.clock import SystemClock
from exporter.simulator import keys, serving
from tests.support.exposed import Exposed
from tests.support.processes import exporter, free_port, until
from tests.support.prometheus import Prometheus, running
from tests.support.scripted import scripted

pytestmark = pytest.mark.slow

_FEATURE = "--enable-feature=created-timestamp-zero-ingestion"
_COUNTER = 'openai_accrued_embeddings_requests_total{model="text-embedding-late"}'
_NATIVE_HISTOGRAMS = "--enable-feature=native-histograms"


def _knows(flag: str) -> bool:
    """Return whether the Prometheus on the PATH has a feature: it warns of those that it does not know."""
    program = shutil.which("prometheus") or ""
    command = [program, flag, "--config.file=/nonexistent", "--log.level=warn"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return "Unknown option" not in run.stderr


def _configuration(port: int) -> str:
    return (
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f'scrape_configs: [{{job_name: openai, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]\n'
    )


@pytest.mark.skipif(not _knows(_FEATURE), reason="the Prometheus on the PATH is older than start timestamps (2.50)")
def test_the_first_step_of_a_new_series_is_counted_without_a_hold(tmp_path: Path) -> None:
    """With the default hold still running, `increase()` already has the whole first value."""
    simulator = scripted(SystemClock())
    with serving(simulator) as url, free_port() as port:
        fast = {"API__REQUESTS_PER_MINUTE": "6000", "POLL__INTERVAL": "1s", "POLL__COST_INTERVAL": "1s"}
        run = exporter(port, tmp_path, url, keys.FULL, **fast)
        run.start()
        try:
            run.wait_until_serving()
            until(lambda: run.get("/-/ready").is_success, "the first polls")
            with running(tmp_path, _FEATURE, configuration=_configuration(port)) as server:
                prometheus = Prometheus(server.url)
                until(lambda: prometheus.query("openai_exporter_up == 1") != [], "a scrape")
                simulator.scenario.add_usage(
                    "embeddings",
                    {"num_model_requests": 40, "input_tokens": 40},
                    {"project_id": 0, "model": "text-embedding-late"},
                )
                until(lambda: prometheus.query(f"{_COUNTER} == 40") != [], "the new counter")
                until(lambda: prometheus.value(f"count_over_time({_COUNTER}[1m])") >= 4, "some samples")
                (samples,) = prometheus.samples(_COUNTER).values()
                held = Exposed(run.get("/metrics").text).value(
                    "openai_accrued_embeddings_requests_total", model="text-embedding-late"
                )

                assert 0 == held
                assert [0.0, 40.0] == samples[:2]
                assert 40 == prometheus.value(f"{_COUNTER} - min_over_time({_COUNTER}[1m])")
                assert prometheus.value(f"increase({_COUNTER}[1m])") >= 40
        finally:
            run.stop()


@pytest.mark.skipif(not _knows(_NATIVE_HISTOGRAMS), reason="the Prometheus on the PATH does not scrape protobuf")
def test_prometheus_reads_the_protobuf_format(tmp_path: Path) -> None:
    """With native histograms on it asks for protobuf, and stores the same series as from text."""
    simulator = scripted(SystemClock())
    with serving(simulator) as url, free_port() as port:
        run = exporter(port, tmp_path, url, keys.FULL, API__REQUESTS_PER_MINUTE="6000")
        run.start()
        try:
            run.wait_until_serving()
            until(lambda: run.get("/-/ready").is_success, "the first polls")
            with running(tmp_path, _NATIVE_HISTOGRAMS, configuration=_configuration(port)) as server:
                prometheus = Prometheus(server.url)
                until(lambda: prometheus.query('count_over_time(up{job="openai"}[1m]) > 5') != [], "some scrapes")
                text = Exposed(run.get("/metrics").text)
                scraped = {series["metric"]["__name__"] for series in prometheus.query('{job="openai"}')}

                assert 1 == prometheus.value('up{job="openai"}')
                assert {name for name in text.lines if not name.startswith(("process_", "python_"))} <= scraped
        finally:
            run.stop()
