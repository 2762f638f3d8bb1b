"""The client of one organization: throttled requests, retries, and complete responses only."""

import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import httpx

from exporter.catalog import DAY, Pagination, Plan, PollResult
from exporter.clock import Clock
from exporter.openai import errors
from exporter.openai.error_responses import classify, request_id_of
from exporter.openai.listing import ListPaginator
from exporter.openai.pages import read_page
from exporter.openai.pagination import BucketPaginator, bucket_query
from exporter.openai.rate_limiter import Priority
from exporter.openai.responses import decode_object, label_value, redact_json
from exporter.openai.retry import backoff, server_time
from exporter.openai.throttle import Throttle
from exporter.openai.transport import Response, Transport
from exporter.redaction import redact, register_secret
from exporter.telemetry import RejectionReason

T = TypeVar("T")

RESTARTS: Final = 2
"""How often the pages of a poll are read from the first again, after the API refused a cursor."""

_MAX_CLOCK_LAG: Final = 900.0
"""Seconds by which this machine's clock is believed to be behind the API's."""

RETRIES: Final = 3
"""How often a request is repeated after a failure that may pass."""

_MAX_RETRY_PAUSE: Final = 60.0
"""Seconds before a request is repeated, whatever the response asks for, unless it pauses the organization."""

Query = Sequence[tuple[str, str]]


class Runner(Protocol):
    """Runs work that needs the processor, outside the event loop."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...  # noqa: D102


async def inline(work: Callable[[], T], /) -> T:
    """Run the work at once."""
    return work()


class Observer(Protocol):
    """Called with every attempt, retries included, so that the client can be measured."""

    def request(self, resource: str) -> None:
        """Record a request that is being sent."""
        ...

    def error(self, resource: str, error: errors.UpstreamError) -> None:
        """Record an attempt that failed."""
        ...

    def duration(self, seconds: float) -> None:
        """Record how long an attempt took, from sending to the end of the body or to the failure."""
        ...

    def rejected(self, resource: str, rejections: Mapping[RejectionReason, int]) -> None:
        """Record rows, or values of rows, of a complete response that were not used."""
        ...

    def waited(self, resource: str, seconds: float) -> None:
        """Record how long a request waited in the queue of the throttle."""
        ...


class SilentObserver:
    """An observer that records nothing."""

    def request(self, resource: str) -> None:
        """Record nothing."""

    def error(self, resource: str, error: errors.UpstreamError) -> None:
        """Record nothing."""

    def duration(self, seconds: float) -> None:
        """Record nothing."""

    def rejected(self, resource: str, rejections: Mapping[RejectionReason, int]) -> None:
        """Record nothing."""

    def waited(self, resource: str, seconds: float) -> None:
        """Record nothing."""


class BucketSource(Protocol):
    """Where the buckets of a resource come from: the Admin API, or what replaces it."""

    async def poll(
        self,
        plan: Plan,
        start: int,
        *,
        due: float,
        priority: Priority,
        known: Mapping[int, bytes] | None = None,
        decode_all: bool = False,
    ) -> PollResult:
        """Return the buckets of a plan from `start` (Unix seconds) to now, all pages of them.

        `due` (monotonic seconds) orders requests of one priority. `known` has the digests of all earlier buckets by
        their start: those that did not change come without rows, unless with `decode_all`. Raises UpstreamError;
        missing buckets are left to the ledger to detect.
        """
        ...


class Client:
    """Sends requests to one organization's Admin API. Every method raises UpstreamError."""

    def __init__(
        self,
        base_url: str,
        key: Callable[[], str],
        *,
        throttle: Throttle,
        clock: Clock,
        organization_id: str = "",
        timeout: float = 30.0,
        max_body: int = 32 * 1024 * 1024,
        proxy: str | None = None,
        ca_file: str | None = None,
        observer: Observer | None = None,
        run: Runner = inline,
        repeat_not_found: bool = False,
        chance: Callable[[], float] = random.random,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the API's address, the credentials and the limits.

        `base_url` may have a path; `key` is called for every request; `organization_id` is sent as
        `OpenAI-Organization` unless empty; `timeout` (seconds) is that of a whole request without its time in the
        throttle; `max_body` (bytes) that of a decompressed body. With `repeat_not_found` 404 is repeated like a failure
        that may pass, for callers without a next poll. `chance` (0 to 1) makes the jitter of retries.
        Raises OSError for a `ca_file` that cannot be read.
        """
        self._transport = Transport(
            base_url, timeout=timeout, max_body=max_body, proxy=proxy, ca_file=ca_file, transport=transport
        )
        self._key = key
        self._organization_id = organization_id
        self._throttle = throttle
        self._clock = clock
        self._observer = observer or SilentObserver()
        self._run = run
        self._repeat_not_found = repeat_not_found
        self._chance = chance
        self._page_limits: dict[str, tuple[int, float]] = {}
        self._present: set[str] = set()
        """Optional paths that have answered with something."""
        self.skew: float | None = None
        """Seconds by which this machine's clock was ahead of the last response's `Date`."""

    async def poll(
        self,
        plan: Plan,
        start: int,
        *,
        due: float,
        priority: Priority,
        known: Mapping[int, bytes] | None = None,
        decode_all: bool = False,
        end: int | None = None,
    ) -> PollResult:
        """Return the buckets of a plan from `start` to now, or before `end` (Unix seconds): see `BucketSource`.

        A page that is too large halves the resource's `limit` for a day.
        """
        known = {} if decode_all else known or {}
        restarts = 0
        while True:
            limit = self._limit(plan, start, end)
            try:
                return await self._poll(plan, start, limit, due=due, priority=priority, known=known, end=end)
            except errors.RefusedCursor:
                restarts += 1
                if restarts > RESTARTS:
                    raise
            except errors.OversizedPage as error:
                if limit == 1:
                    dimension = plan.group_by[-1] if plan.group_by else ""
                    raise errors.OversizedPage(
                        error.size, dimension=dimension, status=error.status, request_id=error.request_id
                    ) from None
                self._page_limits[plan.resource.name] = (limit // 2, self._clock.monotonic() + DAY)

    async def get_json(
        self,
        path: str,
        query: Query = (),
        *,
        resource: str,
        priority: Priority,
        due: float,
        optional: bool = False,
        expected: bool = False,
        read: Callable[[bytes], Any] = decode_object,
    ) -> Any:  # noqa: ANN401
        """Return what `read` makes of the response of `path`, relative to the base URL (`organization/spend_limit`).

        `read` may raise InvalidResponse. For 404, returns None if it is `optional`, and raises NotFound otherwise.
        Where something is `expected`, or was there before, and with `repeat_not_found` an optional path is absent after
        four 404 in a row.
        """
        response = await self._get(
            path, query, resource=resource, priority=priority, due=due, optional=optional, expected=expected
        )
        if response.status == httpx.codes.NOT_FOUND:
            return None
        with self._reported(resource, response):
            return await self._run(lambda: read(redact_json(response.body)))

    async def listing(
        self,
        path: str,
        query: Query,
        kind: type[T],
        style: Pagination,
        limit: int,
        *,
        resource: str,
        priority: Priority,
        due: float,
        optional: bool = False,
    ) -> list[T]:
        """Return all rows of a list, `limit` a page, as instances of the msgspec struct `kind`.

        Unusable rows are left out and reported to the observer; texts are cut to the length of labels. Without such a
        list (404), returns an empty one if it is `optional`, and raises NotFound otherwise.
        """
        paginator = ListPaginator(kind, style)
        after = ""
        while True:
            page = [*query, ("limit", str(limit)), *([("after", after)] if after else [])]
            absent = optional and not after
            response = await self._get(path, page, resource=resource, priority=priority, due=due, optional=absent)
            if response.status == httpx.codes.NOT_FOUND:
                return []
            with self._reported(resource, response):
                after = await self._run(partial(paginator.add, response.body))
            if not after:
                self._observer.rejected(resource, paginator.rejections)
                with self._reported(resource, response):
                    paginator.check()
                return paginator.rows

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _poll(
        self,
        plan: Plan,
        start: int,
        limit: int,
        *,
        due: float,
        priority: Priority,
        known: Mapping[int, bytes],
        end: int | None,
    ) -> PollResult:
        pages = BucketPaginator(plan, start, self._clock.now(), end, known.values())
        name = plan.resource.name
        path = f"organization/{plan.resource.path}"
        cursor = ""
        while True:
            query = bucket_query(plan, pages.start, limit, cursor, end=end)
            try:
                response = await self._get(path, query, resource=name, priority=priority, due=due)
            except errors.BadRequest as error:
                if cursor and error.refuses_cursor:
                    raise errors.RefusedCursor.of(error) from None
                raise
            with self._reported(name, response):
                open_end = plan.open_end(self._latest_time(response))
                page = await self._run(
                    partial(read_page, response.body, plan, known, open_end=open_end, first=not cursor)
                )
                cursor = pages.add(page, self._clock.now())
            if not cursor:
                self._observer.rejected(name, pages.rejections)
                return pages.result(
                    self._clock.now(), label_value(redact(response.headers.get("openai-organization", "")))
                )

    def _latest_time(self, response: Response) -> float:
        """Return the Unix seconds by this machine's clock or by the response, as far as the latter is plausible."""
        now = self._clock.now()
        date = server_time(response.headers)
        return now if date is None else max(now, min(date, now + _MAX_CLOCK_LAG))

    def _limit(self, plan: Plan, start: int, end: int | None) -> int:
        now = self._clock.now()
        limit, until = self._page_limits.get(plan.resource.name, (plan.max_limit, 0.0))
        if until <= self._clock.monotonic():
            limit = plan.max_limit
        return min(BucketPaginator(plan, start, now, end).wanted(now), plan.max_limit, limit)

    async def _get(
        self,
        path: str,
        query: Query,
        *,
        resource: str,
        priority: Priority,
        due: float,
        optional: bool = False,
        expected: bool = False,
    ) -> Response:
        failures = absences = 0
        while True:
            try:
                with self._reported(resource):
                    response = await self._attempt(path, query, resource, priority, due, optional=optional)
                if not optional:
                    return response
                if response.status != httpx.codes.NOT_FOUND:
                    self._present.add(path)
                    return response
                believed_there = expected or self._repeat_not_found or path in self._present
                if absences == RETRIES or not believed_there:
                    self._present.discard(path)
                    return response
                absences += 1
                await self._clock.sleep(backoff(absences, self._chance()))
            except errors.UpstreamError as error:
                failures += 1
                may_pass = error.retryable or (self._repeat_not_found and isinstance(error, errors.NotFound))
                if not may_pass or failures > RETRIES:
                    raise
                if not error.pauses_organization:
                    pause = error.retry_after or backoff(failures, self._chance())
                    await self._clock.sleep(min(pause, _MAX_RETRY_PAUSE))

    async def _attempt(
        self, path: str, query: Query, resource: str, priority: Priority, due: float, *, optional: bool
    ) -> Response:
        permit = await self._throttle.permit(resource, priority, due)
        with permit:
            self._observer.waited(resource, permit.waited)
            headers = self._headers()
            self._observer.request(resource)
            began = self._clock.monotonic()
            try:
                response = await self._transport.get(path, query, headers)
            finally:
                self._observer.duration(self._clock.monotonic() - began)
            now = self._clock.now()
            if (date := server_time(response.headers)) is not None:
                self.skew = now - date
            if response.status == httpx.codes.OK:
                permit.answered(response.status, response.headers)
                return response
            error = classify(response.status, response.headers, response.body, now=now)
            if optional and isinstance(error, errors.NotFound) and not error.from_gateway:
                permit.answered(response.status, response.headers)
                return response
            if error.pauses_organization:
                permit.refused(error, response.headers)
            else:
                permit.answered(response.status, response.headers)
            raise error

    def _headers(self) -> dict[str, str]:
        try:
            key = self._key().strip()
        except OSError as error:
            raise errors.Unauthorized(f"the key cannot be read: {error.strerror or error}") from None
        if not key:
            raise errors.Unauthorized("the key is empty")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise errors.Unauthorized("the key has invalid characters: it is more than one line, or not a key")
        register_secret(key)
        headers = {"Authorization": f"Bearer {key}"}
        if self._organization_id:
            headers["OpenAI-Organization"] = self._organization_id
        return headers

    @contextmanager
    def _reported(self, resource: str, response: Response | None = None) -> Iterator[None]:
        try:
            yield
        except errors.UpstreamError as error:
            if response:
                error.status, error.request_id = response.status, request_id_of(response.headers)
            self._observer.error(resource, error)
            raise
