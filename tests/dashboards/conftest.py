"""What the tests of this folder share: one Prometheus with all lives in it."""

from collections.abc import Iterator

import pytest

from tests.support.restarts import Lives, lived


@pytest.fixture(scope="session")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """Live all lives once for all tests."""
    with lived(tmp_path_factory.mktemp("lives")) as made:
        yield made
