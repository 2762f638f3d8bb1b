"""States of every version that ever wrote one are read by this one."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.publisher.commit import CommitCoordinator
from exporter.store import Store, file
from exporter.store.schema import MIGRATIONS, VERSION
from tests.support.ledger_harness import LedgerHarness
from tests.support.states import NAME, ORGANIZATION, REFUSAL, dump, play, restore

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_state_of_every_version_goes_on_where_it_was_left(tmp_path: Path, version: int) -> None:
    """A version that changes the tables adds its own dump (python -m tests.support.states) and passes all of them."""
    scripted = play(tmp_path / "new.db")
    restore(FOLDER / f"state_v{version}.sql", tmp_path / "old.db")
    store = Store(tmp_path / "old.db")

    assert ORGANIZATION == store.organization("default")
    assert [NAME] == store.names("default")
    assert REFUSAL == store.refusal("default", "completions")
    for end in scripted:
        harness = LedgerHarness(end.plan, store, end.now)
        harness.publish()
        assert end.views() == harness.views()
        assert end.ledger.excess() == harness.ledger.excess()
        assert end.ledger.coverage == harness.ledger.coverage
        end.coordinator = CommitCoordinator(None, end.hold)
        harness.reported = end.reported
        assert () == harness.poll().baseline
        for each in (end, harness):
            each.wait(1000)
        assert end.views() == harness.views()
    store.close()


def test_the_newest_dump_is_what_the_story_leaves(tmp_path: Path) -> None:
    """Another way to write the same tables is another version, or the dump says nothing of it."""
    play(tmp_path / "state.db")

    assert _content(tmp_path / "state.db") == _restored(tmp_path, VERSION)


NEXT = "ALTER TABLE names ADD COLUMN seen REAL NOT NULL DEFAULT 0;"
"""The next version, as somebody may write it."""
BROKEN = f"{NEXT} DROP TABLE no_such_table;"


def test_an_older_state_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each script runs in a transaction and is logged."""
    path = tmp_path / "state.db"
    play(path)
    monkeypatch.setattr(file, "MIGRATIONS", (*MIGRATIONS, NEXT))
    monkeypatch.setattr(file, "VERSION", VERSION + 1)
    with capture_logs() as logs:
        Store(path).close()
        Store(path).close()

    assert [("state_migrated", VERSION + 1)] == [(line["event"], line["version"]) for line in logs]
    database = sqlite3.connect(path)
    assert [(NAME.id, 0.0)] == database.execute("SELECT id, seen FROM names").fetchall()
    assert (VERSION + 1,) == database.execute("PRAGMA user_version").fetchone()
    database.close()


def test_a_migration_that_fails_leaves_the_state_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a migration would be neither version."""
    path = tmp_path / "state.db"
    play(path)
    before = _content(path)
    monkeypatch.setattr(file, "MIGRATIONS", (*MIGRATIONS, BROKEN))
    monkeypatch.setattr(file, "VERSION", VERSION + 1)
    store = Store(path)
    store.close()

    assert "no_such_table" in store.problem

    assert before == _content(path)


def _restored(folder: Path, version: int) -> Mapping[str, object]:
    restore(FOLDER / f"state_v{version}.sql", folder / "restored.db")
    return _content(folder / "restored.db")


def _content(path: Path) -> Mapping[str, object]:
    """Return tables and their rows; compressed columns differ from one zlib to another, and are left to the reader."""
    lines = [line for line in dump(path) if not line.startswith('INSERT INTO "')]
    database = sqlite3.connect(path)
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    counts = {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}  # noqa: S608 # our own names
    database.close()
    return {"schema": sorted(lines), "counts": counts}
