"""The workflows of GitHub Actions: judged by actionlint, and what they run exists."""

import re
import subprocess

import pytest

from tests.support.deployment import ROOT
from tests.support.go_programs import program

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_lint() -> None:
    """`actionlint` finds nothing."""
    command = [program("actionlint"), *map(str, WORKFLOWS)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert (0, "") == (finished.returncode, finished.stdout)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_commands_exist(file: object) -> None:
    """Every script and target that a workflow runs is in the tree."""
    text = (ROOT / ".github" / "workflows" / str(file)).read_text()
    targets = set(re.findall(r"\bmake ([a-z-]+)", text))
    scripts = set(re.findall(r"\bdeploy/[\w./-]+", text))

    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {name for name in scripts if not (ROOT / name).exists()} == set()


def test_python_versions() -> None:
    """The tests run on every Python that the package names."""
    (matrix,) = re.findall(r"python: \[(.*)\]", (ROOT / ".github" / "workflows" / "test.yml").read_text())
    named = re.findall(r":: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text())

    assert named == re.findall(r"[\d.]+", matrix)
