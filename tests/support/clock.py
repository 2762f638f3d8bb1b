"""A clock whose time passes when a test says so."""

import asyncio
import heapq
from collections.abc import Awaitable, Coroutine
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")

_TURNS = 25
"""Turns of the event loop after which everything that was woken has gone to sleep again."""


class ManualClock:
    """An `exporter.clock.Clock`: `sleep` waits until the test has advanced time far enough.

    `slept` collects the requested seconds, in the order of the calls.
    """

    def __init__(self, now: float = 1_795_016_537.0, monotonic: float = 1000.0) -> None:
        self._monotonic = monotonic
        self._offset = now - monotonic
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self.slept: list[float] = []

    def now(self) -> float:
        """Unix time in seconds."""
        return self._monotonic + self._offset

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until time has been advanced so far."""
        self.slept.append(seconds)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), woken))
        await woken

    @property
    def next_wake(self) -> float | None:
        """Monotonic seconds at which the next sleeper wakes; None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def pass_by(self, seconds: float) -> None:
        """Let time pass without waking anybody: for code that is not asynchronous."""
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the calendar forward, or back, while no time passes."""
        self._offset += seconds

    async def advance(self, seconds: float = 0.0) -> None:
        """Let so much time pass, waking every sleeper at its own moment and letting it run until it waits again."""
        end = self._monotonic + seconds
        await _settle()
        while (wake := self.next_wake) is not None and wake <= end:
            self._monotonic = max(wake, self._monotonic)
            heapq.heappop(self._sleepers)[2].set_result(None)
            await _settle()
        self._monotonic = end

    async def run(self, work: Awaitable[T], limit: float = 86400.0) -> T:
        """Return what `work` gives, letting time pass, up to `limit` seconds, whenever all of it waits for the clock.

        Work on real sockets or threads is waited for in real time, at most a minute. Raises TimeoutError.
        """
        task = asyncio.ensure_future(work)
        end = self._monotonic + limit
        try:
            async with asyncio.timeout(60):
                while not task.done():
                    await _settle()
                    if task.done():
                        break
                    wake = self.next_wake
                    if wake is None:
                        await asyncio.wait({task}, timeout=0.001)
                    elif wake <= end:
                        await self.advance(wake - self._monotonic)
                    else:
                        raise TimeoutError(f"not done after {limit:g} seconds of the manual clock")
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine on a new event loop, within two real minutes."""

    async def bounded() -> T:
        async with asyncio.timeout(120):
            return await work

    return asyncio.run(bounded())


async def _settle() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class LeapingClock:
    """An `exporter.clock.Clock` whose sleepers are woken at once, and whose time passes by their sleep."""

    def __init__(self, now: float) -> None:
        self.time = now

    def now(self) -> float:
        """Unix time in seconds."""
        return self.time

    def monotonic(self) -> float:
        """The same."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.time += max(seconds, 0.0)
