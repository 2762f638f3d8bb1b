"""The command line: which command runs, with what, and what is printed."""

import subprocess
import sys
from types import ModuleType

import pytest

from exporter import __version__
from exporter.cli import main
from exporter.cli.commands import COMMANDS, Action, UnknownCommandError, parse_arguments
from exporter.settings import Problem, Settings, SettingsError
from exporter.settings.model import COMMANDS as SETTINGS

_SECRET = "sk-admin-never-to-be-shown"


@pytest.mark.parametrize(
    ("argv", "command", "action", "rest"),
    [
        ([], "run", Action.EXECUTE, ()),
        (["--web.listen-address", ":1"], "run", Action.EXECUTE, ("--web.listen-address", ":1")),
        (["check", "--log.level=debug"], "check", Action.EXECUTE, ("--log.level=debug",)),
        (["--help"], "run", Action.OVERVIEW, ("--help",)),
        (["run", "-h"], "run", Action.HELP, ("-h",)),
        (["demo", "--version"], "demo", Action.VERSION, ("--version",)),
        (["-V"], "run", Action.VERSION, ("-V",)),
        (["version"], "run", Action.VERSION, ()),
        (["help"], "run", Action.OVERVIEW, ()),
        (["help", "check"], "check", Action.HELP, ()),
    ],
)
def test_the_command_comes_first_and_is_run_by_default(
    argv: list[str], command: str, action: Action, rest: tuple[str, ...]
) -> None:
    """The first argument is the command unless it is a flag; help and version work as commands and as flags."""
    arguments = parse_arguments(argv)

    assert (command, action, rest) == (arguments.command.name, arguments.action, arguments.rest)


def test_an_unknown_command_is_not_repeated() -> None:
    """It could be a key that was pasted by mistake."""
    with pytest.raises(UnknownCommandError) as caught:
        parse_arguments([_SECRET])

    assert (
        str(caught.value)
        == "unknown command; The commands are run, check, backfill, simulate, demo, metrics, assets, help, version"
    )


def test_every_command_has_settings_and_is_in_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    """The two tables name the same commands."""
    assert main(["--help"]) == 0

    overview = capsys.readouterr().out
    assert [command.name for command in COMMANDS] == list(SETTINGS)
    for command in COMMANDS:
        assert command.summary in overview


@pytest.mark.parametrize("command", SETTINGS)
def test_every_command_has_a_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It begins with the usage line and lists the flags."""
    assert main([command, "--help"]) == 0

    text = capsys.readouterr().out
    assert text.startswith(f"Usage: openai-usage-exporter {command} ")
    assert "--config.file" in text


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """With or without a command, as a flag or as a command."""
    assert {0} == {main(argv) for argv in (["--version"], ["run", "--version"], ["-V"], ["version"])}

    assert f"openai-usage-exporter {__version__}\n" * 4 == capsys.readouterr().out


def test_each_problem_is_printed_on_its_own_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error, without a traceback, with the exit status of a wrong command line."""
    monkeypatch.setenv("OPENAI_EXPORTER_KEY", _SECRET)
    monkeypatch.setattr(sys, "argv", ["openai-usage-exporter", "run", f"--{_SECRET}\x1b[0m={_SECRET}", _SECRET])

    assert main() == 2

    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        "error: --sk-***?[0m: unknown flag; --help lists all flags\n"
        "error: unexpected argument: the command comes first, followed by --flags only\n"
        "error: OPENAI_EXPORTER_KEY: unknown setting: correct its name, or remove it\n"
    )


def test_an_unknown_command_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """It also suggests a command with a similar name."""
    assert main(["backfil"]) == 2

    assert capsys.readouterr().err == (
        "error: unknown command; did you mean backfill? "
        "The commands are run, check, backfill, simulate, demo, metrics, assets, help, version\n"
    )


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("OPENAI_EXPORTER_RESOURCES__COSTS__GROUP_BY", f'["{_SECRET}"]', "cannot be grouped by 'sk-***': use any of"),
        ("OPENAI_EXPORTER_WINDOWS__COSTS", f'["{_SECRET}"]', "'sk-***' is not a window"),
        ("OPENAI_EXPORTER_LOG__LEVEL", _SECRET, "log.level: use 'debug', 'info', 'warning' or 'error'"),
        ("OPENAI_EXPORTER_STATE__PATH", "", ""),
    ],
)
def test_a_key_in_the_wrong_place_is_not_shown(
    name: str, text: str, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a message repeats a value, anything that looks like a key is redacted."""
    for variable in ("OPENAI_ADMIN_KEY", "OPENAI_ADMIN_KEY_FILE", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, text)

    assert main(["check"]) == 2

    error = capsys.readouterr().err
    assert expected in error
    assert "never-to-be-shown" not in error


class _Commands(ModuleType):
    """Replaces a command's module and records the settings it gets."""

    def __init__(self, outcome: BaseException | None = None) -> None:
        super().__init__("exporter.cli.metrics")
        self.given: list[Settings] = []
        self.outcome = outcome

    def execute(self, settings: Settings) -> int:
        """Record the settings, then raise or return 7."""
        self.given.append(settings)
        if self.outcome:
            raise self.outcome
        return 7


@pytest.mark.usefixtures("logging_restored")
def test_the_command_gets_the_settings_and_returns_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module is imported when it runs."""
    command = _Commands()
    monkeypatch.setitem(sys.modules, "exporter.cli.metrics", command)

    assert main(["metrics", "--new-counter-hold", "0"]) == 7
    assert [0] == [settings.new_counter_hold for settings in command.given]


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize(
    ("outcome", "status", "words"),
    [
        (KeyboardInterrupt(), 130, ""),
        (SettingsError([Problem("web.config.file", "no such user")]), 2, "error: web.config.file: no such user\n"),
        (RuntimeError(_SECRET), 1, "unexpected_error"),
    ],
)
def test_every_exception_has_an_exit_status(
    outcome: BaseException,
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Settings refused by the command, an interrupt, and an unexpected error."""
    monkeypatch.setitem(sys.modules, "exporter.cli.metrics", _Commands(outcome))

    assert status == main(["metrics"])

    error = capsys.readouterr().err
    assert words in error
    assert "never-to-be-shown" not in error


def test_a_closed_pipe_is_not_reported() -> None:
    """`openai-usage-exporter run --help | head -1` ends quietly."""
    command = [sys.executable, "-m", "exporter", "run", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        error = process.stderr.read()

    assert error == b""
