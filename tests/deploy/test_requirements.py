"""requirements/*.txt: each lock is complete, on every supported Python, after any later release."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any, Final

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.deployment import ROOT

PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS: Final = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
LOCKS: Final = ("run", "dev", "build")

Environment = dict[str, str]


def pyproject() -> dict[str, Any]:
    """Return the parsed pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def declared(lock: str) -> list[Requirement]:
    """Return the requirements that a lock is compiled from."""
    project = pyproject()
    extras = project["project"].get("optional-dependencies", {}).values()
    given = {
        "run": project["project"]["dependencies"],
        "dev": [
            *project["project"]["dependencies"],
            *project["dependency-groups"]["dev"],
            *(requirement for extra in extras for requirement in extra),
        ],
        "build": project["build-system"]["requires"],
    }
    return [Requirement(text) for text in given[lock]]


@cache
def locked(lock: str) -> list[Requirement]:
    """Return the lines of a lock, without their hashes."""
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines()
    return [Requirement(line.rstrip(" \\")) for line in lines if line and not line.startswith((" ", "#"))]


def environments() -> Iterator[Environment]:
    """Yield the environments of every supported Python on every platform."""
    for python in PYTHONS:
        for sys_platform, system, machine in PLATFORMS:
            yield {
                **here(),
                "python_version": python,
                "python_full_version": f"{python}.9",
                "implementation_version": f"{python}.9",
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
                "os_name": "posix",
                "sys_platform": sys_platform,
                "platform_system": system,
                "platform_machine": machine,
            }


def applies(requirement: Requirement, environment: Environment, extras: set[str]) -> bool:
    """Report whether a requirement applies in an environment, for a package installed with these extras."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in {"", *extras})


def metadata_requirements(pinned: Requirement) -> list[Requirement]:
    """Return what a locked package requires, from the metadata installed here."""
    return [Requirement(text) for text in distribution(pinned.name).requires or ()]


def meets(pinned: Requirement | None, requirement: Requirement) -> bool:
    """Report whether a line of a lock is what a requirement wants, extras included."""
    if pinned is None:
        return False
    version = Version(str(pinned.specifier).removeprefix("=="))
    return requirement.specifier.contains(version, prereleases=True) and requirement.extras <= pinned.extras


def here() -> Environment:
    """Return the environment of this process."""
    return {name: str(value) for name, value in default_environment().items()}


def unmet(lock: str, environment: Environment) -> list[str]:
    """Return every requirement that a lock does not meet in an environment, and who has it."""
    there = {canonicalize_name(each.name): each for each in locked(lock) if applies(each, environment, set())}
    wanted = [("pyproject.toml", each) for each in declared(lock) if applies(each, environment, set())]
    for pinned in there.values():
        try:
            wanted += [
                (str(pinned), each)
                for each in metadata_requirements(pinned)
                if applies(each, environment, pinned.extras)
            ]
        except PackageNotFoundError:
            assert not applies(pinned, here(), set()), pinned
    return [
        f"{owner} requires {requirement}, locked: {there.get(canonicalize_name(requirement.name))}"
        for owner, requirement in wanted
        if not meets(there.get(canonicalize_name(requirement.name)), requirement)
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_closed(lock: str) -> None:
    """Every requirement of every locked package is met inside the lock, extras included, on every supported Python."""
    missing = {text for environment in environments() for text in unmet(lock, environment)}

    assert set() == missing


@pytest.mark.parametrize("lock", LOCKS)
def test_judged_by_what_is_installed(lock: str) -> None:
    """The metadata that the locks are judged by is that of the locked versions."""
    differing = [
        str(pinned)
        for pinned in locked(lock)
        if applies(pinned, here(), set()) and f"=={distribution(pinned.name).version}" != str(pinned.specifier)
    ]

    assert [] == differing


@pytest.mark.parametrize("lock", LOCKS)
def test_hashed(lock: str) -> None:
    """Every line of a lock is one version with hashes, and no line names a registry."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())

    assert all(re.match(r"[\w\[\],.-]+==\S+", entry) and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


def test_python_versions() -> None:
    """The supported Python versions of the package metadata are those that the locks are judged for."""
    classifiers = pyproject()["project"]["classifiers"]
    named = tuple(text.rpartition(" ")[2] for text in classifiers if re.search(r":: 3\.\d+$", text))

    assert PYTHONS == named
    assert f">={PYTHONS[0]}" == pyproject()["project"]["requires-python"]


def test_upper_bounds() -> None:
    """Every dependency has an upper bound, or CONTRIBUTING says why it has none."""
    project = pyproject()
    groups = [
        *project.get("dependency-groups", {}).values(),
        *project["project"].get("optional-dependencies", {}).values(),
    ]
    texts = [
        *project["project"]["dependencies"],
        *project["build-system"]["requires"],
        *(text for group in groups for text in group),
    ]
    rows = re.findall(r"^\| ([a-z0-9, -]+) \| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    explained = {name.strip() for names, reason in rows if "no upper bound" in reason for name in names.split(",")}
    unbounded = {
        requirement.name
        for requirement in map(Requirement, texts)
        if not any(each.operator in {"<", "<=", "==", "~="} for each in requirement.specifier)
    }

    assert explained == unbounded
