"""The sources of settings: the command line, the environment and the YAML file, each read into a nested mapping."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic_settings import BaseSettings, EnvSettingsSource

from exporter.settings.messages import Problem, SettingsError
from exporter.settings.model import PREFIX, PROXY_AUTH
from exporter.settings.options import Option, Shape
from exporter.settings.types import split_list
from exporter.yaml_file import YamlError, read_yaml

_BOOLEANS: Final = ("true", "false")
_SECRETS: Final = ("key", "key-file", "secret", "token", "password")
_FILE_ONLY: Final = "can be set in the YAML file only: give its path with --config.file"
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "--addr": "--web.listen-address",
    "--address": "--web.listen-address",
    "--bind": "--web.listen-address",
    "--host": "--web.listen-address",
    "--listen": "--web.listen-address",
    "--port": "--web.listen-address :PORT",
    "--web.port": "--web.listen-address :PORT",
    "-p": "--web.listen-address :PORT",
    "-c": "--config.file",
    "--conf": "--config.file",
    "--config": "--config.file",
    "--data-dir": "--state.path",
    "--db": "--state.path",
    "--state": "--state.path",
    "--storage.path": "--state.path",
    "--endpoint": "--api.base-url",
    "--url": "--api.base-url",
    "--scrape-interval": "--poll.interval",
    "--debug": "--log.level debug",
    "--verbose": "--log.level debug",
    "-v": "--log.level debug",
    "--quiet": "--log.level warning",
    "-q": "--log.level warning",
    "--tls": "--web.config.file",
    "--org": "the variable OPENAI_ORG_ID",
    "--organization": "the variable OPENAI_ORG_ID",
    "--project": "the variable OPENAI_PROJECT_ID",
    "--project-id": "the variable OPENAI_PROJECT_ID",
    "--days": "--since",
    "--from": "--since",
    "--start": "--since",
    "--end": "--until",
    "--to": "--until",
    "--out": "--output",
    "-o": "--output",
    "-f": "--force",
}
"""Flags of other exporters and likely slips; a flag that the command does not have is not suggested."""
_SERVICE_LINK: Final = re.compile(
    rf"{PREFIX}(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_PROTO|_PORT|_ADDR)?)"
)
_LARGEST_FILE: Final = 2 << 20
"""Bytes; a thousand organizations with overrides have an eighth."""


def parse_flags(known: Iterable[Option], arguments: Sequence[str]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the settings of a command line as a nested mapping, and the problems found.

    `arguments` are those after the command. Values are strings, or lists of strings for lists and maps; no message
    repeats a value.
    """
    by_flag = {option.flag: option for option in known}
    positional = [option for option in by_flag.values() if option.source == "argument"]
    values: dict[tuple[str, ...], str | list[str]] = {}
    problems: list[Problem] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        flag, equals, value = argument.partition("=")
        if not argument.startswith("-") or argument == "-":
            if positional:
                values[positional.pop(0).path] = argument
            else:
                problems.append(Problem("", "unexpected argument: the command comes first, followed by --flags only"))
            continue
        option = by_flag.get(flag)
        if option is None or option.source == "file":
            if not equals and rest and not rest[0].startswith("-") and not positional:
                rest.pop(0)
            problems.append(Problem(flag, _unknown_flag(flag, by_flag) if option is None else _FILE_ONLY))
            continue
        if not equals:
            if option.shape is Shape.BOOL and (not rest or rest[0] not in _BOOLEANS):
                value = "true"
            elif rest and not rest[0].startswith("--"):
                value = rest.pop(0)
            else:
                problems.append(Problem(flag, "expects a value after the flag"))
                continue
        _set(values, option, value)
    return _nested(values), problems


def _set(values: dict[tuple[str, ...], str | list[str]], option: Option, value: str) -> None:
    if option.shape in {Shape.LIST, Shape.MAP}:
        collected = values.setdefault(option.path, [])
        if isinstance(collected, list):
            collected += split_list(value) if option.shape is Shape.LIST else [value] if value else []
    else:
        values[option.path] = value


def _nested(values: Mapping[tuple[str, ...], str | list[str]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = value
    return tree


def _unknown_flag(flag: str, known: Mapping[str, Option]) -> str:
    name = flag.lower().replace("_", "-")
    if name.endswith(_SECRETS):
        return "unknown flag; secrets are not accepted as flags: set OPENAI_ADMIN_KEY or OPENAI_ADMIN_KEY_FILE"
    other = _OTHER_NAMES.get(name, "")
    if other and (other.split()[0] in known or not other.startswith("-")):
        return f"unknown flag; use {other}"
    same_ending = [each for each in known if each.endswith(f".{name.lstrip('-')}")]
    if len(same_ending) == 1:
        return f"unknown flag; did you mean {same_ending[0]}?"
    near = get_close_matches(name, list(known), n=1)
    return f"unknown flag; did you mean {near[0]}?" if near else "unknown flag; --help lists all flags"


def unknown_variables(known: Iterable[Option], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each variable under the prefix that sets nothing; values are not repeated."""
    by_variable = {option.variable: option for option in known if not option.command_line_only}
    for name in sorted(environ):
        if not name.upper().startswith(PREFIX) or name == PROXY_AUTH:
            continue
        option = by_variable.get(name)
        if option is None:
            yield Problem(name, _unknown_variable(name, by_variable))
        elif option.source == "file":
            yield Problem(
                name, f"{option.dotted} can be set in the YAML file only: give its path with {PREFIX}CONFIG__FILE"
            )


def _unknown_variable(name: str, known: Mapping[str, Option]) -> str:
    if _SERVICE_LINK.fullmatch(name):
        return (
            "unknown setting; Kubernetes creates such variables for a Service named openai-exporter: "
            "set enableServiceLinks: false in the pod, or rename the Service"
        )
    if members := [variable for variable in known if variable.startswith(name.upper() + "__")]:
        return f"is a section: set its members one by one, such as {members[0]}"
    names = {variable.removeprefix(PREFIX): variable for variable in known}
    near = get_close_matches(name.upper().removeprefix(PREFIX), names, n=1, cutoff=0.65)
    return (
        f"unknown setting; did you mean {names[near[0]]}?"
        if near
        else "unknown setting: correct its name, or remove it"
    )


class EnvironmentSource(EnvSettingsSource):
    """Reads a given environment instead of the process's."""

    def __init__(self, model: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(model)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {
            name if self.case_sensitive else name.lower(): value
            for name, value in self._environ.items()
            if value or not self.env_ignore_empty
        }


def read_file(path: Path) -> dict[Any, Any]:
    """Return the content of a YAML file. Raises SettingsError, which never quotes the file."""
    try:
        content = read_yaml(path, _LARGEST_FILE)
    except YamlError as error:
        raise _refusal(path, str(error)) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise _refusal(path, "expects settings as `name: value` lines at the top level")
    return content


def _refusal(path: Path, what: str) -> SettingsError:
    return SettingsError([Problem(str(path), what)])
