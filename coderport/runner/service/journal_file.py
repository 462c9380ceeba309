"""The journal's file: made, locked, examined for what was lost, and moved aside where it cannot be read.

SQLite notices neither a page that a disk has spoiled until it reads it, nor a write-ahead log that somebody has
removed, and with it the last writes. Both are looked for when the file is opened.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coderport.errors import CoderportError

FORMAT: Final = 2
_LOCK_SECONDS: Final = 5.0
_MAGIC: Final = b"SQLite format 3\0"
_PAGE: Final = 4096
"""A database of ours has whole pages of this size; another file hardly ever has."""

_TABLES = (
    """CREATE TABLE runs (
        run_id TEXT PRIMARY KEY, received_at REAL NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'ended')), workspace TEXT, outcome TEXT, step TEXT,
        attempts INTEGER NOT NULL DEFAULT 0, updated_at REAL NOT NULL, person TEXT)""",
    "CREATE INDEX runs_by_state ON runs (state, updated_at)",
    "CREATE TABLE signatures (mark TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX signatures_by_end ON signatures (expires)",
    "CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 0), at REAL NOT NULL)",
)
_SINCE_2 = "CREATE TABLE life (id INTEGER PRIMARY KEY CHECK (id = 0), in_use INTEGER NOT NULL)"
"""Whether a service has the file open. It is so in the file itself, not only in the write-ahead log."""
_FROM_1 = ("ALTER TABLE runs ADD COLUMN person TEXT", _SINCE_2)


class JournalError(CoderportError):
    """The journal cannot be opened, read or written."""


class _BrokenError(Exception):
    """The file is a journal, and cannot be relied on."""


@dataclass(frozen=True)
class JournalFile:
    """The file, open; `lost` says what is missing, "" where nothing is."""

    connection: sqlite3.Connection
    lost: str = ""

    def close(self) -> None:
        """Ends its use in good order."""
        with suppress(sqlite3.Error):  # a full disk: the next start then looks for the write-ahead log, and finds it
            self.connection.execute("UPDATE life SET in_use = 0")
        self.connection.close()


def opened_file(path: Path, now: float) -> JournalFile:
    """The journal in this file, made if there is none.

    A journal with a broken page is moved aside (`….broken-<time>`) and a new one made. Raises JournalError for a file
    that is no journal, that another service uses, or that cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        begins, size = _beginning(path) if path.exists() else (_MAGIC, 0)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be opened: {error}") from error
    try:
        if size and begins != _MAGIC:
            if size % _PAGE == 0:
                raise _BrokenError("its first page is no longer that of a SQLite database")
            raise JournalError(
                f"the journal {path} cannot be read (it is no SQLite database): move it away to start with an empty one"
            )
        return _examined(path)
    except _BrokenError as error:
        aside = _moved_aside(path, now)
        return JournalFile(
            _examined(path).connection,
            f"the journal was broken ({error}) and is kept as {aside.name}; a new one was begun",
        )


def _beginning(path: Path) -> tuple[bytes, int]:
    """The first bytes of the file, and its size."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)), path.stat().st_size


def _examined(path: Path) -> JournalFile:
    log = path.with_name(f"{path.name}-wal")
    log_is_there = log.exists() and log.stat().st_size > 0
    try:
        connection = sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise JournalError(f"the journal {path} cannot be opened: {error}") from error
    try:
        # Before the first access: the lock is taken then, and kept. The end of the process frees it, however it ends.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _require_sound(connection)
        with transaction(connection):
            _require_format(connection, path)
        was_in_use = bool(connection.execute("SELECT in_use FROM life").fetchone()[0])
        _mark_in_use(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" in str(error):
            raise JournalError(
                f"the journal {path} is in use by another service: stop that one, or give this one a file of its own"
            ) from error
        raise JournalError(f"the journal {path} cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise _BrokenError(str(error)) from error
    except (JournalError, _BrokenError):
        connection.close()
        raise
    lost = was_in_use and not log_is_there
    return JournalFile(
        connection, f"the write-ahead log {log.name} is gone, and with it the last writes" if lost else ""
    )


def _require_sound(connection: sqlite3.Connection) -> None:
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        raise _BrokenError(" ".join(found[0].split()) if found else "it cannot be examined")


def _require_format(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found not in (0, 1, FORMAT):
        raise JournalError(f"the journal {path} has format {found}: another version of coderport wrote it")
    for statement in {0: (*_TABLES, _SINCE_2), 1: _FROM_1}.get(found, ()):
        connection.execute(statement)
    connection.execute("INSERT OR IGNORE INTO life VALUES (0, 0)")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _mark_in_use(connection: sqlite3.Connection) -> None:
    """First into the file itself, then once more into the log, so that this is not empty while the file is in use."""
    connection.execute("UPDATE life SET in_use = 1")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("REPLACE INTO probe VALUES (0, 0)")


def _moved_aside(path: Path, now: float) -> Path:
    """Where the file is now, with what belongs to it."""
    aside = path.with_name(f"{path.name}.broken-{int(now)}")
    try:
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise JournalError(f"the journal {path} is broken and cannot be moved aside: {error}") from error
    return aside


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block's writes or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back where the disk is full
            connection.execute("ROLLBACK")
        raise
