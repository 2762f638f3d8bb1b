"""A simulated API, and an exporter process of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.simulator import Simulator, keys, serving
from tests.support.processes import Child, exporter, free_port, without_privileges
from tests.support.state_process import SETTINGS


@pytest.fixture(scope="module")
def simulated() -> Iterator[tuple[Simulator, str]]:
    """Return a simulated API whose figures grow by the second."""
    simulator = Simulator(5)
    simulator.scenario.spike(300)
    with serving(simulator) as url:
        yield simulator, url


@pytest.fixture
def child(simulated: tuple[Simulator, str], tmp_path: Path) -> Iterator[Child]:
    """Return an exporter that has not been started, with its state in a temporary folder."""
    folder = tmp_path / "state"
    folder.mkdir()
    with free_port() as port:
        child = exporter(port, folder, simulated[1], keys.FULL, **SETTINGS)
        child.log = tmp_path / "exporter.log"
        child.command = [*without_privileges(), *child.command]
        yield child
        child.stop()
