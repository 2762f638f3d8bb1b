"""The words of the command line: which command, what for, and the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, auto

from exporter.cli.commands import COMMANDS, DEFAULT, Command

_PROGRAM = "openai-usage-exporter"


class Action(Enum):
    """What the user wants of the command."""

    EXECUTE = auto()
    HELP = auto()
    OVERVIEW = auto()
    VERSION = auto()


class UnknownCommandError(Exception):
    """There is no such command; the words list those there are."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A command line that was understood."""

    command: Command
    action: Action
    words: tuple[str, ...]
    """What stands behind the command."""


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Return what the words say, without the program's name. Raises UnknownCommandError, which does not repeat them."""
    named = bool(argv) and not argv[0].startswith("-")
    command = _command(argv[0]) if named else DEFAULT
    words = tuple(argv[1:] if named else argv)
    if {"--help", "-h"} & {*words}:
        action = Action.HELP if named else Action.OVERVIEW
    elif "--version" in words:
        action = Action.VERSION
    else:
        action = Action.EXECUTE
    return Arguments(command, action, words)


def overview() -> str:
    """Return what `--help` prints without a command."""
    commands = "".join(f"  {command.name:<10}{command.summary}\n" for command in COMMANDS)
    return (
        f"Usage: {_PROGRAM} [command] [--flag value ...]\n\n"
        "Prometheus exporter for the usage and costs of OpenAI organizations.\n\n"
        f"Commands:\n{commands}\n"
        "The admin key comes from OPENAI_ADMIN_KEY, or from the file that OPENAI_ADMIN_KEY_FILE names.\n"
        f"`{_PROGRAM} <command> --help` lists the settings, `--version` prints the version.\n"
    )


def usage(command: Command) -> str:
    """Return the first lines of a command's help."""
    summary = command.summary[0].upper() + command.summary[1:]
    return f"Usage: {_PROGRAM} {command.name} [--flag value ...]\n\n{summary}.\n"


def _command(word: str) -> Command:
    for command in COMMANDS:
        if command.name == word:
            return command
    names = [command.name for command in COMMANDS]
    near = get_close_matches(word, names, n=1)
    advice = f"did you mean {near[0]}? " if near else ""
    raise UnknownCommandError(f"unknown command; {advice}The commands are {', '.join(names)}")
