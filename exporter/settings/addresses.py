"""Where to listen and under which path: `:10180`, `[::1]:10180`, `localhost:0`; `/metrics`."""

import json
import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

_WRITTEN: Final = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[A-Za-z0-9._-]*)):(?P<port>\d{1,5})", re.ASCII)
_HIGHEST_PORT: Final = 65535
_PATH: Final = re.compile(r"/[A-Za-z0-9._~/-]*", re.ASCII)
_RESERVED: Final = "/-/"
_ADVICE: Final = (
    "expects host:port such as :10180 (all addresses), 127.0.0.1:10180 or [::1]:10180, in quotes where YAML needs them"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to bind."""

    host: str
    """A name or an IP address without brackets; empty for every address of the machine."""
    port: int
    """0 lets the system choose."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(value: object) -> Address:
    """Return the address. Raises ValueError that says how addresses are written."""
    if isinstance(value, Address):
        return value
    written = _WRITTEN.fullmatch(value.strip()) if isinstance(value, str) else None
    if not written or int(written["port"]) > _HIGHEST_PORT:
        raise ValueError(_ADVICE)
    if (six := written["six"]) is not None:
        try:
            IPv6Address(six)
        except ValueError:
            raise ValueError(_ADVICE) from None
        return Address(six, int(written["port"]))
    return Address(written["host"], int(written["port"]))


def parse_addresses(value: object) -> tuple[Address, ...]:
    """Return the addresses: one, a list, or a JSON list as text. Raises ValueError."""
    if isinstance(value, str):
        try:
            decoded = json.loads(value)
        except ValueError:
            decoded = None
        value = decoded if isinstance(decoded, list) else [value]
    if isinstance(value, Address):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(_ADVICE)
    return tuple(parse_address(each) for each in value)


def parse_telemetry_path(value: object) -> str:
    """Return the path. Raises ValueError for one that cannot be served."""
    if not isinstance(value, str) or not _PATH.fullmatch(value.strip()):
        raise ValueError("expects a path such as /metrics: a slash, then letters, digits and -._~/")
    path = value.strip()
    if path.startswith(_RESERVED) or "//" in path:
        raise ValueError(f"is a path of the exporter itself: choose one that does not begin with {_RESERVED}")
    return path
