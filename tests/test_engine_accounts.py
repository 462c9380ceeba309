"""Every command's account is what the servers saw: requests and writes, and what came, changed and went in Port.

The tests of this file share one laboratory and run in order: each begins converged.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lab import Json, Lab, laboratory

from coderport.commands.drift import drift
from coderport.commands.sync import preview, sync
from coderport.engine import CliInfo
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.port.client import PortClient
from coderport.report.outcome import Counts, Outcome, Tally
from coderport.runner.github import run_once
from coderport.transport.patience import Patience

pytestmark = pytest.mark.in_order

T, W = TEMPLATE.identifier, WORKSPACE.identifier
Command = Callable[[Lab], tuple[Outcome, Tally]]
ACTIONS = {"backend": "webhook", "url": "https://actions.example.com/runs", "agent": "true"}
World = dict[str, dict[str, Json]]

UP: Command = lambda lab: lab.stack.up()  # noqa: E731
SYNC: Command = lambda lab: sync(lab.stack)  # noqa: E731
REPAIR: Command = lambda lab: drift(lab.stack, repair=True)  # noqa: E731
RUNS = pytest.mark.parametrize("run", [UP, SYNC, REPAIR], ids=["up", "sync", "repair"])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("accounts"), cli, workspaces=8, templates=3) as lab:
        lab.stack.configure({"actions": ACTIONS})
        yield lab


def world(lab: Lab) -> World:
    """What is in Port, by kind and identifier, without what each write alters."""

    async def actions() -> dict[str, Json]:
        async with PortClient(lab.pair.port_url, lab.port.client_id, lab.port.client_secret) as client:
            return {name: dict(each) for name, each in (await client.actions()).items()}

    entities = {
        name: {each["identifier"]: each for each in lab.port.entities(name)} if lab.port.blueprint(name) else {}
        for name in (T, W)
    }
    blueprints = {name: found for name in (T, W) if (found := lab.port.blueprint(name))}
    found = {
        "template": entities[T],
        "workspace": entities[W],
        "blueprint": blueprints,
        "action": asyncio.run(actions()),
    }
    stamps = ("createdAt", "createdBy", "updatedAt", "updatedBy")
    return {
        kind: {name: {key: value for key, value in each.items() if key not in stamps} for name, each in things.items()}
        for kind, things in found.items()
    }


def become(before: dict[str, Json], after: dict[str, Json]) -> tuple[int, int, int]:
    """How many came, changed and went."""
    changed = sum(before[each] != after[each] for each in before.keys() & after.keys())
    return len(after.keys() - before.keys()), changed, len(before.keys() - after.keys())


def accounted(lab: Lab, command: Command) -> tuple[Outcome, Tally]:
    """Runs the command and holds what it says against what the servers saw."""
    before = world(lab)
    lab.coder.log.reset()
    lab.port.reset_requests()
    outcome, tally = command(lab)
    seen = lab.coder.log.total, lab.port.log.total, lab.port.log.writes
    assert (outcome.coder_requests, outcome.port_requests, outcome.port_writes) == seen
    after = world(lab)
    for kind in ("template", "workspace"):
        counts: Counts = getattr(outcome.kinds, kind)
        assert (counts.created, counts.updated, counts.deleted) == become(before[kind], after[kind]), kind
    # Permissions are no things of their own in Port: they come and go with their action.
    others = [become(before[kind], after[kind]) for kind in ("blueprint", "action")]
    shown = [each.operation for each in tally.changes if each.kind in ("blueprint", "action")]
    assert [shown.count("created"), shown.count("updated"), shown.count("deleted")] == [
        *map(sum, zip(*others, strict=True))
    ]
    for group, counts in outcome.kinds.root.items():
        one_by_one = [each.operation for each in tally.changes if each.group == group]
        for operation in ("created", "adopted", "updated", "released"):
            assert getattr(counts, operation) == one_by_one.count(operation), (group, operation)
    assert (outcome.result == "unchanged") == (not outcome.kinds.changed) or outcome.exit_code
    return outcome, tally


def expected(lab: Lab, command: Command) -> Outcome:
    """What a preview foretells: it writes nothing, so only its requests are held against the servers'."""
    before = world(lab)
    lab.coder.log.reset()
    lab.port.reset_requests()
    outcome, _ = command(lab)
    seen = lab.coder.log.total, lab.port.log.total, lab.port.log.writes
    assert (outcome.coder_requests, outcome.port_requests, outcome.port_writes) == seen
    assert outcome.port_writes == 0 and world(lab) == before
    return outcome


def both_foretell(lab: Lab) -> tuple[Outcome, Outcome]:
    return expected(lab, lambda lab: lab.stack.preview()), expected(lab, lambda lab: preview(lab.stack))


def body(lab: Lab, blueprint: str, **changes: Any) -> Json:
    stamps = ("createdAt", "createdBy", "updatedAt", "updatedBy")
    return {key: value for key, value in {**lab.blueprint(blueprint), **changes}.items() if key not in stamps}


def titled(lab: Lab, identifier: str, title: str) -> None:
    """A colleague renames an entity in Port."""
    lab.port.put_entity(W, {**lab.workspace(identifier), "title": title})


def test_the_first_run_creates_everything(lab: Lab) -> None:
    whole, _ = both_foretell(lab)
    outcome, _ = accounted(lab, UP)
    assert outcome.kinds == whole.kinds
    assert outcome.kinds.workspace == Counts(created=8)
    assert outcome.kinds.other.created == 2 + 2 * len(world(lab)["action"])


@pytest.mark.parametrize(
    "command", [UP, SYNC, REPAIR, lambda lab: drift(lab.stack, repair=False)], ids=["up", "sync", "repair", "drift"]
)
def test_a_run_that_finds_nothing_to_do_counts_everything_as_unchanged(lab: Lab, command: Command) -> None:
    outcome, tally = accounted(lab, command)
    assert (outcome.result, outcome.port_writes, tally.changes) == ("unchanged", 0, [])
    things = world(lab)
    assert outcome.kinds.template == Counts(unchanged=len(things["template"]))
    assert outcome.kinds.workspace == Counts(unchanged=len(things["workspace"]))
    assert outcome.kinds.other == Counts(unchanged=2 + 2 * len(things["action"]))


@pytest.mark.parametrize("run", [UP, SYNC], ids=["up", "sync"])
def test_what_happened_in_coder_is_foretold_and_counted_the_same(lab: Lab, run: Command) -> None:
    first, second, third, *_ = sorted(lab.coder.workspace_ids())
    lab.coder.create_workspace()
    lab.coder.rename_workspace(first, f"renamed-{second[:4]}")
    lab.coder.delete_workspace(second)
    lab.port.delete_entity(W, third)
    previews = both_foretell(lab)
    outcome, _ = accounted(lab, run)
    assert [each.kinds for each in previews] == [outcome.kinds, outcome.kinds]
    assert outcome.kinds.workspace == Counts(created=2, updated=1, deleted=1, unchanged=5)


@RUNS
def test_hand_edits_of_entities_and_blueprints_are_counted_by_whatever_corrects_them(lab: Lab, run: Command) -> None:
    first, second, *_ = sorted(lab.coder.workspace_ids())
    titled(lab, first, "by hand")
    lab.port.delete_entity(W, second)
    lab.port.put_blueprint(body(lab, T, title="By hand"))
    outcome, tally = accounted(lab, run)
    assert outcome.kinds.workspace == Counts(created=1, updated=1, unchanged=6)
    assert outcome.kinds.other.updated == 1
    assert not any("Either include resource" in text for text in tally.warnings)
    lab.assert_converged()


def test_a_drifted_blueprint_alone_is_repaired_and_said(lab: Lab) -> None:
    lab.coder.create_workspace()  # of the next run, and not of a repair
    SYNC(lab)
    for blueprint in (T, W):
        lab.port.put_blueprint(body(lab, blueprint, description="By hand"))
        outcome, tally = accounted(lab, REPAIR)
        assert (outcome.result, outcome.kinds.other.updated, outcome.port_writes) == ("converged", 1, 1)
        assert tally.warnings == []
    lab.assert_converged()


def test_a_drifted_blueprint_with_something_that_is_to_go_is_a_full_run_that_says_why(lab: Lab) -> None:
    lab.port.put_blueprint(body(lab, T, title="By hand"))
    lab.coder.delete_workspace(sorted(lab.coder.workspace_ids())[0])
    outcome, tally = accounted(lab, REPAIR)
    assert (outcome.kinds.other.updated, outcome.kinds.workspace.deleted) == (1, 1)
    assert tally.warnings == ["This was a full run: a blueprint has drifted, and something that refers to it is to go."]


def lose(lab: Lab, identifier: str) -> None:
    """Takes a workspace out of the state, as a person can."""
    workspace = lab.stack._stack.workspace
    urn = f"urn:pulumi:lab::coderport::port:index/entity:Entity::{W}-{identifier}"
    command = ["state", "delete", urn, "--yes", "--stack", "lab"]
    workspace.pulumi_command.run(command, workspace.work_dir, {**os.environ, **workspace.env_vars})


def test_a_full_run_that_a_part_turned_into_accounts_for_both(lab: Lab) -> None:
    lost, renamed, *_ = sorted(lab.coder.workspace_ids())
    lose(lab, lost)
    lab.coder.delete_workspace(lost)
    lab.coder.rename_workspace(renamed, "renamed-beside-it")
    outcome, tally = accounted(lab, SYNC)
    assert "This was a full run: the state is not what the stack remembers." in tally.warnings
    assert outcome.kinds.workspace.updated == 1
    assert lost not in lab.ids()
    lab.assert_converged()


def test_a_part_that_wrote_before_it_did_not_fit_is_counted_too(lab: Lab) -> None:
    """A template that differs, and in the state a workspace of it that no plan knows: the engine finds that late."""
    drifted = sorted(lab.coder.template_ids())[0]
    of_it = [each for each in lab.coder.workspace_ids() if lab.coder.workspace(each).template_id == drifted]
    if not of_it:
        of_it = [lab.coder.create_workspace(template=lab.coder.template(drifted).name)]
        SYNC(lab)
    lab.coder.delete_workspace(of_it[0])
    lab.port.put_entity(T, {**lab.template(drifted), "title": "By hand"})
    outcome, tally = accounted(lab, REPAIR)
    assert "This was a full run: the state holds more that refers to what differs." in tally.warnings
    assert (outcome.kinds.template.updated, outcome.kinds.workspace.deleted) == (1, 1)
    lab.assert_converged()


@pytest.mark.parametrize("run", [UP, SYNC], ids=["up", "sync"])
def test_what_an_action_put_into_port_is_adopted(lab: Lab, run: Command) -> None:
    identifier = lab.coder.create_workspace()
    like = lab.workspace(sorted(lab.ids())[0])
    UP(lab)
    entity = lab.workspace(identifier)
    lose(lab, identifier)
    lab.coder.rename_workspace(identifier, f"again-{identifier[:4]}")  # or sync would not look for it in the state
    name = f"{entity['title'].split('/')[0]}/again-{identifier[:4]}"
    assert like["identifier"] != identifier
    properties = {**entity["properties"], "name": name.split("/")[1], "url": f"{lab.pair.coder_url}/@{name}"}
    lab.port.put_entity(W, {**entity, "title": name, "properties": properties})
    previews = both_foretell(lab)
    outcome, tally = accounted(lab, run)
    assert outcome.kinds.workspace.adopted == 1 and outcome.port_writes == 0, tally.changes
    assert [each.kinds.workspace for each in previews] == [outcome.kinds.workspace] * 2


def test_after_a_lost_state_everything_is_taken_over_and_nothing_created(lab: Lab) -> None:
    shutil.rmtree(lab.folder)
    lab.stack = lab.opened()
    lab.stack.configure({"actions": ACTIONS, "takeOver": "true"})
    first, second, *_ = sorted(lab.coder.workspace_ids())
    titled(lab, first, "by hand")
    lab.port.delete_entity(W, second)
    things = world(lab)
    whole = expected(lab, lambda lab: lab.stack.preview())
    outcome, _ = accounted(lab, UP)
    assert outcome.kinds == whole.kinds
    # Each entity gets the mark of the new state.
    assert outcome.kinds.template == Counts(updated=len(things["template"]))
    assert outcome.kinds.workspace == Counts(created=1, updated=len(things["workspace"]))
    assert outcome.kinds.other == Counts(adopted=2 + 2 * len(things["action"]))
    lab.stack.configure({"takeOver": "false"})
    lab.assert_converged()


def test_orphans_that_no_state_knows_are_counted_when_they_are_gone(lab: Lab) -> None:
    for number in range(2):
        identifier = lab.coder.create_workspace()
        lab.port.put_entity(W, {**lab.workspace(sorted(lab.ids())[0]), "identifier": identifier})
        lab.coder.delete_workspace(identifier)
        outcome, _ = accounted(lab, (SYNC, UP)[number])
        assert outcome.kinds.workspace.deleted == 1


@RUNS
def test_a_refused_or_failed_run_counts_what_it_asked_and_nothing_else(lab: Lab, run: Command) -> None:
    lost, edited, *_ = sorted(lab.ids())
    lab.coder.drop_rows(lost)
    lab.pair.coder.faults.add(
        kind="status", method="GET", path=f"/workspaces/{lost}", status=404, body={"message": "no"}
    )
    titled(lab, edited, "by hand")
    outcome, _ = accounted(lab, run)
    assert outcome.result == "refused" and outcome.kinds.changed == 0
    lab.coder.clear_list_faults()
    lab.pair.coder.faults.clear()
    lab.up()


def test_what_was_done_before_a_failure_is_counted(lab: Lab) -> None:
    refused, _taken = lab.coder.create_workspace(), lab.coder.create_workspace()
    lab.port.fail_items([refused], 422, "invalid_property")
    outcome, _ = accounted(lab, UP)
    assert (outcome.result, outcome.kinds.workspace.created) == ("failed", 1)
    lab.port.clear_item_faults()
    outcome, _ = accounted(lab, SYNC)
    assert outcome.kinds.workspace.created == 1
    lab.assert_converged()


def test_an_action_s_run_says_what_it_asked(lab: Lab) -> None:
    workspace = sorted(lab.coder.workspace_ids())[0]
    email = lab.coder.user(lab.coder.workspace(workspace).owner_id).email
    lab.port.add_user(email)
    run = lab.port.run_action("coder_stop_workspace", by=email, entity=workspace)
    lab.coder.log.reset()
    lab.port.reset_requests()
    said: list[str] = []
    run_once(run["id"], lab.stack.settings(), lab.stack.managed_by, said.append, patience=Patience())
    seen = lab.coder.log.total, lab.port.log.total, lab.port.log.writes
    cost = f"Coder {seen[0]} requests · Port {seen[1]} requests, {seen[2]} of them writes · 0 retries"
    assert said == [f"Run {run['id']} ended with SUCCESS.\n{cost}"]
