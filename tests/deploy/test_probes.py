"""The exporter answers the paths that probes, health checks and scrapes request."""

import re
import sys
from collections.abc import Iterator

import pytest

from tests.support.deployment import ROOT
from tests.support.processes import Child, free_port

FILES = ("Dockerfile", "deploy/kubernetes/deployment.yaml", "deploy/kubernetes/servicemonitor.yaml")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """Give a running exporter."""
    with free_port() as port:
        command = [sys.executable, "-m", "exporter", "demo", f"--web.listen-address=127.0.0.1:{port}"]
        log = tmp_path_factory.mktemp("probes") / "log"
        child = Child("exporter", port, command, environment={}, log=log, ready="/-/ready")
        child.start()
        try:
            child.wait_until_serving()
            yield child
        finally:
            child.stop()


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_paths(demo: Child, file: str) -> None:
    """Every path is answered with 200."""
    paths = re.findall(r"(?:path: |:10180)(/[-\w/]+)", (ROOT / file).read_text())

    assert paths
    assert [200] * len(paths) == [demo.get(path).status_code for path in paths]
