"""The runs that the service took on, in SQLite: what makes a killed service go on where it was.

One connection in one thread, which owns the file alone while the service lives: two services on one journal would
do every run twice. A write is on the disk before its call returns. What was lost while nobody looked (a broken page, a
missing write-ahead log) is found when the file is opened (`journal_file`), and Port's open runs are taken up besides.
"""

from __future__ import annotations

import asyncio
import enum
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from coderport.runner.service.journal_file import JournalError, JournalFile, opened_file, transaction

KEPT_SECONDS: Final = 30 * 86400
"""How long an ended run stays in the journal, for people."""

UNTOLD: Final = frozenset({"not_ours", "already_ended", "abandoned"})
"""Ends that this service did not tell Port: a run that is open all the same is taken on again."""

_Result = TypeVar("_Result")


class Taken(enum.Enum):
    """What became of a request. REPEATED: signed anew for a run that is known; REPLAYED: this very request again."""

    NEW = "new"
    REPEATED = "repeated"
    REPLAYED = "replayed"
    FULL = "full"


@dataclass(frozen=True)
class Waiting:
    """A run to be worked on.

    `workspace` is the key of what it acts on, `person` who asked for it; None where that has not been asked for yet.
    """

    run_id: str
    received_at: float
    workspace: str | None = None
    person: str | None = None
    attempts: int = 0


class RunJournal:
    """Made by `opened`. Every method raises JournalError if the file cannot be read or written."""

    def __init__(self, file: JournalFile, thread: ThreadPoolExecutor, clock: Callable[[], float]) -> None:
        self._connection, self._thread, self._clock = file.connection, thread, clock
        self.lost = file.lost
        """What was found to be lost when the file was opened, for the log; "" for nothing."""

    @staticmethod
    @asynccontextmanager
    async def opened(path: Path, clock: Callable[[], float]) -> AsyncIterator[RunJournal]:
        """The journal in this file, made if there is none; `clock` gives epoch seconds."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal") as thread:
            loop = asyncio.get_running_loop()
            file = await loop.run_in_executor(thread, opened_file, path, clock())
            try:
                yield RunJournal(file, thread, clock)
            finally:
                await loop.run_in_executor(thread, file.close)

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
            known = _is_known(database, run_id)
            if not known and _one(database, "SELECT count(*) FROM runs WHERE state = 'queued'") >= room:
                return Taken.FULL
            database.execute("INSERT INTO signatures VALUES (?, ?)", (mark, expires))
            if known:
                return Taken.REPEATED
            _insert(database, run_id, now)
            return Taken.NEW

        return await self._do(act)

    async def take_open(self, run_ids: Sequence[str]) -> list[Waiting]:
        """Takes on those of these runs, which are open in Port, that it does not know; they wait then."""

        def act(database: sqlite3.Connection) -> list[Waiting]:
            now = self._clock()
            new = [run_id for run_id in run_ids if not _is_known(database, run_id)]
            for run_id in new:
                _insert(database, run_id, now)
            return [Waiting(run_id, now) for run_id in new]

        return await self._do(act)

    async def forget(self, run_id: str) -> None:
        """The run has not begun (it waits for an approval): Port calls again when it does."""
        await self._do(lambda database: database.execute("DELETE FROM runs WHERE run_id = ?", (run_id,)))

    async def unfinished(self) -> list[Waiting]:
        """The runs that have not ended, in the order in which they came; all of them wait again.

        Those that had begun something stand before the others: another run of their workspace must not be at work
        before it is known what became of it.
        """

        def act(database: sqlite3.Connection) -> list[Waiting]:
            database.execute("UPDATE runs SET state = 'queued' WHERE state = 'running'")
            rows = database.execute(
                "SELECT run_id, received_at, workspace, person, attempts FROM runs WHERE state = 'queued' "
                "ORDER BY step IS NULL, rowid"
            )
            return [Waiting(*row) for row in rows]

        return await self._do(act)

    async def claimed(self, run_id: str, workspace: str, person: str) -> None:
        """Remembers which workspace the run acts on and whose it is, so that a restart need not ask again."""
        await self._update(run_id, "workspace = ?, person = ?", workspace, person)

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
                with transaction(self._connection):
                    return act(self._connection)
            except sqlite3.Error as error:
                raise JournalError(f"the journal cannot be written: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, transact)


def _is_known(database: sqlite3.Connection, run_id: str) -> bool:
    """Whether the run waits, is worked on, or has ended in a way that Port was told of."""
    row = database.execute("SELECT state, outcome FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    return row is not None and not (row[0] == "ended" and row[1] in UNTOLD)


def _insert(database: sqlite3.Connection, run_id: str, now: float) -> None:
    database.execute(
        "INSERT INTO runs (run_id, received_at, state, updated_at) VALUES (?, ?, 'queued', ?) ON CONFLICT (run_id) "
        "DO UPDATE SET received_at = excluded.received_at, updated_at = excluded.updated_at, state = 'queued', "
        "outcome = NULL",
        (run_id, now, now),
    )


def _one(database: sqlite3.Connection, query: str, *values: str) -> int:
    """The number that the query gives."""
    return int(database.execute(query, values).fetchone()[0])
