"""A folder of invalid settings files; each begins with the messages that it must produce."""

from pathlib import Path

import pytest

from exporter.settings import Problem, SettingsError, load

_FOLDER = Path(__file__).parent / "bad"


def _header(path: Path, word: str) -> list[str]:
    lead = f"# {word}: "
    return [line.removeprefix(lead) for line in path.read_text().splitlines() if line.startswith(lead)]


@pytest.mark.parametrize("path", sorted(_FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_invalid_file_produces_exactly_its_messages(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every problem is reported with its exact message, and no message contains a secret."""
    monkeypatch.chdir(Path(__file__).parents[2])
    flags = [word for line in _header(path, "flags") for word in line.split()]
    environ = {"OPENAI_ADMIN_KEY": "sk-admin-never-to-be-shown"}
    environ |= dict(line.split("=", 1) for line in _header(path, "environment"))

    with pytest.raises(SettingsError) as caught:
        load("run", ["--config.file", str(path), *flags], environ)

    assert [line.replace("{file}", str(path)) for line in _header(path, "error")] == [
        str(problem) for problem in caught.value.problems
    ]
    assert "never-to-be-shown" not in str(caught.value)


def test_a_missing_file_is_an_error() -> None:
    """A missing settings file is not treated as an empty one."""
    words = "cannot be read (No such file or directory): correct the path or the file's permissions"
    with pytest.raises(SettingsError) as caught:
        load("run", [], {"OPENAI_EXPORTER_CONFIG__FILE": "no/such.yaml"})

    assert (Problem("no/such.yaml", words),) == caught.value.problems


def test_missing_flags_of_a_command_are_named() -> None:
    """A setting that only a flag can set is named by its flag."""
    with pytest.raises(SettingsError) as caught:
        load("backfill", ["--until", "soon"], {"OPENAI_ADMIN_KEY": "sk-admin-x"})

    assert [
        "--since: is required",
        "--until: expects a duration before now such as 90d, or a UTC date such as 2026-01-31",
    ] == [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("content", [b"\xff\xfe\xfa", b"[" * 5000, b"a: 2026-99-99", b"? [1, 2]\n: 3"])
def test_content_that_is_not_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    """Other encodings, deep nesting and impossible dates produce a message, not a traceback."""
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)

    with pytest.raises(SettingsError, match="is not valid YAML"):
        load("run", ["--config.file", str(path)], {})
