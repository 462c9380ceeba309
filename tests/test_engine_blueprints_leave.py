"""Through the real engine: a blueprint that a stack is to manage no longer leaves its state and stays in Port."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lab import Lab, laboratory

from coderport.commands.sync import sync
from coderport.engine import CliInfo
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.stack.stack import Stack

BLUEPRINTS = (TEMPLATE.identifier, WORKSPACE.identifier)


def in_state(lab: Lab) -> list[str]:
    """The names of the blueprints that the state has."""
    return sorted(
        each["urn"].rpartition("::")[2] for each in lab.stack.state()["resources"] if "Blueprint" in each["type"]
    )


def with_a_colleagues_work(lab: Lab) -> Any:
    """A property and an entity of a colleague; what Port holds then."""
    body = {key: value for key, value in lab.blueprint(TEMPLATE.identifier).items() if not key.endswith(("At", "By"))}
    body["schema"]["properties"]["cost_center"] = {"type": "string", "title": "Cost center"}
    lab.port.put_blueprint(body, by="colleague")
    lab.port.put_entity(TEMPLATE.identifier, {"identifier": "theirs", "title": "Theirs", "properties": {}})
    return in_port(lab)


def in_port(lab: Lab) -> Any:
    return [(lab.blueprint(name), lab.port.entities(name)) for name in BLUEPRINTS]


@pytest.mark.parametrize(("run", "protect"), [(Stack.up, "true"), (sync, "false")], ids=["up", "sync"])
def test_from_manage_to_use_and_back_nothing_in_port_changes(
    tmp_path: Path, cli: CliInfo, run: Any, protect: str
) -> None:
    """With entities and without protection Port refused the deletion; with it the engine did."""
    with laboratory(tmp_path, cli, workspaces=3, templates=2) as lab:
        lab.stack.configure({"protectBlueprints": protect})
        lab.up()
        before = with_a_colleagues_work(lab)
        lab.stack.configure({"blueprints": "use"})
        outcome, tally = run(lab.stack)
        assert (outcome.result, outcome.exit_code, outcome.port_writes) == ("converged", 0, 0), outcome
        assert (outcome.kinds.other.released, outcome.kinds.other.deleted) == (2, 0)
        assert any("leave its state and stay in Port" in text for text in tally.warnings)
        assert in_state(lab) == []
        outcome, _ = run(lab.stack)
        assert (outcome.result, outcome.port_writes) == ("unchanged", 0), outcome
        lab.stack.configure({"blueprints": "manage", "takeOver": "true"})
        lab.up()
        assert in_state(lab) == sorted(BLUEPRINTS)
        assert in_port(lab) == before


def test_one_without_entities_stays_as_well(tmp_path: Path, cli: CliInfo) -> None:
    """Port would delete it, and with it what colleagues added."""
    with laboratory(tmp_path, cli, workspaces=3, templates=2) as lab:
        lab.stack.configure({"templates": ["no-such-template"]})
        lab.up()
        before = [lab.blueprint(name) for name in BLUEPRINTS]
        lab.stack.configure({"blueprints": "use"})
        previewed, _ = lab.stack.preview()
        assert previewed.kinds.other.deleted == 0
        lab.up()
        assert in_state(lab) == []
        assert [lab.blueprint(name) for name in BLUEPRINTS] == before


def test_a_run_that_fails_in_between_deletes_none_later(tmp_path: Path, cli: CliInfo) -> None:
    """Only a state that says that they are to be kept may lose them."""
    with laboratory(tmp_path, cli, workspaces=2, templates=1) as lab:
        lab.up()
        lab.stack.configure({"blueprints": "use"})
        lab.coder.rename_workspace(sorted(lab.coder.workspace_ids())[0], "another")
        number = lab.port.faults.add({"kind": "status", "status": 422, "path": "/entities/bulk"})
        assert lab.stack.up()[0].exit_code == 1
        lab.port.faults.clear(number)
        assert sync(lab.stack)[0].exit_code == 0
        assert in_state(lab) == []
        assert all(lab.port.blueprint(name) is not None for name in BLUEPRINTS)
        lab.assert_converged()
