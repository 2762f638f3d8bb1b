"""The state on disk: what the ledgers say has changed, in one transaction per snapshot."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from exporter.catalog import Plan
from exporter.ledger import Ledger, PendingRelease, UnsavedChanges
from exporter.store import ledgers
from exporter.store.codec import DAMAGE
from exporter.store.file import Lock, StateInUseError, StateUnwritableError, open_database, put_back, set_aside

_log = structlog.get_logger("state")


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


class Store:
    """The state file of one exporter."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises StateInUseError and StateUnwritableError, both in words for the operator."""
        self._path = path
        self._loaded: list[Ledger] = []
        self._lock = Lock(path)
        try:
            self._database = open_database(path)
        except BaseException:
            self._lock.release()
            raise

    @property
    def size(self) -> int:
        """Bytes on disk, the write-ahead log included."""
        parts = (Path(f"{self._path}{suffix}") for suffix in ("", "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def organization(self, name: str) -> str:
        """Return which OpenAI organization the name was last seen to bucket_job, or nothing."""
        row = self._database.execute("SELECT openai_id FROM organizations WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def refusal(self, organization: str, resource: str) -> Refusal:
        """Return what the API last refused to group this resource by."""
        row = self._database.execute(
            "SELECT refused, refused_at FROM ledgers WHERE organization = ? AND resource = ?", (organization, resource)
        ).fetchone()
        try:
            return Refusal(tuple(json.loads(row[0])), float(row[1])) if row else Refusal()
        except DAMAGE as error:
            self._begin_anew(f"{organization}, {resource}: {error}")
            return Refusal()

    def names(self, organization: str) -> list[Name]:
        """Return the names that were last known, of everything that ever had one."""
        rows = self._database.execute("SELECT kind, id, facts FROM names WHERE organization = ?", (organization,))
        try:
            return [Name(organization, kind, id_, dict(json.loads(facts))) for kind, id_, facts in rows]
        except DAMAGE as error:
            self._begin_anew(f"{organization}, names: {error}")
            return []

    def load(self, organization: str, plan: Plan) -> Ledger:
        """Return the saved ledger, or a new one where none was saved under the plan's identity.

        A file whose content cannot be read is set aside; what had been loaded from it goes into the new one.
        """
        try:
            ledger = ledgers.read(self._database, organization, plan)
        except (sqlite3.DatabaseError, *DAMAGE) as error:
            self._begin_anew(f"{organization}, {plan.resource.name}: {error}")
            ledger = Ledger(plan)
        self._loaded.append(ledger)
        return ledger

    def save(self, entries: Iterable[Entry], organizations: Mapping[str, str], names: Iterable[Name] = ()) -> None:
        """Commit what has changed and what is about to be shown.

        Raises StateUnwritableError, and then nothing has been saved.
        """
        saved = list(entries)
        self._put_back()
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                "INSERT OR REPLACE INTO organizations VALUES (?, ?)", list(organizations.items())
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?)",
                [(name.organization, name.kind, name.id, json.dumps(dict(name.facts))) for name in names],
            )
            for entry in saved:
                refused = json.dumps(entry.refusal.dimensions), entry.refusal.at
                ledgers.write(self._database, entry.organization, entry.ledger, refused, entry.releases)
            self._database.execute("COMMIT")
        except BaseException as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise StateUnwritableError(f"{self._path}: {error}") from error
            raise
        for entry in saved:
            for book in entry.ledger.books:
                book.changes = UnsavedChanges(everything=False, rows_from=len(book.rows))

    def close(self) -> None:
        """Close the file and let others have it."""
        self._database.close()
        self._lock.release()

    def _put_back(self) -> None:
        """See to it that what is committed can be found again, whoever tidied up."""
        if self._path.exists():
            return
        try:
            if not self._lock.in_place:
                lock = Lock(self._path)
                self._lock.release()
                self._lock = lock
            self._database = put_back(self._path, self._database)
        except (sqlite3.Error, OSError, StateInUseError) as error:
            raise StateUnwritableError(f"{self._path}: {error}") from error

    def _begin_anew(self, reason: str) -> None:
        self._database.close()
        set_aside(self._path, reason)
        self._database = open_database(self._path)
        for book in (book for loaded in self._loaded for book in loaded.books):
            book.changes = UnsavedChanges()
