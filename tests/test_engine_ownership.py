"""Through the real engine: whose the entities are after a rename, a copy, a loss, and beside another state.

The tests share a stack and go on from each other's end: in order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, laboratory

from coderport.commands.drift import drift
from coderport.commands.sync import preview, sync
from coderport.engine import CliInfo
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.report.outcome import Outcome, Tally

pytestmark = pytest.mark.in_order

W, T = WORKSPACE.identifier, TEMPLATE.identifier
Act = Callable[[Lab], tuple[Outcome, Tally]]
ACTS: dict[str, Act] = {
    "up": lambda lab: lab.stack.up(),
    "preview": lambda lab: lab.stack.preview(),
    "sync": lambda lab: sync(lab.stack),
    "preview --fast": lambda lab: preview(lab.stack),
    "drift": lambda lab: drift(lab.stack, repair=False),
    "drift --repair": lambda lab: drift(lab.stack, repair=True),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("ownership"), cli, workspaces=30, templates=3, seed=2) as lab:
        lab.up()
        yield lab


def rename(lab: Lab, name: str) -> None:
    lab.pulumi("stack", "rename", name, "--stack", lab.stack.name)
    lab.stack = lab.opened(name)


def marks(lab: Lab) -> set[Any]:
    return {each["properties"]["managed_by"] for name in (W, T) for each in lab.port.entities(name)}


def lost_sight(lab: Lab) -> None:
    """Coder shows nothing of its workspaces, and answers 404 for each: what a narrowed grant looks like."""
    lab.pair.coder.faults.add(
        kind="status", status=200, path=r"/api/v2/workspaces($|\?)", body={"workspaces": [], "count": 0}
    )
    body = {"message": "Resource not found or you do not have access to this resource"}
    lab.pair.coder.faults.add(kind="status", status=404, path=r"/api/v2/workspaces/[0-9a-f-]{36}", body=body)


def test_after_a_rename_the_guard_counts_what_it_counted_before(lab: Lab) -> None:
    state = lab.mark().partition("#")[2]
    excluded = [lab.template(each)["properties"]["name"] for each in sorted(lab.ids(T))][:2]
    rename(lab, "renamed")
    lab.stack.configure({"excludeTemplates": excluded, "takeOver": "true"})
    before = lab.refused().message
    assert "alive in Coder, left out by the template settings" in before
    rename(lab, "twice")
    same = before.replace("--stack renamed", "--stack twice")
    assert lab.refused().message == same
    assert lab.refused(lambda: sync(lab.stack)).message == same
    lab.stack.configure({"excludeTemplates": [], "takeOver": "false"})
    lost_sight(lab)
    assert "30 not shown by Coder" in lab.refused().message
    lab.pair.coder.faults.clear()
    assert len(lab.ids()) == 30 and {mark.partition("#")[2] for mark in marks(lab)} == {state}


def test_a_renamed_stack_needs_no_take_over_and_says_what_it_was(lab: Lab) -> None:
    outcome, tally = sync(lab.stack)
    assert (outcome.exit_code, outcome.kinds.workspace.deleted) == (0, 0), outcome.message
    assert any("This state was that of coderport/lab until its last run" in text for text in tally.warnings)
    assert marks(lab) == {f"coderport/twice#{lab.stack.memory().state}"}
    lab.assert_converged()


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_a_copy_is_named_and_left_and_stops_no_command(lab: Lab, act: Act) -> None:
    original, template = lab.workspace(sorted(lab.ids())[0]), lab.template(sorted(lab.ids(T))[0])
    copies = {W: ["my-copy", original["identifier"].upper(), template["identifier"]], T: ["{copy}".strip("{}")]}
    for blueprint, identifiers in copies.items():
        of = original if blueprint == W else template
        for identifier in identifiers:
            lab.port.put_entity(blueprint, {"identifier": identifier, "title": "copy", "properties": of["properties"]})
    outcome, tally = act(lab)
    assert outcome.exit_code == 0, outcome.message
    assert any("somebody's copies" in text and "my-copy" in text for text in tally.warnings)
    assert set(copies[W]) <= lab.ids() and set(copies[T]) <= lab.ids(T)
    for blueprint, identifiers in copies.items():
        for identifier in identifiers:
            lab.port.delete_entity(blueprint, identifier)


def test_another_state_of_the_same_name_is_another_owner(lab: Lab, tmp_path: Path) -> None:
    before = {name: lab.port.entities(name) for name in (W, T)}
    other = lab.opened("twice", tmp_path)
    outcome, _ = other.up()
    assert (outcome.exit_code, outcome.port_writes) == (3, 0)
    assert "by another state" in outcome.message
    assert {name: lab.port.entities(name) for name in (W, T)} == before


def test_a_mark_that_somebody_shortened_by_hand_is_still_ours(lab: Lab) -> None:
    some = sorted(lab.ids())[:3]
    for identifier, mark in zip(some, ("coderport/twice", "Coderport/TWICE", ""), strict=True):
        lab.port.put_entity(W, {"identifier": identifier, "properties": {"managed_by": mark}})
    lab.up()
    lab.assert_converged()


def test_rows_that_the_search_keeps_back_are_noticed_before_anything_is_written(lab: Lab) -> None:
    lab.port.faults.add(
        kind="status", status=200, path=f"/blueprints/{W}/entities/search", body={"ok": True, "entities": []}
    )
    outcome, _ = lab.stack.up()
    lab.port.faults.clear()
    assert (outcome.exit_code, outcome.port_writes) == (1, 0)
    assert "Port counts 30 entities of blueprint coder_workspace, and its search shows 0" in outcome.message
    lab.assert_converged()


def test_a_state_without_outputs_is_judged_by_its_resources(lab: Lab, tmp_path: Path) -> None:
    exported = json.loads(lab.pulumi("stack", "export", "--stack", lab.stack.name))
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(exported))
    for each in exported["deployment"]["resources"]:
        if each["type"] == "pulumi:pulumi:Stack":
            each["outputs"] = {}
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(exported))
    lab.pulumi("stack", "import", "--stack", lab.stack.name, "--file", str(broken))
    lab.stack.configure({"excludeTemplates": [lab.template(sorted(lab.ids(T))[0])["properties"]["name"]]})
    assert "(0 alive in Coder may without a release)" in lab.refused().message
    assert lab.refused(lambda: sync(lab.stack)).exit_code == 3
    lab.stack.configure({"excludeTemplates": []})
    gone = sorted(lab.ids())[0]
    lab.coder.delete_workspace(gone)
    lab.up()
    assert gone not in lab.ids()
    lab.assert_converged()


def test_a_state_that_is_imported_into_another_stack_goes_on_with_the_same_entities(lab: Lab, tmp_path: Path) -> None:
    state = lab.stack.memory().state
    moved = tmp_path / "moved.json"
    text = lab.pulumi("stack", "export", "--stack", lab.stack.name)
    moved.write_text(text.replace("urn:pulumi:twice::", "urn:pulumi:moved::"))
    excluded = [lab.template(each)["properties"]["name"] for each in sorted(lab.ids(T))][:2]
    lab.stack = lab.opened("moved")
    lab.pulumi("stack", "import", "--stack", "moved", "--force", "--file", str(moved))
    lab.stack.configure({"excludeTemplates": excluded})
    assert "alive in Coder" in lab.refused().message
    lab.stack.configure({"excludeTemplates": []})
    lab.up()
    assert marks(lab) == {f"coderport/moved#{state}"}
    lab.assert_converged()
