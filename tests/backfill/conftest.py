"""An exporter that was just installed, for tests that give its Prometheus a history."""

from collections.abc import Iterator

import pytest

from exporter.simulator import Shape, Simulator
from tests.support.installation import Installation, installed


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    """Give a small organization."""
    return Simulator(7, shape=Shape(projects=1, models=1, activity=0.1))


@pytest.fixture(scope="module")
def installation(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Give an exporter that was just installed, and its Prometheus, which receives."""
    folder = tmp_path_factory.mktemp("installation")
    with installed(folder, simulator, "costs", "embeddings", seconds=600) as installation:
        yield installation
