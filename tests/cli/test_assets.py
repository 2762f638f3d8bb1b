"""`assets` as a command: what it writes and what it leaves alone."""

import re
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.settings import example_file, load
from exporter.settings.model import COMMANDS
from exporter.settings.options import options


def test_files_are_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run finds every file unchanged."""
    assert 0 == main(["assets", str(tmp_path)])
    count = sum(path.is_file() for path in tmp_path.rglob("*"))
    assert f"{count} files written\n" == capsys.readouterr().out.splitlines(keepends=True)[-1]

    assert 0 == main(["assets", str(tmp_path)])
    assert f"0 files written, {count} unchanged\n" == capsys.readouterr().out


def test_changed_files_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that differs is named and nothing is written, unless --force is given."""
    rules = tmp_path / "deploy" / "prometheus" / "rules" / "thresholds.yml"
    rules.parent.mkdir(parents=True)
    rules.write_text("groups: []")

    assert 1 == main(["assets", str(tmp_path)])
    assert f"error: {rules} differs" in capsys.readouterr().out
    assert "groups: []" == rules.read_text()
    assert not (tmp_path / "exporter.yml").exists()

    assert 0 == main(["assets", str(tmp_path), "--force"])
    assert "groups: []" != rules.read_text()


def test_a_directory_is_required(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without one, or where it cannot be created, the command fails with a message."""
    (tmp_path / "file").write_text("")

    assert 2 == main(["assets"])
    assert "error: DIRECTORY: is required\n" == capsys.readouterr().err
    assert 1 == main(["assets", str(tmp_path / "file" / "x")])
    assert "error: " in capsys.readouterr().out


def test_the_example_file_is_valid(tmp_path: Path) -> None:
    """As it is, and with every setting uncommented, it has the effect of the defaults."""
    path = tmp_path / "exporter.yml"
    path.write_text(example_file())
    defaults = load("metrics", [], {})
    assert defaults == load("metrics", ["--config.file", str(path)], {})

    names = "|".join({option.path[-1] for option in options(COMMANDS["run"])})
    uncommented = re.sub(
        rf"^( *)# ((?:{names}): .*)$", r"\1\2", example_file().split("# Several")[0], flags=re.MULTILINE
    )
    path.write_text(uncommented)
    settings = load("metrics", ["--config.file", str(path)], {})

    assert "  refetch_days: 3\n" in uncommented
    assert defaults == settings
