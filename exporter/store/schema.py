"""The tables of the state file, and how older files become newer ones."""

from typing import Final

APPLICATION_ID: Final = 0x6F756578
"""`ouex`: tells the exporter's files from any other SQLite database."""

MIGRATIONS: Final = (
    """
    CREATE TABLE organizations (
        name TEXT PRIMARY KEY,
        openai_id TEXT NOT NULL
    );
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
        UNIQUE (organization, resource)
    );
    CREATE TABLE buckets (
        ledger INTEGER NOT NULL,
        start INTEGER NOT NULL,
        read REAL NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (ledger, start)
    ) WITHOUT ROWID;
    CREATE TABLE books (
        ledger INTEGER NOT NULL,
        book TEXT NOT NULL,
        last_seen BLOB NOT NULL,
        PRIMARY KEY (ledger, book)
    ) WITHOUT ROWID;
    CREATE TABLE rows (
        ledger INTEGER NOT NULL,
        book TEXT NOT NULL,
        place INTEGER NOT NULL,
        labels TEXT NOT NULL,
        PRIMARY KEY (ledger, book, place)
    ) WITHOUT ROWID;
    CREATE TABLE folded (
        ledger INTEGER NOT NULL,
        book TEXT NOT NULL,
        labels TEXT NOT NULL,
        PRIMARY KEY (ledger, book, labels)
    ) WITHOUT ROWID;
    CREATE TABLE present (
        ledger INTEGER NOT NULL,
        book TEXT NOT NULL,
        start INTEGER NOT NULL,
        mask BLOB NOT NULL,
        PRIMARY KEY (ledger, book, start)
    );
    CREATE TABLE cells (
        ledger INTEGER NOT NULL,
        book TEXT NOT NULL,
        start INTEGER NOT NULL,
        measure TEXT NOT NULL,
        amounts BLOB NOT NULL,
        known BLOB NOT NULL,
        base BLOB,
        base_unknown BLOB,
        PRIMARY KEY (ledger, book, start, measure)
    );
    CREATE TABLE tallies (
        ledger INTEGER NOT NULL,
        book TEXT NOT NULL,
        measure TEXT NOT NULL,
        since INTEGER NOT NULL,
        counting BLOB NOT NULL,
        carried BLOB NOT NULL,
        lead BLOB NOT NULL,
        pending BLOB NOT NULL,
        PRIMARY KEY (ledger, book, measure)
    );
    CREATE TABLE names (
        organization TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (organization, kind, id)
    ) WITHOUT ROWID;
    """,
)
"""Each script takes a file from its place in this list, which is the file's `user_version`, to the next."""

VERSION: Final = len(MIGRATIONS)

LEDGER_TABLES: Final = ("buckets", "books", "rows", "folded", "present", "cells", "tallies")
"""What belongs to one ledger, by its id."""
