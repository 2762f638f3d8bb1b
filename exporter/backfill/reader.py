"""Reads the buckets of one resource, a page at a time and in order."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from exporter.backfill.bucket_cache import BucketCache
from exporter.catalog import DAY, HOUR, WIDTHS, ApiFamily, Bucket, Kind, Plan, PollResult, day_of
from exporter.clock import Clock
from exporter.openai import Client, MissingBucket, Priority, negotiate


@dataclass(frozen=True, slots=True)
class Source:
    """One organization."""

    name: str
    """The value of the label `organization`."""
    plans: tuple[Plan, ...]
    client: Client
    """Made with `repeat_not_found`: what it says is not there is left out of the history."""
    admit: Callable[[str], None] = lambda _: None
    """Gets the id of the organization that each answer names; what it raises ends the backfill."""


class Reader:
    """The buckets of one plan. Every method raises UpstreamError, and OSError where the cache cannot be used."""

    def __init__(self, source: Source, plan: Plan, clock: Clock, cache: BucketCache | None) -> None:
        """Take a plan as it is polled; `plan` may lack dimensions after `begin`, which the API refused.

        What the cache has is not requested again.
        """
        self.plan = plan
        self._cache, self._key = cache, (source.name, plan.resource.name)
        hourly = "1h" in plan.resource.widths and all(measure.kind is Kind.FLOW for measure in plan.measures)
        self.width = HOUR if hourly else DAY
        self._client, self._clock, self._admit = source.client, clock, source.admit
        self._ahead: dict[int, Bucket] = {}
        self._read_until = 0
        self._served = False
        self._priority = Priority.COSTS if plan.resource.branch is ApiFamily.COSTS else Priority.USAGE

    async def begin(self, start: int, end: int) -> list[Bucket]:
        """Return the daily buckets of a span before the history, and learn which grouping the API accepts."""

        async def ask(plan: Plan) -> PollResult:
            return await self._poll(plan, start, end)

        if self._cache and (saved := self._cache.load(self.plan, *self._key, start, end)):
            group_by, buckets = saved
            self._served = bool(buckets)
        else:
            accepted, result, _ = await negotiate(replace(self.plan, width="1d"), ask, suspicious=True)
            group_by, buckets = accepted.group_by, self._checked(result, DAY)
            if self._cache:
                self._cache.save(accepted, buckets, *self._key, start, end)
        self.plan = self.plan.regrouped(group_by)
        return buckets

    async def between(self, start: int, end: int) -> list[Bucket]:
        """Return the buckets of a span that begins at midnight; the next span begins where this one ends."""
        name = next(name for name, seconds in WIDTHS.items() if seconds == self.width)
        plan = replace(self.plan, width=name)
        if self._read_until < end:
            first, until = max(start, self._read_until), day_of(end - 1) + DAY
            if self.width == DAY:
                until = max(until, first + plan.max_limit * DAY)
            self._ahead |= {bucket.start: bucket for bucket in await self._read(plan, first, until)}
            self._read_until = until
        starts = sorted(each for each in self._ahead if each < end)
        return [self._ahead.pop(each) for each in starts]

    async def _read(self, plan: Plan, start: int, end: int) -> list[Bucket]:
        if self._cache and (saved := self._cache.load(plan, *self._key, self.width, start, end)):
            _, buckets = saved
            self._served = self._served or bool(buckets)
            return buckets
        buckets = self._checked(await self._poll(plan, start, end), self.width)
        if self._cache:
            self._cache.save(plan, buckets, *self._key, self.width, start, end)
        return buckets

    async def _poll(self, plan: Plan, start: int, end: int) -> PollResult:
        first = max(start, *(plan.resource.not_before.get(dimension, 0) for dimension in plan.group_by), 0)
        closed = day_of(self._clock.now())
        until = end if first < end <= closed else None
        due = self._clock.monotonic()
        result = await self._client.poll(plan, first, due=due, priority=self._priority, end=until)
        self._admit(result.organization)
        return result

    def _checked(self, result: PollResult, width: int) -> list[Bucket]:
        """Return the buckets of a result. Raises MissingBucket where one is missing after the oldest that is served."""
        held = {bucket.start: bucket for bucket in result.buckets}
        if not (held or self._served):
            return []
        first, last = result.start if self._served else min(held), max(held, default=result.start)
        closed = min(result.end, day_of(result.received) - DAY)
        self._served = True
        if missing := [start for start in range(first, max(last, closed), width) if start not in held]:
            raise MissingBucket(f"{len(missing)} of the requested buckets are missing, from {missing[0]} on")
        return [held[start] for start in sorted(held)]
