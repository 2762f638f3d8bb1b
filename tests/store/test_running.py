"""An exporter keeps running and reports the problem with any state file: real processes, real sockets."""

import fcntl
import json
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support.processes import Child, until
from tests.support.state_process import ACCRUED, TOKENS, WRITABLE, metrics, path_of

pytestmark = pytest.mark.slow


def lines(child: Child, event: str) -> list[dict[str, str]]:
    """Return the log lines of an event."""
    return [line for line in map(json.loads, child.said.splitlines()) if event == line["event"]]


def test_an_exporter_runs_with_any_state_file(child: Child) -> None:
    """It reports the problem once, counts, and leaves the file unchanged."""
    path = path_of(child)
    path.write_bytes(b"nonsense" * 1000)
    child.start()
    child.wait_until_serving()
    until(lambda: metrics(child).sum(ACCRUED) > 0, "counters that rise")

    (line,) = lines(child, "state_quarantined")
    assert "error" == line["level"]
    assert str(path) in json.dumps(line)
    assert 1.0 == metrics(child).value(WRITABLE)
    assert [b"nonsense" * 1000] == [kept.read_bytes() for kept in path.parent.glob("state.db.quarantined-*")]


def test_an_exporter_does_not_start_without_its_configured_state(child: Child) -> None:
    """A configured state.path that cannot be used is an error, and nothing is written."""
    path = path_of(child)
    path.parent.chmod(0o555)
    child.start()
    with pytest.raises(AssertionError, match="start_failed"):
        child.wait_until_serving()
    path.parent.chmod(0o755)

    assert not path.exists()


@contextmanager
def full_disk(child: Child) -> Iterator[None]:
    """Let the process write no file that is longer than a page."""
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    yield
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def foreign_lock(child: Child) -> Iterator[None]:
    """Hold the write lock of the state, as a program does that changes or compacts it."""
    with closing(sqlite3.connect(path_of(child), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def gauges_exceed(child: Child, tokens: float) -> bool:
    """Return whether today's tokens have grown beyond that."""
    return metrics(child).sum(TOKENS) > tokens


def test_a_full_disk_or_a_lock_holds_counters_and_not_gauges(child: Child) -> None:
    """While nothing can be committed counters stand still; when it can, they have lost nothing."""
    child.start()
    child.wait_until_serving()
    until(lambda: metrics(child).sum(ACCRUED) > 0, "counters that rise")
    for number, obstacle in enumerate((full_disk, foreign_lock), 1):
        with obstacle(child):
            until(lambda: metrics(child).value(WRITABLE) == 0, "a commit that fails")
            held = metrics(child)
            until(partial(gauges_exceed, child, held.sum(TOKENS)), "gauges that go on")
            still = metrics(child)
        until(lambda: metrics(child).value(WRITABLE) == 1, "a commit that succeeds")
        after = metrics(child)

        assert held.series(ACCRUED) == still.series(ACCRUED)
        grown = after.sum(TOKENS) - held.sum(TOKENS)
        assert grown > 0
        assert after.sum(ACCRUED) - held.sum(ACCRUED) >= grown
        assert number == len(lines(child, "state_not_writable"))
        assert number == len(lines(child, "state_writable_again"))


def test_counters_survive_a_disk_that_was_full_and_a_kill(child: Child) -> None:
    """Uncommitted data is requested again."""
    child.start()
    child.wait_until_serving()
    until(lambda: metrics(child).sum(ACCRUED) > 0, "counters that rise")
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    until(lambda: metrics(child).value(WRITABLE) == 0, "a commit that fails")
    before = metrics(child)
    child.kill()
    child.start()
    child.wait_until_serving()
    until(lambda: metrics(child).sum(TOKENS) > before.sum(TOKENS), "gauges that go on")
    until(lambda: metrics(child).sum(ACCRUED) > before.sum(ACCRUED), "counters that go on")
    after = metrics(child)

    assert all(after.series(ACCRUED)[labels] >= value for labels, value in before.series(ACCRUED).items())
    assert [] == lines(child, "state_quarantined")


def test_counters_survive_a_state_that_is_removed_in_use(child: Child) -> None:
    """With its folder, lock and log: it is restored completely, and the next process continues."""
    child.start()
    child.wait_until_serving()
    until(lambda: metrics(child).sum(ACCRUED) > 0, "counters that rise")
    shutil.rmtree(path_of(child).parent)
    until(path_of(child).exists, "another state file")
    before = metrics(child)
    until(lambda: metrics(child).sum(ACCRUED) > before.sum(ACCRUED), "counters that go on")
    with pytest.raises(BlockingIOError), Path(f"{path_of(child)}.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held = metrics(child)
    child.kill()
    child.start()
    child.wait_until_serving()
    after = metrics(child)

    assert all(after.series(ACCRUED)[labels] >= value for labels, value in held.series(ACCRUED).items())
    assert after.value(WRITABLE) == 1
    assert 1 == len(lines(child, "state_file_restored"))
    assert [] == lines(child, "state_quarantined")


def test_a_second_exporter_on_the_same_file_refuses(child: Child) -> None:
    """With a message and exit status 1; the first continues."""
    child.start()
    child.wait_until_serving()
    environment = dict(child.environment) | {"OPENAI_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0"}
    began = time.monotonic()
    second = subprocess.run(child.command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    line = json.loads(second.stderr.splitlines()[-1])

    assert 1 == second.returncode
    assert time.monotonic() - began < 20
    assert "start_failed" == line["event"]
    assert f"{path_of(child)} belongs to another running exporter" in line["error"]
    assert child.get("/metrics").is_success
