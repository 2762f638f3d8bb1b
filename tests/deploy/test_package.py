"""The wheel, as a user installs it from an index: without the lock."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import exporter
from tests.support.deployment import COMMAND, ROOT
from tests.support.processes import Child, free_port, until


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of the tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_content(wheel: Path) -> None:
    """The wheel has the package, its licence and its command, and nothing of tests, deployment or benchmarks."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = [name for name in names if name.endswith("/entry_points.txt")]
        script = archive.read(entry_points).decode()
    info = f"{COMMAND.replace('-', '_')}-{exporter.__version__}.dist-info"

    assert {"exporter", info} == {name.split("/")[0] for name in names}
    assert {"exporter/py.typed", f"{info}/licenses/LICENSE"} <= set(names)
    assert f"{COMMAND} = exporter.cli:main" in script


def test_assets(wheel: Path, tmp_path: Path) -> None:
    """`assets`, run from the wheel, writes the files that the repository has, and nothing else but an example."""
    installed, written = tmp_path / "installed", tmp_path / "written"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    command = [sys.executable, "-m", "exporter", "assets", str(written)]
    subprocess.run(command, cwd=installed, capture_output=True, timeout=60, check=True)

    names = {str(path.relative_to(written)) for path in written.rglob("*") if path.is_file()}
    assert {"exporter.yml"} == {name for name in names if not (ROOT / name).exists()}
    assert all((ROOT / name).read_bytes() == (written / name).read_bytes() for name in names - {"exporter.yml"})
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "grafana").rglob("*.json")} <= names
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "deploy/prometheus").rglob("*.yml")} <= names
    assert not [name for name in names if name.endswith(".py") or "secret" in name]


def test_secrets_stay_out(tmp_path: Path) -> None:
    """A folder of secrets in the checkout is ignored by git and is not put into the wheel."""
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "docs", "tests")
    shutil.copytree(ROOT, tree, ignore=ignored, symlinks=True)
    secret = tree / "deploy" / "alertmanager" / "secrets" / "slack"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("x")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(command, cwd=tree, capture_output=True, timeout=60, check=True)
    (built,) = (tmp_path / "dist").glob("*.whl")

    assert [] == [name for name in zipfile.ZipFile(built).namelist() if "secrets" in name]
    query = ["git", "check-ignore", "--no-index", "deploy/alertmanager/secrets/slack", "deploy/secrets/key"]
    assert 2 == len(subprocess.run(query, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.slow
def test_installed_without_the_lock(wheel: Path, tmp_path: Path) -> None:
    """Installed in an empty virtual environment with the newest versions that its ranges allow, it runs `demo`."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, timeout=120, check=True)
    pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    subprocess.run([*pip, str(wheel)], capture_output=True, timeout=300, check=True)
    with free_port() as port:
        command = [str(venv / "bin" / COMMAND), "demo", f"--web.listen-address=127.0.0.1:{port}"]
        demo = Child("demo", port, command, environment={}, log=tmp_path / "log", ready="/-/ready")
        demo.start()
        try:
            demo.wait_until_serving()
            until(lambda: "\nopenai_cost_usd{" in demo.get("/metrics").text, "the first costs")
        finally:
            demo.stop()
