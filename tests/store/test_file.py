"""Files that are foreign, damaged or read-only are renamed or left alone, never deleted."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.cli.service import open_store
from exporter.store import StateInUseError, Store
from exporter.store.schema import APPLICATION_ID, VERSION
from tests.support.ledger_harness import TODAY, YESTERDAY, A, LedgerHarness, costs, dollars
from tests.support.processes import without_privileges


def quarantined_files(path: Path) -> list[Path]:
    """Return the renamed files."""
    return sorted(path.parent.glob(f"{path.name}.quarantined-*"))


def test_a_file_of_another_program_is_renamed(tmp_path: Path) -> None:
    """It keeps its content, under another name."""
    path = tmp_path / "state.db"
    foreign = sqlite3.connect(path)
    foreign.executescript("CREATE TABLE precious (thing TEXT); INSERT INTO precious VALUES ('keep me');")
    foreign.close()
    content = path.read_bytes()
    with capture_logs() as logs:
        Store(path).close()

    assert [content] == [renamed.read_bytes() for renamed in quarantined_files(path)]
    assert [("error", "state_quarantined", "it is a database of another program")] == [
        (line["log_level"], line["event"], line["reason"]) for line in logs
    ]


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_renamed(tmp_path: Path, content: bytes) -> None:
    """A new state replaces it."""
    path = tmp_path / "state.db"
    path.write_bytes(content)
    with capture_logs() as logs:
        store = Store(path)
    harness = LedgerHarness(store=store)
    harness.report(TODAY, A, 1)
    harness.poll()
    store.close()

    assert [content] == [renamed.read_bytes() for renamed in quarantined_files(path)]
    assert ["state_quarantined"] == [line["event"] for line in logs]
    assert harness.coordinator.writable


def test_a_damaged_page_is_found_when_the_file_is_opened(tmp_path: Path) -> None:
    """Not in the middle of the night."""
    path = tmp_path / "state.db"
    harness = LedgerHarness(store=Store(path))
    for number in range(90):
        harness.report(TODAY, ("a", f"model-{number}" * 40), 1)
    harness.poll()
    assert harness.store
    harness.store.close()
    with path.open("r+b") as file:
        size = path.stat().st_size
        for page in range(4096, size, 8192):
            file.seek(page)
            file.write(b"\xa5" * 4096)
    with capture_logs() as logs:
        Store(path).close()

    assert 1 == len(quarantined_files(path))
    assert logs[0]["reason"].startswith("it is damaged: ") or "malformed" in logs[0]["reason"]


def test_files_renamed_in_the_same_second_have_different_names(tmp_path: Path) -> None:
    """The second does not overwrite the first."""
    path = tmp_path / "state.db"
    contents = [b"first nonsense", b"second nonsense", b"third nonsense"]
    for content in contents:
        path.write_bytes(content)
        Store(path).close()

    assert sorted(contents) == sorted(renamed.read_bytes() for renamed in quarantined_files(path))


def test_data_loaded_before_the_damage_is_in_the_new_file(tmp_path: Path) -> None:
    """One damaged ledger does not cost the others their counters."""
    path = tmp_path / "state.db"
    store = Store(path)
    money, tokens = LedgerHarness(costs(), store), LedgerHarness(store=store)
    money.report(TODAY, ("a", "gpt"), dollars("1"))
    tokens.report(TODAY, A, 100)
    for harness in (money, tokens):
        harness.poll()
    money.report(TODAY, ("a", "gpt"), dollars("1.25"))
    money.poll()
    money.wait()
    store.close()
    database = sqlite3.connect(path, isolation_level=None)
    chosen = "SELECT id FROM ledgers WHERE resource = 'completions'"
    database.execute(f"UPDATE bucket_values SET content = x'00' WHERE ledger = ({chosen})")  # noqa: S608 # our own names
    database.close()
    with capture_logs() as logs:
        for _ in range(2):
            store = Store(path)
            for harness in (money, tokens):
                harness.store = store
                harness.restart()
            for harness in (money, tokens):
                harness.poll()
            store.close()

    assert 1 == len(logs)
    assert logs[0]["reason"].startswith("default, completions: ")
    assert {("a", "gpt"): 0.25} == money.shown()
    assert {A: 0.0} == tokens.shown()


def test_a_state_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    """Whoever goes back a version loses nothing, if he goes forward again."""
    path = tmp_path / "state.db"
    Store(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    content = path.read_bytes()
    store = Store(path)
    store.close()

    assert re.search(f"newer exporter.*its version {VERSION + 1}, ours {VERSION}", store.problem)
    assert store.volatile

    assert content == path.read_bytes()
    assert [] == quarantined_files(path)


def test_one_exporter_at_a_time(tmp_path: Path) -> None:
    """The second fails with the path and an advice; after the first has ended, it can use the file."""
    path = tmp_path / "state.db"
    first = Store(path)
    with pytest.raises(StateInUseError, match="another running exporter: stop that one, or give this one its own"):
        Store(path)
    first.close()
    Store(path).close()


def test_a_store_that_cannot_be_opened_leaves_no_lock(tmp_path: Path) -> None:
    """After the problem is solved, the next attempt succeeds in the same process."""
    path = tmp_path / "state.db"
    path.mkdir()
    store = Store(path)
    assert store.problem
    store.close()
    path.rmdir()
    Store(path).close()


def test_a_file_instead_of_the_folder_is_an_error(tmp_path: Path) -> None:
    """The exporter can run without a state, and says why it does."""
    (tmp_path / "taken").write_text("")
    with capture_logs() as logs:
        assert open_store(tmp_path / "taken" / "state.db").volatile

    (line,) = logs
    assert "state_unavailable" == line["event"]
    assert "Not a directory" in line["error"] or "File exists" in line["error"]
    assert "set state.path" == line["advice"]


OPEN = (
    "import sys; from pathlib import Path; from exporter.cli.service import open_store; open_store(Path(sys.argv[1]))"
)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_read_only_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    """A read-only file or folder is not renamed."""
    folder = tmp_path / "state"
    path = folder / "state.db"
    Store(path).close()
    content = path.read_bytes()
    for each in folder.iterdir():
        each.chmod(0o444)
    if kind == "folder":
        path.unlink()
        (folder / "state.db.lock").unlink()
        folder.chmod(0o555)
    run = subprocess.run(
        [*without_privileges(), sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True
    )
    folder.chmod(0o755)

    assert ("state_not_writable" if kind == "file" else "state_unavailable") in run.stdout
    assert [] == quarantined_files(path)
    assert content == path.read_bytes() if kind == "file" else not path.exists()


def test_the_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    """They contain the spend of an organization, also where an earlier one was readable by others."""
    path = tmp_path / "state.db"
    for _ in range(2):
        store = Store(path)
        modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
        for each in tmp_path.iterdir():
            each.chmod(0o644)
        store.close()

        assert {"state.db", "state.db-wal", "state.db-shm", "state.db.lock"} == modes.keys()
        assert {0o600} == {mode for name, mode in modes.items() if not name.endswith(".lock")}


def test_the_file_says_whose_it_is(tmp_path: Path) -> None:
    """`file state.db` identifies the exporter's databases and their version."""
    path = tmp_path / "state.db"
    Store(path).close()
    head = path.read_bytes()[:72]

    assert (VERSION, APPLICATION_ID) == (int.from_bytes(head[60:64], "big"), int.from_bytes(head[68:72], "big"))


def test_history_is_read_back_as_it_was(tmp_path: Path) -> None:
    """To the last digit, unknown values and absent rows included."""
    harness = LedgerHarness(costs(), Store(tmp_path / "state.db"))
    harness.report(YESTERDAY, ("a", "gpt"), dollars("0.000000000000000000000000000007"))
    harness.report(TODAY, ("b", "gpt"), dollars("-123456789012345678901234567890.1"))
    harness.poll()
    before = harness.ledger.stores[0]
    harness.restart()
    after = harness.ledger.stores[0]

    assert before.rows.sets == after.rows.sets
    for start in before.cells:
        assert before.cells[start].fit(2).values[0].tolist() == after.cells[start].fit(2).values[0].tolist()
    assert harness.store
    harness.store.close()
