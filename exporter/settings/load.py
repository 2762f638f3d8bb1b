"""From a command's words, the environment and the file to the settings."""

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource

from exporter.settings.credentials import Credentials
from exporter.settings.environment import unknown_variables
from exporter.settings.errors import Problem, SettingsError
from exporter.settings.flags import read_flags
from exporter.settings.messages import problems_of, suggestion
from exporter.settings.model import COMMANDS, KEYLESS, Backfill, CommandSettings, Demo, Simulate
from exporter.settings.options import Option, options
from exporter.settings.organizations import OrganizationSection
from exporter.settings.resolve import organizations_of
from exporter.settings.resolved import BackfillSettings, Settings, SimulateSettings
from exporter.settings.sources import EnvironmentSource, read_file

_CONFIG_FILE: Final = "OPENAI_EXPORTER_CONFIG__FILE"
_DIRECTORY: Final = "openai-usage-exporter"


def load(command: str, words: Sequence[str] = (), environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of a command: `backfill` gets BackfillSettings, `simulate` and `demo` SimulateSettings.

    `words` are those after the command. Raises SettingsError that lists everything that is wrong, and KeyError for a
    command that does not exist.
    """
    model = COMMANDS[command]
    known = tuple(options(model))
    flags, problems = read_flags(known, words)
    problems += unknown_variables(known, environ)
    file = _file(flags, environ, known, problems)
    if problems:
        raise SettingsError(problems)
    flags_only = {leaf.dotted: leaf.flag for leaf in known if leaf.source == "flag"}
    build: Callable[..., CommandSettings] = model
    sources = (InitSettingsSource(model, flags), EnvironmentSource(model, environ), InitSettingsSource(model, file))
    try:
        written = build(_build_sources=(sources, {}))
    except ValidationError as error:
        raise SettingsError(problems_of(error, _paths(known), flags_only)) from None
    return _resolved(written, environ, partial(load, command, words, environ))


def _file(
    flags: Mapping[str, Any], environ: Mapping[str, str], known: Sequence[Option], problems: list[Problem]
) -> dict[Any, Any]:
    path = flags["config"]["file"] if "config" in flags else environ.get(_CONFIG_FILE, "")
    if not path:
        return {}
    try:
        content = read_file(Path(path).expanduser())
    except SettingsError as error:
        problems += error.problems
        return {}
    if "config" in content:
        problems.append(Problem("config", "a file cannot name another one: use --config.file, or " + _CONFIG_FILE))
    elsewhere = {leaf.dotted for leaf in known if leaf.source == "flag"}
    for name in content:
        if not isinstance(name, str) or name in elsewhere:
            problems.append(Problem(str(name), suggestion(str(name), _paths(known))))
    return content


def _paths(known: Sequence[Option]) -> list[str]:
    members = [f"organizations[0].{leaf.dotted}" for leaf in options(OrganizationSection)]
    paths = [leaf.dotted for leaf in known if leaf.source != "flag"] + members
    sections = {path.rpartition(".")[0] for path in paths} - {""}
    return [*paths, *sorted(sections)]


def _resolved(written: CommandSettings, environ: Mapping[str, str], reread: Callable[[], Settings]) -> Settings:
    problems: list[Problem] = []
    credentials = None if type(written) in KEYLESS else Credentials.of(environ)
    shared: dict[str, Any] = {
        "web": written.web,
        "api": written.api,
        "poll": written.poll,
        "log": written.log,
        "state_path": written.state.path or _state_path(environ),
        "new_counter_hold": written.new_counter_hold,
        "organizations": organizations_of(written, credentials, environ, problems),
        "reread": reread,
    }
    if written.api.ca_file and credentials:
        problems += _unusable(written.api.ca_file)
    if problems:
        raise SettingsError(tuple(dict.fromkeys(problems)))
    match written:
        case Backfill():
            return BackfillSettings(
                since=written.since,
                until=written.until,
                output=written.output,
                step=written.step,
                labels=written.label,
                **shared,
            )
        case Simulate() | Demo():
            return SimulateSettings(seed=written.seed, **shared)
        case _:
            return Settings(**shared)


def _unusable(ca_file: Path) -> list[Problem]:
    try:
        ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        return [Problem("api.ca_file", f"{ca_file} holds no certificate that can be read: put PEM certificates there")]
    except OSError as error:
        return [Problem("api.ca_file", f"{ca_file} cannot be read ({error.strerror}): correct the path or permissions")]
    return []


def _state_path(environ: Mapping[str, str]) -> Path:
    """Return the default: in the directory that systemd gives (the first, of several), else in the user's."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0] or environ.get("XDG_STATE_HOME", "")
    directory = Path(given) if given else Path("~/.local/state").expanduser()
    return directory / ("" if directory.name == _DIRECTORY else _DIRECTORY) / "state.db"
