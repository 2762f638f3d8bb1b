"""Wall-clock time and monotonic time, passed in wherever they are needed."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment by both kinds of time."""

    now: float
    """Unix seconds, UTC."""
    monotonic: float
    """Seconds that never jump."""


class Clock(Protocol):
    """The clock that cli, publisher, collector and openai get as an argument."""

    def now(self) -> float:
        """Unix time in seconds, UTC: for buckets, midnights and timestamps."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump: for intervals, rates and pauses."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds of monotonic time."""
        ...


class SystemClock:
    """The system clock."""

    def now(self) -> float:
        """Unix time in seconds, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary point in time."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""
        await asyncio.sleep(seconds)


def moment(clock: Clock) -> Moment:
    """Return the present moment."""
    return Moment(clock.now(), clock.monotonic())
