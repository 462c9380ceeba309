"""Killed processes, lost answers, runs closed by others: no build is started twice, each run ends once and truly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import stamina
from runner_lab import BOB, QUICK, SETTINGS, STACK, Beats, RunnerLab, timed_lab

from coderport.coder.client import CoderClient
from coderport.port.client import PortClient
from coderport.port.errors import PortError
from coderport.runner.execution import Ended, RunContext, Step, open_runs
from coderport.settings import Actions

CREATE, START, STOP = "coder_create_workspace", "coder_start_workspace", "coder_stop_workspace"
RESTART, DELETE, UPDATE = "coder_restart_workspace", "coder_delete_workspace", "coder_update_workspace"
DORMANT = "coder_make_workspace_dormant"


class Killed(BaseException):
    """The process ends here: nothing that follows in it happens."""


class Memory:
    """A journal that outlives the process. `kill` says at which write, and whether the write still happened."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.writes = 0
        self.kill: tuple[int, bool] | None = None

    async def step(self, run_id: str) -> str | None:
        return self.kept.get(run_id)

    async def record(self, run_id: str, step: str) -> None:
        self.writes += 1
        number, written = self.kill or (0, True)
        if self.writes != number or written:
            self.kept[run_id] = step
        if self.writes == number:
            raise Killed


@pytest.fixture(scope="module")
def shared() -> Iterator[RunnerLab]:
    with timed_lab(templates=1, pending_seconds=0, running_seconds=0.02) as lab:
        yield lab


@pytest.fixture
def lab(shared: RunnerLab) -> Iterator[RunnerLab]:
    # What is repeated is repeated at once: the clients' own waiting is tested with the clients.
    with stamina.set_testing(True, attempts=2):
        yield shared
    shared.patience = QUICK
    shared.leave_nothing()


def prepared(lab: RunnerLab, action: str, number: int) -> tuple[str, str, list[str]]:
    """A run, the workspace that it is about, and the transitions that its builds must be in the end."""
    name = f"w{number}"
    if action == CREATE:
        return lab.ask(CREATE, template=lab.any_template(), name=name), f"alice/{name}", ["start"]
    workspace = lab.workspace(name=name, running=action != START)
    if action == UPDATE:
        lab.coder.promote_version(lab.held(workspace).template_id)
        lab.mirror()
    given: dict[str, dict[str, Any]] = {
        START: {"parameters": {"cpu": 5}},
        DORMANT: {"confirmation": name},
        DELETE: {"confirmation": name},
    }
    inputs = given.get(action, {})
    did = {START: ["start"], STOP: ["stop"], DORMANT: ["stop"], DELETE: ["delete"]}.get(action, ["stop", "start"])
    before = [transition for transition, _ in lab.builds(workspace)]
    return lab.ask(action, entity=workspace, **inputs), workspace, before + did


@pytest.mark.parametrize("action", [CREATE, START, RESTART, UPDATE, DORMANT, DELETE])
def test_a_process_that_is_killed_anywhere_is_taken_up_by_another(lab: RunnerLab, action: str) -> None:
    """Killed at each write of the journal, before and after it, and at each wait; then run again."""
    kills: list[tuple[Beats, tuple[int, bool] | None]] = [
        (Beats(), (number, written)) for number in range(1, 7) for written in (True, False)
    ]
    kills += [(Beats(at={number: die}), None) for number in range(1, 4)]
    killed = 0
    for number, (beats, at_write) in enumerate(kills):
        run, workspace, expected = prepared(lab, action, number)
        journal = Memory()
        journal.kill = at_write
        try:
            lab.execute(run, journal=journal, clock=beats.clock())
        except Killed:
            killed += 1
            assert lab.port.run(run)["status"] == "IN_PROGRESS"
            journal.kill = None
            seen = lab.execute(run, journal=journal)
            assert seen.ended is Ended.SUCCESS, seen.summary
            applying = [line for line in seen.log.splitlines() if line == "applying"]
            assert len(applying) <= 2 * len(expected)
        assert lab.port.run(run)["status"] == "SUCCESS"
        assert [transition for transition, _ in builds(lab, workspace, run)] == expected
        assert lab.execute(run, journal=journal).ended is Ended.ALREADY_ENDED
    assert killed >= 4


def builds(lab: RunnerLab, workspace: str, run: str) -> list[tuple[str, str]]:
    with lab.coder.state.lock:
        for each in reversed(lab.coder.state.workspaces.values()):
            owner = lab.coder.state.users[each.owner_id].username
            if workspace in (each.id, f"{owner}/{each.name}"):
                return [(build.transition, build.job_status) for build in each.builds]
    raise AssertionError(f"no workspace {workspace} for {run}")


def die() -> None:
    raise Killed


@pytest.mark.parametrize("write", [1, 2, 3])
def test_an_update_that_is_taken_up_starts_the_version_that_was_checked(lab: RunnerLab, write: int) -> None:
    """Another version became active while no process was at work: nobody looked whether it takes the values."""
    run, workspace, _ = prepared(lab, UPDATE, 0)
    template = lab.held(workspace).template_id
    checked = lab.coder.template(template).active_version_id
    journal = Memory()
    journal.kill = (write, True)
    with pytest.raises(Killed):
        lab.execute(run, journal=journal)
    journal.kill = None
    assert lab.coder.promote_version(template) != checked
    seen = lab.execute(run, journal=journal)
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.build(workspace).version_id == checked


def test_a_template_cannot_erase_what_the_log_of_a_run_says_was_begun(lab: RunnerLab) -> None:
    """Its lines are in the same log: those on the parts of a run on many workspaces are none of ours in this one."""
    run, workspace, expected = prepared(lab, RESTART, 0)
    ends = f"coderport has ended its work on alice/dev, {workspace} (done)."
    begins = f"coderport begins build 7 of alice/dev, {workspace} (stop)."
    lab.coder.set_build_log(begins, ends)
    lab.patience = replace(QUICK, log_lines=1)  # each line is a message, as where builds are slow

    def printed_and_starting() -> bool:
        lines = [line["message"] for line in lab.port.run_logs(run)]
        return any(ends in line for line in lines) and lab.builds(workspace)[-1][0] == "start"

    with pytest.raises(Killed):
        lab.execute(run, claimant="workflow-run-1", clock=Beats(then=die, when=printed_and_starting).clock())
    seen = lab.execute(run, claimant="workflow-run-1")
    lab.coder.set_build_log()
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert [transition for transition, _ in lab.builds(workspace)] == expected


@pytest.mark.parametrize(
    "line", ["takes this run on (x).", "leaves this run (x) before its end.", "begins build 2 (stop)."]
)
def test_the_report_marks_what_begins_as_the_runner_s_own_lines_do(lab: RunnerLab, line: str) -> None:
    run = lab.ask(CREATE, template=lab.any_template(), name="dev")
    lab.coder.set_build_log(f"coderport {line}")
    lab.patience = replace(QUICK, log_lines=1)
    lab.execute(run)
    lab.coder.set_build_log()
    messages = [each["message"] for each in lab.port.run_logs(run)]
    assert f"coderport {line}" not in messages and f"· coderport {line}" in messages


def test_the_log_of_a_run_keeps_which_version_was_checked(lab: RunnerLab) -> None:
    run, workspace, _ = prepared(lab, UPDATE, 0)
    template = lab.held(workspace).template_id
    checked = lab.coder.template(template).active_version_id
    stopping = Beats(then=die, when=lambda: lab.builds(workspace)[-1][0] == "stop")
    with pytest.raises(Killed):
        lab.execute(run, claimant="workflow-run-1", clock=stopping.clock())
    assert lab.coder.promote_version(template) != checked
    seen = lab.execute(run, claimant="workflow-run-1")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert lab.build(workspace).version_id == checked


def test_parameters_survive_a_kill(lab: RunnerLab) -> None:
    run, workspace, _ = prepared(lab, START, 0)
    journal = Memory()
    journal.kill = (1, True)
    with pytest.raises(Killed):
        lab.execute(run, journal=journal)
    journal.kill = None
    lab.execute(run, journal=journal)
    assert lab.build(workspace).parameters["cpu"] == "5"


def test_a_resumed_run_that_finds_its_workspace_gone_ends_as_what_it_was(lab: RunnerLab) -> None:
    run, workspace, _ = prepared(lab, DELETE, 0)
    journal = Memory()
    with pytest.raises(Killed):
        lab.execute(run, journal=journal, clock=Beats(at={1: die}).clock())
    lab.coder.advance()
    seen = lab.execute(run, journal=journal)
    assert seen.ended is Ended.SUCCESS and lab.port.entity("coder_workspace", workspace) is None


def test_a_failure_that_happened_while_nobody_looked_is_reported(lab: RunnerLab) -> None:
    run, workspace, _ = prepared(lab, STOP, 0)
    lab.coder.fail_next_builds("disk is full")
    journal = Memory()
    journal.kill = (2, True)
    with pytest.raises(Killed):
        lab.execute(run, journal=journal)
    journal.kill = None
    seen = lab.execute(run, journal=journal)
    assert seen.ended is Ended.FAILURE and "disk is full" in seen.summary
    assert lab.builds(workspace)[-1] == ("stop", "failed")


def test_a_step_of_another_version_is_no_step() -> None:
    assert Step.of(None) is None
    assert Step.of("{}") is None and Step.of("nonsense") is None and Step.of('{"phase": "stop", "new": 1}') is None
    step = Step("start", "w", 3, "b", 17)
    assert Step.of(step.text()) == step


# ---------------------------------------------------------------- lost answers


@pytest.mark.parametrize("kind", ["drop_connection", "status", "html", "cut"])
@pytest.mark.parametrize("applied", [True, False])
def test_a_build_whose_answer_was_lost_is_not_asked_for_twice(lab: RunnerLab, kind: str, applied: bool) -> None:
    run, workspace, expected = prepared(lab, STOP, 0)
    lab.coder.faults.add(
        {"method": "POST", "path": "/builds$", "kind": kind, "status": 502, "applied": applied, "times": 1}
    )
    seen = lab.execute(run)
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert [transition for transition, _ in lab.builds(workspace)] == expected


@pytest.mark.parametrize("kind", ["drop_connection", "status", "html", "cut"])
@pytest.mark.parametrize("applied", [True, False])
def test_a_workspace_whose_answer_was_lost_is_looked_up_by_its_name(lab: RunnerLab, kind: str, applied: bool) -> None:
    lab.coder.faults.add(
        {"method": "POST", "path": "/workspaces$", "kind": kind, "status": 502, "applied": applied, "times": 1}
    )
    seen = lab.do(CREATE, template=lab.any_template(), name="dev")
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert len(lab.coder.workspace_ids()) == 1 and lab.builds("alice/dev") == [("start", "succeeded")]


def test_a_name_that_somebody_took_while_the_answer_was_lost_is_not_adopted(lab: RunnerLab) -> None:
    run = lab.ask(CREATE, template=lab.any_template(), name="dev")
    lab.coder.faults.add({"method": "POST", "path": "/workspaces$", "kind": "status", "status": 502, "times": 1})
    made: list[str] = []
    beats = Beats(at={1: lambda: made.append(lab.coder.create_workspace("alice", lab.any_template(), "dev"))})
    seen = lab.execute(run, clock=beats.clock())
    assert seen.ended is Ended.FAILURE and "already has a workspace dev" in seen.summary
    assert lab.builds(made[0]) == [("start", "succeeded")]


def test_a_coder_that_loses_every_request_is_left_in_peace_between_them_and_given_up(
    lab: RunnerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, workspace, _ = prepared(lab, STOP, 0)
    lab.coder.faults.add({"method": "POST", "path": "/builds$", "kind": "status", "status": 502})
    monkeypatch.setattr(lab, "patience", replace(QUICK, pause=1.0))
    beats = Beats()
    seen = lab.execute(run, clock=beats.clock())
    assert beats.seconds >= 4
    assert seen.ended is Ended.FAILURE and "did not answer 5 requests" in seen.summary
    assert lab.builds(workspace) == [("start", "succeeded")]


@pytest.mark.parametrize("lost", [4, 5])
def test_the_last_request_is_looked_for_too(lab: RunnerLab, lost: int) -> None:
    run, workspace, expected = prepared(lab, DELETE, 0)
    lab.coder.faults.add({"method": "POST", "path": "/builds$", "kind": "status", "status": 502, "times": lost - 1})
    lab.coder.faults.add({"method": "POST", "path": "/builds$", "kind": "drop_connection", "applied": True, "times": 1})
    seen = lab.execute(run)
    lab.coder.faults.clear()
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert [transition for transition, _ in builds(lab, workspace, run)] == expected


# ---------------------------------------------------------------- Port


@pytest.mark.parametrize("by_log", [False, True], ids=["service", "workflow"])
def test_a_run_that_was_ended_while_coder_was_away_begins_nothing(
    lab: RunnerLab, by_log: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "patience", replace(QUICK, coder_away=1_000_000))
    run, workspace, _ = prepared(lab, DELETE, 0)
    before = lab.builds(workspace)
    lab.coder.faults.add({"method": "POST", "path": "/builds$", "kind": "status", "status": 502, "times": 1})

    def away() -> None:
        lab.coder.faults.add({"method": "GET", "path": "/builds", "kind": "status", "status": 502})

    def back() -> None:
        close(lab, run)
        lab.coder.faults.clear()

    with stamina.set_testing(True, attempts=1):
        beats = Beats(at={1: away, 8: back})
        seen = lab.execute(run, journal=None if by_log else Memory(), clock=beats.clock())
    assert seen.ended is Ended.ALREADY_ENDED
    assert lab.builds(workspace) == before and lab.port.entity("coder_workspace", workspace) is not None


def close(lab: RunnerLab, run: str, status: str = "FAILURE") -> None:
    credentials = {"clientId": lab.port.client_id, "clientSecret": lab.port.client_secret}
    token = httpx.post(f"{lab.pair.port_url}/v1/auth/access_token", json=credentials, timeout=300).json()["accessToken"]
    headers = {"Authorization": f"Bearer {token}"}
    path = f"{lab.pair.port_url}/v1/actions/runs/{run}"
    assert httpx.patch(path, json={"status": status}, headers=headers, timeout=300).json()["ok"]


def test_a_run_that_somebody_ends_meanwhile_is_left_and_the_entity_is_still_true(lab: RunnerLab) -> None:
    run, workspace, _ = prepared(lab, STOP, 0)
    beats = Beats(at={1: lambda: close(lab, run)})
    seen = lab.execute(run, clock=beats.clock())
    assert seen.ended is Ended.ALREADY_ENDED and seen.run["status"] == "FAILURE"
    assert seen.run["summary"] is None and seen.entities == []
    lab.coder.advance()
    assert [transition for transition, _ in lab.builds(workspace)] == ["start", "stop"]


def test_a_restart_whose_run_was_ended_after_the_stop_does_not_start() -> None:
    with timed_lab(templates=1, pending_seconds=0, running_seconds=10) as lab:
        run, workspace, _ = prepared(lab, RESTART, 0)

        def end_of_the_stop() -> None:
            lab.pass_seconds(11)
            assert lab.builds(workspace)[-1] == ("stop", "succeeded")
            close(lab, run)

        seen = lab.execute(run, clock=Beats(at={2: end_of_the_stop}).clock())
        assert seen.ended is Ended.ALREADY_ENDED
        assert lab.builds(workspace)[-1] == ("stop", "succeeded")
        lab.assert_port_is_as_the_program_would_have_it(workspace)


def port_away(lab: RunnerLab, *methods: str, **fault: Any) -> None:
    for method in methods:
        rule = {"method": method, "path": "/v1/actions/runs", "kind": "status", "status": 503, **fault}
        lab.port.faults.add(rule)


def test_a_port_that_is_away_while_it_goes_on_loses_nothing_but_progress(lab: RunnerLab) -> None:
    run, workspace, _ = prepared(lab, STOP, 0)
    lab.coder.set_build_log("the line")
    port_away(lab, "PATCH", "POST", times=3)
    seen = lab.execute(run, journal=Memory())
    assert [rule["hit"] for rule in lab.port.faults.standing()] == [3, 3]
    assert seen.ended is Ended.SUCCESS and "the line" in seen.log
    assert lab.builds(workspace)[-1] == ("stop", "succeeded")


def test_an_end_that_cannot_be_told_is_an_error_and_told_by_the_next_attempt(lab: RunnerLab) -> None:
    run, workspace, _ = prepared(lab, STOP, 0)
    journal = Memory()
    beats = Beats(at={1: lambda: port_away(lab, "PATCH", "POST")})
    with pytest.raises(PortError):
        lab.execute(run, journal=journal, clock=beats.clock())
    assert lab.port.run(run)["status"] == "IN_PROGRESS"
    lab.port.faults.clear()
    seen = lab.execute(run, journal=journal)
    assert seen.ended is Ended.SUCCESS
    assert [transition for transition, _ in lab.builds(workspace)] == ["start", "stop"]


def test_an_end_whose_answer_was_lost_counts(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    lab.coder.stop(workspace)
    lab.mirror()
    run = lab.ask_past_the_form(STOP, entity=workspace)
    port_away(lab, "PATCH", applied=True, after=1, times=1)
    assert lab.execute(run).ended is Ended.SUCCESS
    assert lab.port.run(run)["status"] == "SUCCESS"


def test_an_entity_that_port_does_not_take_does_not_fail_the_run(lab: RunnerLab) -> None:
    run, workspace, _ = prepared(lab, STOP, 0)
    lab.port.fail_items([workspace], 422, "blueprint_schema_mismatch")
    seen = lab.execute(run)
    assert seen.ended is Ended.SUCCESS
    assert "could not be refreshed" in seen.summary and "blueprint_schema_mismatch" in seen.summary


def test_what_goes_wrong_in_the_runner_itself_ends_the_run(
    lab: RunnerLab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run, _, _ = prepared(lab, STOP, 0)

    def broken(*_: object) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr("coderport.runner.operations.checks.require_free", broken)
    seen = lab.execute(run)
    assert seen.ended is Ended.FAILURE and "coderport itself failed" in seen.summary
    assert "a mistake" in caplog.text and "a mistake" not in seen.summary


def test_a_run_that_port_does_not_find_at_once_is_asked_for_again(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    run = lab.ask("coder_stop_workspace", entity=workspace)
    missing = {"ok": False, "error": "not_found", "message": "Action run was not found"}
    lab.port.faults.add(
        kind="status", status=404, path=r"/actions/runs/r_\w+\?version", method="GET", body=missing, times=3
    )
    lab.patience = replace(lab.patience, unknown_run=60)
    seen = lab.execute(run)
    assert (seen.ended, seen.run["status"]) == (Ended.SUCCESS, "SUCCESS")


def test_an_end_that_port_does_not_find_is_told_again(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    run = lab.ask("coder_stop_workspace", entity=workspace)
    missing = {"ok": False, "error": "not_found", "message": "Action run was not found"}

    def lose() -> None:
        for method in ("GET", "PATCH", "POST"):
            lab.port.faults.add(
                kind="status", status=404, path=rf"/actions/runs/{run}", method=method, body=missing, times=2
            )

    lab.patience = replace(lab.patience, unknown_run=60)
    beats = Beats(then=lose, when=lambda: lab.builds(workspace)[-1] == ("stop", "succeeded"))
    seen = lab.execute(run, clock=beats.clock())
    assert (seen.ended, seen.run["status"]) == (Ended.SUCCESS, "SUCCESS")


def test_a_run_that_waits_for_approval_is_no_end_and_is_worked_once_it_has_it(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    lab.settings = SETTINGS.model_copy(update={"approve_delete": True, "admins": (BOB,)})
    lab.declare_actions()
    lab.talk(lambda _, port: port.patch_action_permissions(DELETE, {"approve": {"users": [BOB]}}))
    try:
        run = lab.ask("coder_delete_workspace", entity=workspace, confirmation="dev")
        early = lab.execute(run)
        assert (early.ended, early.run["status"]) == (Ended.WAITING, "WAITING_FOR_APPROVAL")
        assert workspace in lab.coder.workspace_ids()
        lab.port.approve(run, BOB)
        assert lab.execute(run).ended is Ended.SUCCESS
        assert workspace not in lab.coder.workspace_ids()
    finally:
        lab.settings = SETTINGS
        lab.declare_actions()


@pytest.fixture
def by_agent(lab: RunnerLab) -> Iterator[RunnerLab]:
    """The actions go to Port's agent, which nobody runs here."""
    lab.settings = Actions(backend="webhook", url="https://coderport.internal/runs", agent=True)
    lab.declare_actions()
    yield lab
    lab.settings = SETTINGS
    lab.declare_actions()


@pytest.mark.parametrize("action", [STOP, RESTART, CREATE])
def test_a_run_whose_journal_is_lost_goes_on_with_the_build_that_port_names(by_agent: RunnerLab, action: str) -> None:
    lab = by_agent
    creates = action == CREATE
    inputs = {"template": lab.any_template(), "name": "fresh"} if creates else {}
    workspace = None if creates else lab.workspace()
    run = lab.ask(action, entity=workspace, **inputs)
    named = Beats(then=_killed, when=lambda: bool(lab.port.run(run).get("link")))
    lab.coder.set_provisioners(0)
    try:
        with pytest.raises(Killed):
            lab.execute(run, clock=named.clock())
    finally:
        lab.coder.set_provisioners(3)
    before = lab.builds(workspace or "alice/fresh")
    seen = lab.execute(run)
    assert seen.ended is Ended.SUCCESS, seen.summary
    after = lab.builds(workspace or "alice/fresh")
    assert len(after) == len(before) + (action == RESTART)


def _killed() -> None:
    raise Killed


def test_the_open_runs_are_those_in_progress_that_no_integration_carries_out(lab: RunnerLab) -> None:
    workspace = lab.workspace()

    async def asked(coder: CoderClient, port: PortClient) -> list[str]:
        return await open_runs(RunContext(port, coder, lab.settings, STACK, patience=lab.patience))

    lab.ask(STOP, entity=workspace)
    assert lab.talk(asked) == []
    lab.settings = Actions(backend="webhook", url="https://coderport.internal/runs", agent=True)
    lab.declare_actions()
    try:
        runs = [lab.ask(STOP, entity=workspace) for _ in range(3)]
        lab.execute(runs[1])
        assert lab.talk(asked) == [runs[0], runs[2]]
    finally:
        lab.settings = SETTINGS
        lab.declare_actions()
