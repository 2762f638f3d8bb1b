"""The two times there are: what the calendar says, and what has passed."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What cli, publisher, organization and upstream know of time."""

    def now(self) -> float:
        """Unix time in seconds, UTC: for buckets, midnights and timestamps."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump: for intervals, rates and pauses."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of monotonic time."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Unix time in seconds, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        await asyncio.sleep(seconds)
