"""`run`, `demo` and `simulate` as processes: start, output and end."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from exporter.simulator import keys
from tests.support.processes import until

pytestmark = pytest.mark.slow


@contextmanager
def started(folder: Path, *words: str, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a command during a block; give the process and the file with its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "STATE_"))}
    output = folder / "output"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", *words],
            env=environment | {"XDG_STATE_HOME": str(folder), "OPENAI_EXPORTER_LOG__FORMAT": "json"} | variables,
            stdout=log,
            stderr=log,
        )
    try:
        yield process, output
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def address(output: Path) -> str:
    """Wait for the line with its URL, and return the URL."""
    until(lambda: bool(re.search(r"http://[\w.:]+", output.read_text())), "an address")
    return str(re.findall(r"http://127\.0\.0\.1:\d+", output.read_text())[-1])


def get(url: str, **headers: str) -> httpx.Response:
    """Send a request, with a timeout that a busy machine needs."""
    return httpx.get(url, headers=headers, timeout=30, trust_env=False)


def run(folder: Path, url: str, **variables: str) -> tuple[int, str]:
    """Run the exporter until it ends by itself; return its status and output."""
    given = {"OPENAI_ADMIN_KEY": keys.FULL, "OPENAI_EXPORTER_API__BASE_URL": url} | variables
    with started(folder, "run", "--web.listen-address", "127.0.0.1:0", **given) as (process, output):
        return process.wait(60), output.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, url: str, number: signal.Signals) -> None:
    """Status 0, with the state closed: no write-ahead log is left."""
    variables = {"OPENAI_ADMIN_KEY": keys.FULL, "OPENAI_EXPORTER_API__BASE_URL": url}
    with started(tmp_path, "run", "--web.listen-address", "127.0.0.1:0", **variables) as (process, output):
        serving = address(output)
        until(lambda: get(f"{serving}/-/ready").is_success, "the first polls")
        text = get(f"{serving}/metrics").text
        process.send_signal(number)

        assert 0 == process.wait(60)
    assert "openai_cost_usd{" in text
    assert '"event": "stopping"' in output.read_text()
    assert ["state.db"] == [
        file.name for file in tmp_path.glob("openai-usage-exporter/state.db*") if "lock" not in file.name
    ]
    assert keys.FULL not in output.read_text() + text


def test_a_state_that_another_uses_is_left_alone(tmp_path: Path, url: str) -> None:
    """Two exporters on one state would count twice: the second does not start, and says why."""
    variables = {"OPENAI_ADMIN_KEY": keys.FULL, "OPENAI_EXPORTER_API__BASE_URL": url}
    (tmp_path / "second").mkdir()
    with started(tmp_path, "run", "--web.listen-address", "127.0.0.1:0", **variables) as (_, output):
        address(output)
        state = str(tmp_path / "openai-usage-exporter/state.db")
        status, log = run(tmp_path / "second", url, OPENAI_EXPORTER_STATE__PATH=state)

    assert 1 == status
    assert "start_failed" in log
    assert "state.db" in log


def test_an_address_in_use_is_an_error(tmp_path: Path, url: str) -> None:
    """Status 1 and the address, no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        given = {"OPENAI_ADMIN_KEY": keys.FULL, "OPENAI_EXPORTER_API__BASE_URL": url}
        with started(tmp_path, "run", "--web.listen-address", listen, **given) as (process, output):
            status = process.wait(60)

    assert 1 == status
    assert str(taken) not in output.read_text()
    assert listen.rpartition(":")[2] in output.read_text()
    assert "Traceback" not in output.read_text()


def test_a_configured_state_path_must_be_writable(tmp_path: Path, url: str) -> None:
    """The exporter does not start without the state that it was configured to keep."""
    status, log = run(tmp_path, url, OPENAI_EXPORTER_STATE__PATH="/proc/nowhere/state.db")

    assert 1 == status
    assert "start_failed" in log
    assert "/proc/nowhere/state.db" in log
    assert "make state.path writable" in log


def test_without_a_writable_default_state_it_runs(tmp_path: Path, url: str) -> None:
    """The log says that counters start at 0, and what to set."""
    variables = {
        "OPENAI_ADMIN_KEY": keys.FULL,
        "OPENAI_EXPORTER_API__BASE_URL": url,
        "XDG_STATE_HOME": "/proc/nowhere",
    }
    with started(tmp_path, "run", "--web.listen-address", "127.0.0.1:0", **variables) as (_, output):
        serving = address(output)
        text = get(f"{serving}/metrics").text

    assert "\nopenai_exporter_state_writable 0.0\n" in text
    assert "set state.path" in output.read_text()


def test_the_demo_needs_nothing(tmp_path: Path) -> None:
    """It prints the URL of its metrics, and its state is deleted when it ends."""
    with started(tmp_path, "demo", "--web.listen-address", "127.0.0.1:0", TMPDIR=str(tmp_path)) as (process, output):
        serving = address(output).removesuffix("/")
        until(lambda: get(f"{serving}/-/ready").is_success, "the first polls")
        text = get(f"{serving}/metrics").text
        during = list(tmp_path.glob("openai-usage-exporter-demo-*"))
        process.send_signal(signal.SIGTERM)

        assert 0 == process.wait(60)
    assert "openai_completions_input_tokens{" in text
    assert (1, []) == (len(during), list(tmp_path.glob("openai-usage-exporter-demo-*")))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_simulator_alone_answers_its_keys(tmp_path: Path, number: signal.Signals) -> None:
    """It prints its base URL and its keys, serves the API there, and ends cleanly."""
    with started(tmp_path, "simulate", "--web.listen-address", "127.0.0.1:0") as (process, output):
        base_url = f"{address(output)}/v1"
        answer = get(f"{base_url}/organization/projects", Authorization=f"Bearer {keys.FULL}")
        process.send_signal(number)

        assert 0 == process.wait(60)
    assert keys.USAGE_ONLY in output.read_text()
    assert 200 == answer.status_code
    assert answer.json()["data"]
