"""Through the real engine: a Port that has the blueprints of the original integration already, and entities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, laboratory
from old_catalog import original

from coderport.catalog.blueprint import to_port
from coderport.engine import CliInfo
from coderport.kinds.all import ALWAYS
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE

W = WORKSPACE.identifier
T = TEMPLATE.identifier


@pytest.fixture
def lab(tmp_path: Path, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path, cli, workspaces=4, templates=2) as lab:
        yield lab


def test_the_original_blueprints_are_refused_with_what_differs_and_taken_over_losing_nothing(lab: Lab) -> None:
    adopted = sorted(lab.coder.workspace_ids())[0]
    for blueprint in (T, W):
        lab.port.put_blueprint(original(blueprint))
    for identifier in ("written-by-cron", adopted):
        body = {"identifier": identifier, "title": "old", "properties": {"tier": "gold", "owner_name": "ada"}}
        lab.port.put_entity(W, body, by="cron")
    outcome = lab.refused()
    assert "coder_workspace.status: missing in Port" in outcome.message
    assert "coderport:takeOver true" in outcome.message
    assert adopted in outcome.message

    lab.stack.configure({"takeOver": "true"})
    lab.up()
    assert {"tier", "status"} <= set(lab.blueprint(W)["schema"]["properties"])
    assert lab.workspace("written-by-cron")["properties"] == {"tier": "gold", "owner_name": "ada"}
    assert lab.workspace(adopted)["properties"]["tier"] == "gold"
    assert lab.workspace(adopted)["properties"]["managed_by"] == lab.mark()
    lab.stack.configure({"takeOver": "false"})
    outcome, _ = lab.up()
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0)


def test_blueprints_that_mean_the_same_are_taken_over_without_a_word(lab: Lab) -> None:
    for blueprint in ALWAYS:
        lab.port.put_blueprint(to_port(blueprint))
    lab.up()
    lab.assert_converged()


def test_a_property_of_another_type_is_a_conflict_even_with_take_over(lab: Lab) -> None:
    body = original(W)
    body["schema"]["properties"]["daily_cost"]["type"] = "string"
    lab.port.put_blueprint(original(T))
    lab.port.put_blueprint(body)
    lab.stack.configure({"takeOver": "true"})
    outcome = lab.refused()
    assert "coder_workspace.daily_cost" in outcome.message and "contradicts" in outcome.message
    assert "status" not in lab.blueprint(W)["schema"]["properties"]


def test_a_stack_that_uses_blueprints_needs_the_one_that_manages_them(lab: Lab, tmp_path: Path) -> None:
    lab.stack.configure({"blueprints": "use", "takeOver": "false"})
    assert "Run the stack that manages them first" in lab.refused().message
    for blueprint in ALWAYS:
        lab.port.put_blueprint(to_port(blueprint))
    outcome, _ = lab.up()
    assert outcome.kinds.other.changed == 0
    lab.assert_converged()
