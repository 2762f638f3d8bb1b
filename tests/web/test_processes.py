"""The listener in a real process: file descriptors, signals, standard streams, reloading, sockets of systemd."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import bcrypt
import httpx
import pytest

from exporter.simulator import Shape, Simulator, keys, serving
from tests.support.processes import Child, exporter, free_port, until

pytestmark = pytest.mark.slow

_SUCCESSFUL = "openai_exporter_config_last_reload_successful"
_TIMESTAMP = "openai_exporter_config_last_reload_success_timestamp_seconds"


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """Serve a small simulated organization."""
    with serving(Simulator(7, shape=Shape(activity=0.1))) as url:
        yield url


@pytest.fixture
def child(api: str, tmp_path: Path) -> Iterator[Child]:
    """Give an exporter that is not started yet, with its key, settings and web configuration in files."""
    (tmp_path / "key").write_text(keys.FULL)
    (tmp_path / "web.yml").write_text("")
    (tmp_path / "settings.yml").write_text("log: {level: info}\n")
    with free_port() as port:
        child = exporter(
            port,
            tmp_path,
            api,
            "",
            CONFIG__FILE=str(tmp_path / "settings.yml"),
            WEB__CONFIG__FILE=str(tmp_path / "web.yml"),
            WEB__ENABLE_LIFECYCLE="true",
        )
        del child.environment["OPENAI_ADMIN_KEY"]  # type: ignore[attr-defined]
        child.environment["OPENAI_ADMIN_KEY_FILE"] = str(tmp_path / "key")  # type: ignore[index]
        yield child
        child.kill()


def _events(child: Child, name: str) -> list[dict[str, object]]:
    lines = (json.loads(line) for line in child.said.splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == name]


def _value(child: Child, metric: str) -> float:
    found = re.search(rf"^{metric} (\S+)$", child.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def _ignores_hangups(pid: int) -> bool:
    ignored = re.search(r"SigIgn:\t(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(ignored and int(ignored[1], 16) >> (signal.SIGHUP - 1) & 1)


def test_clients_cannot_use_up_the_file_descriptors(child: Child) -> None:
    """With 64 descriptors and 100 connections, scrapes and commits go on, then and later, and the log stays short."""
    child.through_bash("ulimit -n 64")
    child.start()
    child.wait_until_serving()
    until(lambda: child.get("/-/ready").is_success, "first polls")
    with contextlib.ExitStack() as stack:
        for number in range(100):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", child.port), 10))
            with contextlib.suppress(OSError):
                client.sendall((b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /met")[number % 2])
        assert 200 == child.get("/metrics").status_code
    for _ in range(3):
        assert 200 == child.get("/metrics").status_code

    assert 1.0 == _value(child, "openai_exporter_state_writable")
    assert 1.0 == _value(child, 'openai_exporter_up{organization="default"}')
    assert len(child.said) < 16384


def test_signals_end_nothing_and_sighup_reloads(child: Child, tmp_path: Path) -> None:
    """SIGUSR1, SIGUSR2, SIGPIPE and SIGHUP leave it running; SIGHUP reads files and log level again."""
    child.start()
    child.wait_until_serving()
    started = _value(child, _TIMESTAMP)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGHUP):
        os.kill(child.pid, number)
    until(lambda: len(_events(child, "config_reloaded")) == 1, "a reload")
    assert (1.0, True) == (_value(child, _SUCCESSFUL), _value(child, _TIMESTAMP) > started)

    (tmp_path / "settings.yml").write_text("log: {level: warning}\napi: {timeout: 20s}\n")
    os.kill(child.pid, signal.SIGHUP)
    until(lambda: bool(_events(child, "config_change_needs_restart")), "a reload of the settings")

    assert [["api"]] == [event["settings"] for event in _events(child, "config_change_needs_restart")]
    os.kill(child.pid, signal.SIGHUP)
    assert 200 == child.get("/metrics").status_code
    assert 1 == len(_events(child, "config_reloaded"))


def test_a_hangup_before_it_serves_ends_nothing(child: Child) -> None:
    """A SIGHUP while it still reads its settings is ignored, and one that comes once it serves reloads."""
    child.start()
    until(lambda: _ignores_hangups(child.pid), "a process that ignores SIGHUP", pause=0.005)
    os.kill(child.pid, signal.SIGHUP)
    assert not _events(child, "serving")
    until(lambda: bool(_events(child, "serving")), "serving")
    assert not _events(child, "config_reloaded")

    os.kill(child.pid, signal.SIGHUP)
    until(lambda: bool(_events(child, "config_reloaded")), "a reload")


@pytest.mark.parametrize(
    ("file", "broken"),
    [("web.yml", "basic_auth_users: {a: b}"), ("settings.yml", "log: {level: loud}"), ("key", "two words")],
)
def test_a_broken_file_is_reported_and_the_old_one_kept(child: Child, tmp_path: Path, file: str, broken: str) -> None:
    """POST /-/reload fails with the reason, metric and log say so, scrapes go on; a corrected file ends it."""
    child.start()
    child.wait_until_serving()
    path = tmp_path / file
    good = path.read_text()
    path.write_text(broken)
    response = httpx.post(f"{child.url}/-/reload", timeout=30, trust_env=False)

    assert (500, True) == (response.status_code, response.text.startswith("Not reloaded: "))
    assert file in response.text or "log.level" in response.text
    assert 0.0 == _value(child, _SUCCESSFUL)
    assert _events(child, "config_reload_failed")
    path.write_text(good)
    assert 200 == httpx.post(f"{child.url}/-/reload", timeout=30, trust_env=False).status_code
    assert 1.0 == _value(child, _SUCCESSFUL)


def test_closed_standard_streams(child: Child, tmp_path: Path) -> None:
    """Without standard streams it serves, reloads and keeps its state, in which no log line ends up."""
    child.through_bash(":", "<&- >&- 2>&-")
    child.start()
    child.wait_until_serving()
    os.kill(child.pid, signal.SIGHUP)
    until(lambda: child.get("/-/ready").is_success, "first polls")

    assert 1.0 == _value(child, "openai_exporter_state_writable")
    child.stop()
    assert all(b'"event"' not in file.read_bytes() for file in tmp_path.glob("state.db*"))


def test_a_log_that_nobody_reads_ends_nothing(child: Child) -> None:
    """When the reader of its log has gone, it serves on."""
    child.through_bash("exec 2> >(exit 0); sleep 0.2")
    child.start()
    child.wait_until_serving()
    for _ in range(3):
        os.kill(child.pid, signal.SIGHUP)

        assert 200 == child.get("/metrics").status_code


def test_sockets_of_systemd_are_served(child: Child) -> None:
    """With --web.systemd-socket it serves on the socket that is passed, and ignores the listen address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = os.dup(listener.fileno())
        child.port = listener.getsockname()[1]
    os.set_inheritable(descriptor, True)  # noqa: FBT003 - the standard library's
    child.command = [*child.command, "--web.systemd-socket"]
    script = f'exec 3<&{descriptor} {descriptor}<&-; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
    environment = dict(child.environment)
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", *child.command],
        env=environment,
        pass_fds=[descriptor],
        stderr=subprocess.DEVNULL,
    )
    os.close(descriptor)
    try:
        until(lambda: _serves(child), "serving")
    finally:
        process.terminate()
        process.wait(30)


def _serves(child: Child) -> bool:
    try:
        return child.get("/metrics").is_success
    except httpx.TransportError:
        return False


def _run_until_serving(child: Child, words: Sequence[str]) -> list[dict[str, object]]:
    """Start it with these flags, and return what it logs until it serves."""
    del child.environment["OPENAI_EXPORTER_WEB__LISTEN_ADDRESS"]  # type: ignore[attr-defined]
    child.command = [sys.executable, "-m", "exporter", "run", *words]
    child.start()
    until(lambda: bool(_events(child, "serving")), "serving")
    return [*_events(child, "served_without_password"), *_events(child, "serving")]


def test_an_open_listener_is_logged_at_start(child: Child) -> None:
    """Of several addresses, all of which are served, those reachable from elsewhere without a password are named."""
    flags = ["--web.listen-address", "127.0.0.1:0", "--web.listen-address", "[::]:0"]
    warning, serving_ = _run_until_serving(child, flags)

    urls = serving_["urls"]
    assert isinstance(urls, list)
    port = urls[1].rpartition(":")[2]
    assert [f"[::]:{port}"] == warning["addresses"]
    for url in (*urls, f"http://127.0.0.1:{port}", f"http://[::1]:{port}"):
        assert 200 == httpx.get(f"{url}/metrics", timeout=30, trust_env=False).status_code


def test_no_warning_with_a_password(child: Child, tmp_path: Path) -> None:
    """With a password there is no warning about the address."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{a: {hashed}}}")

    events = _run_until_serving(child, ["--web.listen-address", ":0"])

    assert ["serving"] == [event["event"] for event in events]
