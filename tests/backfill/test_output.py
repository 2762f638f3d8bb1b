"""A file has its name only once it is whole."""

from pathlib import Path

import pytest

from exporter.backfill import output_to, partial_of


def test_renamed(tmp_path: Path) -> None:
    """The file appears at the end, in the place of what was there, and nothing is left beside it."""
    path = tmp_path / "history.om"
    path.write_text("old")
    with output_to(path) as out:
        out.write("new\n")

        assert "old" == path.read_text()

    assert "new\n" == path.read_text()
    assert [path] == list(tmp_path.iterdir())


def test_error(tmp_path: Path) -> None:
    """An error leaves the old file as it was, and what was written under another name."""
    path = tmp_path / "history.om"
    path.write_text("old")

    def fail() -> None:
        with output_to(path) as out:
            out.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert "old" == path.read_text()
    assert "half" == partial_of(path).read_text()


def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """A hyphen is standard output."""
    with output_to(Path("-")) as out:
        out.write("text\n")

    assert "text\n" == capsys.readouterr().out
