"""Problems with the settings: what is wrong and what to do, never the value, which could be a secret."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError

_MESSAGES: Final[Mapping[str, str]] = {
    "bool_parsing": "expects true or false",
    "bool_type": "expects true or false",
    "int_parsing": "expects a whole number",
    "int_type": "expects a whole number",
    "int_from_float": "expects a whole number",
    "float_parsing": "expects a number",
    "float_type": "expects a number",
    "finite_number": "expects a finite number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "string_type": "expects text: put it in quotes",
    "string_too_short": "is empty: give a value, or remove the setting",
    "string_pattern_mismatch": "contains a control character or a line break: remove it",
    "string_unicode": "is not UTF-8: write it as UTF-8 text",
    "literal_error": "use {expected}",
    "missing": "is required",
    "tuple_type": "expects a list",
    "dict_type": "expects a mapping",
    "model_type": "expects its settings as a mapping, indented below it",
    "path_type": "expects the path of a file",
    "invalid_key": "is not the name of a setting: correct it, or put it in quotes",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct."""

    where: str
    """The setting's path (`web.listen_address`), a flag, a variable or a file; empty where `what` says it."""
    what: str
    """What is wrong and what to do; never a value that could be a secret."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class SettingsError(Exception):
    """The settings cannot be used; `problems` lists everything that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


def problems_of(error: ValidationError, known: Collection[str], flags: Mapping[str, str]) -> list[Problem]:
    """Return a problem for each error that pydantic found.

    `known` are the paths of all settings, `flags` maps the paths that only the command line can set to their flags.
    """
    problems = []
    for found in error.errors(include_url=False, include_input=False):
        path = _path(found["loc"])
        problems.append(Problem(flags.get(path, path), _message(found["type"], found.get("ctx", {}), path, known)))
    return problems


def suggestion(path: str, known: Collection[str]) -> str:
    """Return the message for a setting that does not exist."""
    near = get_close_matches(path, known, n=1, cutoff=0.65)
    return f"unknown setting; did you mean {near[0]}?" if near else "unknown setting: correct its name, or remove it"


def _message(kind: str, context: Mapping[str, Any], path: str, known: Collection[str]) -> str:
    match kind:
        case "value_error":
            return str(context["error"])
        case "extra_forbidden" if path.rpartition(".")[2] in {"admin_key", "api_key", "key"}:
            return "unknown setting; keys must not be stored in the file: use admin_key_file or admin_key_env"
        case "extra_forbidden":
            return suggestion(path, known)
        case _:
            return _MESSAGES.get(kind, "has a value of the wrong type").format(**context)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removesuffix(".[key]").removeprefix(".")
