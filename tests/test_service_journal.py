"""The journal of the webhook service."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from service_lab import (
    NOW,
    ONE,
    THREE,
    TWO,
    looped,
    run_id,
)

from coderport.runner.service import journal_file
from coderport.runner.service.journal import KEPT_SECONDS, RunJournal, Taken
from coderport.runner.service.journal_file import JournalError


@looped
async def test_two_services_cannot_share_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coderport.runner.service.journal_file._LOCK_SECONDS", 0.0)
    path = tmp_path / "deep" / "runs.sqlite"
    async with RunJournal.opened(path, lambda: NOW):
        with pytest.raises(JournalError, match="in use by another service"):
            async with RunJournal.opened(path, lambda: NOW):
                pass
    async with RunJournal.opened(path, lambda: NOW):
        pass


@looped
async def test_a_file_that_is_no_journal_is_named_and_left_alone(tmp_path: Path) -> None:
    text, newer = tmp_path / "text", tmp_path / "newer"
    text.write_text("not a database, but long enough to be read as one" * 100)
    with closing(sqlite3.connect(newer)) as database:
        database.execute("PRAGMA user_version = 99")
    for path, message in ((text, "cannot be read"), (newer, "another version"), (tmp_path, "cannot be opened")):
        with pytest.raises(JournalError, match=message):
            async with RunJournal.opened(path, lambda: NOW):
                pass
    assert text.read_text().startswith("not a database")


@looped
async def test_the_journal_keeps_how_far_a_run_has_come(tmp_path: Path) -> None:
    path, step = tmp_path / "runs.sqlite", '{"phase":"building","build":"é"}'
    async with RunJournal.opened(path, lambda: NOW) as journal:
        await journal.take(ONE, "mark", NOW, 1)
        assert await journal.step(ONE) is None
        await journal.record(ONE, step)
    async with RunJournal.opened(path, lambda: NOW) as journal:
        assert await journal.step(ONE) == step
        assert await journal.step(TWO) is None
        with pytest.raises(JournalError, match=TWO):
            await journal.record(TWO, step)


@looped
async def test_a_run_ends_once_in_the_journal(tmp_path: Path) -> None:
    async with RunJournal.opened(tmp_path / "runs.sqlite", lambda: NOW) as journal:
        await journal.take(ONE, "mark", NOW, 1)
        await journal.started(ONE)
        await journal.ended(ONE, "success")
        assert await journal.unfinished() == []
        with pytest.raises(JournalError, match="has ended"):
            await journal.ended(ONE, "failure")


@looped
async def test_a_run_that_had_begun_something_goes_on_before_others(tmp_path: Path) -> None:
    async with RunJournal.opened(tmp_path / "runs.sqlite", lambda: NOW) as journal:
        for run in (ONE, TWO, THREE):
            await journal.take(run, f"mark of {run}", NOW, 9)
        await journal.record(TWO, "a step")
        assert [run.run_id for run in await journal.unfinished()] == [TWO, ONE, THREE]


@looped
async def test_what_is_old_is_forgotten_and_what_is_unfinished_is_not(tmp_path: Path) -> None:
    now = [NOW]
    async with RunJournal.opened(tmp_path / "runs.sqlite", lambda: now[0]) as journal:
        for run in (ONE, TWO):
            assert await journal.take(run, f"mark of {run}", NOW + 301, 9) is Taken.NEW
        await journal.ended(ONE, "success")
        now[0] += 300
        assert await journal.take(ONE, f"mark of {ONE}", NOW + 301, 9) is Taken.REPLAYED
        now[0] += KEPT_SECONDS
        assert await journal.take(THREE, "another", now[0] + 301, 9) is Taken.NEW
        counts = await journal._do(
            lambda database: database.execute(
                "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM signatures)"
            ).fetchone()
        )
        assert counts == (2, 1)
        assert [run.run_id for run in await journal.unfinished()] == [TWO, THREE]


def damaged(path: Path, at: int) -> None:
    """Overwrites a page of the file, as a disk does."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xde\xad\xbe\xef" * 1024)


@looped
async def test_a_broken_page_is_noticed_said_and_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    async with RunJournal.opened(path, lambda: NOW) as journal:
        for number in range(300):
            await journal.take(run_id(number), f"mark {number}", NOW, 1000)
    sound, now = path.read_bytes(), [NOW]
    for page in range(len(sound) // 4096):
        now[0] = NOW + page
        path.write_bytes(sound)
        damaged(path, page * 4096)
        async with RunJournal.opened(path, lambda: now[0]) as journal:
            assert "broken" in journal.lost and f"runs.sqlite.broken-{int(NOW + page)}" in journal.lost
            assert await journal.unfinished() == []
            assert await journal.take(ONE, "new", NOW, 9) is Taken.NEW
        assert path.with_name(f"runs.sqlite.broken-{int(NOW + page)}").stat().st_size == len(sound)
    async with RunJournal.opened(path, lambda: NOW) as journal:
        assert journal.lost == "" and [run.run_id for run in await journal.unfinished()] == [ONE]


KILLED = """
import asyncio, os, sys
from pathlib import Path
from coderport.runner.service import journal_file
from coderport.runner.service.journal import RunJournal
async def work():
    async with RunJournal.opened(Path(sys.argv[1]), lambda: 0.0) as journal:
        await journal.take("r_0000000000000001", "mark", 9.0, 9)
        os.kill(os.getpid(), 9)
asyncio.run(work())
"""


@pytest.mark.parametrize("what", ["kept", "removed", "emptied"])
def test_a_write_ahead_log_that_is_gone_is_noticed_and_said(tmp_path: Path, what: str) -> None:
    path = tmp_path / "runs.sqlite"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=Path(__file__).resolve().parents[1], check=False)
    log = path.with_name("runs.sqlite-wal")
    assert log.stat().st_size > 0
    if what == "removed":
        log.unlink()
    elif what == "emptied":
        log.write_bytes(b"")

    @looped
    async def act() -> None:
        async with RunJournal.opened(path, lambda: NOW) as journal:
            assert ("write-ahead log" in journal.lost) is (what != "kept")
            assert [run.run_id for run in await journal.unfinished()] == ([ONE] if what == "kept" else [])
        async with RunJournal.opened(path, lambda: NOW) as journal:
            assert journal.lost == ""

    act()


@looped
async def test_a_journal_of_the_first_format_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(path)) as database:
        for statement in journal_file._TABLES:
            database.execute(statement.replace(", person TEXT", ""))
        database.execute("INSERT INTO runs (run_id, received_at, state, updated_at) VALUES (?, 1, 'queued', 1)", (ONE,))
        database.execute("PRAGMA user_version = 1")
        database.commit()
    async with RunJournal.opened(path, lambda: NOW) as journal:
        assert journal.lost == "" and [run.run_id for run in await journal.unfinished()] == [ONE]
        await journal.claimed(ONE, "w", "alice")
        assert [(run.workspace, run.person) for run in await journal.unfinished()] == [("w", "alice")]
