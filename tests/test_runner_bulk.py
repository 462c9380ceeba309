"""Operations on many workspaces: for admins only, each workspace once and told of, whatever happens to the others."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import stamina
from runner_lab import ALICE, BOB, QUICK, SETTINGS, STACK, TEMPLATE, Beats, RunnerLab, Seen, timed_lab

from coderport.catalog.actions.bulk import STOP_OF_PERSON, STOP_OF_USER, UPDATE_OUTDATED
from coderport.catalog.actions.declared import declared
from coderport.catalog.actions.values import permissions_to_port
from coderport.coder.builds import Builds
from coderport.coder.client import CoderClient
from coderport.kinds.user import USER
from coderport.port.client import PortClient
from coderport.port.runs import Runs
from coderport.runner.bulk import AT_ONCE
from coderport.runner.execution import Ended, RunContext, claim_of
from coderport.runner.run_log import RunLog

ADMIN = "boss@example.com"


class Killed(BaseException):
    """The process ends here: nothing that follows in it happens."""


class Memory:
    """A journal that outlives the process; `dies_at` is the write that is the last thing it does."""

    def __init__(self, dies_at: int = 0) -> None:
        self.kept: dict[str, str] = {}
        self.writes, self.dies_at = 0, dies_at

    async def step(self, run_id: str) -> str | None:
        return self.kept.get(run_id)

    async def record(self, run_id: str, step: str) -> None:
        self.writes += 1
        self.kept[run_id] = step
        if self.writes == self.dies_at:
            raise Killed


@pytest.fixture(scope="module")
def shared() -> Iterator[RunnerLab]:
    with timed_lab(templates=1, pending_seconds=0.0, running_seconds=0.02) as lab:
        lab.port.add_user(ADMIN)
        lab.settings = SETTINGS.model_copy(update={"extra": ("bulk",), "admins": (ADMIN,)})
        lab.declare_actions(with_users=True)
        lab.declare_actions()
        yield lab


@pytest.fixture
def lab(shared: RunnerLab) -> Iterator[RunnerLab]:
    with stamina.set_testing(True, attempts=2):
        yield shared
    shared.patience = QUICK
    shared.leave_nothing()


def outdated(lab: RunnerLab, *names: str, owner: str = "alice", running: bool = True) -> list[str]:
    """Workspaces of the lab's template, which has another active version since."""
    made = [lab.coder.create_workspace(owner, lab.any_template(), name, running=running) for name in names]
    lab.coder.promote_version(lab.any_template())
    lab.mirror()
    return made


def template_name(lab: RunnerLab) -> str:
    return lab.coder.state.templates[lab.any_template()].name


def update(lab: RunnerLab, **inputs: Any) -> str:
    """A run that updates all."""
    given = {"confirmation": template_name(lab), **inputs}
    return lab.ask(UPDATE_OUTDATED, by=ADMIN, entity=lab.any_template(), **given)


def user_in_port(lab: RunnerLab, name: str) -> str:
    """The id of the user, whom Port has as a stack with the kind of users leaves them."""
    user = lab.coder.user(name)

    async def work(coder: CoderClient, port: PortClient) -> None:
        deployment = (await coder.build_info()).deployment_id
        properties = {"username": name, "managed_by": STACK, "coder_deployment": deployment}
        body = {"identifier": user.id, "title": name, "properties": properties, "relations": {}}
        (outcome,) = await port.upsert(USER.identifier, [body])
        assert outcome.error is None, outcome.error

    lab.talk(work)
    return user.id


def transitions(lab: RunnerLab, workspace: str) -> list[str]:
    return [transition for transition, _ in lab.builds(workspace)]


def test_all_outdated_workspaces_are_updated_and_each_is_told_of(lab: RunnerLab) -> None:
    mine, theirs = outdated(lab, "a", "b"), outdated(lab, "c", owner="bob", running=False)
    (dormant,) = outdated(lab, "d", running=False)
    lab.coder.set_dormant(dormant)
    fresh = lab.workspace(name="fresh")
    lab.mirror()
    seen = lab.execute(update(lab))
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.SUCCESS, "Updated"), seen.summary
    assert "3 updated, 1 left alone" in seen.summary
    for workspace, name in zip((*mine, *theirs), ("alice/a", "alice/b", "bob/c"), strict=True):
        assert lab.build(workspace).version_id == lab.build(fresh).version_id
        assert f"{name}: Workspace {name.split('/')[1]} was updated and is running." in seen.log
        lab.assert_port_is_as_the_program_would_have_it(workspace)
    assert "alice/d: left alone (dormant)." in seen.log and lab.held(dormant).dormant_at is not None
    assert transitions(lab, fresh) == ["start"] and "planning" not in seen.log
    again = lab.execute(update(lab))
    assert again.ended is Ended.SUCCESS and "0 updated, 1 left" in again.summary


def test_stopped_ones_can_be_left_as_they_are(lab: RunnerLab) -> None:
    (running,), (stopped,) = outdated(lab, "a"), outdated(lab, "b", running=False)
    seen = lab.execute(update(lab, include_stopped=False))
    assert seen.ended is Ended.SUCCESS and "alice/b: left alone (stopped)." in seen.log
    assert transitions(lab, running) == ["start", "stop", "start"] and transitions(lab, stopped) == ["start", "stop"]


def test_one_that_fails_stops_no_other_and_the_run_ends_as_a_failure_that_names_it(lab: RunnerLab) -> None:
    workspaces = outdated(lab, *(f"w{number}" for number in range(AT_ONCE + 2)))
    lab.coder.fail_next_builds("volume is busy")
    seen = lab.execute(update(lab))
    failed = [each for each in workspaces if lab.builds(each)[-1][1] == "failed"]
    assert (seen.ended, len(failed)) == (Ended.FAILURE, 1), seen.summary
    name = f"alice/{lab.held(failed[0]).name}"
    assert f"{AT_ONCE + 1} updated, 1 failed" in seen.summary
    assert f"{name}: Build 2 (stop) failed: volume is busy" in seen.summary
    assert f"{name}: failed: Build 2 (stop) failed: volume is busy" in seen.log
    assert all(transitions(lab, each) == ["start", "stop", "start"] for each in workspaces if each not in failed)


def test_no_more_than_a_few_are_built_at_once(lab: RunnerLab) -> None:
    outdated(lab, *(f"w{number}" for number in range(2 * AT_ONCE)))
    lab.patience = replace(QUICK, no_provisioner=1_000_000)
    lab.coder.set_provisioners(0)
    most = 0

    def look() -> None:
        nonlocal most
        lab.coder.advance()
        with lab.coder.state.lock:
            most = max(most, sum(each.build.active for each in lab.coder.state.undeleted()))
        if most >= AT_ONCE:
            lab.coder.set_provisioners(100)

    seen = lab.execute(update(lab), clock=Beats(at=dict.fromkeys(range(1, 2000), look)).clock())
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert most == AT_ONCE


@pytest.mark.parametrize("action", [UPDATE_OUTDATED, STOP_OF_USER, STOP_OF_PERSON])
def test_only_admins_may_and_only_who_names_what_is_meant(lab: RunnerLab, action: str) -> None:
    (workspace,) = outdated(lab, "a")
    entity = {UPDATE_OUTDATED: lab.any_template(), STOP_OF_USER: user_in_port(lab, "alice")}.get(action)
    person = {"person": ALICE} if action == STOP_OF_PERSON else {}
    right = template_name(lab) if action == UPDATE_OUTDATED else "alice"
    for by, confirmation, why in ((ALICE, right, "Only the admins"), (ADMIN, "other", "does not name")):
        run = lab.ask_past_the_form(action, by=by, entity=entity, confirmation=confirmation, **person)
        seen = lab.execute(run)
        assert (seen.run["statusLabel"], transitions(lab, workspace)) == ("Refused", ["start"])
        assert why in seen.summary
    stranger = lab.ask_past_the_form(action, by=ADMIN, entity=entity, confirmation=right, owner="bob", **person)
    assert "is not one of this action" in lab.execute(stranger).summary


def test_port_itself_lets_nobody_else_press(lab: RunnerLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the permissions of the declared action, before any run is there."""
    (action,) = (each for each in declared(lab.settings, (), {}) if each.identifier == STOP_OF_PERSON)
    permissions = lab.port._store.action_permissions  # the other tests have those of before
    monkeypatch.setitem(permissions, action.identifier, copy.deepcopy(permissions[action.identifier]))
    lab.talk(lambda _, port: port.patch_action_permissions(action.identifier, permissions_to_port(action.permissions)))
    inputs = {"person": BOB, "confirmation": "bob"}
    with pytest.raises(Exception, match="may not run action"):
        lab.ask(STOP_OF_PERSON, by=ALICE, **inputs)
    assert lab.execute(lab.ask(STOP_OF_PERSON, by=ADMIN, **inputs)).ended is Ended.SUCCESS


@pytest.mark.parametrize("action", [STOP_OF_USER, STOP_OF_PERSON])
def test_all_workspaces_of_a_person_are_stopped_and_nobody_elses(lab: RunnerLab, action: str) -> None:
    running, stopped, failed = (lab.workspace(name=name) for name in ("a", "b", "c"))
    lab.coder.stop(stopped)
    lab.coder.fail(failed)
    others = lab.workspace("bob")
    lab.mirror()
    if action == STOP_OF_USER:
        run = lab.ask(action, by=ADMIN, entity=user_in_port(lab, "alice"), confirmation="alice")
    else:
        run = lab.ask(action, by=ADMIN, person=ALICE.upper(), confirmation="alice")
    seen = lab.execute(run)
    assert (seen.ended, seen.run["statusLabel"]) == (Ended.SUCCESS, "Stopped"), seen.summary
    assert "Workspaces of alice: 2 stopped." in seen.summary
    assert [lab.builds(each)[-1] for each in (running, failed)] == [("stop", "succeeded")] * 2
    assert transitions(lab, stopped) == ["start", "stop"] and transitions(lab, others) == ["start"]
    lab.assert_port_is_as_the_program_would_have_it(running)


def test_a_workspace_that_the_catalog_does_not_have_is_left_alone_and_said(lab: RunnerLab) -> None:
    (kept,) = outdated(lab, "a")
    unknown = lab.coder.create_workspace("alice", lab.any_template(), "b")
    run = lab.ask(STOP_OF_PERSON, by=ADMIN, person=ALICE, confirmation="alice")
    seen = lab.execute(run)
    assert seen.ended is Ended.SUCCESS and "1 stopped, 1 left alone" in seen.summary
    assert "alice/b: left alone: Port has no coder workspace" in seen.log
    assert (transitions(lab, kept)[-1], transitions(lab, unknown)) == ("stop", ["start"])


def test_what_is_being_built_is_waited_for(lab: RunnerLab) -> None:
    workspace = lab.workspace(name="a", running=False)
    lab.coder.set_provisioners(0)
    lab.talk(lambda coder, _: Builds(coder).post_build(workspace, "start"))
    run = lab.ask(STOP_OF_PERSON, by=ADMIN, person=ALICE, confirmation="alice")
    beats = Beats(at={3: lambda: lab.coder.set_provisioners(3)})
    seen = lab.execute(run, clock=beats.clock())
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert beats.waits > 3
    assert lab.builds(workspace)[-1] == ("stop", "succeeded")


def test_a_service_that_is_killed_anywhere_goes_on_and_builds_nothing_twice(lab: RunnerLab) -> None:
    """Killed after each write of its journal; what has failed before is not tried again either."""
    killed = 0
    for number in range(1, 16):
        workspaces, run = failing_once(lab, f"k{number}")
        journal = Memory(dies_at=number)
        try:
            seen = lab.execute(run, journal=journal)
        except Killed:
            killed += 1
            assert lab.port.run(run)["status"] == "IN_PROGRESS"
            seen = lab.execute(run, journal=journal)
        assert_each_once(lab, workspaces, seen)
    assert killed >= 10


@pytest.mark.parametrize("written", [True, False])
def test_a_workflow_that_is_killed_anywhere_goes_on_and_builds_nothing_twice(
    lab: RunnerLab, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    """Killed before and after each line by which the log of the run says what is begun and what has ended."""
    write, lines, dies_at = RunLog._write, 0, 0

    async def counted(self: RunLog, run_id: str, line: str) -> None:
        nonlocal lines
        lines += 1
        if lines != dies_at or written:
            await write(self, run_id, line)
        if lines == dies_at:
            raise Killed

    monkeypatch.setattr(RunLog, "_write", counted)
    killed = 0
    for dies_at in range(1, 10):
        workspaces, run = failing_once(lab, f"k{dies_at}")
        lines = 0
        try:
            seen = lab.execute(run, claimant="workflow-run-1")
        except Killed:
            killed += 1
            seen = lab.execute(run, claimant="workflow-run-1")
        assert_each_once(lab, workspaces, seen)
    assert killed >= 7


def failing_once(lab: RunnerLab, name: str) -> tuple[list[str], str]:
    """Three outdated workspaces, and a run that updates them, of which one build fails."""
    lab.leave_nothing()
    workspaces = outdated(lab, *(f"{name}-{each}" for each in range(3)))
    lab.coder.fail_next_builds("volume is busy")
    return workspaces, update(lab)


def assert_each_once(lab: RunnerLab, workspaces: list[str], seen: Seen) -> None:
    """Two were updated, by one stop and one start, and the third failed to stop and was left so."""
    did = sorted(transitions(lab, each) for each in workspaces)
    assert did == [["start", "stop"], *[["start", "stop", "start"]] * 2], seen.log
    assert seen.ended is Ended.FAILURE and "2 updated, 1 failed" in seen.summary


def close(lab: RunnerLab, run: str) -> None:
    """Somebody else ends the run in Port."""

    async def ended(_: CoderClient, port: PortClient) -> None:
        await Runs(port).patch(run, status="FAILURE")

    # The clock of a run calls this within its event loop.
    thread = threading.Thread(target=lambda: lab.talk(ended))
    thread.start()
    thread.join()


def stuck(lab: RunnerLab) -> list[str]:
    """Twice as many workspaces as are begun at once, of which no build ends."""
    lab.patience = replace(QUICK, no_provisioner=1_000_000, coder_away=0.2)
    workspaces = outdated(lab, *(f"w{number}" for number in range(2 * AT_ONCE)))
    lab.coder.set_provisioners(0)
    return workspaces


def test_a_run_that_somebody_ends_begins_nothing_more(lab: RunnerLab) -> None:
    workspaces, run = stuck(lab), update(lab)

    def end() -> None:
        close(lab, run)
        lab.coder.set_provisioners(100)

    assert lab.execute(run, clock=Beats(at={1: end}).clock()).ended is Ended.ALREADY_ENDED
    begun = [each for each in workspaces if transitions(lab, each) != ["start"]]
    assert len(begun) == AT_ONCE


async def _started(coder: CoderClient, _: PortClient, workspace: str) -> None:
    await Builds(coder).post_build(workspace, "start")


@pytest.mark.parametrize("by_log", [False, True], ids=["service", "workflow"])
@pytest.mark.parametrize("action", [STOP_OF_PERSON, UPDATE_OUTDATED])
def test_a_run_that_is_ended_while_others_build_begins_nothing_once_they_have_built(
    lab: RunnerLab, action: str, by_log: bool
) -> None:
    lab.patience = replace(QUICK, no_provisioner=1_000_000)
    workspaces = outdated(lab, *(f"w{number}" for number in range(AT_ONCE)), running=False)
    lab.coder.set_provisioners(0)
    for each in workspaces:
        lab.talk(partial(_started, workspace=each))
    lab.mirror()
    before = {each: transitions(lab, each) for each in workspaces}
    run = (
        update(lab)
        if action == UPDATE_OUTDATED
        else lab.ask(STOP_OF_PERSON, by=ADMIN, person=ALICE, confirmation="alice")
    )
    beats = Beats(at={8: lambda: close(lab, run), 30: lambda: lab.coder.set_provisioners(100)})
    seen = lab.execute(run, journal=None if by_log else Memory(), clock=beats.clock())
    assert seen.ended is Ended.ALREADY_ENDED
    assert {each: transitions(lab, each) for each in workspaces} == before


def test_a_run_of_somebody_who_is_no_admin_any_more_tells_what_it_had_begun(lab: RunnerLab) -> None:
    workspaces = outdated(lab, "w0", "w1", "w2")
    run, journal = update(lab), Memory(dies_at=3)
    with pytest.raises(Killed):
        lab.execute(run, journal=journal)
    journal.dies_at = 0
    settings, lab.settings = lab.settings, lab.settings.model_copy(update={"admins": ()})
    try:
        seen = lab.execute(run, journal=journal)
    finally:
        lab.settings = settings
    assert seen.ended is Ended.FAILURE
    assert "Nothing was done" not in seen.summary and "What it had begun goes on in Coder: alice/w0" in seen.summary
    assert any(transitions(lab, each) != ["start"] for each in workspaces)


def test_the_journal_keeps_no_token_that_a_build_says(lab: RunnerLab) -> None:
    outdated(lab, "w0")
    token = f"{'A' * 10}-{'b' * 22}"
    lab.coder.fail_next_builds(f"curl -H 'Coder-Session-Token: {token}' failed")
    run, journal = update(lab), Memory()
    seen = lab.execute(run, journal=journal)
    assert seen.ended is Ended.FAILURE and "[token]" in seen.summary
    assert token not in journal.kept[run] and "[token]" in journal.kept[run]


def test_a_coder_that_stays_away_is_waited_for_once_and_not_by_each(lab: RunnerLab) -> None:
    workspaces, run = stuck(lab), update(lab)
    fault = {"path": "/workspace", "kind": "status", "status": 502}
    seen = lab.execute(run, clock=Beats(at={1: lambda: lab.coder.faults.add(fault)}).clock())
    lab.coder.faults.clear()
    assert seen.ended is Ended.FAILURE and f"0 updated, {len(workspaces)} failed" in seen.summary
    assert seen.summary.count("not begun, because Coder did not answer") == AT_ONCE
    assert sum(transitions(lab, each) == ["start"] for each in workspaces) == AT_ONCE


def test_more_than_coder_shows_is_a_failure_that_says_so(lab: RunnerLab) -> None:
    """A list that is not whole is none: the rows that were read are worked on."""
    (workspace,) = outdated(lab, "a")
    run = lab.ask(STOP_OF_PERSON, by=ADMIN, person=ALICE, confirmation="alice")

    lab.coder.set_count_off(1)
    try:
        seen = lab.execute(run)
    finally:
        lab.coder.clear_list_faults()
    assert seen.ended is Ended.FAILURE and "Coder counts 1 more than it shows" in seen.summary
    assert transitions(lab, workspace)[-1] == "stop"


def test_runs_on_one_template_or_person_are_done_one_after_the_other(lab: RunnerLab) -> None:
    async def key(run: str, coder: CoderClient, port: PortClient) -> str:
        claim = await claim_of(run, RunContext(port, coder, lab.settings, STACK, patience=lab.patience))
        assert claim is not None
        return claim.workspace

    runs = [
        update(lab),
        update(lab),
        *(lab.ask(STOP_OF_PERSON, by=ADMIN, person=each, confirmation="x") for each in (ALICE, ALICE.upper(), BOB)),
    ]
    keys = [lab.talk(partial(key, run)) for run in runs]
    assert keys[0] == keys[1] == lab.any_template() and keys[2] == keys[3] != keys[4]


def test_the_entity_must_be_one_that_coderport_keeps(lab: RunnerLab) -> None:
    lab.port.put_entity(TEMPLATE.identifier, {"identifier": "strange", "title": "strange", "properties": {}})
    run = lab.ask_past_the_form(UPDATE_OUTDATED, by=ADMIN, entity="strange", confirmation="strange")
    assert "is not kept by coderport" in lab.execute(run).summary
