"""How one ledger lies in the state file: which rows of which tables, and which of them a save touches."""

import json
from collections.abc import Sequence
from sqlite3 import Connection

import numpy as np

from exporter.catalog import Plan
from exporter.ledger import (
    BucketStore,
    Cells,
    Column,
    CounterState,
    Identity,
    Ledger,
    Mask,
    PendingRelease,
    UnsavedChanges,
)
from exporter.store.codec import (
    pack_column,
    pack_labels,
    pack_mask,
    pack_sparse,
    unpack_column,
    unpack_labels,
    unpack_mask,
    unpack_sparse,
)
from exporter.store.schema import LEDGER_TABLES


def read(database: Connection, organization: str, plan: Plan) -> Ledger:
    """Return the ledger that was saved under the plan's identity, or a new one.

    Raises sqlite3.DatabaseError, or the codec's DAMAGE on damaged content.
    """
    ledger = Ledger(plan)
    row = database.execute(
        "SELECT id, identity, covered_until, gap_until, last_success, last_change FROM ledgers"
        " WHERE organization = ? AND resource = ?",
        (organization, plan.resource.name),
    ).fetchone()
    if row is None or row[1] != _identity(ledger.identity):
        return ledger
    ledger_id = row[0]
    complete = [_read_book(database, ledger_id, book) for book in ledger.books]
    for start, time, digest in database.execute(
        "SELECT start, read, digest FROM buckets WHERE ledger = ?", (ledger_id,)
    ):
        ledger.coverage.read[int(start)] = float(time)
        if memoryview(digest):
            ledger.digests[start] = digest
    ledger.must_redecode = not all(complete)
    ledger.coverage.until, ledger.coverage.gap_until = float(row[2]), int(row[3])
    ledger.last_success, ledger.last_change = (None if time is None else float(time) for time in row[4:6])
    return ledger


def write(
    database: Connection,
    organization: str,
    ledger: Ledger,
    refused: tuple[str, float],
    releases: Sequence[PendingRelease],
) -> None:
    """Write what has changed in a ledger since it was last saved. Raises sqlite3.Error."""
    coverage = ledger.coverage
    resource, identity = ledger.plan.resource.name, _identity(ledger.identity)
    held = database.execute(
        "SELECT id, identity FROM ledgers WHERE organization = ? AND resource = ?", (organization, resource)
    ).fetchone()
    if held is None:
        (ledger_id,) = database.execute("SELECT coalesce(max(id), 0) + 1 FROM ledgers").fetchone()
    else:
        ledger_id = held[0]
    if held is None or held[1] != identity:
        for table in LEDGER_TABLES:
            database.execute(f"DELETE FROM {table} WHERE ledger = ?", (ledger_id,))  # noqa: S608 # our own table names
    database.execute(
        "INSERT OR REPLACE INTO ledgers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            ledger_id,
            organization,
            resource,
            identity,
            *refused,
            coverage.until,
            coverage.gap_until,
            ledger.last_success,
            ledger.last_change,
        ),
    )
    database.execute("DELETE FROM buckets WHERE ledger = ?", (ledger_id,))
    database.executemany(
        "INSERT INTO buckets VALUES (?, ?, ?, ?)",
        [
            (ledger_id, start, time, b"" if ledger.must_redecode else ledger.digests.get(start, b""))
            for start, time in coverage.read.items()
        ],
    )
    for book in ledger.books:
        _write_book(database, ledger_id, book, [release for release in releases if release.book is book])


def _read_book(database: Connection, ledger_id: int, book: BucketStore) -> bool:
    key = ledger_id, book.sheet.key
    named = database.execute("SELECT labels FROM rows WHERE ledger = ? AND book = ? ORDER BY place", key)
    for (labels,) in named:
        book.rows.add(unpack_labels(labels, book.rows.names))
    folded = database.execute("SELECT labels FROM folded WHERE ledger = ? AND book = ?", key)
    book.rows.folded = {unpack_labels(labels, book.rows.names) for (labels,) in folded}
    seen = database.execute("SELECT last_seen FROM books WHERE ledger = ? AND book = ?", key).fetchone()
    if seen is None:
        return False
    rows = len(book.rows)
    last_seen = np.frombuffer(seen[0], np.int64).copy()
    if len(last_seen) != rows:
        raise ValueError(f"{len(last_seen)} times for {rows} rows")
    cells, bases, undetermined, seen_measures = _read_cells(database, key, book)
    positions = {measure.name: position for position, measure in enumerate(book.sheet.measures)}
    counters: dict[str, CounterState] = {}
    totals = "SELECT measure, since, counting, carried, lead, pending FROM tallies WHERE ledger = ? AND book = ?"
    for name, since, counting, carried, lead, pending in database.execute(totals, key):
        if name not in book.counters:
            continue
        dtype = book.dtype(positions[name])
        counter = CounterState(
            dtype,
            since=int(since),
            base=bases[name],
            undetermined=undetermined[name],
            counting=unpack_mask(counting, rows),
        )
        columns = {start: bucket.values[positions[name]] for start, bucket in cells.items()}
        counter.restore(
            columns,
            unpack_column(carried, dtype, rows),
            unpack_sparse(lead, dtype, rows),
            unpack_sparse(pending, dtype, rows),
        )
        counters[name] = counter
    book.restore(cells, counters, last_seen)
    if seen_measures - positions.keys():
        book.changes = UnsavedChanges()
    return not cells or seen_measures >= positions.keys()


def _read_cells(
    database: Connection, key: tuple[int, str], book: BucketStore
) -> tuple[dict[int, Cells], dict[str, dict[int, Column]], dict[str, dict[int, Mask]], set[str]]:
    """Return the cells by bucket; by measure and bucket the bases and where they are unknown; the measures kept."""
    rows = len(book.rows)
    positions = {measure.name: position for position, measure in enumerate(book.sheet.measures)}
    cells: dict[int, Cells] = {}
    bases: dict[str, dict[int, Column]] = {name: {} for name in positions}
    for start, mask in database.execute("SELECT start, mask FROM present WHERE ledger = ? AND book = ?", key):
        present = unpack_mask(mask, rows)
        cells[int(start)] = Cells(
            present,
            [np.zeros(len(present), book.dtype(position)) for position in positions.values()],
            [np.zeros(len(present), np.bool_) for _ in positions],
        )
    undetermined: dict[str, dict[int, Mask]] = {name: {} for name in positions}
    content = "SELECT start, measure, amounts, known, base, base_unknown FROM cells WHERE ledger = ? AND book = ?"
    seen_measures = set()
    for start, name, amounts, known, base, unknown in database.execute(content, key):
        seen_measures.add(name)
        if (position := positions.get(name)) is None:
            continue
        cells[start].values[position] = unpack_column(amounts, book.dtype(position), rows)
        cells[start].known[position] = unpack_mask(known, rows)
        if base is not None:
            bases[name][start] = unpack_column(base, book.dtype(position), rows)
        if base is not None and unknown is not None:
            undetermined[name][start] = unpack_mask(unknown, rows)
    return cells, bases, undetermined, seen_measures


def _write_book(database: Connection, ledger_id: int, book: BucketStore, releases: Sequence[PendingRelease]) -> None:
    changes, name = book.changes, book.sheet.key
    if changes.everything:
        for table in LEDGER_TABLES[1:]:
            database.execute(  # our own table names
                f"DELETE FROM {table} WHERE ledger = ? AND book = ?",  # noqa: S608
                (ledger_id, name),
            )
    first = 0 if changes.everything else changes.rows_from
    database.executemany(
        "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)",
        [(ledger_id, name, first + place, pack_labels(labels)) for place, labels in enumerate(book.rows.sets[first:])],
    )
    for start in changes.expired:
        for table in ("present", "cells"):
            database.execute(
                f"DELETE FROM {table} WHERE ledger = ? AND book = ? AND start = ?",  # noqa: S608 # likewise
                (ledger_id, name, start),
            )
    for start in book.cells if changes.everything else changes.starts & book.cells.keys():
        _write_bucket(database, ledger_id, book, start)
    if not (changes.everything or changes.totals):
        for release in releases:
            _write_counter(database, ledger_id, book, release.counter, release.released)
        return
    database.execute("INSERT OR REPLACE INTO books VALUES (?, ?, ?)", (ledger_id, name, book.last_seen.tobytes()))
    database.execute("DELETE FROM folded WHERE ledger = ? AND book = ?", (ledger_id, name))
    folded = [(ledger_id, name, pack_labels(labels)) for labels in book.rows.folded]
    database.executemany("INSERT INTO folded VALUES (?, ?, ?)", folded)
    released = {id(release.counter): release.released for release in releases}
    for counter in book.counters.values():
        _write_counter(database, ledger_id, book, counter, released.get(id(counter), counter.released))


def _write_bucket(database: Connection, ledger_id: int, book: BucketStore, start: int) -> None:
    cells, name = book.cells[start], book.sheet.key
    database.execute(
        "INSERT OR REPLACE INTO present VALUES (?, ?, ?, ?)", (ledger_id, name, start, pack_mask(cells.present))
    )
    for position, measure in enumerate(book.sheet.measures):
        counter = book.counters.get(measure.name)
        base = counter.base.get(start) if counter else None
        unknown = counter.undetermined.get(start) if counter else None
        database.execute(
            "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                ledger_id,
                name,
                start,
                measure.name,
                pack_column(cells.values[position]),
                pack_mask(cells.known[position]),
                None if base is None else pack_column(base),
                None if unknown is None else pack_mask(unknown),
            ),
        )


def _write_counter(
    database: Connection, ledger_id: int, book: BucketStore, counter: CounterState, released: Column
) -> None:
    if counter.since is None:
        return
    position, measure = next(
        (position, measure)
        for position, measure in enumerate(book.sheet.measures)
        if book.counters.get(measure.name) is counter
    )
    columns = {start: cells.values[position] for start, cells in book.cells.items()}
    database.execute(
        "INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            ledger_id,
            book.sheet.key,
            measure.name,
            counter.since,
            pack_mask(counter.counting),
            pack_column(counter.offset(columns)),
            pack_sparse(counter.accrued - counter.flow),
            pack_sparse(counter.accrued - released),
        ),
    )


def _identity(identity: Identity) -> str:
    return json.dumps([identity.group_by, identity.filters, identity.width])
