"""The command line: `openai-usage-exporter [command] [--flag value ...]`."""

import os
import sys
from collections.abc import Sequence

from exporter import __version__
from exporter.cli.commands import Action, Arguments, UnknownCommandError, overview, parse_arguments, usage
from exporter.cli.process import open_standard_streams, prepare_server_process
from exporter.redaction import print_redacted

_USAGE_ERROR = 2
_FAILED = 1
_INTERRUPTED = 130

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 2 where the command line or the settings are wrong.

    `argv` are the arguments after the program's name, by default those of the process.
    """
    open_standard_streams()
    try:
        status = _main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    return status


def _main(argv: Sequence[str]) -> int:
    try:
        arguments = parse_arguments(argv)
    except UnknownCommandError as error:
        _print_error(str(error))
        return _USAGE_ERROR
    match arguments.action:
        case Action.VERSION:
            sys.stdout.write(f"openai-usage-exporter {__version__}\n")
            return 0
        case Action.OVERVIEW:
            sys.stdout.write(overview())
            return 0
        case Action.HELP:
            from exporter.settings import help_text  # noqa: PLC0415 - the overview must not wait for pydantic

            print_redacted(f"{usage(arguments.command)}\n{help_text(arguments.command.name)}", end="")
            return 0
        case Action.EXECUTE:
            return _execute(arguments)


def _execute(arguments: Arguments) -> int:
    if arguments.command.serves:
        prepare_server_process()
    import structlog  # noqa: PLC0415 - the overview must not wait for these imports

    from exporter.cli.logging import configure_logging  # noqa: PLC0415
    from exporter.settings import Log, SettingsError, load  # noqa: PLC0415

    configure_logging(Log())
    try:
        settings = load(arguments.command.name, arguments.rest)
        configure_logging(settings.log)
        return arguments.command.execute(settings)
    except SettingsError as error:
        for problem in error.problems:
            _print_error(str(problem))
        return _USAGE_ERROR
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001 - logged with its traceback, redacted
        structlog.get_logger(__name__).exception("unexpected_error")
        return _FAILED


def _print_error(message: str) -> None:
    line = "".join(char if char.isprintable() else "?" for char in message)
    print_redacted(f"error: {line}", file=sys.stderr)
