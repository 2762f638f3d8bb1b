"""`make demo-stack`: a month of history, live metrics and a firing alert, from one command."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.deployment import ROOT
from tests.support.processes import until

pytestmark = pytest.mark.slow


class Running:
    """The stack in a process, with what it prints."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """`log` has what it prints."""
        self.process, self._log = process, log

    @property
    def printed(self) -> str:
        """Everything printed so far."""
        return self._log.read_text()

    def url(self, name: str) -> str:
        """Return where a service is, as printed."""
        return str(re.findall(rf"{name} answers at (\S+)", self.printed)[0])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give the stack once an alert fires; at the end it has stopped cleanly on SIGTERM."""
    log = tmp_path_factory.mktemp("stack") / "log"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    with log.open("wb") as out:
        command = [sys.executable, "-m", "deploy.demo_stack", "--any-ports"]
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out)
    stack = Running(process, log)
    try:
        until(lambda: "ready;" in stack.printed or process.poll() is not None, "the stack", 300)
        assert process.poll() is None, stack.printed
        yield stack
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    assert 0 == status, stack.printed
    with pytest.raises(httpx.ConnectError):
        httpx.get(stack.url("prometheus"), trust_env=False)


def test_month(running: Running) -> None:
    """A plain query over the last 30 days has the costs of every one of them."""
    now = int(time.time())
    given: dict[str, str | int] = {
        "query": "sum(openai_cost_usd)",
        "start": now - 30 * 86400,
        "end": now,
        "step": 86400,
    }
    answer = httpx.get(f"{running.url('prometheus')}/api/v1/query_range", params=given, trust_env=False).json()
    (series,) = answer["data"]["result"]

    assert 31 == len(series["values"])
    assert all(float(value) > 0 for _, value in series["values"])


def test_continuous(running: Running) -> None:
    """History and live samples are the same series: nine of ten live series of costs, or more, have a past."""
    query = "count(openai_cost_usd) - count(openai_cost_usd and last_over_time(openai_cost_usd[2d] offset 2d))"
    answer = httpx.get(f"{running.url('prometheus')}/api/v1/query", params={"query": query}, trust_env=False).json()
    live = {"query": 'count(openai_cost_usd{job="openai-usage-exporter"})'}
    count = httpx.get(f"{running.url('prometheus')}/api/v1/query", params=live, trust_env=False).json()

    assert float(answer["data"]["result"][0]["value"][1]) < 0.1 * float(count["data"]["result"][0]["value"][1])


def test_alert(running: Running) -> None:
    """Alertmanager has an alert about the budget, whose description names the organization."""
    alerts = httpx.get(f"{running.url('alertmanager')}/api/v2/alerts", trust_env=False).json()
    descriptions = [each["annotations"]["description"] for each in alerts if "Budget" in each["labels"]["alertname"]]

    assert descriptions
    assert all("default" in text for text in descriptions)
