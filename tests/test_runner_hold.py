"""One run dispatched several times is worked once, and one whose process was cut off is taken over."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from runner_lab import QUICK, STACK, Beats, RunnerLab, timed_lab

from coderport.coder.client import CoderClient
from coderport.port.client import PortClient
from coderport.port.errors import PortError
from coderport.port.runs import LogEntry, Runs
from coderport.runner import hold
from coderport.runner.execution import Ended, RunContext, execute
from coderport.runner.github import claimant_of
from coderport.runner.hold import _holder

CREATE, RESTART = "coder_create_workspace", "coder_restart_workspace"
PATIENT = replace(QUICK, poll_most=20.0)


class Told(BaseException):
    """The process was told to end, as `coderport.terminal.ending` tells it."""


@pytest.fixture
def lab() -> Iterator[RunnerLab]:
    with timed_lab(templates=1, pending_seconds=0.05, running_seconds=0.3) as lab:
        yield lab


def at_once(lab: RunnerLab, run: str, *waits: float) -> list[Ended]:
    """The run in several processes, each of which begins after so many seconds of the lab."""
    assert lab.time is not None
    clock, begun = lab.time.of(None), lab.time.seconds

    async def one(wait: float) -> Ended:
        while clock.monotonic() < begun + wait:
            await asyncio.sleep(0.001)
        async with (
            CoderClient(lab.pair.coder_url, lab.coder.token) as coder,
            PortClient(lab.pair.port_url, lab.port.client_id, lab.port.client_secret) as port,
        ):
            given = RunContext(port, coder, lab.settings, STACK, patience=lab.patience, clock=clock)
            ended = await execute(run, given)
            assert lab.port.run(run)["status"] == "SUCCESS", "it would let the integration end a run that is at work"
            return ended

    async def all_of_them() -> list[Ended]:
        return list(await asyncio.gather(*(one(wait) for wait in waits)))

    return asyncio.run(all_of_them())


def cut_off(lab: RunnerLab, run: str, claimant: str | None = None, *, silently: bool = True) -> None:
    """A process takes the run on and is gone when it has begun the build; `silently` as if its machine were lost."""

    def cut() -> None:
        if silently:
            lab.port.faults.add(kind="status", method="POST", path="/logs$", status=422, body={"ok": False})
        raise Told

    beats = Beats(then=cut, when=lambda: bool(lab.coder.workspace_ids()))
    with pytest.raises(Told):
        lab.execute(run, clock=beats.clock(), claimant=claimant)
    lab.port.faults.clear()
    assert lab.port.run(run)["status"] == "IN_PROGRESS"


def told(lab: RunnerLab, method: str, path: str, body: dict[str, str]) -> None:
    """What another process tells Port."""
    credentials = {"clientId": lab.port.client_id, "clientSecret": lab.port.client_secret}
    token = httpx.post(f"{lab.pair.port_url}/v1/auth/access_token", json=credentials, timeout=300).json()["accessToken"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.request(
        method, f"{lab.pair.port_url}/v1/actions/runs{path}", json=body, headers=headers, timeout=300
    )
    assert answer.json()["ok"]


@pytest.mark.parametrize("waits", [(0, 0), (0, 0.02, 0.2), (0.1, 0)], ids=str)
def test_a_run_that_several_processes_get_is_worked_once(lab: RunnerLab, waits: tuple[float, ...]) -> None:
    run = lab.ask(CREATE, template=lab.any_template(), name="made")
    assert sorted(at_once(lab, run, *waits), key=str) == [Ended.ALREADY_ENDED] * (len(waits) - 1) + [Ended.SUCCESS]
    assert lab.port.run(run)["status"] == "SUCCESS"
    assert lab.builds("alice/made") == [("start", "succeeded")]
    workspace = lab.workspace("alice", "dev")
    run = lab.ask(RESTART, entity=workspace)
    assert sorted(at_once(lab, run, *waits), key=str) == [Ended.ALREADY_ENDED] * (len(waits) - 1) + [Ended.SUCCESS]
    assert [transition for transition, _ in lab.builds(workspace)] == ["start", "stop", "start"]


def test_the_second_leaves_when_the_first_has_ended_the_run_and_not_before(lab: RunnerLab) -> None:
    """Its exit would let the integration end the run by it, while the first is at work."""
    run = lab.ask(CREATE, template=lab.any_template(), name="made")
    assert at_once(lab, run, 0, 0.1) == [Ended.SUCCESS, Ended.ALREADY_ENDED]


def test_another_attempt_of_the_same_workflow_run_goes_on_with_what_was_begun(lab: RunnerLab) -> None:
    run = lab.ask(CREATE, template=lab.any_template(), name="made")
    cut_off(lab, run, "workflow-run-7")
    seen = lab.execute(run, claimant="workflow-run-7")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.builds("alice/made") == [("start", "succeeded")]


def test_another_attempt_that_finds_nothing_begun_takes_no_older_workspace_for_its_own(
    lab: RunnerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lab.do(CREATE, template=lab.any_template(), name="dev")
    assert made.ended is Ended.SUCCESS
    lab.mirror()
    (workspace,) = lab.coder.workspace_ids()
    assert lab.do("coder_stop_workspace", entity=workspace).ended is Ended.SUCCESS
    before, run = lab.builds(workspace), lab.ask(CREATE, template=lab.any_template(), name="dev")

    async def lost(_: object) -> None:
        lab.port.faults.add(kind="status", method="POST", path="/logs$", status=422, body={"ok": False})
        raise Told

    with monkeypatch.context() as patch, pytest.raises(Told):
        patch.setattr("coderport.runner.execution._Execution._done", lost)
        lab.execute(run, claimant="workflow-run-7")
    lab.port.faults.clear()
    seen = lab.execute(run, claimant="workflow-run-7")
    assert seen.ended is Ended.FAILURE and "alice already has a workspace dev" in seen.summary
    assert lab.builds(workspace) == before


def test_a_process_that_fell_silent_is_followed_by_another(lab: RunnerLab) -> None:
    run = lab.ask(CREATE, template=lab.any_template(), name="made")
    cut_off(lab, run, "workflow-run-7")
    clock = Beats()
    said: list[str] = []
    seen = lab.execute(run, claimant="workflow-run-8", clock=clock.clock(), patience=PATIENT, say=said.append)
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert len(said) == 1 and "Another process has run" in said[0]
    assert clock.seconds >= 100 and lab.builds("alice/made") == [("start", "succeeded")]
    entries = [line for line in seen.log.splitlines() if line.startswith("coderport takes")]
    assert entries == [
        "coderport takes this run on (workflow-run-7).",
        "coderport takes this run on (workflow-run-8) after (workflow-run-7).",
    ]


def test_a_run_that_was_left_is_taken_up_at_once(lab: RunnerLab) -> None:
    run = lab.ask(CREATE, template=lab.any_template(), name="made")
    cut_off(lab, run, silently=False)
    taken: list[float] = []

    def is_taken_up() -> bool:
        said = [str(line["message"]) for line in lab.port.run_logs(run)]
        return len([text for text in said if text.startswith("coderport takes this run on")]) == 2

    again = Beats(then=lambda: taken.append(again.seconds), when=is_taken_up)
    seen = lab.execute(run, clock=again.clock(), patience=PATIENT)
    assert seen.ended is Ended.SUCCESS, seen.summary
    taken.append(again.seconds)  # it may have been over before it waited again
    assert taken[0] < 100 and lab.builds("alice/made") == [("start", "succeeded")]


def test_a_process_that_writes_now_and_then_keeps_its_run(lab: RunnerLab) -> None:
    run = lab.ask(CREATE, template=lab.any_template(), name="made")
    cut_off(lab, run, "workflow-run-7")
    said: list[str] = []

    def sign_of_life() -> None:
        told(lab, "POST", f"/{run}/logs", {"message": "Still at work."})
        said.append(run)

    def ended() -> None:
        told(lab, "PATCH", f"/{run}", {"status": "FAILURE"})

    every_minute = dict.fromkeys(range(2, 40, 2), sign_of_life)
    clock = Beats({**every_minute, 40: ended})
    seen = lab.execute(run, claimant="workflow-run-8", clock=clock.clock(), patience=PATIENT)
    assert seen.ended is Ended.ALREADY_ENDED and len(said) > 10
    assert "workflow-run-8" not in seen.log


STOP, START, UPDATE, DELETE = (f"coder_{each}_workspace" for each in ("stop", "start", "update", "delete"))


@pytest.mark.parametrize("action", [STOP, START, RESTART, DELETE])
def test_a_build_that_was_begun_is_followed_by_whoever_takes_the_run_over(lab: RunnerLab, action: str) -> None:
    workspace = lab.workspace("alice", "dev")
    if action == START:
        assert lab.do(STOP, entity=workspace).ended is Ended.SUCCESS
    before = lab.builds(workspace)
    inputs = {"confirmation": "dev"} if action == DELETE else {}
    run = lab.ask(action, entity=workspace, **inputs)

    def cut() -> None:
        lab.port.faults.add(kind="status", method="POST", path="/logs$", status=422, body={"ok": False})
        raise Told

    beats = Beats(then=cut, when=lambda: len(lab.builds(workspace)) > len(before))
    with pytest.raises(Told):
        lab.execute(run, clock=beats.clock(), claimant="workflow-run-7")
    lab.port.faults.clear()
    seen = lab.execute(run, claimant="workflow-run-7")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert "already" not in seen.summary
    begun = [transition for transition, _ in lab.builds(workspace)[len(before) :]]
    assert begun == (["stop", "start"] if action == RESTART else [action.split("_")[1]])


class SignalAtOnce:
    """A number of looks whose first use is cut off by a signal."""

    def __index__(self) -> int:
        raise SystemExit(143)


@pytest.mark.parametrize("where", ["task", "callback", "beat", "before"])
def test_a_run_is_left_in_words_wherever_the_signal_arrives(
    lab: RunnerLab, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Python runs the handler of a signal in whatever task or callback is at work, and it raises there."""
    run = lab.ask(CREATE, template=lab.any_template(), name="made")

    async def task() -> None:
        raise SystemExit(143)

    def signalled() -> None:
        if where in ("task", "beat"):
            kept.append(asyncio.get_running_loop().create_task(task()))
        elif where == "callback":
            asyncio.get_running_loop().call_soon(sys.exit, 143)
        else:
            raise AssertionError("it was told before")

    kept: list[asyncio.Task[None]] = []
    if where == "beat":
        monkeypatch.setattr(hold, "_BEAT_SECONDS", 0.0)
    if where == "before":  # it waits for the log to show that it took the run on
        monkeypatch.setattr(hold, "_LOOKS", SignalAtOnce())
    beats = Beats(then=signalled, when=lambda: bool(lab.coder.workspace_ids()))
    with pytest.raises(SystemExit):
        lab.execute(run, clock=beats.clock(), claimant="workflow-run-7")
    assert bool(lab.coder.workspace_ids()) is (where != "before")
    said = [str(each["message"]) for each in lab.port.run_logs(run)]
    assert "coderport leaves this run (workflow-run-7) before its end." in said


def test_the_time_for_which_port_is_away_is_nobody_s_silence(lab: RunnerLab) -> None:
    run = lab.ask(CREATE, template=lab.any_template(), name="made")
    cut_off(lab, run, "workflow-run-7")
    clock = Beats()

    def away() -> None:
        clock.seconds += 3600

    def ended() -> None:
        told(lab, "PATCH", f"/{run}", {"status": "FAILURE"})

    clock = Beats({1: away, 2: ended})
    seen = lab.execute(run, claimant="workflow-run-8", clock=clock.clock(), patience=PATIENT)
    assert seen.ended is Ended.ALREADY_ENDED and "workflow-run-8" not in seen.log


def test_whoever_has_a_run_says_so_while_nothing_else_is_to_be_said(
    lab: RunnerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "_BEAT_SECONDS", 0.05)
    lab.coder.set_build_log()
    lab.coder.set_build_seconds(0, 3600)
    run = lab.ask(CREATE, template=lab.any_template(), name="made")

    def is_said() -> bool:
        return "Still at work." in [line["message"] for line in lab.port.run_logs(run)]

    lab.patience = replace(lab.patience, build=7200)
    seen = lab.execute(run, clock=Beats(then=lambda: lab.pass_seconds(3600), when=is_said).clock())
    assert seen.ended is Ended.SUCCESS and is_said()
    assert hold._SILENT_SECONDS > 3 * 30.0


def test_nothing_is_begun_where_port_does_not_show_who_has_the_run(lab: RunnerLab) -> None:
    run = lab.ask(CREATE, template=lab.any_template(), name="made")
    lab.port.faults.add(kind="status", method="GET", path=r"/logs\?", status=200, body={"ok": True, "runLogs": []})
    with pytest.raises(PortError):
        lab.execute(run)
    assert lab.coder.workspace_ids() == set()


@pytest.mark.parametrize(
    ("entries", "holder"),
    [
        ([], None),
        (["(a)", "(b)"], "a"),
        (["(a)", "(b) after (a)", "(c) after (a)"], "b"),
        (["(a)", "(b) after (a)", "(c) after (b)"], "c"),
        (["(b) after (a)", "(a)"], "a"),
    ],
)
def test_the_log_s_order_says_who_has_the_run_whatever_order_port_sends_it_in(
    entries: list[str], holder: str | None
) -> None:
    log = [
        LogEntry(f"rl_{at}", f"coderport takes this run on {text}.", f"2026-01-01T00:00:0{at}.000Z")
        for at, text in enumerate(entries)
    ]
    other = [LogEntry("rl_9", "planning\ncoderport takes this run on (z).", "2025-01-01T00:00:00.000Z")]
    assert _holder(log + other) == _holder([*reversed(log), *other]) == holder


def test_a_long_log_is_read_to_its_end(lab: RunnerLab) -> None:
    run = lab.ask(CREATE, template=lab.any_template(), name="made")

    async def filled(_: CoderClient, port: PortClient) -> int:
        runs = Runs(port)
        for number in range(101):
            await runs.log(run, f"line {number}")
        return len(await runs.logs(run))

    assert lab.talk(filled) == 101


def test_attempts_of_one_workflow_run_are_one_claimant() -> None:
    assert claimant_of({"GITHUB_RUN_ID": "1234", "GITHUB_RUN_ATTEMPT": "2"}) == "workflow-run-1234"
    assert claimant_of({}) is None and claimant_of({"GITHUB_RUN_ID": "x) after (y"}) is None
