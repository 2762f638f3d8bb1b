"""The commands and the parsing of the command line. Importing this is cheap: a command is imported when it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from exporter.settings import AssetsSettings, BackfillSettings, Settings, SimulateSettings

_PROGRAM: Final = "openai-usage-exporter"


class Action(Enum):
    """What a command line requests."""

    EXECUTE = auto()
    HELP = auto()
    OVERVIEW = auto()
    VERSION = auto()


class UnknownCommandError(Exception):
    """There is no such command; the message lists those that exist."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    name: str
    summary: str
    execute: Callable[[Any], int]
    """Takes the command's settings and returns the exit status."""
    arguments: str = ""
    """Positional arguments, as shown in the usage line."""
    serves: bool = False
    """Whether it runs until SIGTERM or SIGINT."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A parsed command line."""

    command: Command
    action: Action
    rest: tuple[str, ...]
    """The arguments after the command."""


def _run(settings: Settings) -> int:
    from exporter.cli.run import execute  # noqa: PLC0415 - imported when it runs, as below

    return execute(settings)


def _check(settings: Settings) -> int:
    from exporter.cli.check import execute  # noqa: PLC0415

    return execute(settings)


def _backfill(settings: BackfillSettings) -> int:
    from exporter.cli.backfill import execute  # noqa: PLC0415

    return execute(settings)


def _simulate(settings: SimulateSettings) -> int:
    from exporter.cli.simulate import execute  # noqa: PLC0415

    return execute(settings)


def _demo(settings: SimulateSettings) -> int:
    from exporter.cli.simulate import execute_demo  # noqa: PLC0415

    return execute_demo(settings)


def _metrics(settings: Settings) -> int:
    from exporter.cli.metrics import execute  # noqa: PLC0415

    return execute(settings)


def _assets(settings: AssetsSettings) -> int:
    from exporter.cli.assets import execute  # noqa: PLC0415

    return execute(settings)


COMMANDS: Final = (
    Command("run", "poll OpenAI and serve the metrics (the default)", _run, serves=True),
    Command("check", "validate the settings, request each endpoint once, and advise on failures", _check),
    Command("backfill", "write history as OpenMetrics for promtool tsdb create-blocks-from openmetrics", _backfill),
    Command("simulate", "serve a simulated Admin API", _simulate, serves=True),
    Command(
        "demo",
        "serve the metrics of a simulated organization on loopback; needs no key and no network",
        _demo,
        serves=True,
    ),
    Command("metrics", "print the reference of all metrics", _metrics),
    Command("assets", "write dashboards, rules, alert templates and example configuration", _assets, "DIRECTORY "),
)

DEFAULT: Final = COMMANDS[0]


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Parse the arguments after the program's name. Raises UnknownCommandError, which does not repeat them."""
    arguments = list(argv)
    if arguments[:1] == ["version"]:
        return Arguments(DEFAULT, Action.VERSION, tuple(arguments[1:]))
    if help_ := arguments[:1] == ["help"]:
        arguments.pop(0)
    named = bool(arguments) and not arguments[0].startswith("-")
    command = _command(arguments.pop(0)) if named else DEFAULT
    if help_ or {"--help", "-h"} & {*arguments}:
        action = Action.HELP if named else Action.OVERVIEW
    elif {"--version", "-V"} & {*arguments}:
        action = Action.VERSION
    else:
        action = Action.EXECUTE
    return Arguments(command, action, tuple(arguments))


def overview() -> str:
    """Return what `--help` prints without a command."""
    commands = "".join(f"  {command.name:<10}{command.summary}\n" for command in COMMANDS)
    return (
        f"Usage: {_PROGRAM} [command] [--flag value ...]\n\n"
        "Prometheus exporter for the usage and costs of OpenAI organizations.\n\n"
        f"Commands:\n{commands}  {'help':<10}print this, or the flags of a command: help run\n"
        f"  {'version':<10}print the version\n\n"
        "The admin key comes from the variable OPENAI_ADMIN_KEY, or from the file named by OPENAI_ADMIN_KEY_FILE.\n"
        f"`{_PROGRAM} <command> --help` lists the flags and settings of a command.\n"
    )


def usage(command: Command) -> str:
    """Return the first lines of a command's help."""
    summary = command.summary[0].upper() + command.summary[1:]
    return f"Usage: {_PROGRAM} {command.name} {command.arguments}[--flag value ...]\n\n{summary}.\n"


def _command(word: str) -> Command:
    for command in COMMANDS:
        if command.name == word:
            return command
    names = [*(command.name for command in COMMANDS), "help", "version"]
    near = get_close_matches(word, names, n=1)
    advice = f"did you mean {near[0]}? " if near else ""
    raise UnknownCommandError(f"unknown command; {advice}The commands are {', '.join(names)}")
