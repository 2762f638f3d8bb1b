"""The queue of one organization's requests in front of its pace.

The client asks for a permit before each attempt, rather than a transport doing so inside httpx: so a request's timeouts
begin when it is sent, and what it learns from the answer's headers is said before the body is read.
"""

import asyncio
import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from types import TracebackType
from typing import Final, Self

from exporter.clock import Clock
from exporter.openai.errors import RateLimited, UpstreamError
from exporter.openai.rate_limiter import AdaptiveRateLimiter, Grant, Priority
from exporter.openai.retry import rate_limit

_SHORTEST_SLEEP: Final = 0.001
"""Seconds; shorter ones could be lost in rounding and never end."""


class Throttle:
    """Lets requests go by priority, then by due time, as fast as the pace allows. One per organization."""

    def __init__(self, clock: Clock, requests_per_minute: float, chance: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._pace = AdaptiveRateLimiter(requests_per_minute, clock.monotonic(), chance)
        self._order = count()
        self._waiting: list[_Waiter] = []
        self._alarm: asyncio.Task[None] | None = None

    @property
    def requests_per_minute(self) -> float:
        """The rate that is allowed now."""
        return self._pace.per_minute

    @property
    def paused_until(self) -> float | None:
        """Unix seconds until which every endpoint is silent; None while none is."""
        now = self._clock.monotonic()
        until = self._pace.paused_until(now)
        return None if until is None else self._clock.now() + until - now

    async def permit(self, resource: str, priority: Priority, due: float) -> "Permit":
        """Wait for a turn. `due` (seconds of any clock, always the same one) orders requests of one priority."""
        asked = self._clock.monotonic()
        waiter = _Waiter(priority, due, next(self._order), asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiting, waiter)
        self._admit()
        try:
            passage = await waiter.passage
        except asyncio.CancelledError:
            if waiter.passage.done() and not waiter.passage.cancelled():
                self._pace.withdraw(waiter.passage.result())
            self._admit()
            raise
        return Permit(self, passage, resource, self._clock.monotonic() - asked)

    def learn(self, passage: Grant, resource: str, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer that is no refusal."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._pace.failed(passage)
        else:
            self._pace.answered(passage, resource, self._clock.monotonic(), rate_limit(headers))
        self._admit()

    def refuse(self, passage: Grant, resource: str, error: UpstreamError, headers: Mapping[str, str]) -> None:
        """Learn from 429, or from 503 with `Retry-After`."""
        self._pace.refused(
            passage,
            resource,
            self._clock.monotonic(),
            rate_limit(headers),
            error.retry_after,
            slower=isinstance(error, RateLimited),
        )
        self._admit()

    def give_up(self, passage: Grant) -> None:
        """Learn that there was no answer."""
        self._pace.failed(passage)
        self._admit()

    def _admit(self) -> None:
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        now = self._clock.monotonic()
        while self._waiting:
            first = self._waiting[0]
            if not first.passage.done():
                wait = self._pace.wait(first.priority, now)
                if wait is None:
                    return
                if wait > 0:
                    self._alarm = asyncio.ensure_future(self._ring(max(wait, _SHORTEST_SLEEP)))
                    return
                first.passage.set_result(self._pace.start(first.priority, now))
            heapq.heappop(self._waiting)

    async def _ring(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._alarm = None
        self._admit()


class Permit:
    """Leave to send one request: a context that ends with the request, in which its answer is reported."""

    def __init__(self, throttle: Throttle, passage: Grant, resource: str, waited: float) -> None:
        self.waited = waited
        """Seconds in the queue."""
        self._throttle = throttle
        self._passage: Grant | None = passage
        self._resource = resource

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Report an answer that asks for no pause. `headers` have lower-case names."""
        if passage := self._use():
            self._throttle.learn(passage, self._resource, status, headers)

    def refused(self, error: UpstreamError, headers: Mapping[str, str]) -> None:
        """Report 429 or 503."""
        if passage := self._use():
            self._throttle.refuse(passage, self._resource, error, headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if passage := self._use():
            self._throttle.give_up(passage)

    def _use(self) -> Grant | None:
        passage, self._passage = self._passage, None
        return passage


@dataclass(order=True, slots=True)
class _Waiter:
    priority: Priority
    due: float
    order: int
    passage: asyncio.Future[Grant] = field(compare=False)
