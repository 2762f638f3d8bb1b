"""Whatever is wrong inside the file, the exporter starts, keeps what it found, and says so."""

import sqlite3
import zlib
from copy import deepcopy
from pathlib import Path
from shutil import copy

import pytest
from structlog.testing import capture_logs

from exporter.store import Store
from tests.support.ledger_harness import TODAY, A, LedgerHarness
from tests.support.states import play

CONTENT = {
    "state": ("value",),
    "ledgers": ("refused", "refused_at", "covered_until", "gap_until", "last_success", "last_change", "buckets"),
    "label_groups": ("last_seen", "folded_unremembered"),
    "label_sets": ("labels",),
    "folded_label_sets": ("labels",),
    "bucket_values": ("start", "content"),
    "baselines": ("taken_at", "labels"),
    "baseline_values": ("start", "content"),
    "counters": ("content",),
    "names": ("facts",),
    "organizations": ("openai_id",),
}
"""Columns of every table that hold more than a key."""

DAMAGE = {
    "empty": b"",
    "short": b"\x01",
    "long": b"\xff" * 64,
    "text": "a text",
    "null": None,
    "number": -1,
    "list": '["a"]',
    "column": zlib.compress(bytes(800)),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[LedgerHarness]]:
    """Return a state file in which nothing is wrong, and the harnesses that left it."""
    path = tmp_path_factory.mktemp("sound") / "state.db"
    return path, play(path)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("table", "column"), [(table, name) for table, names in CONTENT.items() for name in names])
def test_damaged_content_never_keeps_the_exporter_from_running(
    sound: tuple[Path, list[LedgerHarness]], tmp_path: Path, table: str, column: str, damage: str
) -> None:
    """Either the value makes no difference, or the file is renamed: polls are applied and published in any case."""
    path = tmp_path / "state.db"
    copy(sound[0], path)
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute(f"UPDATE OR REPLACE {table} SET {column} = ?", (DAMAGE[damage],))  # noqa: S608 # our own names
    except sqlite3.IntegrityError:
        return
    finally:
        database.close()

    with capture_logs():
        store = Store(path)
        store.names("default")
        store.organization("default")
        harnesses = [
            LedgerHarness(scripted.plan, store, scripted.now, reported=deepcopy(scripted.reported))
            for scripted in sound[1]
        ]
        for harness in harnesses:
            store.refusal("default", harness.name)
        harnesses[0].report(TODAY, A, 5, 5)
        for harness in harnesses:
            harness.poll()
            harness.wait()
        assert all(harness.views() for harness in harnesses)
        assert all(harness.coordinator.writable for harness in harnesses)
        store.close()
