"""What may be shown: proposed by the ledgers, committed to disk, and only then adopted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from exporter.ledger import Ledger, View
from exporter.store import Entry, Name, Refusal, StateUnwritableError, Store

_log = structlog.get_logger("publish")


class TrackedLedger(Protocol):
    """One ledger, and what belongs to it in the state."""

    organization: str
    name: str
    ledger: Ledger
    refusal: Refusal
    unsaved: bool
    """Whether the ledger has changed since it was last saved."""


@dataclass(slots=True)
class _CachedView:
    """What a ledger showed last: good until the ledger changes it, or the time."""

    ledger: Ledger
    views: list[View]
    until: float


class CommitCoordinator:
    """Decides what every ledger shows at a moment. Without a store, nothing outlives the process."""

    def __init__(self, store: Store | None, hold: float) -> None:
        """`hold` (seconds): for so long a counter that was not shown before stays where it was committed."""
        self._store = store
        self._hold = hold
        self._shown: dict[tuple[str, str], _CachedView] = {}
        self.writable = store is not None
        """Whether the last commit succeeded."""
        self._behind = False
        """Whether something waits for a state that could not be written."""

    @property
    def next_change(self) -> float:
        """The moment, Unix seconds, at which time alone changes what is shown."""
        return min((shown.until for shown in self._shown.values()), default=float("inf"))

    def commit(
        self,
        tracked_ledgers: Sequence[TrackedLedger],
        mirrored: Mapping[str, str],
        now: float,
        names: Iterable[Name] = (),
    ) -> bool:
        """Save what has changed and let the counters rise; `mirrored` are OpenAI's ids of the organizations.

        Where the state cannot be written the counters stay as they are. Returns whether all is saved.
        """
        entries = list(self._entries(tracked_ledgers, now))
        names = list(names)
        if not entries and not names:
            return True
        if self._store:
            try:
                self._store.save([entry for _, entry in entries], mirrored, names)
            except StateUnwritableError as error:
                if self.writable:
                    _log.error(  # the words say it all
                        "the state cannot be written: counters stand still until it can", error=str(error)
                    )
                self.writable, self._behind = False, True
                return False
            if not self.writable:
                _log.info("the state can be written again")
            self.writable = True
        self._behind = False
        for desk, entry in entries:
            for release in entry.releases:
                release.adopt()
            desk.unsaved = False
            self._shown.pop((desk.organization, desk.name), None)
        return True

    def views(self, desk: TrackedLedger, now: float) -> tuple[list[View], bool]:
        """Return what a ledger shows at `now`, and whether that is another thing than last time."""
        if shown := self._standing(desk, now):
            return shown.views, False
        release = desk.ledger.next_release(now, self._hold)
        until = desk.ledger.next_change(now)
        shown = _CachedView(desk.ledger, desk.ledger.views(now), until if release is None else min(until, release))
        self._shown[desk.organization, desk.name] = shown
        return shown.views, True

    def _standing(self, desk: TrackedLedger, now: float) -> _CachedView | None:
        shown = self._shown.get((desk.organization, desk.name))
        good = shown and shown.ledger is desk.ledger and now < shown.until and not desk.unsaved
        return shown if good else None

    def _entries(self, tracked_ledgers: Sequence[TrackedLedger], now: float) -> Iterator[tuple[TrackedLedger, Entry]]:
        for desk in tracked_ledgers:
            if self._standing(desk, now) and not self._behind:
                continue
            releases = desk.ledger.propose(now, self._hold)
            if desk.unsaved or releases:
                yield desk, Entry(desk.organization, desk.ledger, desk.refusal, releases)
