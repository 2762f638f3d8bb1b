"""Activity of a project, accumulated from its first second, in whole numbers.

All usage is a multiple of this sum, rounded down, so that buckets of every width and grouping add up to the same
totals. A new multiplier applies from now on, so that reported values stay as they were.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Final

from exporter.catalog import DAY, HOUR

NOMINAL: Final = 100**4
"""Activity of one second at the normal rate: growth, day, hour and multiplier are hundredths each."""

_CYCLE_DAYS: Final = 13 * 7
_CYCLE: Final = _CYCLE_DAYS * DAY
_START_LEVEL: Final = 60
_GROWTH: Final = 4
"""Hundredths by which the activity grows each quarter."""

_HOURS: Final = {
    "office": "22 18 15 14 16 24 48 90 140 175 185 178 160 172 186 188 180 165 132 100 78 60 44 30",
    "evening": "70 50 34 24 20 20 28 44 60 74 86 96 108 104 102 108 120 138 158 178 190 182 150 106",
    "night": "260 300 320 310 240 150 70 30 20 20 20 22 24 24 24 24 24 26 30 44 70 110 160 208",
}
"""Hundredths of the normal rate for each hour of the day, UTC."""
_WEEKEND: Final = {"office": 28, "evening": 125, "night": 100}

RHYTHMS: Final = tuple(_HOURS)


class Rhythm:
    """The daily and weekly pattern of one kind of work in one project, growing slowly."""

    def __init__(self, random: Random, name: str, founded: int) -> None:
        """Take the name (one of RHYTHMS) and the Monday on which the organization was founded (Unix seconds)."""
        hours = tuple(int(weight) for weight in _HOURS[name].split())
        weekend = _WEEKEND[name]
        days = [random.randint(84, 116) * (weekend if day % 7 > 4 else 100) // 100 for day in range(_CYCLE_DAYS)]  # noqa: PLR2004 -- Saturday and Sunday
        self._founded = founded
        self._hours = hours
        self._days = days
        self._hour_sums = [0, *accumulate(weight * HOUR for weight in hours)]
        day_sum = self._hour_sums[-1]
        self._day_sums = [0, *accumulate(weight * day_sum for weight in days)]

    def until(self, time: int) -> int:
        """Return the activity up to `time` (Unix seconds), in hundredths of NOMINAL seconds."""
        elapsed = time - self._founded
        if elapsed <= 0:
            return 0
        cycles, rest = divmod(elapsed, _CYCLE)
        day, second = divmod(rest, DAY)
        hour, second = divmod(second, HOUR)
        whole = self._day_sums[-1] * (_START_LEVEL * cycles + _GROWTH * cycles * (cycles - 1) // 2)
        today = self._days[day] * (self._hour_sums[hour] + self._hours[hour] * second)
        return whole + (_START_LEVEL + _GROWTH * cycles) * (self._day_sums[day] + today)


@dataclass(slots=True)
class Multiplier:
    """A multiplier of activity or prices over time: hundredths, each with the time from which it holds."""

    changes: list[tuple[int, int]] = field(default_factory=lambda: [(0, 100)])

    def change(self, time: int, hundredths: int) -> None:
        """Set the multiplier from `time` (Unix seconds) on; earlier values stay."""
        while self.changes and self.changes[-1][0] >= time:
            self.changes.pop()
        self.changes.append((time, hundredths))

    def at(self, time: int) -> int:
        """Return the multiplier in force at `time`, in hundredths."""
        index = bisect_right(self.changes, time, key=lambda change: change[0])
        return self.changes[index - 1][1] if index else 0

    def changes_between(self, start: int, end: int) -> list[int]:
        """Return the times between `start` and `end` at which the multiplier changes."""
        return [time for time, _ in self.changes if start < time < end]

    def accrue(self, total: Callable[[int], int], until: int) -> int:
        """Return the multiplied sum up to `until`; `total` gives the sum without multiplier up to a time."""
        ends = [time for time, _ in self.changes[1:]]
        ends.append(until)
        return sum(
            hundredths * (total(min(end, until)) - total(start))
            for (start, hundredths), end in zip(self.changes, ends, strict=True)
            if hundredths and start < until
        )
