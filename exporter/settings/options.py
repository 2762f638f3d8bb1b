"""Every single setting of a command: its path, flag, variable, default and description."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from exporter.catalog import Window
from exporter.settings.durations import format_duration, parse_duration
from exporter.settings.model import DELIMITER, PREFIX
from exporter.settings.sizes import format_size, parse_size


class Shape(Enum):
    """How many words a setting takes on the command line."""

    ONE = "value"
    BOOL = "true|false"
    LIST = "value (may be repeated)"
    MAP = "key=value (may be repeated)"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting."""

    path: tuple[str, ...]
    shape: Shape
    default: str
    """As it would be written; empty for none."""
    required: bool
    description: str
    source: str | None
    """`flag` or `file` for what can come from there only."""

    @property
    def dotted(self) -> str:
        """The path as it stands in messages: `web.listen_address`."""
        return ".".join(self.path)

    @property
    def flag(self) -> str:
        """`--web.listen-address`."""
        return "--" + self.dotted.replace("_", "-")

    @property
    def variable(self) -> str:
        """`OPENAI_EXPORTER_WEB__LISTEN_ADDRESS`."""
        return PREFIX + DELIMITER.join(self.path).upper()


def options(
    model: type[BaseModel], defaults: BaseModel | None = None, prefix: tuple[str, ...] = ()
) -> Iterator[Option]:
    """Yield the settings of a model, its sections' members in place of the sections."""
    for name, field in model.model_fields.items():
        default = getattr(defaults, name) if defaults else field.get_default(call_default_factory=True)
        kind = _bare(field.annotation)
        path = (*prefix, name)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from options(kind, default, path)
        else:
            spelling = "" if field.is_required() else _spelled(default, field)
            yield Option(path, _shape(kind), spelling, field.is_required(), field.description or "", _source(field))


_SHAPES: Final[Mapping[object, Shape]] = {bool: Shape.BOOL, tuple: Shape.LIST, dict: Shape.MAP}


def _spelled(default: object, field: FieldInfo) -> str:
    reader = next((data.func for data in field.metadata if isinstance(data, BeforeValidator)), None)
    spelling = str(default)
    match default:
        case None:
            spelling = ""
        case bool():
            spelling = str(default).lower()
        case int() | float() if reader is parse_duration:
            spelling = format_duration(default)
        case int() if reader is parse_size:
            spelling = format_size(default)
        case tuple():
            spelling = " ".join(item.name if isinstance(item, Window) else str(item) for item in default)
        case dict():
            spelling = " ".join(f"{name}={value}" for name, value in default.items())
    return spelling


def _shape(kind: object) -> Shape:
    return _SHAPES.get(get_origin(kind) or kind, Shape.ONE)


def _bare(annotation: Any) -> object:  # noqa: ANN401 - annotations are anything
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return _bare(next(member for member in get_args(annotation) if member is not NoneType))
    return annotation


def _source(field: FieldInfo) -> str | None:
    extra = field.json_schema_extra
    return str(extra["source"]) if isinstance(extra, dict) and "source" in extra else None
