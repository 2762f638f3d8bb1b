"""Runs a simulated organization, with a month of history, through the whole stack: `make demo-stack`."""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import yaml

from exporter.simulator import keys

DEPLOY: Final = Path(__file__).parent
DAYS: Final = 31
PORTS: Final = {"simulator": 10181, "exporter": 10180, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}

_BUDGET_USD: Final = 100
"""Less than the simulated organization spends in a day, so that an alert fires on every day of a month."""


class StackError(Exception):
    """The stack cannot be started; the message says what to do."""


class Stack:
    """The processes of the stack, with their files in one folder."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        """Start nothing yet. The folder has the processes' output as NAME.log."""
        self.folder, self.ports = folder, ports
        self._children: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._since = time.monotonic()

    def url(self, name: str) -> str:
        """Return where a service is."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def start(self, name: str, command: Sequence[str], ready: str, **variables: str) -> None:
        """Start a process and wait until a path answers. Raises StackError with its last lines if it does not."""
        with (self.folder / f"{name}.log").open("wb") as log:
            environment = {**os.environ, **variables}
            child = subprocess.Popen(  # noqa: S603 - the commands are those below
                command, env=environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        self._children.append((name, child))
        self.wait(lambda: _answers(f"{self.url(name)}{ready}"), f"{name} to answer", 60)
        self.say(f"{name} answers at {self.url(name)}")

    def run(self, name: str, command: Sequence[str], **variables: str) -> None:
        """Run a process to its end. Raises StackError with its last lines if it fails."""
        with (self.folder / f"{name}.log").open("wb") as log:
            environment = {**os.environ, **variables}
            finished = subprocess.run(  # noqa: S603 - the commands are those below
                command, env=environment, cwd=self.folder, stdout=log, stderr=log, check=False
            )
        if finished.returncode:
            raise StackError(f"{name} failed:\n{self._last_lines(name)}")

    def wait(self, happened: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until something has happened. Raises StackError when it has not, or when a process has ended."""
        end = time.monotonic() + seconds
        while not happened():
            self.check()
            if time.monotonic() > end:
                raise StackError(f"waited {seconds:g} s for {what}; the logs are in {self.folder}")
            time.sleep(0.2)

    def check(self) -> None:
        """Raise StackError when a process has ended."""
        for name, child in self._children:
            if child.poll() is not None:
                raise StackError(f"{name} has ended with status {child.returncode}:\n{self._last_lines(name)}")

    def stop(self) -> None:
        """End all processes, the last first."""
        for _, child in reversed(self._children):
            if child.poll() is None:
                child.terminate()
        for _, child in reversed(self._children):
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def say(self, line: str) -> None:
        """Print a line of progress."""
        sys.stdout.write(f"{time.monotonic() - self._since:5.1f} s  {line}\n")
        sys.stdout.flush()

    def _last_lines(self, name: str) -> str:
        return "\n".join((self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-15:])


def start(stack: Stack) -> None:
    """Start everything, in order, and wait until an alert has reached Alertmanager."""
    exporter = str(Path(sys.executable).parent / "openai-usage-exporter")
    prometheus, promtool = _program("prometheus"), _program("promtool")
    alertmanager = _program("prometheus-alertmanager", "alertmanager")
    target = f"127.0.0.1:{stack.ports['exporter']}"
    variables = {
        "OPENAI_ADMIN_KEY": keys.FULL,
        "OPENAI_EXPORTER_API__BASE_URL": f"{stack.url('simulator')}/v1",
        "OPENAI_EXPORTER_API__REQUESTS_PER_MINUTE": "1000",
        "OPENAI_EXPORTER_BUDGETS__MONTHLY_USD": str(_BUDGET_USD),
        "OPENAI_EXPORTER_STATE__PATH": str(stack.folder / "state.db"),
    }
    listen = f"--web.listen-address=127.0.0.1:{stack.ports['simulator']}"
    stack.start("simulator", [exporter, "simulate", listen], "/v1/models")
    stack.start("exporter", [exporter, "run", f"--web.listen-address={target}"], "/-/ready", **variables)

    history, data = stack.folder / "history", stack.folder / "prometheus"
    labels = ["--label", "job=openai-usage-exporter", "--label", f"instance={target}"]
    span = ["--since", f"{DAYS}d", "--step", "1h", "--dense-days", "2", "--new-prometheus", "--output", str(history)]
    stack.run("backfill", [exporter, "backfill", *span, *labels], **variables)
    for file in sorted(history.glob("*.om")):
        blocks = ["tsdb", "create-blocks-from", "--max-block-duration=486h", "openmetrics", str(file), str(data)]
        stack.run("blocks", [promtool, *blocks])
    shutil.rmtree(history)
    stack.say(f"{DAYS} days of history are in Prometheus' storage")

    listen = f"--web.listen-address=127.0.0.1:{stack.ports['alertmanager']}"
    shutil.copytree(DEPLOY / "alertmanager", stack.folder / "alertmanager")
    files = [f"--config.file={stack.folder}/alertmanager/alertmanager.yml", f"--storage.path={stack.folder}/silences"]
    stack.start("alertmanager", [alertmanager, listen, *files, "--cluster.listen-address="], "/-/ready")
    flags = [
        f"--config.file={_prometheus_configuration(stack)}",
        f"--web.listen-address=127.0.0.1:{stack.ports['prometheus']}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=400d",
        "--query.lookback-delta=61m",  # the older history has a sample an hour
    ]
    stack.start("prometheus", [prometheus, *flags], "/-/ready")
    _start_grafana(stack)
    stack.wait(lambda: bool(firing(stack)), "an alert in Alertmanager", 180)
    stack.say(f"firing: {', '.join(firing(stack))}")


def firing(stack: Stack) -> list[str]:
    """Return the names of the alerts that Alertmanager has, each once."""
    alerts = _json(f"{stack.url('alertmanager')}/api/v2/alerts")
    return sorted({alert["labels"]["alertname"] for alert in alerts})


def _prometheus_configuration(stack: Stack) -> Path:
    """Write the configuration of deploy/prometheus with the ports of the stack; budgets are judged within seconds."""
    rules = stack.folder / "rules"
    rules.mkdir()
    for file in (DEPLOY / "prometheus" / "rules").glob("*.yml"):
        document = yaml.safe_load(file.read_text())
        for group in document["groups"]:
            group["interval"] = "5s"
            for rule in group["rules"]:
                if rule.get("alert", "").startswith("OpenAIBudget"):
                    rule["for"] = "5s"
        (rules / file.name).write_text(yaml.safe_dump(document, width=10**6))
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    for name, address in (("exporter", "exporter:10180"), ("alertmanager", "alertmanager:9093")):
        text = text.replace(address, f"127.0.0.1:{stack.ports[name]}")
    document = yaml.safe_load(text)
    document["global"]["scrape_interval"] = "15s"
    document["rule_files"] = [f"{rules}/*.yml"]
    configuration = stack.folder / "prometheus.yml"
    configuration.write_text(yaml.safe_dump(document))
    return configuration


def _start_grafana(stack: Stack) -> None:
    """Start Grafana where it is installed, without a password, with the dashboards and the stack's Prometheus."""
    found = shutil.which("grafana", path=f"{os.environ['PATH']}:/usr/share/grafana/bin")
    if not found:
        stack.say("grafana is not installed: without it, look at the status page of the exporter and at Prometheus")
        return
    home = Path(found).resolve().parents[1]
    source = DEPLOY.parent / "grafana"
    provisioning = stack.folder / "provisioning"
    shutil.copytree(source / "provisioning", provisioning)
    for file in provisioning.glob("*/*.yaml"):
        text = file.read_text().replace("http://prometheus:9090", stack.url("prometheus"))
        file.write_text(text.replace("/etc/grafana/dashboards/openai-usage-exporter", str(source)))
    stack.start(
        "grafana",
        [found, "server", "--homepath", str(home)],
        "/api/health",
        GF_SERVER_HTTP_ADDR="127.0.0.1",
        GF_SERVER_HTTP_PORT=str(stack.ports["grafana"]),
        GF_PATHS_DATA=str(stack.folder / "grafana"),
        GF_PATHS_PROVISIONING=str(provisioning),
        GF_AUTH_ANONYMOUS_ENABLED="true",
        GF_AUTH_ANONYMOUS_ORG_ROLE="Viewer",
        GF_ANALYTICS_REPORTING_ENABLED="false",
        GF_ANALYTICS_CHECK_FOR_UPDATES="false",
    )


def _program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
            return found
    raise StackError(f"{names[-1]} is not on the PATH: on Debian, sudo apt-get install {names[0]}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - a loopback address
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500  # noqa: PLR2004 - a client's error is an answer
    except OSError:
        return False


def _json(url: str) -> Any:  # noqa: ANN401 - any document
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - a loopback address
        return json.load(response)


def _ports(any_port: bool) -> dict[str, int]:  # noqa: FBT001 - the flag of the command line
    ports = {}
    held = []
    for name, preferred in PORTS.items():
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.append(listener)
        try:
            listener.bind(("127.0.0.1", 0 if any_port else preferred))
        except OSError as error:
            raise StackError(f"port {preferred} for {name} is in use: end what uses it, or give --any-ports") from error
        ports[name] = listener.getsockname()[1]
    for listener in held:
        listener.close()
    return ports


def main() -> int:
    """Run the stack until SIGINT or SIGTERM. Returns 1 when it cannot be started or a process ends."""
    parser = argparse.ArgumentParser(prog="make demo-stack", description="A simulated organization in a whole stack.")
    parser.add_argument("--any-ports", action="store_true", help="take free ports instead of the usual ones")
    any_ports = parser.parse_args().any_ports
    stopping = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    with tempfile.TemporaryDirectory(prefix="openai-usage-exporter-stack-") as name:
        stack = None
        try:
            stack = Stack(Path(name), _ports(any_ports))
            start(stack)
            stack.say(f"ready; logs in {stack.folder}; Ctrl-C ends it")
            while True:
                stack.check()
                time.sleep(1)
        except KeyboardInterrupt:
            return 0
        except StackError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        finally:
            if stack:
                stack.stop()


if __name__ == "__main__":
    sys.exit(main())
