"""A clock with the real time whose sleeps return at once."""

import asyncio

from exporter.clock import SystemClock


class HastyClock(SystemClock):
    """An `exporter.clock.Clock` on which every sleep is over at once, as if the seconds had passed."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, those that were not slept included."""
        return super().monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """Let the seconds be over."""
        self._skipped += max(seconds, 0.0)
        await asyncio.sleep(0)
