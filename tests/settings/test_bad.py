"""A folder of invalid settings files; each begins with the messages that it must produce."""

from collections.abc import Callable
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


_ALIASES = "".join(f"k{n}: &k{n}\n  <<: [{', '.join([f'*k{n - 1}'] * 9)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe\xfa", "is not valid YAML: it is not UTF-8"),
        (b"? [1, 2]\n: 3", "is not valid YAML at line 1"),
        (b"[" * 5000, "is nested deeper than 8 levels"),
        (b"a: 2026-99-99", "holds a number, date, boolean or character that does not exist at line 1, column 4"),
        (b'a: "\\ud800"', "holds a number, date, boolean or character that does not exist"),
        (b"a: 1" + b":1" * 100_000, "holds a number, date, boolean or character that does not exist"),
        (b"k0: &k0 {a: 1}\n" + _ALIASES.encode(), "anchors and aliases are not supported at line 1, column 5"),
        (b"#" * (2049 << 10), "is larger than 2048 KiB: correct the path, or shorten the file"),
    ],
    ids=["encoding", "list as a key", "nesting", "date", "surrogate", "number in base 60", "aliases", "size"],
)
def test_content_that_is_not_yaml_or_takes_long_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """Each produces a message at once, not a traceback."""
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)

    with pytest.raises(SettingsError, match=words):
        load("run", ["--config.file", str(path)], {})


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("OPENAI_ORG_ID", "org-a\nx: y", "contains a control character or a line break: remove it"),
        ("OPENAI_ADMIN_KEY", "sk-admin-\udcff12345", "is not UTF-8: set it to the value alone, as text"),
        ("OPENAI_EXPORTER_PROXY_AUTH", "hunter:\udcff12345", "is not UTF-8: set it to the value alone, as text"),
        ("OPENAI_EXPORTER_WINDOWS__USAGE_MEASURES", "\udcff12345", "is not UTF-8: write it as UTF-8 text"),
        ("OPENAI_EXPORTER_CONFIG__FILE", "~nosuchuser/x", "begins with ~, for which there is no home directory"),
    ],
)
def test_a_variable_that_cannot_be_used_is_an_error(variable: str, value: str, words: str) -> None:
    """It is named, and its value is not shown, even if it is not UTF-8."""
    with pytest.raises(SettingsError, match=words) as caught:
        load("run", [], {"OPENAI_ADMIN_KEY": "sk-admin-example", variable: value})

    assert "12345" not in str(caught.value)


def _loop(folder: Path) -> Path:
    path = folder / "loop"
    path.symlink_to(path)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_loop, "Too many levels of symbolic links"),
        (lambda folder: _loop(folder) / "state.db", "Too many levels of symbolic links"),
        (lambda folder: folder / ("x" * 300), "File name too long"),
        (lambda folder: folder / ("x" * 250), "File name too long"),
        (lambda folder: folder, "it is not a regular file"),
        (lambda _: Path("/dev/null"), "it is not a regular file"),
    ],
    ids=["loop", "in a loop", "long", "long with a suffix", "directory", "device"],
)
def test_a_state_that_no_file_can_hold_is_refused(tmp_path: Path, make: Callable[[Path], Path], reason: str) -> None:
    """The commands that use the state do not start; the others do."""
    path = make(tmp_path)
    with pytest.raises(SettingsError, match=rf"state\.path: .* cannot be used \({reason}\)"):
        load("run", ["--state.path", str(path)], {"OPENAI_ADMIN_KEY": "sk-admin-example"})

    assert path == load("metrics", ["--state.path", str(path)], {}).state_path


def test_without_a_home_directory_the_state_has_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that the system does not know, as in a container, gets the system's directory."""
    monkeypatch.setenv("HOME", "~")

    assert Path("/var/lib/openai-usage-exporter/state.db") == load("metrics", [], {}).state_path
