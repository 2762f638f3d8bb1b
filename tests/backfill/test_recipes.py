"""The recipes of docs/backfill.md, run as they are written but for spans, addresses and paths."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
import yaml

from exporter.catalog import DAY, day_of
from exporter.simulator import Simulator
from tests.support import nginx
from tests.support.certificates import Authority
from tests.support.installation import Installation
from tests.support.prometheus import Prometheus, running

DAYS: Final = 9
RECIPES: Final = Path("docs/backfill.md")
COSTS: Final = "openai_accrued_cost_usd_total"
SCRAPE: Final = """
storage: {{tsdb: {{out_of_order_time_window: {window}}}}}
scrape_configs:
  - job_name: {job}
    scrape_interval: 1s
    static_configs: [{{targets: ["{target}"], labels: {{namespace: {namespace}, instance: "{instance}"}}}}]
"""
KUBECTL: Final = """#!/usr/bin/env bash
# The cluster: its Prometheus listens already, and its pod has the state in a directory of this machine.
set -euo pipefail
case "$1" in
  port-forward) [ "$*" = "port-forward -n monitoring svc/prometheus-k8s {port}" ] ;;
  exec)
    [ "$2 $3 $4 $5" = "-n monitoring deploy/openai-usage-exporter --" ]
    shift 5
    exec "${{@/#\\/var\\/lib\\/openai-usage-exporter/{state}}}"
    ;;
  *) exit 1 ;;
esac
"""
MIMIR: Final = """
if ($http_authorization != "Bearer {token}") {{ return 401; }}
if ($http_x_scope_orgid != "team") {{ return 401; }}
location = /api/v1/push {{ proxy_pass {prometheus}/api/v1/write; }}
location = /prometheus/api/v1/query {{ proxy_pass {prometheus}/api/v1/query; }}
"""

pytestmark = pytest.mark.slow


def recipe(title: str, language: str = "") -> str:
    """Return the blocks of a language of a recipe; without a language, its commands."""
    section = RECIPES.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return "".join(block for name, block in blocks if name == language)


def replaced(commands: str, words: Mapping[str, str]) -> str:
    """Replace what differs from the recipe; each must be in it."""
    for written, run in words.items():
        assert written in commands
        commands = commands.replace(written, run)
    return commands


def run_as_written(commands: str, installation: Installation, folder: Path, **variables: str) -> str:
    """Run commands with the exporter's environment and its command on the path; return what they say."""
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", commands],
        cwd=folder,
        env=installation.environment | variables | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stderr


def has_history(prometheus: Prometheus, simulator: Simulator, labels: str) -> None:
    """Judge the day before yesterday: its gauge at its end, and what the counter rose by, are what was reported."""
    day = day_of(time.time()) - 2 * DAY
    truth = sum(float(row["values"]["amount"]) for row in simulator.scenario.truth("costs", since=day, until=day + DAY))
    counter = f"{COSTS}{{{labels}}}"

    assert truth == pytest.approx(prometheus.value(f"sum(openai_cost_usd{{{labels}}})", day + DAY - 1))
    assert truth == pytest.approx(prometheus.value(f"sum({counter} - {counter} offset 1d)", day + DAY))


def test_prometheus_on_a_host(installation: Installation, simulator: Simulator, tmp_path: Path) -> None:
    """Blocks made by promtool are what Prometheus starts with."""
    data = tmp_path / "metrics2"
    data.mkdir()
    commands = replaced(
        recipe("Prometheus on a host"),
        {
            "--since 90d": f"--since {DAYS}d --new-prometheus",
            "chown -R prometheus: blocks && ": "",
            "/var/lib/prometheus/metrics2/": str(data),
        },
    )
    run_as_written(commands, installation, tmp_path)
    with running(tmp_path, "--storage.tsdb.retention.time=91d", blocks=data) as server:
        has_history(Prometheus(server.url), simulator, 'job="openai",instance="exporter:10180"')


def test_kube_prometheus(installation: Installation, simulator: Simulator, tmp_path: Path) -> None:
    """A Prometheus as the resource describes it receives what the commands read with the state of the pod.

    `kubectl` is a script that does on this machine what each command asks a cluster for.
    """
    spec = yaml.safe_load(recipe("kube-prometheus", "yaml"))["spec"]
    assert {"enableRemoteWriteReceiver": True, "retention": "100d", "tsdb": {"outOfOrderTimeWindow": "100d"}} == spec
    configuration = SCRAPE.format(
        window=spec["tsdb"]["outOfOrderTimeWindow"],
        job="openai-usage-exporter",
        target=installation.target,
        namespace="monitoring",
        instance="10.0.0.7:10180",
    )
    flags = ("--web.enable-remote-write-receiver", f"--storage.tsdb.retention.time={spec['retention']}")
    with running(tmp_path, *flags, configuration=configuration) as server:
        kubectl = tmp_path / "kubectl"
        state = str(installation.state.parent).replace("/", "\\/")
        kubectl.write_text(KUBECTL.format(port=server.port, state=state))
        kubectl.chmod(0o755)
        commands = replaced(recipe("kube-prometheus"), {"--since 90d": f"--since {DAYS}d", "9090": str(server.port)})
        run_as_written(commands, installation, tmp_path)
        labels = 'job="openai-usage-exporter",namespace="monitoring",instance="10.0.0.7:10180"'
        has_history(Prometheus(server.url), simulator, labels)


def test_remote_storage(installation: Installation, simulator: Simulator, tmp_path: Path) -> None:
    """What Mimir's gateway asks for is sent: TLS, the token, the tenant, its paths; run again, nothing is sent twice.

    Behind the gateway, which is nginx, is a Prometheus.
    """
    token = "the-token-of-the-team"
    (tmp_path / "token").write_text(f"{token}\n")
    authority = Authority(tmp_path)
    gateway = MIMIR.format(token=token, prometheus=installation.prometheus.url)
    with nginx.serving(tmp_path, gateway, authority.issue("mimir")) as (port, _):
        commands = replaced(
            recipe("Remote storage"), {"--since 365d": f"--since {DAYS}d", "mimir.example": f"localhost:{port}"}
        )
        trust = {"SSL_CERT_FILE": str(authority.pair.certificate)}
        first = run_as_written(commands, installation, tmp_path, **trust)
        assert "wrote 0 samples" not in first
        has_history(installation.prometheus, simulator, 'job="openai",instance="exporter:10180"')
        for file in tmp_path.glob("*progress*"):
            file.unlink()
        again = run_as_written(commands, installation, tmp_path, **trust)
        assert "wrote 0 samples" in again
