"""How one ledger is stored: which rows of which tables, and which of them a save touches."""

import json
import zlib
from collections.abc import Iterator, Sequence
from sqlite3 import Connection
from typing import Any, Final, NamedTuple

import numpy as np

from exporter.catalog import Plan
from exporter.ledger import (
    EXACT,
    Baseline,
    BucketStore,
    Cells,
    Column,
    CounterState,
    Identity,
    Ledger,
    Mask,
    PendingRelease,
)
from exporter.store import schema
from exporter.store.codec import (
    pack_column,
    pack_labels,
    pack_mask,
    pack_sparse,
    pack_times,
    unpack_column,
    unpack_labels,
    unpack_mask,
    unpack_sparse,
    unpack_times,
)

_EARLIEST: Final = 1_420_070_400.0
"""2015-01-01, Unix seconds: OpenAI has no data from before."""


class LedgerRow(NamedTuple):
    """One row of the table `ledgers`."""

    organization: str
    resource: str
    id: int
    identity: str
    refused: str
    refused_at: float
    covered_until: float
    gap_until: int
    last_success: float | None
    last_change: float | None


def read_row(database: Connection, organization: str, resource: str) -> LedgerRow | None:
    """Return what is stored of a ledger as a whole. Raises sqlite3.DatabaseError and DAMAGE."""
    for row in schema.LEDGERS.select(database, organization, resource):
        return LedgerRow(*row)
    return None


def read(database: Connection, organization: str, plan: Plan) -> Ledger:
    """Return the ledger that was saved under the plan's identity, or a new one.

    Raises sqlite3.DatabaseError, or the codec's DAMAGE on damaged content.
    """
    ledger = Ledger(plan)
    row = read_row(database, organization, plan.resource.name)
    if row is None or row.identity != _identity(ledger.identity):
        return ledger
    if row.covered_until and row.covered_until < _EARLIEST:
        raise ValueError(f"covered until {row.covered_until:g}, before there was anything to read")
    complete = [_read_store(database, row.id, store) for store in ledger.stores]
    for _, start, read_at, digest in schema.BUCKETS.select(database, row.id):
        ledger.coverage.read[int(start)] = float(read_at)
        if memoryview(digest):
            ledger.digests[start] = digest
    ledger.must_redecode = not all(complete)
    ledger.coverage.until, ledger.coverage.gap_until = float(row.covered_until), int(row.gap_until)
    ledger.last_success, ledger.last_change = row.last_success, row.last_change
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
        for table in schema.LEDGER_TABLES:
            table.delete(database, ledger_id)
    row = LedgerRow(
        organization,
        resource,
        ledger_id,
        identity,
        *refused,
        coverage.until,
        coverage.gap_until,
        ledger.last_success,
        ledger.last_change,
    )
    schema.LEDGERS.insert(database, [row])
    schema.BUCKETS.delete(database, ledger_id)
    schema.BUCKETS.insert(
        database,
        (
            (ledger_id, start, time, b"" if ledger.must_redecode else ledger.digests.get(start, b""))
            for start, time in coverage.read.items()
        ),
    )
    released = {id(release.counter): release.released for release in releases}
    for store in ledger.stores:
        _write_store(database, (ledger_id, store.group.key), store, released)


def read_baselines(database: Connection, ledger_id: int) -> Iterator[tuple[str, tuple[str, ...], Baseline]]:
    """Yield the measure, the label names and the baseline of every counter. Raises sqlite3.DatabaseError and DAMAGE."""
    for _, group, measure, taken_at, names, packed in schema.BASELINES.select(database, ledger_id):
        label_sets = tuple(tuple(labels) for labels in json.loads(zlib.decompress(packed)))
        buckets = {}
        for *_, start, amounts, known in schema.BASELINE_VALUES.select(database, ledger_id, group, measure):
            exact, column = amounts[:1] == b"x", amounts[1:]
            values = unpack_column(column, EXACT if exact else np.dtype(np.float64), len(label_sets))
            buckets[int(start)] = values, unpack_mask(known, len(label_sets))
        yield measure, tuple(json.loads(names)), Baseline(float(taken_at), label_sets, buckets)


def _read_store(database: Connection, ledger_id: int, store: BucketStore) -> bool:
    """Fill a store; return whether the state has every measure of it."""
    key = ledger_id, store.group.key
    for *_, labels in schema.LABEL_SETS.select(database, *key):
        store.rows.add(unpack_labels(labels, store.rows.names))
    store.rows.folded = {unpack_labels(labels, store.rows.names) for *_, labels in schema.FOLDED.select(database, *key)}
    rows = len(store.rows)
    last_seen = None
    for *_, packed, store.rows.folded_unremembered in schema.LABEL_GROUPS.select(database, *key):
        last_seen = np.frombuffer(packed, np.int64).copy()
    if last_seen is None:
        return False
    if len(last_seen) != rows:
        raise ValueError(f"{len(last_seen)} times for {rows} rows")
    cells, counters, seen = _read_buckets(database, key, store)
    positions = {measure.name: position for position, measure in enumerate(store.group.measures)}
    restored: dict[str, CounterState] = {}
    for _, _, name, oldest, baseline_at, created, offset, lead, pending in schema.COUNTERS.select(database, *key):
        if name not in store.counters:
            continue
        counter, dtype = counters[name], store.dtype(positions[name])
        counter.oldest_bucket, counter.baseline_at = int(oldest), float(baseline_at)
        counter.created = unpack_times(created, rows)
        counter.restore(
            {start: bucket.values[positions[name]] for start, bucket in cells.items()},
            unpack_column(offset, dtype, rows),
            unpack_sparse(lead, dtype, rows),
            unpack_sparse(pending, dtype, rows),
        )
        restored[name] = counter
    store.restore(cells, restored, last_seen, complete=not seen - positions.keys())
    return not cells or seen >= positions.keys()


def _read_buckets(
    database: Connection, key: tuple[int, str], store: BucketStore
) -> tuple[dict[int, Cells], dict[str, CounterState], set[str]]:
    """Return the cells by bucket, counters that have their base, and the measures that the state has values of."""
    rows = len(store.rows)
    positions = {measure.name: position for position, measure in enumerate(store.group.measures)}
    counters = {name: CounterState(store.dtype(positions[name])) for name in store.counters}
    cells: dict[int, Cells] = {}
    for *_, start, present in schema.BUCKET_ROWS.select(database, *key):
        mask = unpack_mask(present, rows)
        cells[int(start)] = Cells.empty(len(mask), store.group.measures)
        cells[int(start)].present = mask
    seen = set()
    for *_, start, name, amounts, known, base, undetermined, partial in schema.BUCKET_VALUES.select(database, *key):
        seen.add(name)
        if (position := positions.get(name)) is None:
            continue
        cells[start].values[position] = unpack_column(amounts, store.dtype(position), rows)
        cells[start].known[position] = unpack_mask(known, rows)
        if base is not None and name in counters:
            values = cells[start].values[position]
            same = base == amounts  # then one column serves both, as it does before a restart
            counters[name].base[start] = values if same else unpack_column(base, store.dtype(position), rows)
            if undetermined is not None:
                counters[name].undetermined[start] = unpack_mask(undetermined, rows)
                counters[name].partial |= {start} if partial else set()
    return cells, counters, seen


def _write_store(database: Connection, key: tuple[int, str], store: BucketStore, released: dict[int, Column]) -> None:
    changes = store.changes
    if changes.everything:
        for table in schema.REWRITTEN:
            table.delete(database, *key)
    first = 0 if changes.everything else changes.first_row
    schema.LABEL_SETS.insert(
        database, ((*key, first + row, pack_labels(labels)) for row, labels in enumerate(store.rows.sets[first:]))
    )
    for start in changes.expired:
        for table in (schema.BUCKET_ROWS, schema.BUCKET_VALUES):
            table.delete(database, *key, start)
    for start in store.cells if changes.everything else changes.starts & store.cells.keys():
        _write_bucket(database, key, store, start)
    totals = changes.everything or changes.totals
    if totals:
        last_seen = store.last_seen.tobytes()
        schema.LABEL_GROUPS.insert(database, [(*key, last_seen, store.rows.folded_unremembered)])
        schema.FOLDED.delete(database, *key)
        schema.FOLDED.insert(database, ((*key, pack_labels(labels)) for labels in store.rows.folded))
    for position, measure in enumerate(store.group.measures):
        counter = store.counters.get(measure.name)
        if counter and counter.oldest_bucket is not None and (totals or id(counter) in released):
            columns = {start: cells.values[position] for start, cells in store.cells.items()}
            shown = released.get(id(counter), counter.released)
            _write_counter(database, (*key, measure.name), counter, columns, shown)
            if counter.unsaved_baseline:
                _write_baseline(database, (*key, measure.name), store.rows.names, counter.unsaved_baseline)


def _write_bucket(database: Connection, key: tuple[int, str], store: BucketStore, start: int) -> None:
    cells = store.cells[start]
    schema.BUCKET_ROWS.insert(database, [(*key, start, pack_mask(cells.present))])
    rows = []
    for position, measure in enumerate(store.group.measures):
        counter = store.counters.get(measure.name)
        base, undetermined = (counter.base.get(start), counter.undetermined.get(start)) if counter else (None, None)
        rows.append(
            (
                *key,
                start,
                measure.name,
                pack_column(cells.values[position]),
                pack_mask(cells.known[position]),
                None if base is None else pack_column(base),
                None if undetermined is None else pack_mask(undetermined),
                int(counter is not None and start in counter.partial),
            )
        )
    schema.BUCKET_VALUES.insert(database, rows)


def _write_counter(
    database: Connection,
    key: tuple[int, str, str],
    counter: CounterState,
    buckets: dict[int, Column],
    released: Column,
) -> None:
    row = (
        *key,
        counter.oldest_bucket,
        counter.baseline_at,
        pack_times(counter.created),
        pack_column(counter.offset(buckets)),
        pack_sparse(counter.accrued - counter.flow),
        pack_sparse(counter.accrued - released),
    )
    schema.COUNTERS.insert(database, [row])


def _write_baseline(
    database: Connection, key: tuple[int, str, str], names: tuple[str, ...], baseline: Baseline
) -> None:
    label_sets = zlib.compress(json.dumps(baseline.label_sets, ensure_ascii=False).encode(), 1)
    schema.BASELINES.insert(database, [(*key, baseline.taken_at, json.dumps(names), label_sets)])
    schema.BASELINE_VALUES.delete(database, *key)

    def row(start: int, values: Column, known: Mask) -> tuple[Any, ...]:
        kind = b"x" if values.dtype == EXACT else b"f"
        return (*key, start, kind + pack_column(values), pack_mask(known))

    schema.BASELINE_VALUES.insert(database, (row(start, *bucket) for start, bucket in baseline.buckets.items()))


def _identity(identity: Identity) -> str:
    return json.dumps([identity.group_by, identity.filters, identity.width])
