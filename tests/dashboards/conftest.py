"""Fixtures of the dashboards' tests: one Prometheus with the samples of all runs."""

from collections.abc import Iterator

import pytest

from tests.support.exporter_runs import ExporterRuns, exporter_runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterRuns]:
    """Execute all runs once for all tests."""
    with exporter_runs(tmp_path_factory.mktemp("runs")) as made:
        yield made
