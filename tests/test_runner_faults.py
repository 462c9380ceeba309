"""Runs of actions while a server fails: the rows of docs/reliability.md that tell of reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import stamina
from fault_rows import NO, READING, rows_of
from runner_lab import RunnerLab, timed_lab

from coderport.catalog.actions.declared import STOP
from coderport.port.errors import PortError
from coderport.runner.execution import Ended

WORDS = {row[0]: row[2] for row in rows_of("An answer to a read")}


@pytest.fixture(scope="module")
def shared() -> Iterator[RunnerLab]:
    with timed_lab() as lab:
        yield lab


@pytest.fixture
def lab(shared: RunnerLab) -> Iterator[RunnerLab]:
    shared.patience = replace(shared.patience, coder_away=0.1)
    with stamina.set_testing(True, attempts=2):
        yield shared
    shared.leave_nothing()


@pytest.mark.parametrize("fault", READING)
def test_where_coder_fails_the_run_ends_with_a_failure_that_says_so(lab: RunnerLab, fault: str) -> None:
    workspace = lab.workspace()
    run, builds = lab.ask(STOP, entity=workspace), lab.builds(workspace)
    lab.coder.faults.add({"path": "/api/v2/", **READING[fault]})
    seen = lab.execute(run)
    lab.coder.faults.clear()
    assert seen.ended is Ended.FAILURE and seen.summary, seen
    assert lab.builds(workspace) == builds


@pytest.mark.parametrize("fault", [each for each in READING if each != "rows that are none"])
def test_where_port_fails_the_run_is_not_begun(lab: RunnerLab, fault: str) -> None:
    workspace = lab.workspace()
    run, builds = lab.ask(STOP, entity=workspace), lab.builds(workspace)
    number = lab.port.faults.add({"path": "/v1/actions/runs/", **READING[fault]})
    try:
        ended = lab.execute(run).ended
    except PortError:
        ended = None
    lab.port.faults.clear(number)
    assert ended in (None, Ended.NOT_OURS)
    assert lab.builds(workspace) == builds
    assert lab.port.run(run)["status"] == "IN_PROGRESS"


@pytest.mark.parametrize(("asks", "ended"), [("0", Ended.SUCCESS), ("nan", Ended.SUCCESS), ("31536000", Ended.FAILURE)])
def test_a_build_that_coder_puts_off_waits_as_long_as_that_is_worth_it(lab: RunnerLab, asks: str, ended: Ended) -> None:
    workspace = lab.workspace()
    run = lab.ask(STOP, entity=workspace)
    lab.coder.faults.add(
        kind="status", status=429, path="/builds$", method="POST", times=1, headers={"retry-after": asks}, **NO
    )
    seen = lab.execute(run)
    assert seen.ended is ended, seen
    assert ended is Ended.SUCCESS or "365 days" in seen.summary
