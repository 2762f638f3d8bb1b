"""Durations as people write them: `90s 5m 6h 31d 1h30m`, or a number of seconds."""

import re
from typing import Final

_UNITS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_NUMBER: Final = r"\d{1,9}(?:\.\d{1,9})?"
_WRITTEN: Final = re.compile("".join(rf"(?:({_NUMBER}){unit})?" for unit in _UNITS), re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
_ADVICE: Final = "expects a duration: seconds, or a number with a unit such as 90s, 5m, 6h, 31d or 1h30m"


def parse_duration(value: object) -> float:
    """Return seconds. Raises ValueError that says how durations are written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(_ADVICE)  # noqa: TRY004 - pydantic collects ValueError, for which a wrong type is a wrong value
    text = str(value).strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    written = _WRITTEN.fullmatch(text)
    if not text or not written:
        raise ValueError(_ADVICE)
    return float(sum(float(count) * unit for count, unit in zip(written.groups("0"), _UNITS.values(), strict=True)))


def format_duration(seconds: float) -> str:
    """Return the shortest spelling that `parse_duration` reads back."""
    if seconds != int(seconds) or seconds == 0:
        return f"{seconds:g}s"
    rest, spelling = int(seconds), ""
    for unit, length in _UNITS.items():
        count, rest = divmod(rest, length)
        spelling += f"{count}{unit}" if count else ""
    return spelling
