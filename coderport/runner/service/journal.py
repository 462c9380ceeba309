"""The runs that the service took on, in SQLite: what makes a killed service go on where it was.

One connection in one thread, which owns the file alone while the service lives: two services on one journal would
do every run twice. A write is on the disk before its call returns.
"""

from __future__ import annotations

import asyncio
import enum
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from coderport.errors import CoderportError

FORMAT: Final = 1
KEPT_SECONDS: Final = 30 * 86400
"""How long an ended run stays in the journal, for people."""

_LOCK_SECONDS: Final = 5.0

_TABLES = (
    """CREATE TABLE runs (
        run_id TEXT PRIMARY KEY, received_at REAL NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'ended')), workspace TEXT, outcome TEXT, step TEXT,
        attempts INTEGER NOT NULL DEFAULT 0, updated_at REAL NOT NULL)""",
    "CREATE INDEX runs_by_state ON runs (state, updated_at)",
    "CREATE TABLE signatures (mark TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX signatures_by_end ON signatures (expires)",
    "CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 0), at REAL NOT NULL)",
)

_Result = TypeVar("_Result")


class JournalError(CoderportError):
    """The journal cannot be opened, read or written."""


class Taken(enum.Enum):
    """What became of a request. REPEATED: signed anew for a run that is known; REPLAYED: this very request again."""

    NEW = "new"
    REPEATED = "repeated"
    REPLAYED = "replayed"
    FULL = "full"


@dataclass(frozen=True)
class Waiting:
    """A run to be worked on. `workspace`: the key of what it acts on, where it has been asked for before."""

    run_id: str
    received_at: float
    workspace: str | None = None
    attempts: int = 0


class RunJournal:
    """Made by `opened`. Every method raises JournalError if the file cannot be read or written."""

    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor, clock: Callable[[], float]) -> None:
        self._connection, self._thread, self._clock = connection, thread, clock

    @staticmethod
    @asynccontextmanager
    async def opened(path: Path, clock: Callable[[], float]) -> AsyncIterator[RunJournal]:
        """The journal in this file, made if there is none; `clock` gives epoch seconds."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal") as thread:
            loop = asyncio.get_running_loop()
            connection = await loop.run_in_executor(thread, _connected, path)
            journal = RunJournal(connection, thread, clock)
            try:
                yield journal
            finally:
                await loop.run_in_executor(thread, connection.close)

    async def take(self, run_id: str, mark: str, expires: float, room: int) -> Taken:
        """Remembers the request and its run, both or neither; FULL where `room` runs wait already.

        What is refused for want of room is not remembered: the sender may come again with the same signature.
        """

        def act(database: sqlite3.Connection) -> Taken:
            now = self._clock()
            database.execute("DELETE FROM signatures WHERE expires < ?", (now,))
            database.execute("DELETE FROM runs WHERE state = 'ended' AND updated_at < ?", (now - KEPT_SECONDS,))
            if _one(database, "SELECT count(*) FROM signatures WHERE mark = ?", mark):
                return Taken.REPLAYED
            known = bool(_one(database, "SELECT count(*) FROM runs WHERE run_id = ?", run_id))
            if not known and _one(database, "SELECT count(*) FROM runs WHERE state = 'queued'") >= room:
                return Taken.FULL
            database.execute("INSERT INTO signatures VALUES (?, ?)", (mark, expires))
            if known:
                return Taken.REPEATED
            database.execute(
                "INSERT INTO runs (run_id, received_at, state, updated_at) VALUES (?, ?, 'queued', ?)",
                (run_id, now, now),
            )
            return Taken.NEW

        return await self._do(act)

    async def unfinished(self) -> list[Waiting]:
        """The runs that have not ended, in the order in which they came; all of them wait again."""

        def act(database: sqlite3.Connection) -> list[Waiting]:
            database.execute("UPDATE runs SET state = 'queued' WHERE state = 'running'")
            rows = database.execute(
                "SELECT run_id, received_at, workspace, attempts FROM runs WHERE state = 'queued' ORDER BY rowid"
            )
            return [Waiting(*row) for row in rows]

        return await self._do(act)

    async def keyed(self, run_id: str, workspace: str) -> None:
        """Remembers which workspace the run acts on, so that a restart need not ask again."""
        await self._update(run_id, "workspace = ?", workspace)

    async def started(self, run_id: str) -> None:
        """The run is being worked on, once more."""
        await self._update(run_id, "state = 'running', attempts = attempts + 1")

    async def put_back(self, run_id: str) -> None:
        """The run broke off and waits for another attempt."""
        await self._update(run_id, "state = 'queued'")

    async def ended(self, run_id: str, outcome: str) -> None:
        """The run is over and will not be picked up again."""
        await self._update(run_id, "state = 'ended', outcome = ?", outcome)

    async def step(self, run_id: str) -> str | None:
        """What `record` kept last for this run."""

        def act(database: sqlite3.Connection) -> str | None:
            row = database.execute("SELECT step FROM runs WHERE run_id = ?", (run_id,)).fetchone()
            return None if row is None else row[0]

        return await self._do(act)

    async def record(self, run_id: str, step: str) -> None:
        """Keeps how far the run has come, in the runner's own words."""
        await self._update(run_id, "step = ?", step)

    async def probe(self) -> None:
        """Writes a row, to learn whether the journal can be written."""
        await self._do(lambda database: database.execute("REPLACE INTO probe VALUES (0, ?)", (self._clock(),)))

    async def _update(self, run_id: str, change: str, *values: str) -> None:
        def act(database: sqlite3.Connection) -> None:
            changed = database.execute(
                f"UPDATE runs SET {change}, updated_at = ? WHERE run_id = ? AND state != 'ended'",
                (*values, self._clock(), run_id),
            )
            if changed.rowcount != 1:
                raise JournalError(f"run {run_id} is not in the journal, or has ended")

        await self._do(act)

    async def _do(self, act: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """One transaction, in the journal's thread."""

        def transact() -> _Result:
            try:
                with _transaction(self._connection):
                    return act(self._connection)
            except sqlite3.Error as error:
                raise JournalError(f"the journal cannot be written: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, transact)


def _connected(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"the journal {path} cannot be opened: {error}") from error
    try:
        # Before the first access: the lock is taken then, and kept. The end of the process frees it, however it ends.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        with _transaction(connection):
            found = _one(connection, "PRAGMA user_version")
            if found == 0:
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
            elif found != FORMAT:
                raise JournalError(f"the journal {path} has format {found}: another version of coderport wrote it")
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" in str(error):
            raise JournalError(
                f"the journal {path} is in use by another service: stop that one, or give this one a file of its own"
            ) from error
        raise JournalError(f"the journal {path} cannot be opened: {error}") from error
    except sqlite3.Error as error:
        connection.close()
        raise JournalError(
            f"the journal {path} cannot be read ({error}): move it away to start with an empty one"
        ) from error
    except JournalError:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back where the disk is full
            connection.execute("ROLLBACK")
        raise


def _one(connection: sqlite3.Connection, query: str, *values: str) -> int:
    """The number that the query gives."""
    return int(connection.execute(query, values).fetchone()[0])
