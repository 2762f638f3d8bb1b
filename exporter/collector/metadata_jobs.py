"""The jobs that ask for metadata: once for the organization, or for one project or group after the other."""

import contextlib
import math
from collections.abc import Callable, Collection, Iterable
from functools import cached_property, partial
from typing import Final, Protocol

from exporter.catalog import MetadataResource
from exporter.clock import Clock
from exporter.collector.poller import Status
from exporter.collector.schedule import Outcome
from exporter.openai import PRIORITIES, BadRequest, Entry, InvalidResponse, MetadataClient, Runner

_LOOKUPS: Final = 20
"""Ids that a poll looks up one by one."""


class Rotation:
    """Which of many are asked about in one poll: all get their turn, and no poll takes more than its quota."""

    def __init__(self, interval: float, quota: int) -> None:
        """Take seconds between two requests about the same one, and how many a poll may ask about."""
        self._interval = interval
        self._quota = quota
        self._tried: dict[str, float] = {}
        self._read: dict[str, float] = {}

    def due(self, ids: Collection[str], now: float, urgent: Collection[str] = ()) -> list[str]:
        """Return those to ask about now: the urgent ones first, then the ones not asked about for longest.

        The others of a poll that failed half-way are not asked about again.
        """
        waiting = (id_ for id_ in ids if self._read.get(id_, -math.inf) <= now - self._interval / 2)
        return sorted(waiting, key=lambda id_: (id_ not in urgent, self._tried.get(id_, -math.inf), id_))[: self._quota]

    def tried(self, id_: str, now: float) -> None:
        """Record that one is being asked about."""
        self._tried[id_] = now

    def read(self, id_: str, now: float) -> None:
        """Record an answer."""
        self._read[id_] = now

    @property
    def begun(self) -> bool:
        """Whether there was any answer yet."""
        return bool(self._read)

    def never(self, ids: Iterable[str]) -> list[str]:
        """Return those of which there was no answer yet."""
        return [id_ for id_ in ids if id_ not in self._read]

    def round(self, count: int) -> float:
        """Return the seconds in which this many have all had their turn."""
        return math.ceil(count / self._quota) * self._interval


class Destination(Protocol):
    """Where answers go. Every method is called on the thread that owns the ledgers."""

    def due(self, now: float) -> list[str]:
        """Return the projects or groups to ask about at a moment (Unix seconds)."""
        ...

    def take(self, parent: str, answer: tuple[Entry, ...], now: float) -> bool:
        """Replace what was known of a project or group (of the organization: ""), and return whether it changed."""
        ...

    def unresolved(self) -> list[str]:
        """Return the ids that are shown and have to be looked up one by one."""
        ...

    def resolve(self, id_: str, entry: Entry | None) -> bool:
        """Record what was looked up, None where there is nothing, and return whether it changed anything."""
        ...


class _MetadataJob:
    """What the jobs share."""

    affects_up = False

    def __init__(
        self,
        row: MetadataResource,
        destination: Destination,
        client: MetadataClient,
        clock: Clock,
        run: Runner,
        *,
        interval: float,
    ) -> None:
        self.name, self.interval, self.priority = row.name, interval, PRIORITIES[row.kind]
        self.status = Status()
        self._row, self._destination = row, destination
        self._client, self._clock, self._run = client, clock, run

    async def _fetch(self, due: float, parent: str = "") -> None:
        answer = await self._client.fetch(self._row, due, parent)
        now = self._clock.now()
        if await self._run(partial(self._destination.take, parent, answer, now)):
            self.status.last_change = now


class OrganizationJob(_MetadataJob):
    """Asks for an object or a list of the whole organization."""

    @cached_property
    def _lookups(self) -> Rotation:
        return Rotation(self.interval, _LOOKUPS)

    async def poll(self, due: float) -> Outcome:
        """Ask once, and then for the entries that are shown although no list has them."""
        await self._fetch(due)
        unresolved = await self._run(self._destination.unresolved)
        for id_ in self._lookups.due(unresolved, self._clock.now()):
            self._lookups.tried(id_, self._clock.now())
            try:
                found = await self._client.look_up(self._row, id_, self._clock.monotonic())
            except BadRequest:
                found = None
            except InvalidResponse:
                continue
            if await self._run(partial(self._destination.resolve, id_, found)):
                self.status.last_change = self._clock.now()
        return Outcome.DATA


class PerParentJob(_MetadataJob):
    """Asks for an object or a list of one project or group after the other."""

    def __init__(
        self,
        row: MetadataResource,
        destination: Destination,
        client: MetadataClient,
        clock: Clock,
        run: Runner,
        *,
        interval: float,
        rotation: Rotation,
        ready: Callable[[], bool],
    ) -> None:
        """`ready`: whether it is known which projects are in use."""
        super().__init__(row, destination, client, clock, run, interval=interval)
        self._rotation, self._ready = rotation, ready

    async def poll(self, due: float) -> Outcome:
        """Ask about those whose turn it is. An archived project may refuse with 400: that is no failure."""
        clock = self._clock
        parents = await self._run(partial(self._destination.due, clock.now())) if self._ready() else []
        if not (parents or self._rotation.begun):
            return Outcome.WAITING
        for parent in parents:
            self._rotation.tried(parent, clock.now())
            with contextlib.suppress(BadRequest):
                await self._fetch(due, parent)
            self._rotation.read(parent, clock.now())
            due = clock.monotonic()
        return Outcome.DATA
