"""A real exporter is killed and its files are damaged: counters go on, or the log says that they cannot."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from structlog.testing import capture_logs

from exporter.catalog import resource
from exporter.simulator import Simulator, keys
from exporter.store import Store
from tests.support.exposed import Exposed
from tests.support.ledger_harness import Labels, plan
from tests.support.processes import Child, exporter, free_port, until
from tests.support.state_process import ACCRUED, SETTINGS, TOKENS, WRITABLE, metrics, path_of

pytestmark = pytest.mark.slow

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a temporary folder is made in it
"""Where a file need not wait for the disk: the damage comes after the kill."""


def events(child: Child) -> list[str]:
    """Return the events of the log."""
    return [json.loads(line)["event"] for line in child.said.splitlines() if line.startswith("{")]


def run_and_kill(child: Child) -> Exposed:
    """Increase counters, and kill the exporter; return the last scrape."""
    child.start()
    child.wait_until_serving()
    until(lambda: metrics(child).sum(ACCRUED) > 0, "counters that rise")
    last = metrics(child)
    child.kill()
    return last


@pytest.mark.parametrize("obstacle", ["folder", "files"])
def test_a_state_that_cannot_be_written_at_start_is_read(child: Child, obstacle: str) -> None:
    """Counters stay at their committed values, gauges continue, and a state that is writable again is detected."""
    before = run_and_kill(child)
    path = path_of(child)
    locked = [path.parent] if obstacle == "folder" else [each for each in path.parent.iterdir() if each.is_file()]
    if obstacle == "folder":
        Path(f"{path}.lock").unlink()
        Path(f"{path}-shm").unlink(missing_ok=True)
    for each in locked:
        each.chmod(0o555 if each.is_dir() else 0o444)
    child.start()
    child.wait_until_serving()
    until(lambda: metrics(child).sum(TOKENS) > before.sum(TOKENS), "gauges that go on")
    held = metrics(child)
    until(lambda: metrics(child).sum(TOKENS) > held.sum(TOKENS), "gauges that go on")
    still = metrics(child)
    for each in locked:
        each.chmod(0o755 if each.is_dir() else 0o600)
    until(lambda: metrics(child).value(WRITABLE) == 1, "a state that is written again")
    until(lambda: metrics(child).sum(ACCRUED) > held.sum(ACCRUED), "counters that rise")
    after = metrics(child)

    assert 0.0 == held.value(WRITABLE)
    assert held.series(ACCRUED) == still.series(ACCRUED)
    assert all(held.series(ACCRUED)[labels] >= value for labels, value in before.series(ACCRUED).items())
    assert after.sum(ACCRUED) - before.sum(ACCRUED) <= after.sum(TOKENS) - before.sum(TOKENS) + 0.5
    assert "state_not_writable" in events(child)
    assert "state_writable_again" in events(child)
    assert "state_quarantined" not in events(child)


def lose(*suffixes: str) -> Callable[[Path, Random], None]:
    """Return a damage that removes files."""

    def damage(path: Path, _random: Random) -> None:
        for suffix in suffixes:
            Path(f"{path}{suffix}").unlink(missing_ok=True)

    return damage


def truncate(suffix: str) -> Callable[[Path, Random], None]:
    """Return a damage that cuts a file off anywhere."""

    def damage(path: Path, random: Random) -> None:
        file = Path(f"{path}{suffix}")
        os.truncate(file, random.randrange(file.stat().st_size))

    return damage


def overwrite(suffix: str, size: int) -> Callable[[Path, Random], None]:
    """Return a damage that writes random bytes somewhere."""

    def damage(path: Path, random: Random) -> None:
        file = Path(f"{path}{suffix}")
        with file.open("r+b") as stream:
            stream.seek(random.randrange(max(file.stat().st_size - size, 1)))
            stream.write(random.randbytes(size))

    return damage


def zero(suffix: str) -> Callable[[Path, Random], None]:
    """Return a damage that writes zeros instead of a file's content."""

    def damage(path: Path, _random: Random) -> None:
        file = Path(f"{path}{suffix}")
        file.write_bytes(bytes(file.stat().st_size))

    return damage


DAMAGES = {
    "no write-ahead log": lose("-wal"),
    "no write-ahead log and no index of it": lose("-wal", "-shm"),
    "no index of the write-ahead log": lose("-shm"),
    "no database": lose(""),
    "no database and no index": lose("", "-shm"),
    "no lock": lose(".lock"),
    "a database that ends early": truncate(""),
    "a write-ahead log that ends early": truncate("-wal"),
    "an index that ends early": truncate("-shm"),
    "a byte of the database": overwrite("", 1),
    "a page of the database": overwrite("", 4096),
    "a byte of the write-ahead log": overwrite("-wal", 1),
    "a page of the write-ahead log": overwrite("-wal", 4096),
    "bytes of the index": overwrite("-shm", 64),
    "zeros for the database": zero(""),
    "zeros for the write-ahead log": zero("-wal"),
    "zeros for the lock": zero(".lock"),
}


FILES = ("", "-wal", "-shm", ".lock")


@dataclass(frozen=True)
class Killed:
    """The state of an exporter that was killed twice: much of it in the database, the rest in the log."""

    path: Path
    counters: dict[Labels, float]
    """What it holds of them."""


@pytest.fixture(scope="module")
def killed(simulated: tuple[Simulator, str], tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """Kill an exporter twice."""
    folder = tmp_path_factory.mktemp("killed")
    with free_port() as port:
        child = exporter(port, folder, simulated[1], keys.FULL, **SETTINGS)
        child.log = folder.parent / "killed.log"
        run_and_kill(child)
        database = sqlite3.connect(path_of(child))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        before = committed(path_of(child), folder / "first")
        child.start()
        child.wait_until_serving()
        until(lambda: metrics(child).sum(ACCRUED) > sum(before.values()), "counters that rise")
        child.kill()
    return Killed(path_of(child), committed(path_of(child), folder / "second"))


def committed(path: Path, folder: Path) -> dict[Labels, float]:
    """Return the counters that the state holds, read from a copy."""
    folder.mkdir()
    for suffix in FILES:
        if Path(f"{path}{suffix}").exists():
            shutil.copy(f"{path}{suffix}", f"{folder / path.name}{suffix}")
    return counters(folder / path.name)


def counters(path: Path) -> dict[Labels, float]:
    """Open a state as the exporter does, and return the counters of input tokens that it would show."""
    completions = resource("completions")
    settings = plan(measures=("default",), group_by=completions.group_by, max_series=50_000, lookback_days=31)
    store = Store(path)
    ledger = store.load("default", settings)
    store.close()
    views = ledger.views(0)
    (values,) = [view for view in views if view.counter and view.measure.name == "completions_input_tokens"]
    return dict(zip(values.rows.sets, values.values.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_after_a_kill_is_never_silent(killed: Killed, damage: str, seed: int) -> None:
    """Either every counter has its committed value, or the log reports that the file was renamed, and it is kept."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        path = Path(folder) / "state.db"
        for suffix in FILES:
            shutil.copy(f"{killed.path}{suffix}", f"{path}{suffix}")
        DAMAGES[damage](path, Random(f"{damage} {seed}"))  # noqa: S311 # a run must be repeatable
        with capture_logs() as logs:
            found = counters(path)
        quarantined = list(path.parent.glob("state.db.quarantined-*"))

    assert sum(killed.counters.values()) > 0
    if found != killed.counters:
        (line,) = logs
        assert ("error", "state_quarantined", {}) == (line["log_level"], line["event"], found)
        assert quarantined
    else:
        assert not logs
