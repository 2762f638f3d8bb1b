"""The kinds of values that settings have, each with the words for a wrong one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from exporter.catalog import Window
from exporter.settings.addresses import Address, parse_addresses, parse_telemetry_path
from exporter.settings.durations import parse_duration
from exporter.settings.sizes import parse_size
from exporter.settings.urls import parse_base_url, parse_proxy

_Item = TypeVar("_Item")


def _decoded(shape: type, advice: str) -> Callable[[object], object]:
    def decode(value: object) -> object:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if not isinstance(value, shape | tuple):
            raise ValueError(advice)  # noqa: TRY004 - pydantic collects ValueError
        return value

    return decode


def _pairs(value: object) -> object:
    if isinstance(value, list) and all(isinstance(pair, str) and "=" in pair for pair in value):
        return dict(pair.split("=", 1) for pair in value)
    return value


def _path(value: object) -> object:
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("expects the path of a file")
        return Path(value.strip()).expanduser()
    return value


def _not_truth(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expects a number")  # noqa: TRY004 - pydantic collects ValueError
    return value


def not_empty(value: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """Return a list that has members. Raises ValueError."""
    if not value:
        raise ValueError("is empty: name at least one, or leave the setting out")
    return value


def _window(value: object) -> Window:
    return value if isinstance(value, Window) else Window(str(value))


_LIST = 'expects a list: [a, b] in YAML, ["a", "b"] in the environment, the flag repeated on the command line'
_MAP = 'expects a mapping: {a: 1} in YAML, {"a": 1} in the environment, the flag repeated as a=1 on the command line'

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_decoded(list, _LIST))]
NonEmptyTexts = Annotated[tuple[Text, ...], AfterValidator(not_empty), BeforeValidator(_decoded(list, _LIST))]
Windows = Annotated[tuple[Annotated[Window, BeforeValidator(_window)], ...], BeforeValidator(_decoded(list, _LIST))]
Duration = Annotated[float, Field(gt=0), BeforeValidator(parse_duration)]
DurationOrZero = Annotated[float, BeforeValidator(parse_duration)]
Count = Annotated[int, Field(ge=1), BeforeValidator(_not_truth)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_not_truth)]
Dollars = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_not_truth)]
DollarsByProject = Annotated[dict[Text, Dollars], BeforeValidator(_decoded(dict, _MAP)), BeforeValidator(_pairs)]
Labels = Annotated[dict[Text, str], BeforeValidator(_decoded(dict, _MAP)), BeforeValidator(_pairs)]
Size = Annotated[int, Field(ge=1024), BeforeValidator(parse_size)]
FilePath = Annotated[Path, BeforeValidator(_path)]
ListenAddresses = Annotated[tuple[Address, ...], BeforeValidator(parse_addresses)]
TelemetryPath = Annotated[str, BeforeValidator(parse_telemetry_path)]
BaseUrl = Annotated[str, BeforeValidator(parse_base_url)]
ProxyUrl = Annotated[str, BeforeValidator(parse_proxy)]
