"""Durations: parsed from `90s 5m 6h 31d 1h30m` or seconds, formatted exactly or for people."""

import re
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400

_UNITS: Final = {"d": DAY, "h": HOUR, "m": MINUTE, "s": 1, "ms": 1e-3, "(?:us|µs|μs)": 1e-6, "ns": 1e-9}
_NUMBER: Final = r"\d{1,9}(?:\.\d{1,9})?"
_DURATION: Final = re.compile("".join(rf"(?:({_NUMBER}){unit})?" for unit in _UNITS), re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
_SYNTAX: Final = "expects a duration: seconds, or a number with a unit such as 90s, 5m, 6h, 31d or 1h30m"


def parse_duration(value: object) -> float:
    """Return seconds. Raises ValueError with a message that shows the syntax."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(_SYNTAX)  # noqa: TRY004 - pydantic collects ValueError, for which a wrong type is a wrong value
    text = str(value).strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if not text or not match:
        raise ValueError(_SYNTAX)
    return float(sum(float(count) * unit for count, unit in zip(match.groups("0"), _UNITS.values(), strict=True)))


def format_duration(seconds: float) -> str:
    """Return the shortest text that `parse_duration` reads back as the same duration: `2m30s`, `1d`."""
    if seconds != int(seconds) or seconds == 0:
        return f"{seconds:g}s"
    rest, text = int(seconds), ""
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, int(_UNITS[unit]))
        text += f"{count}{unit}" if count else ""
    return text


def approximate_duration(seconds: float) -> str:
    """Return a duration in its two largest units, for people: `12 s`, `4 min`, `3 h 12 min`, `2 d 5 h`."""
    whole = max(int(seconds), 0)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    days, hours, minutes = whole // DAY, whole % DAY // HOUR, whole % HOUR // MINUTE
    parts = ((days, "d"), (hours, "h")) if days else ((hours, "h"), (minutes, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
