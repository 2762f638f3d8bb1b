"""The tour of the README: every console block is executed, and prints what the README shows."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.processes import free_port, until

pytestmark = pytest.mark.slow

_README = Path(__file__).parents[1] / "README.md"
_SERVERS = {"simulate": 10181, "run": 10180}
_VOLATILE = re.compile(r"(?<![\w.-])\d[\d,.]*(?:e[+-]\d+)?(?![\w-])")


@dataclass
class Step:
    """One command of the tour and the output shown below it."""

    command: str
    output: list[str] = field(default_factory=list)


def _tour() -> list[Step]:
    section = _README.read_text().split("## A tour in five minutes")[1].split("\n## ")[0]
    steps: list[Step] = []
    for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append(Step(line.removeprefix("$ ")))
            else:
                steps[-1].output.append(line)
    return steps


def _normalized(line: str) -> str:
    """Replace every number, but not the digits within names and addresses."""
    return _VOLATILE.sub("N", line)


def _matches(shown: list[str], printed: list[str]) -> bool:
    """Return whether the output matches the documented one, where a line `...` matches any number of lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(_matches(shown[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    return bool(printed) and _normalized(shown[0]) == _normalized(printed[0]) and _matches(shown[1:], printed[1:])


class Terminal:
    """Runs the commands of the tour, with other ports and an empty home directory."""

    def __init__(self, folder: Path, ports: dict[int, int]) -> None:
        self._folder = folder
        self._ports = ports
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
        }
        self._servers: list[subprocess.Popen[bytes]] = []

    def run(self, step: Step) -> list[str]:
        """Run one command; return the lines that it printed, for a server those that it prints at the start."""
        command = step.command
        for documented, actual in self._ports.items():
            command = command.replace(f":{documented}", f":{actual}")
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self._environment[name] = value
            return []
        for server, port in _SERVERS.items():
            if f"openai-usage-exporter {server}" in command:
                return self._serve(command, self._ports[port], len(step.output))
        finished = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            timeout=120,
            check=True,
        )
        return self._documented(finished.stdout.decode())

    def _serve(self, command: str, port: int, lines: int) -> list[str]:
        output = self._folder / f"{port}.out"
        with output.open("wb") as file:
            self._servers.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec env {command} --web.listen-address=127.0.0.1:{port}"],
                    cwd=self._folder,
                    env=self._environment,
                    stdout=file,
                    stderr=subprocess.DEVNULL,
                )
            )
        if lines:
            until(lambda: output.read_text().count("\n") >= lines, f"the output of {command}")
        else:
            until(lambda: _is_ready(port), f"{command} with its first polls done")
        return self._documented(output.read_text())

    def _documented(self, text: str) -> list[str]:
        for documented, actual in self._ports.items():
            text = text.replace(f":{actual}", f":{documented}")
        return text.splitlines()

    def close(self) -> None:
        """Stop the servers."""
        for process in reversed(self._servers):
            process.terminate()
            process.wait(60)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    """Give a terminal, whose servers are stopped at the end."""
    with free_port() as simulator, free_port() as exporter:
        opened = Terminal(folder, {10181: simulator, 10180: exporter})
        try:
            yield opened
        finally:
            opened.close()


def test_the_tour_can_be_followed(tmp_path: Path) -> None:
    """Each command succeeds and prints the lines shown below it; only numbers differ."""
    steps = _tour()
    with terminal(tmp_path) as shell:
        printed = [(step, shell.run(step)) for step in steps]

    assert {"simulate", "check", "run", "assets"} <= {
        word for step in steps for word in re.findall(r"openai-usage-exporter (\w+)", step.command)
    }
    for step, lines in printed:
        assert _matches(step.output, lines), f"$ {step.command}\n" + "\n".join(lines[:40])
