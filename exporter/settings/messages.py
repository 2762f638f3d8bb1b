"""What pydantic finds wrong, in words that say what to do and repeat no value."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError

from exporter.settings.errors import Problem

_WORDS: Final[Mapping[str, str]] = {
    "bool_parsing": "expects true or false",
    "bool_type": "expects true or false",
    "int_parsing": "expects a whole number",
    "int_type": "expects a whole number",
    "int_from_float": "expects a whole number",
    "float_parsing": "expects a number",
    "float_type": "expects a number",
    "finite_number": "expects a number that is finite",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "string_type": "expects text: put it in quotes",
    "string_too_short": "is empty: fill it in, or leave the setting out",
    "string_pattern_mismatch": "holds a control character or a line's end: leave that out",
    "literal_error": "use {expected}",
    "missing": "is missing: it has no default",
    "tuple_type": "expects a list",
    "dict_type": "expects a mapping",
    "model_type": "expects its settings as a mapping, indented below it",
    "path_type": "expects the path of a file",
    "invalid_key": "is a name that no setting has: put names in quotes, or correct it",
}


def problems_of(error: ValidationError, known: Collection[str], flags: Mapping[str, str]) -> list[Problem]:
    """Return a problem for each thing that was found.

    `known` are the paths that there are, `flags` the flags of those paths that only a flag can set.
    """
    problems = []
    for found in error.errors(include_url=False, include_input=False):
        path = _path(found["loc"])
        problems.append(Problem(flags.get(path, path), _words(found["type"], found.get("ctx", {}), path, known)))
    return problems


def suggestion(path: str, known: Collection[str]) -> str:
    """Return words about a setting that does not exist."""
    near = get_close_matches(path, known, n=1, cutoff=0.65)
    return f"unknown setting; did you mean {near[0]}?" if near else "unknown setting: correct its name, or remove it"


def _words(kind: str, context: Mapping[str, Any], path: str, known: Collection[str]) -> str:
    match kind:
        case "value_error":
            return str(context["error"])
        case "extra_forbidden" if path.rpartition(".")[2] in {"admin_key", "api_key", "key"}:
            return "unknown setting; keys do not belong into the file: use admin_key_file or admin_key_env"
        case "extra_forbidden":
            return suggestion(path, known)
        case _:
            return _WORDS.get(kind, "has a value of the wrong kind").format(**context)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removesuffix(".[key]").removeprefix(".")
