"""Where to listen: `:10180`, `127.0.0.1:10180`, `[::1]:10180`, `localhost:0`."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

_WRITTEN: Final = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[A-Za-z0-9._-]*)):(?P<port>\d{1,5})", re.ASCII)
_HIGHEST_PORT: Final = 65535
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
