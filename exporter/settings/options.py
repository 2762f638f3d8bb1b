"""The settings of a command as a flat list: path, flag, variable, default and description of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
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
    for name, field in model.model_fields.items():
        default = getattr(defaults, name) if defaults else field.get_default(call_default_factory=True)
        type_ = _without_none(field.annotation)
        path = (*prefix, name)
        if isinstance(type_, type) and issubclass(type_, BaseModel):
            yield from options(type_, default, path)
        else:
            text = "" if field.is_required() else _default_text(default, field)
            yield Option(path, _shape(type_), text, field.is_required(), field.description or "", _source(field))


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
