"""Through the real engine: a sync does what `up` would, and starts the engine only for what differs.

The tests of this file share one laboratory and run in order: each begins converged and leaves it so.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from lab import Lab, in_state, laboratory
from pulumi.automation import CommandResult
from pulumi.automation.errors import CommandError

from coderport.commands.drift import DriftOutcome, drift
from coderport.commands.sync import preview, sync
from coderport.engine import CliInfo
from coderport.engine.start import EngineCommand
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.port.client import PortClient
from coderport.report.outcome import Outcome, Tally
from coderport.stack.stack import Stack

pytestmark = pytest.mark.in_order

W = WORKSPACE.identifier
T = TEMPLATE.identifier
ACTIONS = {"backend": "webhook", "url": "http://127.0.0.1:9/runs"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("sync"), cli, through_cli=True, prebuilds=2) as lab:
        yield lab


def synced(lab: Lab) -> tuple[Outcome, Tally]:
    outcome, tally = sync(lab.stack)
    assert outcome.exit_code == 0, outcome.message
    return outcome, tally


def steps(tally: Tally) -> set[tuple[str, str, str]]:
    return {(each.operation, each.kind, each.title) for each in tally.changes}


def edit_action(lab: Lab, identifier: str, **members: Any) -> None:
    async def edit() -> None:
        async with PortClient(lab.pair.port_url, lab.port.client_id, lab.port.client_secret) as client:
            live = await client.action(identifier)
            assert live is not None
            await client.replace_action(identifier, {**live, **members})

    asyncio.run(edit())


def test_the_first_sync_is_a_full_run_and_says_why(lab: Lab) -> None:
    outcome, tally = synced(lab)
    assert outcome.kinds.workspace.created == len(lab.coder.workspace_ids())
    assert "This was a full run: this stack has declared nothing yet." in tally.warnings
    lab.assert_converged()


def test_where_nothing_differs_the_engine_is_not_started_and_nothing_written(lab: Lab) -> None:
    state = lab.folder / "state" / ".pulumi" / "stacks" / "coderport" / "lab.json"
    before = state.stat().st_mtime_ns
    outcome, tally = synced(lab)
    assert (outcome.result, outcome.port_writes, tally.engine_ran) == ("unchanged", 0, False)
    assert outcome.kinds.workspace.unchanged == len(lab.coder.workspace_ids())
    assert state.stat().st_mtime_ns == before


def test_where_the_environment_names_the_backend_the_cli_is_not_asked_for_it(
    lab: Lab, cli: CliInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For Pulumi the variable goes before the project and the login: each command would pay for the same answer."""
    asked: list[str] = []
    run = EngineCommand.run

    def recorded(self: EngineCommand, args: list[str], *rest: Any, **named: Any) -> CommandResult:
        asked.append(args[0])
        return run(self, args, *rest, **named)

    monkeypatch.setattr(EngineCommand, "run", recorded)
    stack = Stack("lab", cli, directory=lab.folder, local_state=lab.folder)
    assert stack.preview()[0].result == "unchanged"
    assert "preview" in asked and "whoami" not in asked
    workspace = stack._stack.workspace
    with_login = {key: value for key, value in workspace.env_vars.items() if key != "PULUMI_BACKEND_URL"}
    monkeypatch.setattr(workspace, "env_vars", with_login)
    with pytest.raises(CommandError):  # this home has no login
        stack._chosen_backend()
    assert asked[-1] == "whoami"


def test_everything_that_can_differ_is_put_right_in_one_targeted_run(lab: Lab) -> None:
    ids = sorted(lab.coder.workspace_ids())
    new = lab.coder.create_template(name="fresh")
    created = lab.coder.create_workspace(name="created", template=new)
    lab.coder.rename_workspace(ids[0], "renamed")
    lab.coder.delete_workspace(ids[1])
    promoted = next(each for each in sorted(lab.coder.template_ids()) if each != new)
    lab.coder.promote_version(promoted, name="v99")
    claimed = lab.coder.claim_prebuild(lab.coder.workspace(ids[0]).owner_id, "claimed")
    edited, removed = ids[2], ids[3]
    held = lab.workspace(edited)
    lab.port.put_entity(W, {**held, "properties": {**held["properties"], "name": "by hand"}})
    lab.port.delete_entity(W, removed)

    fast, expected = preview(lab.stack)
    assert (fast.result, fast.port_writes) == ("changes", 0)
    outcome, tally = synced(lab)
    assert steps(tally) == steps(expected)
    assert outcome.kinds == fast.kinds.model_copy(update={"other": outcome.kinds.other})
    assert tally.warnings == []
    assert {created, claimed, removed} <= lab.ids() and ids[1] not in lab.ids()
    assert lab.workspace(edited)["properties"]["name"] == lab.coder.workspace(edited).name
    assert lab.template(promoted)["properties"]["active_version_id"]

    after, remembered = in_state(lab), lab.stack.memory()
    lab.assert_converged()
    assert in_state(lab) == after, "a full run finds the state as it would have made it"
    assert lab.stack.memory() == remembered


def test_what_port_has_already_and_no_state_holds_is_taken_into_the_state(lab: Lab) -> None:
    identifier = lab.coder.create_workspace(name="from-an-action")
    synced(lab)
    entity = lab.workspace(identifier)
    lab.coder.delete_workspace(identifier)
    synced(lab)
    other = lab.coder.create_workspace(name="from-an-action")
    properties = {**entity["properties"]}
    lab.port.put_entity(W, {**entity, "identifier": other, "properties": properties})
    synced(lab)
    assert any(urn.endswith(other) for urn in in_state(lab))
    lab.assert_converged()


def test_an_orphan_that_coder_deleted_goes_under_the_lock_of_a_run(lab: Lab) -> None:
    identifier = lab.coder.create_workspace(name="orphan")
    entity = {**lab.workspace(sorted(lab.ids())[0]), "identifier": identifier}
    lab.port.put_entity(W, entity)
    lab.coder.delete_workspace(identifier)
    outcome, tally = synced(lab)
    assert (outcome.kinds.workspace.deleted, tally.engine_ran) == (1, True)
    assert identifier not in lab.ids()
    lab.assert_converged()


def test_drift_reports_and_repairs_exactly_what_port_holds_otherwise(lab: Lab) -> None:
    first, second, third, *_ = sorted(lab.coder.workspace_ids())
    held = lab.workspace(first)
    lab.port.put_entity(W, {**held, "title": "by hand", "properties": {**held["properties"], "status": "odd"}})
    lab.port.delete_entity(W, second)
    lab.coder.delete_workspace(third)

    found, _ = drift(lab.stack, repair=False)
    assert (found.result, found.exit_code, found.port_writes) == ("drifted", 4, 0)
    assert {(each.drift, each.identifier) for each in found.drift} == {("changed", first), ("missing", second)}
    [changed] = [each for each in found.drift if each.drift == "changed"]
    assert changed.values["status"] == ("odd", lab.coder.workspace(first).build.status)
    assert changed.values["$title"] == ("by hand", held["title"])

    repaired, tally = drift(lab.stack, repair=True)
    assert (repaired.result, repaired.exit_code) == ("converged", 0), repaired.message
    assert {each.identifier for each in repaired.drift} == {first, second}
    assert {each.operation for each in tally.changes} <= {"created", "updated"}
    assert third in lab.ids(), "what Coder deleted is the next run's"
    again, _ = drift(lab.stack, repair=False)
    assert (again.result, again.exit_code, again.drift) == ("unchanged", 0, ())
    assert {each.operation for each in synced(lab)[1].changes} == {"deleted"}
    lab.assert_converged()


def test_a_refused_sync_writes_nothing_and_a_drift_report_says_so(lab: Lab) -> None:
    lost, edited, *_ = sorted(lab.coder.workspace_ids())
    lab.port.put_entity(W, {"identifier": edited, "title": "by hand"})
    lab.coder.drop_rows(lost)
    lab.pair.coder.faults.add(
        kind="status", method="GET", path=f"/workspaces/{lost}", status=404, body={"message": "no"}
    )
    lab.refused(lambda: sync(lab.stack))
    lab.refused(lambda: preview(lab.stack))
    lab.refused(lambda: drift(lab.stack, repair=True))
    found, tally = drift(lab.stack, repair=False)
    assert isinstance(found, DriftOutcome) and [each.drift for each in found.drift] == ["changed"]
    assert any("A run would be refused now." in text for text in tally.warnings)
    lab.coder.clear_list_faults()
    lab.pair.coder.faults.clear()
    lab.up()
    lab.assert_converged()


def test_changed_settings_a_changed_blueprint_and_a_failed_run_each_make_it_a_full_run(lab: Lab) -> None:
    lab.stack.configure({"actions": ACTIONS})
    assert any("the settings or the version" in text for text in synced(lab)[1].warnings)
    assert synced(lab)[0].result == "unchanged"

    lab.port.put_blueprint({**lab.blueprint(W), "title": "by hand"})
    assert any(f"Port's blueprint {W} is not as declared" in text for text in synced(lab)[1].warnings)
    assert lab.blueprint(W)["title"] == WORKSPACE.title

    lab.port.fail_items([lab.coder.create_workspace(name="refused-by-port")], 422, "invalid_property")
    failed, _ = sync(lab.stack)
    assert failed.exit_code == 1
    lab.port.clear_item_faults()
    assert any("has not succeeded (failed)" in text for text in synced(lab)[1].warnings)
    lab.assert_converged()


def test_an_action_changed_by_hand_is_part_of_the_difference(lab: Lab) -> None:
    identifier = "coder_stop_workspace"
    edit_action(lab, identifier, title="By hand")
    outcome, tally = synced(lab)
    assert ("updated", "action") in {(each.operation, each.kind) for each in tally.changes}
    assert outcome.kinds.workspace.changed == 0 and tally.warnings == []
    lab.assert_converged()


def lose(lab: Lab, identifier: str) -> None:
    """Takes an entity out of the state, as a person can."""
    [urn] = [each for each in in_state(lab) if each.endswith(identifier)]
    workspace = lab.stack._stack.workspace
    command = ["state", "delete", urn, "--yes", "--stack", "lab"]
    workspace.pulumi_command.run(command, workspace.work_dir, {**os.environ, **workspace.env_vars})


def test_what_the_state_lost_comes_back_with_its_next_change(lab: Lab) -> None:
    identifier = sorted(lab.coder.workspace_ids())[0]
    lose(lab, identifier)
    lab.coder.rename_workspace(identifier, "renamed-again")
    synced(lab)
    assert lab.workspace(identifier)["title"].endswith("/renamed-again")
    assert any(urn.endswith(identifier) for urn in in_state(lab))
    lab.assert_converged()


def test_a_deletion_of_what_the_state_lost_makes_it_a_full_run(lab: Lab) -> None:
    identifier = sorted(lab.coder.workspace_ids())[0]
    lose(lab, identifier)
    lab.coder.delete_workspace(identifier)
    _, tally = synced(lab)
    assert any("the state is not what the stack remembers" in text for text in tally.warnings)
    assert synced(lab)[0].result in ("converged", "unchanged")
    lab.assert_converged()


def test_another_run_in_between_stops_a_sync_before_it_applies_anything(lab: Lab) -> None:
    lab.coder.create_workspace(name="seen-by-the-sync")
    original = Stack.up_part

    def interrupted(self: Stack, *arguments: Any, **named: Any) -> tuple[Outcome, Tally]:
        assert lab.up()[0].result == "converged"
        return original(self, *arguments, **named)

    Stack.up_part = interrupted  # type: ignore[method-assign]
    try:
        outcome, _ = sync(lab.stack)
    finally:
        Stack.up_part = original  # type: ignore[method-assign]
    assert (outcome.result, outcome.exit_code) == ("failed", 1)
    assert "Another run of this stack came in between" in outcome.message
    lab.assert_converged()
