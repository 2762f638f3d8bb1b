"""The state on disk: what the ledgers say has changed, in one transaction for each snapshot."""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from exporter.catalog import Plan
from exporter.ledger import Baseline, Ledger, PendingRelease
from exporter.store import ledgers
from exporter.store.codec import DAMAGE
from exporter.store.file import (
    Commit,
    Lock,
    StateInUseError,
    StateUnwritableError,
    copy_database,
    last_commit,
    open_database,
    quarantine,
    restore_file,
)
from exporter.store.schema import LEDGERS, NAMES, ORGANIZATIONS, STATE

_log = structlog.get_logger("state")

_DAMAGE: Final[tuple[type[Exception], ...]] = (sqlite3.DatabaseError, *DAMAGE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Dimensions that the API refused to group a resource by, and when (Unix seconds)."""

    dimensions: tuple[str, ...] = ()
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Name:
    """What was last known of something that has an id: a project, a key, a user."""

    organization: str
    kind: str
    id: str
    facts: Mapping[str, str]


@dataclass(slots=True)
class Entry:
    """One ledger as it is to be saved."""

    organization: str
    ledger: Ledger
    refusal: Refusal = field(default_factory=Refusal)
    releases: Sequence[PendingRelease] = ()


@dataclass(frozen=True, slots=True)
class MeasureBaseline:
    """Where the counters of one measure of one resource began."""

    resource: str
    measure: str
    label_names: tuple[str, ...]
    baseline: Baseline


class Store:
    """The state file of one exporter."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it. Raises StateInUseError.

        A file that cannot be written is read, and every `save` tries again to open it for writing.
        """
        self._path = path
        self._loaded: list[Ledger] = []
        self._lock: Lock | None = None
        self._database: sqlite3.Connection | None = None
        self.problem = ""
        """Why the file cannot be written; empty while it can."""
        self.volatile = False
        """Whether the file can neither be written nor be read: nothing outlives the process."""
        try:
            self._lock = Lock(path)
            self._database = open_database(path, self._lock.recorded)
        except StateUnwritableError as error:
            self.problem = str(error)
            self._read_only()
        except BaseException:
            self._release()
            raise

    @property
    def size(self) -> int:
        """Bytes on disk, the write-ahead log included."""
        parts = (Path(f"{self._path}{suffix}") for suffix in ("", "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def organization(self, name: str) -> str:
        """Return the OpenAI organization that was last seen under the name, or nothing."""
        try:
            for row in ORGANIZATIONS.select(self._database, name) if self._database else ():
                return str(row[1])
        except _DAMAGE as error:
            self._replace_file(f"{name}: {error}")
        return ""

    def refusal(self, organization: str, resource: str) -> Refusal:
        """Return what the API last refused to group this resource by."""
        try:
            row = ledgers.read_row(self._database, organization, resource) if self._database else None
            return Refusal(tuple(json.loads(row.refused)), row.refused_at) if row else Refusal()
        except _DAMAGE as error:
            self._replace_file(f"{organization}, {resource}: {error}")
            return Refusal()

    def names(self, organization: str) -> list[Name]:
        """Return the names that were last known, of everything that ever had one."""
        try:
            rows = NAMES.select(self._database, organization) if self._database else ()
            return [Name(organization, kind, id_, dict(json.loads(facts))) for _, kind, id_, facts in rows]
        except _DAMAGE as error:
            self._replace_file(f"{organization}, names: {error}")
            return []

    def load(self, organization: str, plan: Plan) -> Ledger:
        """Return the saved ledger, or a new one where none was saved under the plan's identity.

        A file whose content cannot be read is quarantined; what had been loaded from it goes into the new one.
        """
        try:
            ledger = ledgers.read(self._database, organization, plan) if self._database else Ledger(plan)
        except _DAMAGE as error:
            self._replace_file(f"{organization}, {plan.resource.name}: {error}")
            ledger = Ledger(plan)
        self._loaded.append(ledger)
        return ledger

    def baselines(self, organization: str) -> list[MeasureBaseline]:
        """Return where the counters of an organization began, and what their buckets held then.

        Raises StateUnwritableError when the file cannot be read.
        """
        try:
            return [*_baselines(self._database, organization)] if self._database else []
        except _DAMAGE as error:
            raise StateUnwritableError(f"{self._path}: {error}") from error

    def save(self, entries: Iterable[Entry], organizations: Mapping[str, str], names: Iterable[Name] = ()) -> None:
        """Commit what has changed and what is about to be shown.

        Raises StateUnwritableError, and then nothing has been saved.
        """
        saved = list(entries)
        database, lock = self._writable()
        try:
            database.execute("BEGIN IMMEDIATE")
            ORGANIZATIONS.insert(database, organizations.items())
            NAMES.insert(
                database,
                ((name.organization, name.kind, name.id, json.dumps(dict(name.facts))) for name in names),
            )
            for entry in saved:
                refused = json.dumps(entry.refusal.dimensions), entry.refusal.at
                ledgers.write(database, entry.organization, entry.ledger, refused, entry.releases)
            held = last_commit(database)
            commit = Commit(held.state_id, held.sequence + 1)
            STATE.insert(database, [("commit", str(commit.sequence))])
            database.execute("COMMIT")
        except BaseException as error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise StateUnwritableError(f"{self._path}: {error}") from error
            raise
        lock.record(commit)
        for entry in saved:
            entry.ledger.mark_saved()

    def close(self) -> None:
        """Close the file and let others have it."""
        if self._database:
            self._database.close()
        self._release()

    def _read_only(self) -> None:
        """Go on with a copy of what the file holds."""
        try:
            self._database = copy_database(self._path, self._lock.recorded if self._lock else None)
        except StateUnwritableError as error:
            self.volatile = True
            with contextlib.suppress(OSError):
                if self._path.exists():
                    self.problem = str(error)

    def _writable(self) -> tuple[sqlite3.Connection, Lock]:
        """Return the file, opened for writing if it could not be before, or restored if somebody removed it.

        Raises StateUnwritableError.
        """
        try:
            if self.problem:
                self._reopen()
            if self._database and not self._path.exists():
                self._restore_file(self._database)
        except (sqlite3.Error, OSError, StateInUseError) as error:
            raise StateUnwritableError(f"{self._path}: {error}") from error
        if self._database is None or self._lock is None:
            raise StateUnwritableError(f"{self._path} is closed")
        return self._database, self._lock

    def _reopen(self) -> None:
        self._release()
        self._lock = Lock(self._path)
        database = open_database(self._path, self._lock.recorded)
        commit = last_commit(database)
        if self._database is None and commit.sequence:
            database.close()
            quarantine(self._path, "it could not be read when the exporter started, and its counters have gone on")
            database = open_database(self._path, None)
        elif self._database is not None and commit != (held := last_commit(self._database)):
            if commit.state_id == held.state_id:
                database.close()
                raise StateUnwritableError(f"{self._path} was changed by another exporter: restart this one")
            for ledger in self._loaded:
                ledger.mark_unsaved()
        self._database, self.problem, self.volatile = database, "", False

    def _restore_file(self, database: sqlite3.Connection) -> None:
        if self._lock is None or not self._lock.in_place:
            lock = Lock(self._path)
            self._release()
            self._lock = lock
        self._database = restore_file(self._path, database)

    def _replace_file(self, reason: str) -> None:
        """Set a damaged file aside; what was loaded from it goes into a new one."""
        if self._database:
            self._database.close()
        self._database = None
        for ledger in self._loaded:
            ledger.mark_unsaved()
        if self.problem:
            self.volatile = True
            _log.error("state_damaged", path=str(self._path), reason=reason, detail="counters start at a new baseline")
            return
        quarantine(self._path, reason)
        self._database = open_database(self._path, None)

    def _release(self) -> None:
        if self._lock:
            self._lock.release()
        self._lock = None


def read_baselines(path: Path, organization: str) -> list[MeasureBaseline]:
    """Return where the counters of an organization began, from the state file of an exporter that may be running.

    Raises StateUnwritableError when the file cannot be read.
    """
    database = copy_database(path)
    try:
        return [*_baselines(database, organization)]
    except _DAMAGE as error:
        raise StateUnwritableError(f"{path}: {error}") from error
    finally:
        database.close()


def _baselines(database: sqlite3.Connection, organization: str) -> Iterator[MeasureBaseline]:
    for row in LEDGERS.select(database, organization):
        ledger = ledgers.LedgerRow(*row)
        for measure, names, baseline in ledgers.read_baselines(database, ledger.id):
            yield MeasureBaseline(ledger.resource, measure, names, baseline)
