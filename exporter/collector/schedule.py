"""When a job is due again: pure functions of monotonic seconds."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from exporter.catalog import DAY, HOUR

_EMPTY_FACTOR: Final = 5
_EMPTY_CEILING: Final = 900.0
_REFUSED_FACTOR: Final = 10
_REFUSED_CEILING: Final = 3600.0
_HOURLY_UNSUPPORTED: Final = 24
"""How many polls of an unsupported endpoint are an hour apart, before they are a day apart."""
_FAILED_CEILING: Final = 60.0
_WAITING: Final = 7.0
"""Seconds. No divisor of usual intervals: a job that waits for another one must not come at the same instant."""


class Outcome(Enum):
    """How a poll ended, as far as the next one depends on it."""

    DATA = "data"
    EMPTY = "empty"
    """Success, but the whole look-back has no row."""
    REFUSED = "refused"
    """The key or the account was refused several times in a row."""
    FAILED = "failed"
    """A failure that may pass by itself."""
    WAITING = "waiting"
    """There is nothing to request yet: nothing was sent."""
    UNSUPPORTED = "unsupported"
    """The host does not have the endpoint."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the next poll is due."""

    interval: float
    """Seconds between polls that succeed."""
    due: float
    """Monotonic seconds."""
    failures: int = 0
    """How many polls have failed in a row."""
    unsupported: int = 0
    """How many polls in a row found no endpoint."""
    pace: float = 0.0
    """Seconds between polls now."""

    def after(self, outcome: Outcome, now: float, jitter: float) -> "Schedule":
        """Return the schedule after a poll that ended `now`; `jitter` from 0 to 1 spreads retries.

        Intervals run from start to start. A poll that took longer than its interval skips the turns that it missed.
        """
        if outcome is Outcome.FAILED:
            ceiling = max(self.interval, _FAILED_CEILING)
            delay = min(2.0**self.failures, ceiling) * (1 - jitter / 4)
            failures = min(self.failures + 1, 30)
            return replace(self, due=now + delay, failures=failures, unsupported=0, pace=self.interval)
        if outcome is Outcome.WAITING:
            due = now + min(self.interval, _WAITING)
            return replace(self, due=due, failures=0, unsupported=0, pace=self.interval)
        unsupported = self.unsupported + 1 if outcome is Outcome.UNSUPPORTED else 0
        pace = self._pace(outcome, unsupported)
        skipped = max(0.0, (now - self.due) // pace)
        due = self.due + (skipped + 1) * pace
        return replace(self, due=due, failures=0, unsupported=unsupported, pace=pace)

    def _pace(self, outcome: Outcome, unsupported: int) -> float:
        match outcome:
            case Outcome.EMPTY:
                return max(self.interval, min(self.interval * _EMPTY_FACTOR, _EMPTY_CEILING))
            case Outcome.REFUSED:
                return max(self.interval, min(self.interval * _REFUSED_FACTOR, _REFUSED_CEILING))
            case Outcome.UNSUPPORTED:
                return max(self.interval, HOUR if unsupported <= _HOURLY_UNSUPPORTED else DAY)
            case _:
                return self.interval
