"""`check` as a command: what it prints, and the exit status that a script can use."""

import subprocess
import sys
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.simulator import Simulator, keys

FAST = ("--api.requests-per-minute", "60000")
FEW = tuple(
    f"--resources.{name}.enabled=false"
    for name in ("decisions", "moderations", "images", "audio-speeches", "audio-transcriptions", "web-search-calls")
)


def test_good(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0, a line per enabled endpoint, and the result as the last line."""
    status = main(["check", "--api.base-url", url, *FAST, *FEW])

    lines = capsys.readouterr().out.splitlines()
    assert 0 == status
    assert f"default: {url}, key from OPENAI_ADMIN_KEY" == lines[0]
    assert "ok: default: usage and costs can be read" == lines[-1]
    assert [
        "costs",
        "completions",
        "embeddings",
        "vector_stores",
        "code_interpreter_sessions",
        "file_search_calls",
        "projects",
        "spend_limit",
        "spend_alerts",
        "organization",
    ] == [line.split()[1].rstrip(":") for line in lines[1:-2]]


def test_bad(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1 where usage and costs cannot be read; advice is printed once, the key never."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", keys.MANAGEMENT_ONLY)
    status = main(["check", "--api.base-url", url, *FAST, *FEW])

    output = capsys.readouterr()
    assert 1 == status
    assert 1 == output.out.count("-> Create an admin key")
    assert "  failed       completions: same\n" in output.out
    assert output.out.splitlines()[-1].startswith("failed: default: usage and costs cannot be read: costs: the key")
    assert keys.MANAGEMENT_ONLY not in output.out + output.err


def test_ordinary_key_alone(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With only an ordinary key, the report names the variable that contains it."""
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", keys.ORDINARY)
    status = main(["check", "--api.base-url", url, *FAST])

    assert 1 == status
    assert "the key from OPENAI_API_KEY is an ordinary key" in capsys.readouterr().out


def test_several_organizations(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every organization is checked and gets a result; one failure decides the status."""
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    monkeypatch.setenv("GOOD_KEY", keys.OTHER_ORGANIZATION)
    monkeypatch.setenv("BAD_KEY", keys.ORDINARY)
    config = tmp_path / "exporter.yaml"
    config.write_text(
        f"api: {{base_url: '{url}', requests_per_minute: 60000}}\n"
        "organizations:\n"
        "  - {name: good, admin_key_env: GOOD_KEY}\n"
        "  - {name: bad, admin_key_env: BAD_KEY}\n"
    )
    status = main(["check", "--config.file", str(config)])

    lines = capsys.readouterr().out.splitlines()
    assert 1 == status
    assert "ok: good: usage and costs can be read" == lines[-2]
    assert lines[-1].startswith("failed: bad: ")


def test_settings_first(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong settings end it with status 2 before any request."""
    status = main(["check", "--api.base-url", url, "--poll.interval", "soon"])

    assert 2 == status
    assert "poll.interval" in capsys.readouterr().err


def test_names_as_configured(url: str, simulator: Simulator) -> None:
    """Names and limits are requested as configured."""
    main(["check", "--api.base-url", url, *FAST, *FEW, "--names.projects=false", "--limits.organization=false"])

    assert 6 == len(simulator.requests)


@pytest.mark.slow
def test_process(url: str) -> None:
    """The process's exit status is that of the command."""
    words = [sys.executable, "-m", "exporter", "check", "--api.base-url", url, *FAST, *FEW]
    finished = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert (0, "") == (finished.returncode, finished.stderr)
    assert finished.stdout.endswith("ok: default: usage and costs can be read\n")
