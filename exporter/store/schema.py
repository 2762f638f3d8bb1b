"""The tables of the state file, how older files become newer ones, and rows that notice when they are damaged."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from sqlite3 import Connection, connect
from types import NoneType
from typing import Any, Final

import msgspec

APPLICATION_ID: Final = 0x6F756578
"""`ouex`: distinguishes the exporter's files from any other SQLite database."""

MIGRATIONS: Final = (
    """
    CREATE TABLE state (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        checksum INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE organizations (
        name TEXT PRIMARY KEY,
        openai_id TEXT NOT NULL,
        checksum INTEGER NOT NULL
    );
    CREATE TABLE names (
        organization TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        facts TEXT NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (organization, kind, id)
    ) WITHOUT ROWID;
    CREATE TABLE ledgers (
        id INTEGER PRIMARY KEY,
        organization TEXT NOT NULL,
        resource TEXT NOT NULL,
        identity TEXT NOT NULL,
        refused TEXT NOT NULL,
        refused_at REAL NOT NULL,
        covered_until REAL NOT NULL,
        gap_until INTEGER NOT NULL,
        last_success REAL,
        last_change REAL,
        buckets BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        UNIQUE (organization, resource)
    );
    CREATE TABLE label_groups (
        ledger INTEGER NOT NULL,
        label_group TEXT NOT NULL,
        last_seen BLOB NOT NULL,
        folded_unremembered INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (ledger, label_group)
    ) WITHOUT ROWID;
    CREATE TABLE label_sets (
        ledger INTEGER NOT NULL,
        label_group TEXT NOT NULL,
        row_index INTEGER NOT NULL,
        labels TEXT NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (ledger, label_group, row_index)
    ) WITHOUT ROWID;
    CREATE TABLE folded_label_sets (
        ledger INTEGER NOT NULL,
        label_group TEXT NOT NULL,
        labels TEXT NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (ledger, label_group, labels)
    ) WITHOUT ROWID;
    CREATE TABLE bucket_values (
        ledger INTEGER NOT NULL,
        label_group TEXT NOT NULL,
        start INTEGER NOT NULL,
        content BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (ledger, label_group, start)
    );
    CREATE TABLE counters (
        ledger INTEGER NOT NULL,
        label_group TEXT NOT NULL,
        content BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (ledger, label_group)
    );
    CREATE TABLE baselines (
        ledger INTEGER NOT NULL,
        label_group TEXT NOT NULL,
        measure TEXT NOT NULL,
        taken_at REAL NOT NULL,
        labels BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (ledger, label_group, measure)
    );
    CREATE TABLE baseline_values (
        ledger INTEGER NOT NULL,
        label_group TEXT NOT NULL,
        start INTEGER NOT NULL,
        content BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (ledger, label_group, start)
    );
    """,
)
"""Each script upgrades a file from its index in this list, which is the file's `user_version`, to the next."""

VERSION: Final = len(MIGRATIONS)


@dataclass(frozen=True, slots=True)
class Table:
    """One table. Every row ends with a checksum, for SQLite does not notice when content is changed on disk."""

    name: str
    columns: tuple[str, ...]
    """All but the checksum."""

    def insert(self, database: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert or replace rows. Raises sqlite3.Error."""
        marks = ", ".join("?" * (len(self.columns) + 1))
        database.executemany(
            f"INSERT OR REPLACE INTO {self.name} ({', '.join(self.columns)}, checksum) VALUES ({marks})",  # noqa: S608 # our own names
            ((*row, self._checksum(row)) for row in rows),
        )

    def select(self, database: Connection, *key: object) -> Iterator[tuple[Any, ...]]:
        """Yield the rows whose first columns are the key, in the order of the primary key.

        Raises sqlite3.DatabaseError, and ValueError for a row that is not as it was written.
        """
        for *values, checksum in database.execute(
            f"SELECT {', '.join(self.columns)}, checksum FROM {self.name}{self._where(key)}"  # noqa: S608 # names of the schema
            f" ORDER BY {', '.join(self.columns[: len(key) + 1])}",
            key,
        ):
            if checksum != self._checksum(values) or not self._fits(values):
                raise ValueError(f"a row of {self.name} is not as it was written")
            yield tuple(values)

    def delete(self, database: Connection, *key: object) -> None:
        """Delete the rows whose first columns are the key. Raises sqlite3.Error."""
        database.execute(f"DELETE FROM {self.name}{self._where(key)}", key)  # noqa: S608 # names of the schema

    def _where(self, key: tuple[object, ...]) -> str:
        return f" WHERE {' AND '.join(f'{name} = ?' for name in self.columns[: len(key)])}" if key else ""

    def _fits(self, values: Iterable[Any]) -> bool:
        """Return whether each value is of its column's type: SQLite takes any."""
        types = _types()[self.name]
        return all(isinstance(value, types[name]) for name, value in zip(self.columns, values, strict=True))

    def _checksum(self, values: Iterable[Any]) -> int:
        # SQLite returns a whole number as a float from a REAL column
        row = [float(value) if isinstance(value, int) else value for value in values]
        return zlib.crc32(msgspec.msgpack.encode((self.name, row)))


_PYTHON_TYPES: Final = {"INTEGER": int, "REAL": float, "TEXT": str, "BLOB": bytes}


@cache
def _types() -> dict[str, dict[str, tuple[type, ...]]]:
    """Return the types that the values of each column of each table may have, as the newest schema declares them."""
    with closing(connect(":memory:")) as database:
        for script in MIGRATIONS:
            database.executescript(script)
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: {
                name: (_PYTHON_TYPES[declared],) if required or key else (_PYTHON_TYPES[declared], NoneType)
                for _, name, declared, required, _, key in database.execute(f"PRAGMA table_info({table})")
            }
            for table in tables
        }


STATE: Final = Table("state", ("name", "value"))
ORGANIZATIONS: Final = Table("organizations", ("name", "openai_id"))
NAMES: Final = Table("names", ("organization", "kind", "id", "facts"))
LEDGERS: Final = Table(
    "ledgers",
    (
        "organization",
        "resource",
        "id",
        "identity",
        "refused",
        "refused_at",
        "covered_until",
        "gap_until",
        "last_success",
        "last_change",
        "buckets",
    ),
)
LABEL_GROUPS: Final = Table("label_groups", ("ledger", "label_group", "last_seen", "folded_unremembered"))
LABEL_SETS: Final = Table("label_sets", ("ledger", "label_group", "row_index", "labels"))
FOLDED: Final = Table("folded_label_sets", ("ledger", "label_group", "labels"))
BUCKET_VALUES: Final = Table("bucket_values", ("ledger", "label_group", "start", "content"))
COUNTERS: Final = Table("counters", ("ledger", "label_group", "content"))
BASELINES: Final = Table("baselines", ("ledger", "label_group", "measure", "taken_at", "labels"))
BASELINE_VALUES: Final = Table("baseline_values", ("ledger", "label_group", "start", "content"))

REWRITTEN: Final = (LABEL_GROUPS, LABEL_SETS, FOLDED, BUCKET_VALUES, COUNTERS)
"""What a label group is rewritten in when its rows have new indexes."""

LEDGER_TABLES: Final = (*REWRITTEN, BASELINES, BASELINE_VALUES)
"""What belongs to one ledger, by its id."""

TABLES: Final = (STATE, ORGANIZATIONS, NAMES, LEDGERS, *LEDGER_TABLES)
"""All tables."""
