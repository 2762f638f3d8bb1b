"""Commits: ledgers propose counter values, the store commits them, and only then are they exported."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

import structlog

from exporter.clock import Moment
from exporter.ledger import Ledger, View
from exporter.store import Entry, Name, Refusal, StateUnwritableError, Store

_log = structlog.get_logger("publish")

_LEDGERS_PER_COMMIT: Final = 2048
"""The most that one commit writes, so that no publish is long; the others wait for the next."""

Key = tuple[str, str]
"""Organization and resource."""


class TrackedLedger(Protocol):
    """One ledger and its identity in the state."""

    organization: str
    name: str
    ledger: Ledger
    refusal: Refusal
    unsaved: bool
    """Whether the ledger has changed since it was last saved."""


@dataclass(frozen=True, slots=True)
class _CachedView:
    """The last views of a ledger: valid until a poll or the time changes them."""

    ledger: Ledger
    revision: int
    """Of the ledger."""
    views: list[View]
    made: float
    """Unix seconds."""
    until: float
    """Unix seconds at which gauges change."""
    release: float
    """Monotonic seconds at which a counter's hold ends."""

    def valid(self, ledger: Ledger, at: Moment) -> bool:
        same = self.ledger is ledger and self.revision == ledger.revision
        return same and self.made <= at.now < self.until and at.monotonic < self.release


class CommitCoordinator:
    """Decides which values of each ledger are exported. Without a store, nothing survives a restart."""

    def __init__(self, store: Store | None, hold: float) -> None:
        """`hold`: seconds for which a counter that was not shown before stays where it was committed."""
        self._store = store
        self._hold = hold
        self._cache: dict[Key, _CachedView] = {}
        self._waiting: dict[Key, None] = {}
        """Ledgers that the last commit left to the next one, in their order."""
        self._taken: set[Key] = set()
        """Ledgers that a commit has had."""
        self.writable = store is not None and not store.problem
        """Whether the last commit succeeded."""
        self._behind = False
        """Whether values wait for a commit that failed."""

    @property
    def pending(self) -> bool:
        """Whether ledgers wait for the next commit: their counters are exported as they were committed."""
        return bool(self._waiting)

    @property
    def first_pending(self) -> bool:
        """Whether a ledger waits for its first commit."""
        return not self._waiting.keys() <= self._taken

    def until_change(self, at: Moment) -> float:
        """Return the seconds until time alone changes an exported value."""
        cached = [view for key, view in self._cache.items() if key not in self._waiting]
        return min((min(view.until - at.now, view.release - at.monotonic) for view in cached), default=float("inf"))

    def commit(
        self,
        tracked_ledgers: Sequence[TrackedLedger],
        openai_ids: Mapping[str, str],
        at: Moment,
        names: Iterable[Name] = (),
    ) -> bool:
        """Save changes and release counter increases; `openai_ids` are those of the organizations.

        Where the state cannot be written the counters stay as they were committed. Returns whether the names are saved.
        """
        entries = list(self._entries(tracked_ledgers, at))
        names = list(names)
        if not entries and not names:
            return True
        saved = self._save([entry for _, entry in entries], openai_ids, names)
        volatile = self._store is None or self._store.volatile
        self._behind = not saved
        for tracked, entry in entries:
            for release in entry.releases:
                if saved or volatile:
                    release.adopt()
                else:
                    release.hold()
            tracked.unsaved = not saved and not volatile
            self._cache.pop((tracked.organization, tracked.name), None)
        return saved

    def views(self, tracked: TrackedLedger, at: Moment) -> tuple[list[View], bool]:
        """Return the views of a ledger at a time, and whether they differ from the last ones."""
        if cached := self._cached(tracked, at):
            return cached.views, False
        release = tracked.ledger.next_release(at.monotonic, self._hold)
        cached = _CachedView(
            tracked.ledger,
            tracked.ledger.revision,
            tracked.ledger.views(at.now),
            at.now,
            tracked.ledger.next_change(at.now),
            float("inf") if release is None else release,
        )
        self._cache[tracked.organization, tracked.name] = cached
        return cached.views, True

    def _save(self, entries: Sequence[Entry], openai_ids: Mapping[str, str], names: Sequence[Name]) -> bool:
        if self._store is None:
            return True
        try:
            self._store.save(entries, openai_ids, names)
        except StateUnwritableError as error:
            if self.writable:
                _log.error(
                    "state_not_writable", error=str(error), detail="counters stand still until it can be written"
                )
            self.writable = False
            return False
        if not self.writable:
            _log.info("state_writable_again")
        self.writable = True
        return True

    def _cached(self, tracked: TrackedLedger, at: Moment) -> _CachedView | None:
        cached = self._cache.get((tracked.organization, tracked.name))
        return cached if cached and cached.valid(tracked.ledger, at) else None

    def _entries(self, tracked_ledgers: Sequence[TrackedLedger], at: Moment) -> Iterator[tuple[TrackedLedger, Entry]]:
        due = {
            (tracked.organization, tracked.name): tracked
            for tracked in tracked_ledgers
            if self._behind or tracked.unsaved or not self._cached(tracked, at)
        }
        self._waiting = dict.fromkeys((*filter(due.__contains__, self._waiting), *due))
        for key in list(islice(self._waiting, None if self._behind else _LEDGERS_PER_COMMIT)):
            del self._waiting[key]
            self._taken.add(key)
            tracked = due[key]
            releases = tracked.ledger.propose(at.monotonic, self._hold)
            if tracked.unsaved or releases or self._behind:
                yield tracked, Entry(tracked.organization, tracked.ledger, tracked.refusal, releases)
