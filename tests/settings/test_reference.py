"""The documentation of the settings is generated from the settings."""

import subprocess
import sys
from pathlib import Path

import pytest

from exporter.settings import help_text, markdown
from exporter.settings.model import COMMANDS
from exporter.settings.options import options

_DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_document_is_up_to_date() -> None:
    """When this fails, run `make docs`."""
    assert markdown() == _DOCUMENT.read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_is_described(command: str) -> None:
    """Every setting has a description, and the help shows each flag with its default."""
    text = help_text(command)
    for leaf in options(COMMANDS[command]):
        assert leaf.description, leaf.dotted
        if leaf.source != "file" and leaf.path[0] != "resources":
            assert leaf.flag in text
            assert not leaf.default or f"(default: {leaf.default})" in " ".join(text.split())


def test_the_help_folds_resources_and_lists_their_names() -> None:
    """A resource setting is listed once, not once per resource."""
    text = help_text("run")

    assert text.count("group-by VALUE,...") == 1
    assert "audio-transcriptions" in text
    assert "OPENAI_ADMIN_KEY_FILE" in text


def test_the_module_prints_the_document() -> None:
    """`python -m exporter.settings` prints docs/settings.md."""
    command = [sys.executable, "-m", "exporter.settings"]

    assert _DOCUMENT.read_text() == subprocess.run(command, capture_output=True, check=True, text=True).stdout
