"""Opening the state file: one exporter at a time, no lost commit unnoticed, nothing ever deleted."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from exporter.store.schema import APPLICATION_ID, MIGRATIONS, STATE, VERSION

_log = structlog.get_logger("state")

_SIDECARS: Final = ("-wal", "-shm")
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
_RECORD_BYTES: Final = 64
_PRIVATE: Final = 0o600
"""Mode of the state and its companion files: SQLite creates these with the mode of the state."""

_LOCKED_SECONDS: Final = 1.0
"""How long a commit waits for another program that has locked the state; no ledger is updated meanwhile."""


class StateInUseError(Exception):
    """Another exporter has the state file: two of them would publish each other's counters."""


class StateUnwritableError(Exception):
    """The state cannot be written."""


class _UnfitError(Exception):
    """The file is not a state of this exporter, or is damaged."""


_UNREADABLE: Final = (OSError, sqlite3.Error, UnicodeDecodeError, _UnfitError)
"""What reading a damaged file raises; SQLite quotes damaged names in its messages, which need not be UTF-8."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Identifies a commit: which state file it was made in, and how many came before it."""

    state_id: str
    sequence: int


class Lock:
    """The right to be the only exporter on a state file, held until it is released or the process ends.

    The lock file also records the last commit: a state file that ends before it has lost its write-ahead log, or is an
    older copy.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises StateInUseError, or StateUnwritableError when no lock file can be opened."""
        self._path = Path(f"{path}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _open_lock(self._path)
        except OSError as error:
            raise StateUnwritableError(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise StateInUseError(
                f"{path} belongs to another running exporter: stop that one, or give this one its own state.path"
            ) from error

    @property
    def in_place(self) -> bool:
        """Whether the lock file is still there: without it another exporter would find nothing locked."""
        return self._path.exists()

    @property
    def recorded(self) -> Commit | None:
        """The last commit that was recorded."""
        try:
            state_id, sequence = os.pread(self._file, _RECORD_BYTES, 0).decode().split()
            return Commit(state_id, int(sequence))
        except ValueError:
            return None

    def record(self, commit: Commit) -> None:
        """Record a commit that has just been made; not being able to costs no more than the check."""
        line = f"{commit.state_id} {commit.sequence}".ljust(_RECORD_BYTES - 1) + "\n"
        try:
            os.pwrite(self._file, line.encode(), 0)
        except OSError as error:
            _log.debug("commit_not_recorded", path=str(self._path), error=str(error))

    def release(self) -> None:
        """Let another exporter have the file."""
        os.close(self._file)


def open_database(path: Path, recorded: Commit | None) -> sqlite3.Connection:
    """Open the state file; it is created or brought up to date as needed.

    A file that is damaged, is not a state of this exporter, or ends before the `recorded` commit is quarantined under
    another name. Raises StateUnwritableError for one that cannot be written, or that a newer version has made.
    """
    try:
        try:
            return _open(path, recorded)
        except _UnfitError as error:
            quarantine(path, str(error))
            return _open(path, None)
    except (sqlite3.Error, OSError) as error:
        raise StateUnwritableError(f"{path}: {error}") from error


def copy_database(path: Path, recorded: Commit | None = None) -> sqlite3.Connection:
    """Return a copy in memory of a state file that need not be writable, its write-ahead log included.

    Raises StateUnwritableError when there is none, or it cannot be read.
    """
    try:
        return _load(f"{path.resolve().as_uri()}?mode=ro", path, recorded)
    except _UNREADABLE as error:
        reasons = [str(error)]
    for folder in (_MEMORY if _MEMORY.is_dir() else None, None):
        try:
            with tempfile.TemporaryDirectory(dir=folder) as name:
                copy = Path(name) / path.name
                for suffix in ("", "-wal"):
                    if not suffix or Path(f"{path}{suffix}").exists():
                        shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
                return _load(copy.as_uri(), path, recorded)
        except _UNREADABLE as error:
            reasons.append(str(error))
    raise StateUnwritableError(f"{path} cannot be read: {reasons[-1]}")


def restore_file(path: Path, database: sqlite3.Connection) -> sqlite3.Connection:
    """Write the state file from a connection to it, whose file somebody has removed; the connection is closed.

    Raises sqlite3.Error, OSError and StateUnwritableError.
    """
    whole = path.with_name(f"{path.name}.new")
    whole.unlink(missing_ok=True)
    copy = sqlite3.connect(whole, isolation_level=None)
    try:
        database.backup(copy)
    finally:
        copy.close()
    database.close()
    whole.rename(path)
    _log.error("state_file_restored", path=str(path), detail="the state file was removed while it was in use")
    return open_database(path, None)


def quarantine(path: Path, reason: str) -> None:
    """Rename the state file, so that it is kept and a new one can replace it."""
    kept = path.with_name(f"{path.name}.quarantined-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    while kept.exists():
        kept = kept.with_name(kept.name + "x")
    for suffix in ("", *_SIDECARS):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{kept}{suffix}")
    _log.error(
        "state_quarantined", path=str(path), kept_as=str(kept), reason=reason, detail="counters start at a new baseline"
    )


def last_commit(database: sqlite3.Connection) -> Commit:
    """Return the last commit that a state holds. Raises sqlite3.Error, and LookupError or ValueError on damage."""
    values = dict(STATE.select(database))
    return Commit(values["id"], int(values["commit"]))


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE)
    except OSError:
        return os.open(path, os.O_RDONLY)


def _open(path: Path, recorded: Commit | None) -> sqlite3.Connection:
    new = not path.exists() or path.stat().st_size == 0
    if new and (recorded or any(Path(f"{path}{suffix}").exists() for suffix in _SIDECARS)):
        quarantine(path, "the state file is missing or empty, although commits were made")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE))
    for suffix in ("", *_SIDECARS):
        with contextlib.suppress(OSError):
            Path(f"{path}{suffix}").chmod(_PRIVATE)
    connection = sqlite3.connect(path, timeout=_LOCKED_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        if new:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _inspect(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection)
        _compare(connection, recorded)
        connection.executescript("BEGIN; UPDATE state SET value = value; ROLLBACK;")
    except UnicodeDecodeError as error:
        connection.close()
        raise _UnfitError(f"it is damaged: {error}") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        if type(error) is sqlite3.DatabaseError:
            raise _UnfitError(str(error)) from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _load(uri: str, path: Path, recorded: Commit | None) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closing(sqlite3.connect(uri, isolation_level=None, uri=True)) as file:
        _inspect(file, path)
        file.backup(memory)
    _migrate(memory)
    _compare(memory, recorded)
    return memory


def _inspect(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise _UnfitError("it is a database of another program")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StateUnwritableError(
            f"{path} was made by a newer exporter (its version {version}, ours {VERSION}): it is left as it is"
        )
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _UnfitError(f"it is damaged: {verdict}")


def _migrate(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number in range(version, VERSION):
        connection.executescript(f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")
        if version:
            _log.info("state_migrated", version=number + 1)
    if not version:
        STATE.insert(connection, [("id", uuid.uuid4().hex), ("commit", "0")])


def _compare(connection: sqlite3.Connection, recorded: Commit | None) -> None:
    try:
        held = last_commit(connection)
    except (LookupError, ValueError) as error:
        raise _UnfitError(f"it is damaged: {error}") from error
    if recorded and held.state_id == recorded.state_id and held.sequence < recorded.sequence:
        raise _UnfitError(
            f"its last {recorded.sequence - held.sequence} commits are missing: "
            "its write-ahead log (-wal) was lost, or it is an older copy"
        )
