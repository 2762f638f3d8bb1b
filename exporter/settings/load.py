"""Loads the settings of a command from its arguments, the environment and the file."""

import errno
import os
import ssl
import stat
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource

from exporter.files import open_regular
from exporter.settings.credentials import (
    Credentials,
    KeyUnavailableError,
    read_proxy_auth,
    register_environment,
    validated_proxy_auth,
)
from exporter.settings.messages import Problem, SettingsError, problems_of, suggestion
from exporter.settings.model import COMMANDS, KEYLESS, PROXY_AUTH, Assets, Backfill, CommandSettings, Demo, Simulate
from exporter.settings.options import Option, options
from exporter.settings.resolve import (
    AssetsSettings,
    BackfillSettings,
    Proxy,
    RemoteWriteSettings,
    Settings,
    SimulateSettings,
    resolve_organizations,
)
from exporter.settings.sections import Api, OrganizationSection
from exporter.settings.sources import EnvironmentSource, parse_flags, read_file, unknown_variables
from exporter.settings.types import parse_path

_CONFIG_FILE: Final = "OPENAI_EXPORTER_CONFIG__FILE"
_DIRECTORY: Final = "openai-usage-exporter"
_LONGEST_SUFFIX: Final = ".quarantined-20000101T000000Z-wal"
"""Of the files that the store keeps beside the state."""


def load(command: str, arguments: Sequence[str] = (), environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of a command; some commands get a subclass, such as BackfillSettings.

    `arguments` are those after the command. Raises SettingsError that lists everything that is wrong, and KeyError for
    a command that does not exist.
    """
    model = COMMANDS[command]
    register_environment(environ)
    known = tuple(options(model))
    flags, problems = parse_flags(known, arguments)
    problems += unknown_variables(known, environ)
    file = _file(flags, environ, known, problems)
    if problems:
        raise SettingsError(problems)
    command_line_only = {option.dotted: option.flag for option in known if option.command_line_only}
    build: Callable[..., CommandSettings] = model
    sources = (InitSettingsSource(model, flags), EnvironmentSource(model, environ), InitSettingsSource(model, file))
    try:
        configured = build(_build_sources=(sources, {}))
    except ValidationError as error:
        raise SettingsError(problems_of(error, _paths(known), command_line_only)) from None
    return _resolved(configured, environ, partial(load, command, arguments, environ))


def _file(
    flags: Mapping[str, Any], environ: Mapping[str, str], known: Sequence[Option], problems: list[Problem]
) -> dict[Any, Any]:
    path = flags["config"]["file"] if "config" in flags else environ.get(_CONFIG_FILE, "")
    if not path:
        return {}
    try:
        content = read_file(parse_path(path))
    except ValueError as error:
        problems.append(Problem("config.file", str(error)))
        return {}
    except SettingsError as error:
        problems += error.problems
        return {}
    if "config" in content:
        problems.append(Problem("config", "a file cannot include another one: use --config.file, or " + _CONFIG_FILE))
    command_line_only = {option.dotted for option in known if option.command_line_only}
    for name in content:
        if not isinstance(name, str) or name in command_line_only:
            problems.append(Problem(str(name), suggestion(str(name), _paths(known))))
    return content


def _paths(known: Sequence[Option]) -> list[str]:
    members = [f"organizations[0].{option.dotted}" for option in options(OrganizationSection)]
    paths = [option.dotted for option in known if not option.command_line_only] + members
    sections = {path.rpartition(".")[0] for path in paths} - {""}
    return [*paths, *sorted(sections)]


def _resolved(configured: CommandSettings, environ: Mapping[str, str], reread: Callable[[], Settings]) -> Settings:
    problems: list[Problem] = []
    credentials = None if type(configured) in KEYLESS else _credentials(environ)
    state_path = configured.state.path or _default_state_path(environ)
    shared: dict[str, Any] = {
        "web": configured.web,
        "api": configured.api,
        "proxy": _proxy(configured.api, credentials, problems) if credentials else None,
        "poll": configured.poll,
        "log": configured.log,
        "state_path": state_path,
        "state_path_is_default": configured.state.path is None,
        "same_organization": configured.state.same_organization,
        "new_counter_hold": configured.new_counter_hold,
        "organizations": resolve_organizations(configured, credentials, environ, problems),
        "reread": reread,
    }
    if configured.api.ca_file and credentials:
        problems += _ca_file_problems(configured.api.ca_file)
    if credentials:
        problems += _state_problems(state_path)
    if isinstance(configured, Backfill):
        problems += _backfill_problems(configured)
    if problems:
        raise SettingsError(tuple(dict.fromkeys(problems)))
    match configured:
        case Backfill():
            return BackfillSettings(
                since=configured.since,
                until=configured.until,
                output=configured.output,
                step=configured.step,
                dense_days=configured.dense_days,
                labels=configured.label,
                new_prometheus=configured.new_prometheus,
                dry_run=configured.dry_run,
                remote_write=_remote_write(configured),
                **shared,
            )
        case Assets():
            return AssetsSettings(directory=configured.directory, force=configured.force, **shared)
        case Simulate() | Demo():
            return SimulateSettings(seed=configured.seed, **shared)
        case _:
            return Settings(**shared)


def _credentials(environ: Mapping[str, str]) -> Credentials:
    try:
        return Credentials.of(environ)
    except ValidationError as error:
        raise SettingsError(problems_of(error, (), {})) from None


def _backfill_problems(configured: Backfill) -> list[Problem]:
    problems = []
    if (configured.output is None) is (configured.remote_write is None):
        problems.append(Problem("", "give either --output or --remote-write: files, or a receiver to send to"))
    if (configured.remote_write_username is None) is not (configured.remote_write_password_file is None):
        problems.append(Problem("", "give --remote-write-username and --remote-write-password-file together"))
    if configured.remote_write_username and configured.remote_write_bearer_token_file:
        problems.append(Problem("", "give --remote-write-bearer-token-file or --remote-write-username, not both"))
    if configured.remote_write_key_file and not configured.remote_write_cert_file:
        problems.append(Problem("", "--remote-write-key-file needs --remote-write-cert-file"))
    return problems


def _remote_write(configured: Backfill) -> RemoteWriteSettings | None:
    if configured.remote_write is None:
        return None
    return RemoteWriteSettings(
        url=configured.remote_write,
        query_url=configured.remote_write_query_url,
        progress=configured.remote_write_progress,
        bearer_token_file=configured.remote_write_bearer_token_file,
        username=configured.remote_write_username,
        password_file=configured.remote_write_password_file,
        ca_file=configured.remote_write_ca_file,
        cert_file=configured.remote_write_cert_file,
        key_file=configured.remote_write_key_file,
        headers=configured.remote_write_header,
    )


def _proxy(api: Api, credentials: Credentials, problems: list[Problem]) -> Proxy | None:
    file, variable = api.proxy_auth_file, credentials.proxy_auth
    auth = ""
    if (file or variable) and not api.proxy:
        problems.append(Problem("api.proxy", f"is not set, but api.proxy_auth_file or {PROXY_AUTH} is: set api.proxy"))
    try:
        if file and variable:
            problems.append(Problem("", f"api.proxy_auth_file and {PROXY_AUTH} are both set: unset one of the two"))
        elif file:
            auth = read_proxy_auth(file)
        elif variable:
            auth = validated_proxy_auth(variable.get_secret_value(), PROXY_AUTH)
    except KeyUnavailableError as error:
        problems.append(Problem("", str(error)))
    return Proxy(api.proxy, auth) if api.proxy else None


def _ca_file_problems(ca_file: Path) -> list[Problem]:
    try:
        open_regular(ca_file).close()
        ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        return [Problem("api.ca_file", f"{ca_file} contains no valid certificate: use a file of PEM certificates")]
    except OSError as error:
        return [Problem("api.ca_file", f"{ca_file} cannot be read ({error.strerror}): correct the path or permissions")]
    return []


def _state_problems(path: Path) -> list[Problem]:
    """Return why there can be no state at this path. Whether it can be written is left to the store, which may wait."""
    reason = ""
    for name in (f"{path}{_LONGEST_SUFFIX}", path):
        try:
            if not stat.S_ISREG(os.stat(name).st_mode):  # noqa: PTH116 - of a string or a path alike
                reason = "it is not a regular file"
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENAMETOOLONG}:
                reason = error.strerror or "impossible"
    if not reason:
        return []
    return [Problem("state.path", f"{path} cannot be used ({reason}): give the path of a file, which need not exist")]


def _default_state_path(environ: Mapping[str, str]) -> Path:
    """Return the default: in systemd's state directory (the first of several), otherwise in the user's.

    A user without a home directory, as in some containers, has that of the system.
    """
    given = environ.get("STATE_DIRECTORY", "").split(":")[0] or environ.get("XDG_STATE_HOME", "")
    try:
        directory = Path(given) if given else Path("~/.local/state").expanduser()
    except RuntimeError:
        directory = Path("/var/lib")
    return directory / ("" if directory.name == _DIRECTORY else _DIRECTORY) / "state.db"
