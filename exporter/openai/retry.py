"""When to retry: by the headers of a response, or with exponential backoff."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from exporter.durations import parse_duration

MAX_PAUSE: Final = 900.0
"""Seconds: the longest pause that a response can cause."""

_NUMBER: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """The headers `x-ratelimit-*-requests`; None where one is missing or makes no sense."""

    limit: int | None = None
    """Requests that a minute may hold."""
    remaining: int | None = None
    """Requests that are left now."""
    reset: float | None = None
    """Seconds until all of them are back."""


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that `retry-after-ms` or `Retry-After` (seconds, HTTP date) requests, at most `MAX_PAUSE`.

    A date is measured from the answer's own `Date`, so that a clock that goes wrong does no harm, or else from `now`
    (Unix seconds). None when there is no header, or nothing but nonsense and times that are over.
    """
    seconds = _number(headers.get("retry-after-ms"))
    if seconds is not None:
        seconds /= 1000
    else:
        text = headers.get("retry-after")
        seconds = _number(text)
        if seconds is None and (then := _date(text)) is not None:
            seconds = then - (_date(headers.get("date")) or now)
    return min(seconds, MAX_PAUSE) if seconds is not None and seconds > 0 else None


def server_time(headers: Mapping[str, str]) -> float | None:
    """Return the Unix seconds of the header `Date`."""
    return _date(headers.get("date"))


def backoff(failures: int, chance: float, ceiling: float = 60.0) -> float:
    """Return the seconds to wait after so many failures in a row: 1, 2, 4 ... up to `ceiling`.

    `chance`, between 0 and 1, takes up to a quarter away, so that many that failed together do not return together.
    """
    return float(min(2.0 ** min(max(failures, 1) - 1, 30), ceiling) * (1 - chance / 4))


def rate_limit(headers: Mapping[str, str]) -> RateLimitHeaders:
    """Read `x-ratelimit-limit-requests`, `-remaining-requests` and `-reset-requests`."""
    limit = _count(headers.get("x-ratelimit-limit-requests"))
    return RateLimitHeaders(
        limit=limit or None,
        remaining=_count(headers.get("x-ratelimit-remaining-requests")),
        reset=duration(headers.get("x-ratelimit-reset-requests")),
    )


def duration(text: str | None) -> float | None:
    """Return the seconds of a duration as Go formats it (`6m0s`, `20ms`, `51.189s`) or of a number of seconds."""
    try:
        return parse_duration(text)
    except ValueError:
        return None


def _number(text: str | None) -> float | None:
    text = (text or "").strip()
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _count(text: str | None) -> int | None:
    number = _number((text or "").replace(",", ""))
    return int(number) if number is not None else None


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
