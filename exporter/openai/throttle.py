"""The queue of one organization's requests in front of its rate limiter.

The client takes a permit before each attempt, rather than a transport inside httpx: so a request's timeouts start when
it is sent, and the throttle learns from the headers before the body is decoded.
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
"""Seconds; shorter ones could be lost to rounding and never end."""


class Throttle:
    """Lets requests through by priority, then by due time, as fast as the rate limiter allows.

    One per organization. Every permit ends with exactly one of `answered`, `refused` and `failed`.
    """

    def __init__(self, clock: Clock, requests_per_minute: float, chance: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._limiter = AdaptiveRateLimiter(requests_per_minute, clock.monotonic(), chance)
        self._order = count()
        self._waiters: list[_Waiter] = []
        self._timer: asyncio.Task[None] | None = None

    @property
    def requests_per_minute(self) -> float:
        """The rate that is allowed now."""
        return self._limiter.per_minute(self._clock.monotonic())

    @property
    def paused_until(self) -> float | None:
        """Unix seconds until which every endpoint is paused; None while none is."""
        now = self._clock.monotonic()
        until = self._limiter.paused_until(now)
        return None if until is None else self._clock.now() + until - now

    async def permit(self, resource: str, priority: Priority, due: float) -> "Permit":
        """Wait for a turn. `due` (seconds of any one clock) orders requests of one priority."""
        started = self._clock.monotonic()
        waiter = _Waiter(priority, due, next(self._order), asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiters, waiter)
        self._admit()
        try:
            grant = await waiter.grant
        except asyncio.CancelledError:
            if waiter.grant.done() and not waiter.grant.cancelled():
                self._limiter.withdrawn(waiter.grant.result())
            self._admit()
            raise
        return Permit(self, grant, resource, self._clock.monotonic() - started)

    def answered(self, grant: Grant, resource: str, status: int, headers: Mapping[str, str]) -> None:
        """End a grant with a response that requests no pause."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._limiter.failed(grant)
        else:
            self._limiter.answered(grant, resource, self._clock.monotonic(), rate_limit(headers))
        self._admit()

    def refused(self, grant: Grant, resource: str, error: UpstreamError, headers: Mapping[str, str]) -> None:
        """End a grant with 429, or with 503 and `Retry-After`."""
        self._limiter.refused(
            grant,
            resource,
            self._clock.monotonic(),
            rate_limit(headers),
            error.retry_after,
            slower=isinstance(error, RateLimited),
        )
        self._admit()

    def failed(self, grant: Grant) -> None:
        """End a grant that got no response."""
        self._limiter.failed(grant)
        self._admit()

    def _admit(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        now = self._clock.monotonic()
        while self._waiters:
            first = self._waiters[0]
            if not first.grant.done():
                wait = self._limiter.wait(first.priority, now)
                if wait is None:
                    return
                if wait > 0:
                    self._timer = asyncio.ensure_future(self._admit_after(max(wait, _SHORTEST_SLEEP)))
                    return
                first.grant.set_result(self._limiter.start(first.priority, now))
            heapq.heappop(self._waiters)

    async def _admit_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._timer = None
        self._admit()


class Permit:
    """Permission to send one request: a context that ends with the request, in which its response is reported."""

    def __init__(self, throttle: Throttle, grant: Grant, resource: str, waited: float) -> None:
        self.waited = waited
        """Seconds in the queue."""
        self._throttle = throttle
        self._grant: Grant | None = grant
        self._resource = resource

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Report a response that requests no pause. `headers` have lower-case names."""
        if grant := self._use():
            self._throttle.answered(grant, self._resource, status, headers)

    def refused(self, error: UpstreamError, headers: Mapping[str, str]) -> None:
        """Report 429, or 503 with `Retry-After`."""
        if grant := self._use():
            self._throttle.refused(grant, self._resource, error, headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if grant := self._use():
            self._throttle.failed(grant)

    def _use(self) -> Grant | None:
        grant, self._grant = self._grant, None
        return grant


@dataclass(order=True, slots=True)
class _Waiter:
    priority: Priority
    due: float
    order: int
    grant: asyncio.Future[Grant] = field(compare=False)
