"""When a job is due again: pure, in seconds of monotonic time."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

_EMPTY_FACTOR: Final = 5
_EMPTY_CEILING: Final = 900.0
_REFUSED_FACTOR: Final = 10
_REFUSED_CEILING: Final = 3600.0
_UNSUPPORTED: Final = 86400.0
_FAILED_CEILING: Final = 60.0
_WAITING: Final = 10.0


class Outcome(Enum):
    """How a poll ended, as far as the next one depends on it."""

    DATA = "data"
    EMPTY = "empty"
    """All is well, and the whole look-back has no row."""
    REFUSED = "refused"
    """The key or the account needs somebody's hand."""
    FAILED = "failed"
    """Something that may pass by itself."""
    WAITING = "waiting"
    """All is well, but there was nothing to ask about yet: nothing was sent."""
    UNSUPPORTED = "unsupported"
    """The host has no such endpoint."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the next poll is due, and how it came to that."""

    interval: float
    """Seconds between polls when all is well."""
    due: float
    """Seconds of monotonic time."""
    failures: int = 0
    """How many polls have failed in a row."""
    pace: float = 0.0
    """Seconds between polls as is now in force."""

    def after(self, outcome: Outcome, now: float, jitter: float) -> "Schedule":
        """Return the schedule after a poll that ended `now`; `jitter` from 0 to 1 spreads retries.

        Intervals run from start to start. A poll that took longer than its interval skips the turns that it missed.
        """
        if outcome is Outcome.FAILED:
            ceiling = max(self.interval, _FAILED_CEILING)
            delay = min(2.0**self.failures, ceiling) * (1 - jitter / 4)
            return replace(self, due=now + delay, failures=min(self.failures + 1, 30), pace=self.interval)
        if outcome is Outcome.WAITING:
            return replace(self, due=now + min(self.interval, _WAITING), failures=0, pace=self.interval)
        pace = self._pace(outcome)
        skipped = max(0.0, (now - self.due) // pace)
        return replace(self, due=self.due + (skipped + 1) * pace, failures=0, pace=pace)

    def _pace(self, outcome: Outcome) -> float:
        match outcome:
            case Outcome.EMPTY:
                return max(self.interval, min(self.interval * _EMPTY_FACTOR, _EMPTY_CEILING))
            case Outcome.REFUSED:
                return max(self.interval, min(self.interval * _REFUSED_FACTOR, _REFUSED_CEILING))
            case Outcome.UNSUPPORTED:
                return max(self.interval, _UNSUPPORTED)
            case _:
                return self.interval
