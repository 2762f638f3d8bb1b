"""One simulator for the tests that change nothing in it, and a fresh one for those that do."""

from collections.abc import Iterator

import pytest

from exporter.simulator import Shape
from tests.support.simulation import Simulation, simulation


@pytest.fixture(scope="session")
def steady() -> Iterator[Simulation]:
    """Return a simulator that tests only read from."""
    with simulation() as running:
        yield running


@pytest.fixture
def fresh() -> Iterator[Simulation]:
    """Return a new simulator for each test."""
    with simulation() as running:
        yield running


@pytest.fixture
def still() -> Iterator[Simulation]:
    """Return a simulator of an organization without generated usage."""
    with simulation(shape=Shape(activity=0)) as running:
        yield running
