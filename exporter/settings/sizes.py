"""Sizes as people write them: `32MiB`, or a number of bytes."""

import re
from typing import Final

_UNITS: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_WRITTEN: Final = re.compile(r"(\d{1,12}) ?(B|KiB|MiB|GiB)?", re.ASCII)


def parse_size(value: object) -> int:
    """Return bytes. Raises ValueError that says how sizes are written."""
    written = _WRITTEN.fullmatch(str(value).strip())
    if isinstance(value, bool) or not isinstance(value, str | int) or not written:
        raise ValueError("expects a size: bytes, or a whole number with a unit such as 512KiB or 32MiB")
    return int(written[1]) * _UNITS[written[2] or ""]


def format_size(size: int) -> str:
    """Return the spelling with the largest unit that divides the size."""
    unit = next(unit for unit in reversed(_UNITS) if size % _UNITS[unit] == 0)
    return f"{size // _UNITS[unit]}{unit}"
