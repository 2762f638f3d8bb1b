"""The types of values that settings have, each with its parser and the message for a wrong value."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from exporter.catalog import Window
from exporter.durations import parse_duration

_Item = TypeVar("_Item")

_MAX_DAYS: Final = 10_000
"""Days that can be asked for: the first second of Unix time lies twice as far back."""

_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[^\]]+)\]|(?P<host>[A-Za-z0-9._-]*)):(?P<port>\d{1,5})", re.ASCII)
_HIGHEST_PORT: Final = 65535
_ADDRESS_SYNTAX: Final = (
    "expects host:port such as :10180 (all addresses), 127.0.0.1:10180 or [::1]:10180, in quotes where YAML needs them"
)

_TELEMETRY_PATH: Final = re.compile(r"/[A-Za-z0-9._~/-]*", re.ASCII)
_RESERVED_PATH: Final = "/-/"

_SIZE_UNITS: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE: Final = re.compile(r"(\d{1,12}) ?(B|KiB|MiB|GiB)?", re.ASCII)

_SEPARATOR: Final = re.compile(r",(?!\s)")
"""A comma followed by a space belongs to the value: the API has line items such as `gpt-5.5, input`."""


_ID: Final = re.compile(r"[!-~]+")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PROTOCOL_HEADER: Final = re.compile(
    r"host|content-.*|transfer-encoding|accept-encoding|connection|keep-alive|te|trailer|upgrade|expect|cookie"
    r"|x-prometheus-remote-write-version",
    re.IGNORECASE,
)
_HEADER_VALUE: Final = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    """A name or an IP address without brackets; empty for all addresses of the machine."""
    port: int
    """0 lets the system choose."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PointInTime:
    """A time in the past: relative to now, or fixed."""

    ago: float | None = None
    """Seconds before now; None for a fixed time."""
    time: float = 0.0
    """Unix seconds."""

    def at(self, now: float) -> float:
        """Return Unix seconds, given the current time."""
        return self.time if self.ago is None else now - self.ago


def parse_address(value: object) -> Address:
    """Return the address. Raises ValueError with a message that shows the syntax."""
    if isinstance(value, Address):
        return value
    match = _ADDRESS.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match or int(match["port"]) > _HIGHEST_PORT:
        raise ValueError(_ADDRESS_SYNTAX)
    if (ipv6 := match["ipv6"]) is not None:
        try:
            IPv6Address(ipv6)
        except ValueError:
            raise ValueError(_ADDRESS_SYNTAX) from None
        return Address(ipv6, int(match["port"]))
    return Address(match["host"], int(match["port"]))


def parse_telemetry_path(value: object) -> str:
    """Return the path. Raises ValueError for one that cannot be served."""
    path = value.strip() if isinstance(value, str) else ""
    if not _TELEMETRY_PATH.fullmatch(path):
        raise ValueError("expects a path such as /metrics: a slash, then letters, digits and -._~/")
    if path.startswith(_RESERVED_PATH) or "//" in path:
        raise ValueError(f"is a path of the exporter itself: choose one that does not begin with {_RESERVED_PATH}")
    return path


def parse_size(value: object) -> int:
    """Return bytes. Raises ValueError with a message that shows the syntax."""
    match = _SIZE.fullmatch(str(value).strip())
    if isinstance(value, bool) or not isinstance(value, str | int) or not match:
        raise ValueError("expects a size: bytes, or a whole number with a unit such as 512KiB or 32MiB")
    return int(match[1]) * _SIZE_UNITS[match[2] or ""]


def format_size(size: int) -> str:
    """Return the size in the largest unit that divides it."""
    unit = next(unit for unit in reversed(_SIZE_UNITS) if size % _SIZE_UNITS[unit] == 0)
    return f"{size // _SIZE_UNITS[unit]}{unit}"


def parse_point_in_time(value: object) -> PointInTime:
    """Return the time. Raises ValueError with a message that shows the syntax."""
    if isinstance(value, PointInTime):
        return value
    try:
        return PointInTime(ago=parse_duration(value))
    except ValueError:
        pass
    try:
        day = date.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError("expects a duration before now such as 90d, or a UTC date such as 2026-01-31") from None
    return PointInTime(time=datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def parse_time(value: object) -> float:
    """Return Unix seconds of a UTC date or an ISO 8601 time. Raises ValueError with a message that shows the syntax."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        moment = datetime.fromisoformat(str(value).strip())
    except (ValueError, OverflowError):
        raise ValueError("expects a UTC date such as 2026-01-31, or a time such as 2026-01-31T18:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def parse_base_url(value: object) -> str:
    """Return the URL without a trailing slash. Raises ValueError for a URL to which a key must not be sent."""
    url, parts = _split_url(value, ("https", "http"))
    if parts.username is not None or parts.password is not None:
        raise ValueError("contains credentials: remove the part before the @")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError(
            "plain http would send the key unencrypted: use https "
            "(http is allowed for loopback addresses such as 127.0.0.1)"
        )
    return url


def parse_proxy(value: object) -> str:
    """Return the URL of an HTTP proxy. Raises ValueError."""
    url, parts = _split_url(value, ("http", "https"))
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "contains credentials: remove the part before the @, and set OPENAI_EXPORTER_PROXY_AUTH or "
            "api.proxy_auth_file to user:password"
        )
    if parts.path.strip("/"):
        raise ValueError("a proxy has no path: use http://host:port")
    return url


def parse_remote_write_url(value: object) -> str:
    """Return the URL of a remote write receiver. Raises ValueError."""
    url, parts = _split_url(value, ("http", "https"))
    if parts.username or parts.password:
        raise ValueError("has a user name or password: use --remote-write-username and --remote-write-password-file")
    if not parts.path.strip("/"):
        raise ValueError("has no path: use http://host:9090/api/v1/write for Prometheus")
    return url


def is_loopback(host: str) -> bool:
    """Return whether a name or IP address, without brackets, is the machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def _split_url(value: object, schemes: Iterable[str]) -> tuple[str, SplitResult]:
    if not isinstance(value, str):
        raise ValueError("expects a URL")  # noqa: TRY004 - pydantic collects ValueError
    text = value.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL: use https://host[:port]/path") from None
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("is not a URL: use https://host[:port]/path in plain ASCII")
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise ValueError(
            f"expects a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)} and a host"
        )
    if parts.query or parts.fragment:
        raise ValueError("ends with a query or a fragment: remove everything from the ? or #")
    return text.rstrip("/"), parts


def split_list(text: str) -> list[str]:
    """Return the values of a comma-separated list; a comma followed by a space does not separate."""
    return [item for item in _SEPARATOR.split(text) if item.strip()]


def _list(value: object) -> object:
    match value:
        case str() if value.lstrip().startswith("["):
            value = _decoded(value)
        case str():
            value = split_list(value)
    if not isinstance(value, list | tuple):
        raise ValueError(  # noqa: TRY004 - pydantic collects ValueError
            'expects a list: [a, b] in YAML, a,b or ["a", "b"] in the environment, a,b or a repeated flag on the '
            "command line"
        )
    return value


def _addresses(value: object) -> object:
    return _list(value) if isinstance(value, str | list | tuple) else [value]


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, dict) else value


def _mapping(value: object) -> object:
    if isinstance(value, list) and all(isinstance(pair, str) and "=" in pair for pair in value):
        return dict(pair.split("=", 1) for pair in value)
    if isinstance(value, str):
        value = _decoded(value)
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - pydantic collects ValueError
            'expects a mapping: {a: 1} in YAML, {"a": 1} in the environment, the flag repeated as a=1 on the command '
            "line"
        )
    return value


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def parse_path(text: str) -> Path:
    """Return the path, with the home directory for its ~. Raises ValueError."""
    path = text.strip()
    if not path:
        raise ValueError("expects the path of a file")
    if not path.isprintable():
        raise ValueError("contains a control character or a line break: remove it")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError("begins with ~, for which there is no home directory: write the whole path") from None


def _path(value: object) -> object:
    return parse_path(value) if isinstance(value, str) else value


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expects a number")  # noqa: TRY004 - pydantic collects ValueError
    return value


def not_empty(value: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """Return a list that has members. Raises ValueError."""
    if not value:
        raise ValueError("is empty: give at least one value, or remove the setting")
    return value


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError("is not an id such as org-a1B2 or proj_a1B2: remove spaces and what is not ASCII")
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    if not all(_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(text) for name, text in value.items()):
        raise ValueError("expects NAME=VALUE in plain ASCII: letters, digits and - in the name, and no line breaks")
    for name in value:
        if _PROTOCOL_HEADER.fullmatch(name):
            raise ValueError(f"{name} belongs to the protocol: remove it")
    return value


def _window(value: object) -> Window:
    return value if isinstance(value, Window) else Window(str(value).strip())


_AS_LIST: Final = BeforeValidator(_list)
_NUMBER: Final = BeforeValidator(_not_bool)

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]
Texts = Annotated[tuple[Text, ...], _AS_LIST]
NonEmptyTexts = Annotated[tuple[Text, ...], AfterValidator(not_empty), _AS_LIST]
Id = Annotated[Text, AfterValidator(_id)]
"""Goes into headers and URLs as it is."""
NonEmptyIds = Annotated[tuple[Id, ...], AfterValidator(not_empty), _AS_LIST]
AS_SEVERAL: Final = BeforeValidator(_one_or_several)
"""Accepts a single mapping instead of a list of them."""

Windows = Annotated[tuple[Annotated[Window, BeforeValidator(_window)], ...], _AS_LIST]
Duration = Annotated[float, Field(gt=0), BeforeValidator(parse_duration)]
DurationOrZero = Annotated[float, BeforeValidator(parse_duration)]
Count = Annotated[int, Field(ge=1), _NUMBER]
Days = Annotated[int, Field(ge=1, le=_MAX_DAYS), _NUMBER]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False), _NUMBER]
Dollars = Annotated[float, Field(gt=0, allow_inf_nan=False), _NUMBER]
DollarsByProject = Annotated[dict[Text, Dollars], BeforeValidator(_mapping)]
Labels = Annotated[dict[Text, str], BeforeValidator(_mapping)]
RequestHeaders = Annotated[Labels, AfterValidator(_headers)]
Size = Annotated[int, Field(ge=1024), BeforeValidator(parse_size)]
FilePath = Annotated[Path, BeforeValidator(_path)]
ListenAddresses = Annotated[
    tuple[Annotated[Address, BeforeValidator(parse_address)], ...],
    AfterValidator(not_empty),
    BeforeValidator(_addresses),
]
TelemetryPath = Annotated[str, BeforeValidator(parse_telemetry_path)]
BaseUrl = Annotated[str, BeforeValidator(parse_base_url)]
RemoteWriteUrl = Annotated[str, BeforeValidator(parse_remote_write_url)]
ProxyUrl = Annotated[str, BeforeValidator(parse_proxy)]
Time = Annotated[float, Field(ge=0), BeforeValidator(parse_time)]
PastPointInTime = Annotated[PointInTime, BeforeValidator(parse_point_in_time)]
