"""What a run is called in the history: names sort by time, so that the newest is undone and the oldest given up."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from coderport.history.record import Record, run_name
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
