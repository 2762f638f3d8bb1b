"""UTC days, months and the windows that sums are taken over."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from exporter.durations import DAY, HOUR, MINUTE

_UNITS: Final = {"m": MINUTE, "h": HOUR, "d": DAY}
_NAMED: Final = ("yesterday", "month", "previous_month", "previous_month_end")


def day_of(time: float) -> int:
    """Return the Unix time of the UTC midnight at or before `time`."""
    return int(time // DAY) * DAY


def month_start(time: float, months_ago: int = 0) -> int:
    """Return the Unix time at which the UTC month of `time`, or one so many months earlier, begins."""
    moment = datetime.fromtimestamp(time, UTC)
    months = moment.year * 12 + moment.month - 1 - months_ago
    return int(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Window:
    """A span that ends now, or at the last midnight or month's end: `yesterday 7d 12h 15m month previous_month`.

    `previous_month_end` is the last two days of the previous month. Spans of days are UTC days, today included. `name`
    is the value of the label `window`.
    """

    name: str

    def __post_init__(self) -> None:
        """Refuse a name that is no window: ValueError says what is one."""
        if self.name not in _NAMED and not re.fullmatch(r"[1-9]\d{0,3}[mhd]", self.name):
            raise ValueError(
                f"{self.name!r} is not a window: use {', '.join(_NAMED)}, or a number of days, hours or minutes "
                "such as 7d, 12h or 15m"
            )

    @property
    def unit(self) -> int:
        """Seconds of the unit that the window is counted in: the coarsest bucket width that serves it."""
        return DAY if self.name in _NAMED else _UNITS[self.name[-1]]

    @property
    def longest(self) -> int:
        """Seconds from the start of the window to the end of the open day or bucket, at the most."""
        match self.name:
            case "yesterday":
                return 2 * DAY
            case "month":
                return 31 * DAY
            case "previous_month":
                return 62 * DAY
            case "previous_month_end":
                return 33 * DAY
            case _:
                return int(self.name[:-1]) * self.unit

    def span(self, now: float, width: int) -> tuple[int, int]:
        """Return start (inclusive) and end (exclusive), Unix seconds, at `now` with buckets of `width` seconds."""
        today = day_of(now)
        match self.name:
            case "yesterday":
                return today - DAY, today
            case "month":
                return month_start(now), today + DAY
            case "previous_month":
                return month_start(now, months_ago=1), month_start(now)
            case "previous_month_end":
                return month_start(now) - 2 * DAY, month_start(now)
            case _ if self.unit == DAY:
                return today - self.longest + DAY, today + DAY
            case _:
                end = int(now // width) * width + width
                return end - max(self.longest // width, 2) * width, end
