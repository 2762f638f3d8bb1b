"""The words after the command: `--web.listen-address :10180`, `--limits.projects`, lists as repeated flags."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from exporter.settings.errors import Problem
from exporter.settings.options import Option, Shape

_TRUTHS: Final = ("true", "false")
_SECRETS: Final = ("key", "key-file", "secret", "token", "password")
_FILE_ONLY: Final = "can be set in the YAML file only: name it with --config.file"


def read_flags(known: Iterable[Option], words: Sequence[str]) -> tuple[dict[str, Any], list[Problem]]:
    """Return what the flags set, as a nested mapping, and what is wrong with them.

    Values are strings, or lists of strings for lists and maps; no message repeats one.
    """
    table = {leaf.flag: leaf for leaf in known}
    values: dict[tuple[str, ...], str | list[str]] = {}
    problems: list[Problem] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        flag, equals, value = word.partition("=")
        if not flag.startswith("--"):
            problems.append(Problem("", "an argument that is no flag: the command comes first, then --flags only"))
            continue
        leaf = table.get(flag)
        if leaf is None or leaf.source == "file":
            if not equals and rest and not rest[0].startswith("--"):
                rest.pop(0)
            problems.append(Problem(flag, _unknown(flag, table) if leaf is None else _FILE_ONLY))
            continue
        if not equals:
            if leaf.shape is Shape.BOOL and (not rest or rest[0] not in _TRUTHS):
                value = "true"
            elif rest and not rest[0].startswith("--"):
                value = rest.pop(0)
            else:
                problems.append(Problem(flag, "expects a value: write it behind the flag"))
                continue
        _set(values, leaf, value)
    return _nested(values), problems


def _set(values: dict[tuple[str, ...], str | list[str]], leaf: Option, value: str) -> None:
    if leaf.shape in {Shape.LIST, Shape.MAP}:
        collected = values.setdefault(leaf.path, [])
        if isinstance(collected, list) and value:
            collected.append(value)
    else:
        values[leaf.path] = value


def _nested(values: Mapping[tuple[str, ...], str | list[str]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = value
    return tree


def _unknown(flag: str, known: Iterable[str]) -> str:
    if flag.lower().replace("_", "-").endswith(_SECRETS):
        return "unknown flag; secrets never come from flags: set OPENAI_ADMIN_KEY or OPENAI_ADMIN_KEY_FILE"
    near = get_close_matches(flag, list(known), n=1)
    return f"unknown flag; did you mean {near[0]}?" if near else "unknown flag; --help lists all flags"
