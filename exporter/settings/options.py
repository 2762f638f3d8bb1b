"""The settings of a command as a flat list: path, flag, variable, default and description of each."""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from exporter.catalog import Window
from exporter.durations import format_duration, parse_duration
from exporter.settings.model import DELIMITER, PREFIX
from exporter.settings.types import format_size, parse_size


class Shape(Enum):
    """How the value of a flag is written; the enum's value is the syntax shown by `--help`."""

    ONE = " VALUE"
    BOOL = "[=true|false]"
    LIST = " VALUE,..."
    MAP = " KEY=VALUE ..."


@dataclass(frozen=True, slots=True)
class Option:
    """One setting."""

    path: tuple[str, ...]
    shape: Shape
    default: str
    """As a user would write it; empty for none."""
    required: bool
    description: str
    source: str | None
    """`flag`, `file` or `argument` where the setting can come from there only."""

    @property
    def dotted(self) -> str:
        """The path as shown in messages: `web.listen_address`."""
        return ".".join(self.path)

    @property
    def flag(self) -> str:
        """The flag, `--web.listen-address`; for an argument its name in capitals."""
        return self.dotted.upper() if self.source == "argument" else "--" + self.dotted.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable, `OPENAI_EXPORTER_WEB__LISTEN_ADDRESS`."""
        return PREFIX + DELIMITER.join(self.path).upper()

    @property
    def command_line_only(self) -> bool:
        """Whether neither the file nor the environment can set it."""
        return self.source in {"flag", "argument"}


def options(
    model: type[BaseModel], defaults: BaseModel | None = None, prefix: tuple[str, ...] = ()
) -> Iterator[Option]:
    """Yield the settings of a model; sections are replaced by their members."""
    described = _descriptions(model)
    for name, field in model.model_fields.items():
        default = getattr(defaults, name) if defaults else field.get_default(call_default_factory=True)
        type_ = _without_none(field.annotation)
        path = (*prefix, name)
        if isinstance(type_, type) and issubclass(type_, BaseModel):
            yield from options(type_, default, path)
        else:
            text = "" if field.is_required() else _default_text(default, field)
            description = field.description or described.get(name, "")
            yield Option(path, _shape(type_), text, field.is_required(), description, _source(field))


def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings of a model's attributes, which only the source has.

    Pydantic's `use_attribute_docstrings` would read them at every start.
    """
    found: dict[str, str] = {}
    for class_ in reversed(model.__mro__):
        if class_.__module__.startswith(__package__):
            found |= _docstrings(class_.__module__).get(class_.__name__, {})
    return found


@cache
def _docstrings(module: str) -> dict[str, dict[str, str]]:
    """Return the docstrings of attributes, by class."""
    classes = (
        node for node in ast.parse(inspect.getsource(sys.modules[module])).body if isinstance(node, ast.ClassDef)
    )
    return {class_.name: dict(_documented(class_.body)) for class_ in classes}


def _documented(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for attribute, following in pairwise(body):
        match attribute, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


_SHAPES: Final[Mapping[object, Shape]] = {bool: Shape.BOOL, tuple: Shape.LIST, dict: Shape.MAP}


def _default_text(default: object, field: FieldInfo) -> str:
    parser = next((data.func for data in field.metadata if isinstance(data, BeforeValidator)), None)
    text = str(default)
    match default:
        case None:
            text = ""
        case bool():
            text = str(default).lower()
        case int() | float() if parser is parse_duration:
            text = format_duration(default)
        case int() if parser is parse_size:
            text = format_size(default)
        case ():
            text = "[]"
        case tuple():
            text = ",".join(item.name if isinstance(item, Window) else str(item) for item in default)
        case dict():
            text = " ".join(f"{name}={value}" for name, value in default.items())
    return text


def _shape(type_: object) -> Shape:
    return _SHAPES.get(get_origin(type_) or type_, Shape.ONE)


def _without_none(annotation: Any) -> object:  # noqa: ANN401 - annotations are anything
    origin = get_origin(annotation)
    if origin is Annotated:
        return _without_none(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return _without_none(next(member for member in get_args(annotation) if member is not NoneType))
    return annotation


def _source(field: FieldInfo) -> str | None:
    extra = field.json_schema_extra
    return str(extra["source"]) if isinstance(extra, dict) and "source" in extra else None
