"""The records of the history: names that sort by time, which go and which stay, and who may read them."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderport.history.record import HistoryError, Record, run_name
from coderport.history.store import Store

NOON = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
STEP = timedelta(milliseconds=1)


def record(run: str) -> Record:
    return Record(run=run, how="up", stack="coderport/test", deployment="d", port_organization="org", started=NOON)


@given(st.integers(0, 86_400_000), st.integers(1, 5_000))
def test_names_sort_by_time_also_within_one_second(begin: int, later: int) -> None:
    first, second = NOON + begin * STEP, NOON + (begin + later) * STEP
    assert run_name(first) < run_name(second)


def test_runs_of_one_moment_differ() -> None:
    assert len({run_name(NOON) for _ in range(20)}) > 1


def test_of_the_runs_of_one_second_the_newest_are_kept(tmp_path: Path) -> None:
    store = Store("history", "coderport/test", state="s", project=tmp_path)
    names = [run_name(NOON + number * STEP) for number in range(0, 600, 50)]
    for name in names:
        store.keep(record(name), 3)
    assert store.runs() == names[:-4:-1]


def test_names_of_versions_before_are_read_too(tmp_path: Path) -> None:
    store = Store("history", "coderport/test", state="s", project=tmp_path)
    old, new = "20261126T235959Z-ffff", run_name(NOON)
    store.keep(record(old), 9)
    store.keep(record(new), 9)
    assert store.runs() == [new, old]
    assert store.record(old).run == old


def test_the_run_that_is_undone_is_not_given_up_for_the_record_of_its_undo(tmp_path: Path) -> None:
    store = Store("history", "coderport/test", state="s", project=tmp_path)
    names = [run_name(NOON + number * STEP) for number in range(0, 300, 50)]
    for name in names[:4]:
        store.keep(record(name), 4)
    store.keep(record(names[4]), 1, beside=names[0])
    assert store.runs() == [names[4], names[0]]
    store.keep(record(names[5]), 1)
    assert store.runs() == [names[5]]


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_records_on_a_disk_are_their_account_s_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        older = tmp_path / "history" / "s"
        older.mkdir(parents=True)  # as a version before made it
        Store("history", "coderport/test", state="s", project=tmp_path).keep(record(run_name(NOON)), 3)
        Store("history", "coderport/test", state="new", project=tmp_path).keep(record(run_name(NOON)), 3)
    finally:
        os.umask(before)
    for folder in (older, tmp_path / "history" / "new"):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [each.stat().st_mode & 0o777 for each in folder.iterdir()] == [0o600]


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_folder_that_its_owner_shares_with_a_group_stays_so(tmp_path: Path) -> None:
    shared = tmp_path / "history" / "s"
    shared.mkdir(parents=True)
    shared.chmod(0o750)
    Store("history", "coderport/test", state="s", project=tmp_path).keep(record(run_name(NOON)), 3)
    assert shared.stat().st_mode & 0o777 == 0o750


def test_what_cannot_be_kept_is_told_with_the_stack_as_pulumi_calls_it(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("in the way")
    store = Store("history", "coderport/test", state="s", project=tmp_path, called="acme/coderport/test")
    with pytest.raises(HistoryError, match="--stack acme/coderport/test"):
        store.keep(record(run_name(NOON)), 3)
