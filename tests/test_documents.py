"""The documents agree with the code: metrics, settings, targets, files."""

import re
import tomllib
from pathlib import Path

import pytest

import exporter
from exporter.cli.commands import COMMANDS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
GENERATED = {"metrics.md", "settings.md"}


def text(path: Path) -> str:
    """Return what a document says."""
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document leads to a file of the project."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(document))
    dead = [link for link in links if "://" not in link and not (document.parent / link).exists()]

    assert [] == dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_metrics_exist(document: Path) -> None:
    """Every metric that a document names is in the reference."""
    reference = set(re.findall(r"`(openai_[a-z0-9_]+)`", text(ROOT / "docs/metrics.md")))
    named = set(re.findall(r"(?<![\w:.-])openai_[a-z0-9_]*[a-z0-9](?![\w*<])", text(document)))
    histograms = {f"{name}{suffix}" for name in reference for suffix in ("_bucket", "_sum", "_count")}

    assert set() == named - reference - histograms - {"openai_exporter", "openai_usage_exporter"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_targets_exist(document: Path) -> None:
    """Every `make` target that a document names is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    named = {word for line in re.findall(r"\bmake ((?:[a-z-]+ ?)+)", _code(text(document))) for word in line.split()}

    assert set() == named - targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_variables_exist(document: Path) -> None:
    """Every environment variable of the prefix that a document names is a setting."""
    settings = set(re.findall(r"OPENAI_EXPORTER_[A-Z0-9_]+", text(ROOT / "docs/settings.md")))
    named = set(re.findall(r"\bOPENAI_EXPORTER_[A-Z0-9_]*[A-Z0-9]\b", text(document)))
    resources = {name for name in named if name.startswith("OPENAI_EXPORTER_RESOURCES__")}

    assert set() == named - settings - resources - {"OPENAI_EXPORTER"}


def test_commands_are_in_the_readme() -> None:
    """The README's commands exist, and the changelog lists every one."""
    used = set(re.findall(r"openai-usage-exporter ([a-z]+)\b", _code(text(ROOT / "README.md"))))
    there = {command.name for command in COMMANDS}

    assert set() == used - there
    assert set() == {name for name in there if f"`{name}`" not in text(ROOT / "CHANGELOG.md")}


def test_dependencies_have_reasons() -> None:
    """Every dependency has its sentence in CONTRIBUTING, and nothing else has one."""
    project = tomllib.loads(text(ROOT / "pyproject.toml"))
    extras = project["project"].get("optional-dependencies", {}).values()
    declared = {
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *(each for extra in extras for each in extra),
    }
    names = {re.split(r"[^A-Za-z0-9-]", requirement)[0] for requirement in declared}
    rows = re.findall(r"^\| ([a-z0-9, -]+) \|", text(ROOT / "CONTRIBUTING.md"), re.MULTILINE)
    reasoned = {name.strip() for row in rows for name in row.split(",")} - {"for running", "for developing", "---"}

    assert names == reasoned


def test_version_is_printed() -> None:
    """The changelog has a section for the version, or for what is unreleased."""
    changelog = text(ROOT / "CHANGELOG.md")

    assert f"[{exporter.__version__}]" in changelog or "[Unreleased]" in changelog


def _code(document: str) -> str:
    fenced = re.findall(r"```[a-z]*\n(.*?)```", document, re.DOTALL)
    return "\n".join([*fenced, *re.findall(r"`([^`\n]+)`", document)])
