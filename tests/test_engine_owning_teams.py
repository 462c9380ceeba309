"""`coderport:owningTeams` through the real engine: a workspace is owned by its owner's teams in Port.

The tests share one laboratory and run in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from lab import Lab, laboratory

from coderport.commands.drift import drift
from coderport.commands.sync import sync
from coderport.emulators.port.owning import teams_of
from coderport.emulators.port.store import Store
from coderport.engine import CliInfo

pytestmark = pytest.mark.in_order

W = "coder_workspace"
IN_PORT = "in.port@example.com"
OURS = {"type": "Inherited", "path": "owner.port_user", "title": "Owning Teams"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("teams"), cli, workspaces=6, templates=2, users=3) as lab:
        lab.port.add_user(IN_PORT, teams=("platform", "tools"))
        lab.coder.set_user(whose(lab), email=IN_PORT)
        lab.stack.configure({"kinds": ["user"]})
        lab.up()
        yield lab


def whose(lab: Lab) -> str:
    """The owner of one workspace, the same each time."""
    return min((each.id, each.owner_id) for each in lab.coder.state.workspaces.values())[1]


def teams(lab: Lab) -> dict[str, tuple[str, ...]]:
    """By the owner of each workspace the teams that Port shows of it."""
    found = {}
    for identifier in lab.ids(W):
        found[lab.coder.workspace(identifier).owner_id] = lab.port.look(partial(_teams, identifier))
    return found


def _teams(identifier: str, store: Store) -> tuple[str, ...]:
    return teams_of(store, store.entity(W, identifier))


def blueprint(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] | None = lab.port.blueprint(W)
    assert found is not None
    return found


def ownership(lab: Lab) -> object:
    return blueprint(lab).get("ownership")


def test_without_the_setting_no_team_owns_anything(lab: Lab) -> None:
    assert ownership(lab) is None
    assert set(teams(lab).values()) == {()}


def test_with_it_a_workspace_has_the_teams_of_its_owner_and_no_entity_is_written(lab: Lab) -> None:
    lab.stack.configure({"owningTeams": "true"})
    outcome, tally = lab.up()
    assert ownership(lab) == OURS
    assert (outcome.port_writes, [each.kind for each in tally.changes]) == (1, ["blueprint"])
    assert {owner: each for owner, each in teams(lab).items() if each} == {whose(lab): ("platform", "tools")}


def test_the_next_run_finds_nothing_and_neither_does_drift(lab: Lab) -> None:
    assert lab.up()[0].result == "unchanged"
    lab.stack.refresh()
    assert lab.up()[0].result == "unchanged"
    assert drift(lab.stack, repair=False)[0].exit_code == 0


def test_another_title_of_it_is_drift_and_is_corrected(lab: Lab) -> None:
    lab.port.put_blueprint({**blueprint(lab), "ownership": {**OURS, "title": "Squads"}})
    outcome, _ = sync(lab.stack)
    assert (outcome.result, outcome.port_writes, ownership(lab)) == ("converged", 1, OURS)


@pytest.mark.parametrize("refreshed", [False, True])
def test_what_somebody_else_set_stays_is_said_and_stays_when_the_setting_goes(lab: Lab, refreshed: bool) -> None:
    lab.port.put_blueprint({**blueprint(lab), "ownership": {"type": "Direct"}})
    if refreshed:
        lab.stack.refresh()
    outcome, tally = lab.up()
    assert any("coder_workspace has direct ownership in Port" in note for note in tally.warnings)
    assert (outcome.port_writes, ownership(lab)) == (0, {"type": "Direct"})
    lab.stack.configure({"owningTeams": "false"})
    outcome, _ = lab.up()
    assert (outcome.port_writes, ownership(lab)) == (0, {"type": "Direct"})
    lab.port.put_blueprint({key: each for key, each in blueprint(lab).items() if key != "ownership"})
    lab.stack.configure({"owningTeams": "true"})
    lab.up()
    assert ownership(lab) == OURS


def test_without_the_setting_ours_goes(lab: Lab) -> None:
    lab.stack.configure({"owningTeams": "false"})
    outcome, _ = lab.up()
    assert (outcome.port_writes, ownership(lab)) == (1, None)
    assert lab.up()[0].result == "unchanged"
