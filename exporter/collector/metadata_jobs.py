"""What the jobs beside the buckets share, and the polling of many projects in turn."""

import math
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

from exporter.clock import Clock
from exporter.collector.label_index import LabelIndex
from exporter.collector.masking import masked
from exporter.collector.name_cache import NameCache
from exporter.collector.poller import Status
from exporter.collector.schedule import Outcome
from exporter.openai import BadRequest, Client, Observer, Priority, Runner

UNKNOWN: Final = "unknown"
PLACEHOLDERS: Final = frozenset({UNKNOWN, "other"})
"""Label values that stand for no id or for many."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MetadataContext:
    """What the jobs beside the buckets share."""

    organization: str
    client: Client
    observer: Observer
    clock: Clock
    run: Runner
    """Does work on the thread that owns the ledgers, which owns everything that families are made of as well."""
    memory: NameCache
    shown: LabelIndex
    personal_data: bool = False
    settled: Callable[[], bool] = lambda: True
    """Tells whether all ledgers have been polled, so that what is in use is known."""

    def name(self, text: str | None) -> str:
        """Return a name as it may be shown."""
        return (text or "") if self.personal_data else masked(text or "")


class Rotation:
    """Which of many are asked about in one poll: all get their turn, and no poll takes more than its quota."""

    def __init__(self, interval: float, quota: int) -> None:
        """Take seconds between two looks at the same one, and how many a poll may ask about."""
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
        """Take note that one is being asked about."""
        self._tried[id_] = now

    def read(self, id_: str, now: float) -> None:
        """Take note of an answer."""
        self._read[id_] = now

    @property
    def begun(self) -> bool:
        """Whether there was any answer yet."""
        return bool(self._read)

    def never(self, ids: Iterable[str]) -> list[str]:
        """Return those of which there was no answer yet."""
        return [id_ for id_ in ids if id_ not in self._read]

    def round(self, count: int) -> float:
        """Return the seconds in which so many have all had their turn."""
        return math.ceil(count / self._quota) * self._interval


class PerProjectJob(Generic[T]):
    """A job that asks about one project after the other."""

    counts = False

    def __init__(
        self,
        name: str,
        context: MetadataContext,
        rotation: Rotation,
        *,
        interval: float,
        priority: Priority,
        due: Callable[[float], list[str]],
        ask: Callable[[str, float], Awaitable[T]],
        keep: Callable[[str, T, float], bool],
    ) -> None:
        """Take which projects are due at a moment (Unix seconds), how to ask about one and where to put the answer.

        `keep` tells whether the answer changed anything; both `due` and `keep` run on the ledgers' thread.
        """
        self.name, self.interval, self.priority = name, interval, priority
        self.status = Status()
        self._context, self._rotation = context, rotation
        self._due, self._ask, self._keep = due, ask, keep

    async def poll(self, due: float) -> Outcome:
        """Ask about the projects whose turn it is. An archived one may refuse to tell: that is no failure."""
        clock = self._context.clock
        project_ids = await self._context.run(partial(self._due, clock.now())) if self._context.settled() else []
        if not (project_ids or self._rotation.begun):
            return Outcome.WAITING
        for project_id in project_ids:
            self._rotation.tried(project_id, clock.now())
            try:
                answer = await self._ask(project_id, due)
            except BadRequest:
                self._rotation.read(project_id, clock.now())
            else:
                now = clock.now()
                self._rotation.read(project_id, now)
                if await self._context.run(partial(self._keep, project_id, answer, now)):
                    self.status.last_change = now
            due = clock.monotonic()
        return Outcome.DATA
