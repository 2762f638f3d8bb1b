"""How one ledger is stored: which rows of which tables, and which of them a save touches."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from sqlite3 import Connection
from typing import Final, NamedTuple

import msgspec
import numpy as np

from exporter.catalog import Plan
from exporter.ledger import EXACT, Baseline, BucketStore, Cells, Column, CounterState, Identity, Ledger, PendingRelease
from exporter.store import schema
from exporter.store.codec import (
    DAMAGE,
    Sparse,
    StoredMask,
    column_bytes,
    pack,
    pack_labels,
    read_column,
    read_mask,
    read_sparse,
    read_times,
    sparse,
    stored_mask,
    unpack,
    unpack_labels,
)

_EARLIEST: Final = 1_420_070_400.0
"""2015-01-01, Unix seconds: OpenAI has no data from before."""


class _StoredColumn(msgspec.Struct, array_like=True):
    """One measure in one bucket."""

    amounts: bytes
    known: StoredMask | None
    """None where every row of the bucket has a value."""
    based: bool
    """Whether the bucket was there at the baseline."""
    base: bytes | None
    """What it held then; None where that is `amounts`."""
    undetermined: StoredMask | None
    partial: bool
    """See `CounterState.partial`."""


class _StoredBucket(msgspec.Struct, array_like=True):
    present: StoredMask
    measures: dict[str, _StoredColumn]


class _StoredCounter(msgspec.Struct, array_like=True):
    oldest_bucket: int
    baseline_at: float
    created: bytes
    offset: bytes
    lead: Sparse
    """`accrued` less flow."""
    pending: Sparse
    """`accrued` less released."""


class _StoredBaseline(msgspec.Struct, array_like=True):
    """One measure in one bucket at the baseline."""

    exact: bool
    amounts: bytes
    known: StoredMask


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
    buckets: bytes
    """By start (Unix seconds) when each bucket was last read, and its digest."""


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
    for start, (read_at, digest) in unpack(row.buckets, dict[int, tuple[float, bytes]]).items():
        ledger.coverage.read[start] = read_at
        if digest:
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
    digests = {} if ledger.must_redecode else ledger.digests
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
        pack({start: (time, digests.get(start, b"")) for start, time in coverage.read.items()}),
    )
    schema.LEDGERS.insert(database, [row])
    released = {id(release.counter): release.released for release in releases}
    for store in ledger.stores:
        _write_store(database, (ledger_id, store.group.key), store, released)


def read_baselines(database: Connection, ledger_id: int) -> Iterator[tuple[str, tuple[str, ...], Baseline]]:
    """Yield the measure, the label names and the baseline of every counter. Raises sqlite3.DatabaseError and DAMAGE."""
    for _, group, measure, taken_at, labels in schema.BASELINES.select(database, ledger_id):
        names, label_sets = unpack(labels, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]])
        buckets = {}
        for *_, start, content in schema.BASELINE_VALUES.select(database, ledger_id, group):
            if stored := unpack(content, dict[str, _StoredBaseline]).get(measure):
                dtype = EXACT if stored.exact else np.dtype(np.float64)
                values = read_column(stored.amounts, dtype, len(label_sets))
                buckets[int(start)] = values, read_mask(stored.known, len(label_sets))
        yield measure, names, Baseline(float(taken_at), label_sets, buckets)


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
    saved: dict[str, _StoredCounter] = {}
    for *_, content in schema.COUNTERS.select(database, *key):
        saved = unpack(content, dict[str, _StoredCounter])
    for name in saved.keys() & store.counters.keys():
        stored, counter, dtype = saved[name], counters[name], store.dtype(positions[name])
        counter.oldest_bucket, counter.baseline_at = stored.oldest_bucket, stored.baseline_at
        counter.created = read_times(stored.created, rows)
        counter.restore(
            {start: bucket.values[positions[name]] for start, bucket in cells.items()},
            read_column(stored.offset, dtype, rows),
            read_sparse(stored.lead, dtype, rows),
            read_sparse(stored.pending, dtype, rows),
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
    seen: set[str] = set()
    for *_, start, content in schema.BUCKET_VALUES.select(database, *key):
        bucket = unpack(content, _StoredBucket)
        present = read_mask(bucket.present, rows)
        cells[start] = Cells.empty(len(present), store.group.measures)
        cells[start].present = present
        seen |= bucket.measures.keys()
        for name, stored in bucket.measures.items():
            if (position := positions.get(name)) is None:
                continue
            dtype = store.dtype(position)
            values = cells[start].values[position] = read_column(stored.amounts, dtype, rows)
            cells[start].known[position] = present if stored.known is None else read_mask(stored.known, rows)
            if stored.based and name in counters:
                # one column serves both while they are the same, as it does before a restart
                counters[name].base[start] = values if stored.base is None else read_column(stored.base, dtype, rows)
                if stored.undetermined is not None:
                    counters[name].undetermined[start] = read_mask(stored.undetermined, rows)
                    counters[name].partial |= {start} if stored.partial else set()
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
        schema.BUCKET_VALUES.delete(database, *key, start)
    changed = store.cells if changes.everything else changes.starts & store.cells.keys()
    schema.BUCKET_VALUES.insert(database, ((*key, start, pack(_stored_bucket(store, start))) for start in changed))
    totals = changes.everything or changes.totals
    if totals:
        last_seen = store.last_seen.tobytes()
        schema.LABEL_GROUPS.insert(database, [(*key, last_seen, store.rows.folded_unremembered)])
        schema.FOLDED.delete(database, *key)
        schema.FOLDED.insert(database, ((*key, pack_labels(labels)) for labels in store.rows.folded))
    if totals or any(id(counter) in released for counter in store.counters.values()):
        stored = {name: counter for name, counter in store.counters.items() if counter.oldest_bucket is not None}
        content = {name: _stored_counter(store, name, released) for name in stored}
        schema.COUNTERS.insert(database, [(*key, pack(content))] if content else ())
        baselines = {name: counter.unsaved_baseline for name, counter in stored.items() if counter.unsaved_baseline}
        if baselines:
            _write_baselines(database, key, store.rows.names, baselines)


def _stored_bucket(store: BucketStore, start: int) -> _StoredBucket:
    cells = store.cells[start]
    measures = {}
    for position, measure in enumerate(store.group.measures):
        counter = store.counters.get(measure.name)
        base, undetermined = (counter.base.get(start), counter.undetermined.get(start)) if counter else (None, None)
        values, known = cells.values[position], cells.known[position]
        measures[measure.name] = _StoredColumn(
            column_bytes(values),
            None if known is cells.present else stored_mask(known),
            base is not None,
            None if base is None or base is values else column_bytes(base),
            None if undetermined is None else stored_mask(undetermined),
            counter is not None and start in counter.partial,
        )
    return _StoredBucket(stored_mask(cells.present), measures)


def _stored_counter(store: BucketStore, name: str, released: dict[int, Column]) -> _StoredCounter:
    counter = store.counters[name]
    position = next(index for index, measure in enumerate(store.group.measures) if measure.name == name)
    columns = {start: cells.values[position] for start, cells in store.cells.items()}
    return _StoredCounter(
        counter.oldest_bucket or 0,
        counter.baseline_at,
        counter.created.tobytes(),
        column_bytes(counter.offset(columns)),
        sparse(counter.accrued - counter.flow),
        sparse(counter.accrued - released.get(id(counter), counter.released)),
    )


def _write_baselines(
    database: Connection, key: tuple[int, str], names: tuple[str, ...], baselines: dict[str, Baseline]
) -> None:
    """Write the baselines of some measures; those of the others stay."""
    buckets: dict[int, dict[str, _StoredBaseline]] = {}
    with suppress(*DAMAGE):  # what cannot be read is replaced
        for *_, start, content in schema.BASELINE_VALUES.select(database, *key):
            others = unpack(content, dict[str, _StoredBaseline])
            buckets[start] = {measure: others[measure] for measure in others.keys() - baselines.keys()}
    for measure, baseline in baselines.items():
        for start, (values, known) in baseline.buckets.items():
            stored = _StoredBaseline(values.dtype == EXACT, column_bytes(values), stored_mask(known))
            buckets.setdefault(start, {})[measure] = stored
    schema.BASELINES.insert(
        database,
        (
            (*key, measure, baseline.taken_at, pack((names, baseline.label_sets)))
            for measure, baseline in baselines.items()
        ),
    )
    schema.BASELINE_VALUES.insert(database, ((*key, start, pack(content)) for start, content in buckets.items()))


def _identity(identity: Identity) -> str:
    return json.dumps([identity.group_by, identity.filters, identity.width])
