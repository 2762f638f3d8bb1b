"""Opening the state file: one exporter at a time, and nothing that is found there is ever deleted."""

import fcntl
import os
import sqlite3
import time
from pathlib import Path
from typing import Final

import structlog

from exporter.store.schema import APPLICATION_ID, MIGRATIONS, VERSION

_log = structlog.get_logger("state")

_SIDECARS: Final = ("", "-wal", "-shm")


class StateInUseError(Exception):
    """Another exporter has the state file: two of them would publish each other's counters."""


class StateUnwritableError(Exception):
    """The state cannot be kept here: the exporter runs, and its counters start at 0 with the process."""


class _UnfitError(Exception):
    """The file is not a state of ours, or is damaged."""


class Lock:
    """The right to be the only exporter on a state file, held until it is released or the process ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises StateInUseError, or StateUnwritableError when no lock file can be made."""
        self._path = Path(f"{path}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
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

    def release(self) -> None:
        """Let another exporter have the file."""
        os.close(self._file)


def open_database(path: Path) -> sqlite3.Connection:
    """Open the state file, made or brought up to date as needed.

    A file that is damaged, or not a state of this exporter, is set aside under another name. Raises
    StateUnwritableError for one that cannot be written, or that a newer version has made.
    """
    try:
        try:
            return _open(path)
        except _UnfitError as error:
            set_aside(path, str(error))
            return _open(path)
    except (sqlite3.Error, OSError) as error:
        raise StateUnwritableError(f"{path}: {error}") from error


def put_back(path: Path, database: sqlite3.Connection) -> sqlite3.Connection:
    """Make the state file anew from a connection to it, whose file somebody has removed; the connection is closed.

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
    _log.error("the state file was removed while it was in use: it is written anew", path=str(path))
    return open_database(path)


def set_aside(path: Path, reason: str) -> None:
    """Rename the state file, for somebody to look at, so that a new one can take its place."""
    aside = path.with_name(f"{path.name}.set-aside-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    while aside.exists():
        aside = aside.with_name(aside.name + "x")
    for suffix in _SIDECARS:
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    _log.error("state file set aside: counters start anew", path=str(path), kept_as=str(aside), reason=reason)


def _open(path: Path) -> sqlite3.Connection:
    fresh = not path.exists() or path.stat().st_size == 0
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        if fresh:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _inspect(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection)
        path.chmod(0o600)
    except sqlite3.DatabaseError as error:
        connection.close()
        if type(error) is sqlite3.DatabaseError:
            raise _UnfitError(str(error)) from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


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
            _log.info("state brought up to date", version=number + 1)
