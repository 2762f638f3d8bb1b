"""Builds a release into dist/: `make release`."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[1]

_SECTION: Final = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


class ReleaseError(Exception):
    """The tree cannot be released; the message says what to change."""


def release(root: Path, folder: Path) -> list[Path]:
    """Build sdist, wheel, SBOM, release notes and checksums of a tree's last commit into a folder; return the files.

    Raises ReleaseError when the tree is dirty, when package, chart and CHANGELOG have different versions, or when a
    second build gives other bytes.
    """
    require_clean(root)
    version = shared_version(root)
    folder.mkdir(parents=True, exist_ok=True)
    if left := sorted(path.name for path in folder.iterdir()):
        raise ReleaseError(f"{folder} is not empty: remove {', '.join(left)}")
    epoch = _git(root, "log", "-1", "--format=%ct").decode().strip()
    environ = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    _say(f"openai-usage-exporter {version}, SOURCE_DATE_EPOCH={epoch}")
    first, second = _built(root, environ), _built(root, environ)
    if differing := sorted(name for name in first if first[name] != second.get(name)):
        raise ReleaseError(f"two builds of one commit differ: {', '.join(differing)}")
    name = f"openai-usage-exporter-{version}"
    contents = {
        **first,
        f"{name}.cdx.json": software_bill(root, version, environ),
        f"{name}.notes.md": release_notes((root / "CHANGELOG.md").read_text(), version).encode(),
    }
    contents["SHA256SUMS"] = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {file}\n" for file, content in sorted(contents.items())
    ).encode()
    for file, content in contents.items():
        (folder / file).write_bytes(content)
        _say(f"  {file}: {len(content):,} bytes")
    return [folder / file for file in contents]


def require_clean(root: Path) -> None:
    """Raise ReleaseError when a tree has changes that are not committed."""
    if changed := _git(root, "status", "--porcelain").decode().rstrip():
        raise ReleaseError(f"the tree has changes that are not committed:\n{changed}")


def shared_version(root: Path) -> str:
    """Return the version of package, chart and CHANGELOG. Raises ReleaseError when they differ."""
    package = re.search(r'^__version__ = "(.+)"$', (root / "exporter" / "__init__.py").read_text(), re.MULTILINE)
    chart = yaml.safe_load((root / "deploy" / "helm" / "openai-usage-exporter" / "Chart.yaml").read_text())
    dated = [each["version"] for each in _SECTION.finditer((root / "CHANGELOG.md").read_text()) if each["date"]]
    versions = {
        "exporter/__init__.py": package[1] if package else "none",
        "Chart.yaml version": chart["version"],
        "Chart.yaml appVersion": chart["appVersion"],
        "CHANGELOG.md": dated[0] if dated else "no section with a date",
    }
    if len(set(versions.values())) > 1:
        listed = "\n".join(f"  {where}: {version}" for where, version in versions.items())
        raise ReleaseError(f"the versions differ:\n{listed}")
    return str(chart["version"])


def release_notes(changelog: str, version: str) -> str:
    """Return the text of a version's section of the CHANGELOG. Raises ReleaseError when it is empty."""
    sections = {each["version"]: each for each in _SECTION.finditer(changelog)}
    start = sections[version].end()
    following = _SECTION.search(changelog, start)
    notes = changelog[start : following.start() if following else len(changelog)].strip()
    if not notes:
        raise ReleaseError(f"CHANGELOG.md says nothing about {version}")
    return f"{notes}\n"


def software_bill(root: Path, version: str, environ: Mapping[str, str]) -> bytes:
    """Return the CycloneDX document, as JSON, of the locked packages that the exporter runs with."""
    command = [
        str(Path(sys.executable).parent / "cyclonedx-py"),
        "requirements",
        str(root / "requirements" / "run.txt"),
        *("--pyproject", str(root / "pyproject.toml")),
        *("--spec-version", "1.6", "--output-format", "JSON", "--output-reproducible"),
    ]
    document: dict[str, Any] = json.loads(_run(command, root, environ))
    main = document["metadata"]["component"]
    main["version"] = version
    main["purl"] = f"pkg:pypi/openai-usage-exporter@{version}"
    everything = sorted(each["bom-ref"] for each in document["components"])
    document["dependencies"] = [
        *(each for each in document["dependencies"] if each["ref"] != main["bom-ref"]),
        {"ref": main["bom-ref"], "dependsOn": everything},
    ]
    return f"{json.dumps(document, indent=2, sort_keys=True)}\n".encode()


def _built(root: Path, environ: Mapping[str, str]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="openai-usage-exporter-release-") as name:
        source, out = Path(name) / "source", Path(name) / "dist"
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "HEAD"))) as archive:
            archive.extractall(source, filter="data")
        _run([sys.executable, "-m", "hatchling", "build", "-d", str(out)], source, environ)
        return {file.name: file.read_bytes() for file in out.iterdir()}


def _git(root: Path, *arguments: str) -> bytes:
    return _run(["git", *arguments], root, os.environ)


def _run(command: list[str], folder: Path, environ: Mapping[str, str]) -> bytes:
    finished = subprocess.run(  # noqa: S603 - the commands are those above
        command, cwd=folder, env=dict(environ), capture_output=True, check=False
    )
    if finished.returncode:
        raise ReleaseError(f"{' '.join(command)} failed:\n{finished.stderr.decode(errors='replace')}")
    return finished.stdout


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        release(ROOT, ROOT / "dist")
    except ReleaseError as error:
        sys.exit(f"error: {error}")
