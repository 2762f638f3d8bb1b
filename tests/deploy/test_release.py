"""`make release`: what it builds, and which trees it refuses."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

import exporter
from deploy.release import ReleaseError, release, shared_version
from tests.support.deployment import COMMAND, ROOT

VERSION = exporter.__version__
NOTES = "### Added\n\n- Everything."
CHART = Path("deploy", "helm", COMMAND, "Chart.yaml")


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody at a fixed time."""
    who = {f"GIT_{role}_{what}": "a@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    when = {"GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}
    subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **who, **when}, capture_output=True, check=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give a committed copy of what a release is built from, with a CHANGELOG whose newest section has a date."""
    folder = tmp_path / "tree"
    for name in ("exporter", "requirements", "deploy", "grafana"):
        ignored = shutil.ignore_patterns("__pycache__", "secrets")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored, symlinks=True)
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "CHANGELOG.md").write_text(
        f"## [Unreleased]\n\n## [{VERSION}] - 2026-01-02\n\n{NOTES}\n\n## [0.0.1] - 2025-12-01\n\n- Less.\n"
    )
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=all")
    return folder


@pytest.mark.slow
def test_reproducible(tree: Path, tmp_path: Path) -> None:
    """Two releases of one commit, from two folders, are the same bytes."""
    other = tmp_path / "elsewhere"
    shutil.copytree(tree, other, symlinks=True)

    first = {file.name: file.read_bytes() for file in release(tree, tmp_path / "first")}
    second = {file.name: file.read_bytes() for file in release(other, tmp_path / "second")}

    base = COMMAND.replace("-", "_")
    assert {
        f"{base}-{VERSION}.tar.gz",
        f"{base}-{VERSION}-py3-none-any.whl",
        f"{COMMAND}-{VERSION}.cdx.json",
        f"{COMMAND}-{VERSION}.notes.md",
        "SHA256SUMS",
    } == set(first)
    assert first == second
    assert f"{NOTES}\n" == first[f"{COMMAND}-{VERSION}.notes.md"].decode()
    pairs = [line.split("  ") for line in first.pop("SHA256SUMS").decode().splitlines()]
    sums = {name: digest for digest, name in pairs}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in first.items()} == sums
    with tarfile.open(tmp_path / "first" / f"{base}-{VERSION}.tar.gz") as archive:
        assert f"{base}-{VERSION}/exporter/__init__.py" in archive.getnames()
    components(json.loads(first[f"{COMMAND}-{VERSION}.cdx.json"]))


def components(document: dict[str, object]) -> None:
    """Check that a software bill of materials has every package of the lock with all of its hashes."""
    listed = document["components"]
    assert isinstance(listed, list)
    found = {
        f"{each['name']}=={each['version']}": {
            digest["content"] for source in each["externalReferences"] for digest in source.get("hashes", ())
        }
        for each in listed
    }
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements" / "run.txt").read_text())
    locked = {re.split(r"[ \\]", entry)[0]: set(re.findall(r"--hash=sha256:(\w+)", entry)) for entry in entries}

    assert ("CycloneDX", "1.6") == (document["bomFormat"], document["specVersion"])
    assert locked == found


def test_refuses_a_dirty_tree(tree: Path, tmp_path: Path) -> None:
    """A change that is not committed ends it before anything is built."""
    (tree / "README.md").write_text("other")

    with pytest.raises(ReleaseError, match=r"not committed:\n M README\.md"):
        release(tree, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("exporter/__init__.py", f'"{VERSION}"', '"9.9.9"'),
        (str(CHART), f"\nversion: {VERSION}", "\nversion: 9.9.9"),
        (str(CHART), f'appVersion: "{VERSION}"', 'appVersion: "9.9.9"'),
        ("CHANGELOG.md", f"[{VERSION}] - 2026-01-02", "[9.9.9] - 2026-01-02"),
        ("CHANGELOG.md", f"## [{VERSION}] - 2026-01-02\n", f"## [{VERSION}]\n"),
    ],
)
def test_refuses_different_versions(tree: Path, file: str, old: str, new: str) -> None:
    """Package, chart and CHANGELOG have one version, and the section of the CHANGELOG has its date."""
    text = (tree / file).read_text()
    assert VERSION == shared_version(tree)
    assert old in text
    (tree / file).write_text(text.replace(old, new))

    with pytest.raises(ReleaseError, match=r"the versions differ:\n  exporter/__init__.py: "):
        shared_version(tree)


def test_refuses_a_full_folder(tree: Path, tmp_path: Path) -> None:
    """Files of an earlier build are not mixed with those of a release."""
    (tmp_path / "old.whl").touch()

    with pytest.raises(ReleaseError, match=r"old\.whl"):
        release(tree, tmp_path)
