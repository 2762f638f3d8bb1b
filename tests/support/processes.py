"""Real child processes on ports that stay theirs while they are dead."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def free_port() -> Iterator[int]:
    """Give a port of 127.0.0.1 that no other test gets while the block lasts, although nothing listens on it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def until(happened: Callable[[], bool], what: str, seconds: float = 60.0, pause: float = 0.1) -> None:
    """Wait until something has happened. Raises TimeoutError that says what has not."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} has not happened in {seconds:g} s")
        time.sleep(pause)


class Child:
    """A process with HTTP on a port of 127.0.0.1, which can be killed and started again."""

    def __init__(
        self, name: str, port: int, command: Sequence[str], *, environment: Mapping[str, str], log: Path, ready: str
    ) -> None:
        """`ready` is the path that answers once the process serves. What it says goes to the end of `log`."""
        self.name, self.port, self.log = name, port, log
        self.command, self.environment, self._ready = command, environment, ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process
        return self._process.pid

    @property
    def said(self) -> str:
        """Everything that it has said."""
        return self.log.read_text()

    def through_bash(self, before: str, after: str = "") -> None:
        """Start the command through a shell that changes what the process is given."""
        self.command = ["bash", "-c", f'{before}; exec "$@" {after}', "bash", *self.command]

    def start(self) -> None:
        """Start the process; it may take a moment until it serves."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, env=dict(self.environment), stdout=log, stderr=log)

    def wait_until_serving(self) -> None:
        """Wait until it answers. Raises AssertionError with what it said if it ends instead."""
        until(self._serves, f"{self.name} serving")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Send SIGTERM and wait until it has ended."""
        self._end(signal.SIGTERM)

    def get(self, path: str) -> httpx.Response:
        """Request a path."""
        return httpx.get(f"{self.url}{path}", timeout=30, trust_env=False)

    def _serves(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.said[-4000:]
        try:
            return self.get(self._ready).is_success
        except httpx.TransportError:
            return False

    def _end(self, number: int) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def exporter(port: int, folder: Path, base_url: str, key: str, **settings: str) -> Child:
    """Return the exporter as an operator runs it. `settings` are environment variables without their prefix."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "STATE_"))}
    environment |= {
        "OPENAI_ADMIN_KEY": key,
        "OPENAI_EXPORTER_API__BASE_URL": base_url,
        "OPENAI_EXPORTER_STATE__PATH": str(folder / "state.db"),
        "OPENAI_EXPORTER_WEB__LISTEN_ADDRESS": f"127.0.0.1:{port}",
        "OPENAI_EXPORTER_LOG__FORMAT": "json",
    }
    environment |= {f"OPENAI_EXPORTER_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "exporter", "run"]
    return Child("exporter", port, command, environment=environment, log=folder / "exporter.log", ready="/-/healthy")


def without_privileges() -> list[str]:
    """Return what to put before a command so that file permissions hold for it, also where root runs the tests."""
    if os.geteuid() != 0:
        return []
    capabilities = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}"]
