"""YAML files as people write them: of limited size and depth, without anchors, every name given once."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from exporter.files import open_regular

_DEEPEST: Final = 8
"""Levels of nesting; the settings have six."""

_LONGEST_NUMBER: Final = 1000
"""Characters; the time that PyYAML takes for a number in base 60 grows with their square."""

_NUMBERS: Final = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_NO_SUCH_VALUE: Final = "holds a number, date, boolean or character that does not exist"


class YamlError(ValueError):
    """A file that is not used; the message says why and what to do, and quotes nothing of the file."""


class _Refusal(yaml.MarkedYAMLError):
    """YAML that is valid and refused; `problem` says why."""


def read_yaml(path: Path, largest: int) -> Any:  # noqa: ANN401 - a parsed document is anything
    """Return the content of a file of at most `largest` bytes, None for an empty one. Raises YamlError."""
    try:
        with open_regular(path) as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise YamlError(f"cannot be read ({error.strerror}): correct the path or the file's permissions") from None
    except ValueError:
        raise YamlError("cannot be read: it is not the path of a file") from None
    if len(content) > largest:
        raise YamlError(f"is larger than {largest >> 10} KiB: correct the path, or shorten the file")
    try:
        return yaml.load(content, _Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        what = error.problem if isinstance(error, _Refusal) else "is not valid YAML"
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise YamlError(f"{what}{where}: correct it there") from None
    except yaml.YAMLError:
        raise YamlError("is not valid YAML: it is not UTF-8, or holds characters that YAML does not allow") from None


class _Loader(yaml.SafeLoader):
    """Refuses what settings have no use for, and what takes long to read."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None):
            raise _Refusal(problem="anchors and aliases are not supported", problem_mark=event.start_mark)
        if self._depth > _DEEPEST:
            raise _Refusal(problem=f"is nested deeper than {_DEEPEST} levels", problem_mark=event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        seen = set()
        for key, _ in node.value:
            if isinstance(key.value, str):
                if key.value in seen:
                    raise _Refusal(problem="a name is given twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - PyYAML's
        refusal = _Refusal(problem=_NO_SUCH_VALUE, problem_mark=node.start_mark)
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
            raise refusal
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            raise refusal from None
        return value
