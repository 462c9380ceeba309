"""Through the real engine: aggregations, scorecards and pages are declared, kept, shown and removed.

The tests of this file share one laboratory and run in order: each begins converged and leaves it so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from lab import Lab, laboratory

from coderport.catalog.answers.pages import MINE, ORGANIZATION_PREFIX
from coderport.commands.drift import drift
from coderport.commands.history import kept_runs, undo
from coderport.commands.sync import preview as preview_fast
from coderport.commands.sync import sync
from coderport.emulators.pair import Pair
from coderport.emulators.port.views import Look, entity_json
from coderport.engine import CliInfo
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.port.client import PortClient
from coderport.port.definitions import Definitions

pytestmark = pytest.mark.in_order

T, W = TEMPLATE.identifier, WORKSPACE.identifier
CARE, HEALTH, PROVISIONERS = "coder_template_care", "coder_workspace_health", "coder_provisioner_health"
PROVISIONER, GROUP = "coder_provisioner_daemon", "coder_group"
KINDS = ["organization", "user", "group", "provisioner"]
COUNTING = {T, "coder_organization", "coder_user", GROUP}
PARTS = ["aggregations", "scorecards", "pages"]
Json = dict[str, Any]
Value = TypeVar("Value")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("answers"), cli, workspaces=6, templates=2, users=3) as lab:
        lab.stack.configure({"kinds": KINDS})
        lab.up()
        yield lab


def asked(pair: Pair, question: Callable[[PortClient], Awaitable[Value]]) -> Value:
    """The answer of the emulated Port to a colleague."""
    servers = pair.describe()

    async def ask() -> Value:
        client = PortClient(servers["port_url"], servers["port_client_id"], servers["port_client_secret"])
        async with client:
            return await question(client)

    return asyncio.run(ask())


def pages(lab: Lab) -> dict[str, Json]:
    return asked(lab.pair, lambda client: Definitions.pages(client).all())


def scorecards(lab: Lab, blueprint: str) -> dict[str, Json]:
    return asked(lab.pair, lambda client: Definitions.scorecards(client, blueprint).all())


def entity(lab: Lab, blueprint: str, identifier: str) -> Json:
    """As Port's API answers it, with what Port computes."""
    return lab.port.look(lambda store: entity_json(store, store.entity(blueprint, identifier), Look()))


def edit_page(lab: Lab, identifier: str, **members: Any) -> None:
    body = {key: each for key, each in pages(lab)[identifier].items() if not key.endswith(("At", "By"))}
    asked(lab.pair, lambda client: Definitions.pages(client).replace(identifier, {**body, **members}))


def ours(lab: Lab) -> set[str]:
    return {name for name in pages(lab) if name == MINE or name.startswith(ORGANIZATION_PREFIX)}


def test_nothing_of_it_is_there_without_the_setting(lab: Lab) -> None:
    assert ours(lab) == set()
    assert scorecards(lab, W) == {}
    assert not lab.blueprint(T).get("aggregationProperties")


def test_all_parts_are_declared_and_another_run_changes_nothing(lab: Lab) -> None:
    lab.stack.configure({"answers": PARTS})
    _, tally = lab.up()
    assert {each.operation for each in tally.changes} == {"created"}
    assert {each.kind for each in tally.changes} == {"aggregations", "scorecard", "page"}
    assert len(ours(lab)) >= 2
    assert scorecards(lab, T).keys() == {CARE}
    assert scorecards(lab, W).keys() == {HEALTH}
    assert scorecards(lab, PROVISIONER).keys() == {PROVISIONERS}
    for name in COUNTING:
        assert lab.blueprint(name)["aggregationProperties"].keys() >= {"running_workspaces", "workspaces_daily_cost"}
    lab.assert_converged()


def test_users_and_groups_count_the_workspaces_of_their_people(lab: Lab) -> None:
    workspaces = [lab.coder.workspace(each) for each in lab.ids(W)]
    users = {each: entity(lab, "coder_user", each)["properties"]["workspaces"] for each in lab.ids("coder_user")}
    assert users == {each: sum(one.owner_id == each for one in workspaces) for each in users}
    assert any(users.values())
    for group in lab.ids(GROUP):
        held = entity(lab, GROUP, group)
        members = set(held["relations"]["users"])
        theirs = [each for each in workspaces if each.owner_id in members]
        inside = [each for each in theirs if each.organization_id == held["properties"]["organization_id"]]
        assert held["properties"]["workspaces"] == len(inside)


def test_nor_does_one_after_a_refresh(lab: Lab) -> None:
    lab.stack.refresh()
    lab.assert_converged()
    outcome, _ = sync(lab.stack)
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0)


def test_hand_edits_drift_and_are_corrected(lab: Lab) -> None:
    edit_page(lab, MINE, title="Edited", widgets=[])
    card = {key: each for key, each in scorecards(lab, W)[HEALTH].items() if not key.endswith(("At", "By"))}
    changed = {key: each for key, each in card.items() if key != "blueprint"} | {"rules": card["rules"][:1]}
    asked(lab.pair, lambda client: Definitions.scorecards(client, W).replace(HEALTH, changed))
    blueprint = {key: each for key, each in lab.blueprint(T).items() if not key.endswith(("At", "By"))}
    blueprint["aggregationProperties"] = {"theirs": blueprint["aggregationProperties"]["workspaces"]}
    lab.port.put_blueprint(blueprint, by="colleague")
    of_groups = {key: each for key, each in lab.blueprint(GROUP).items() if not key.endswith(("At", "By"))}
    of_groups["aggregationProperties"]["workspaces"].pop("pathFilter")
    lab.port.put_blueprint(of_groups, by="colleague")
    report, _ = drift(lab.stack, repair=False)
    assert report.result == "drifted"
    assert {(each.kind, each.identifier) for each in report.drift} == {
        ("page", MINE),
        ("scorecard", HEALTH),
        ("aggregations", T),
        ("aggregations", GROUP),
    }
    said = {text for each in report.drift for text in each.findings}
    assert f'{MINE}.title: "Edited" in Port, "My workspaces" here' in said
    assert f"{HEALTH}.rules: 1 in Port, 4 here" in said
    foreseen, _ = preview_fast(lab.stack)
    assert foreseen.kinds.other.created + foreseen.kinds.other.updated == 4
    outcome, tally = sync(lab.stack)
    assert outcome.result == "converged", outcome.message
    assert not any("full run" in each for each in tally.warnings), tally.warnings
    assert pages(lab)[MINE]["title"] == "My workspaces"
    assert len(scorecards(lab, W)[HEALTH]["rules"]) == 4
    assert lab.blueprint(T)["aggregationProperties"].keys() >= {"theirs", "workspaces"}
    assert lab.blueprint(GROUP)["aggregationProperties"]["workspaces"]["pathFilter"]
    lab.assert_converged()


def test_one_that_was_deleted_by_hand_is_repaired_by_drift(lab: Lab) -> None:
    asked(lab.pair, lambda client: Definitions.pages(client).delete(MINE))
    repaired, _ = drift(lab.stack, repair=True)
    assert repaired.result == "converged", repaired.message
    assert [(each.drift, each.identifier) for each in repaired.drift] == [("missing", MINE)]
    assert MINE in pages(lab)
    lab.assert_converged()


def test_a_part_that_is_switched_off_goes_under_the_guard(lab: Lab) -> None:
    lab.stack.configure({"answers": ["aggregations", "scorecards"]})
    lab.up()
    assert ours(lab) == set()
    assert scorecards(lab, T).keys() == {CARE}
    lab.assert_converged()


def test_all_of_them_go_with_a_release_only(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.stack.configure({"answers": []})
    refusal = lab.refused()
    assert "answers: 7 of 7 would go" in refusal.message
    assert "no longer asked for by coderport:answers" in refusal.message
    monkeypatch.setenv("CODERPORT_ALLOW_DELETIONS", "7")
    there = {T: scorecards(lab, T)[CARE]["rules"], W: scorecards(lab, W)[HEALTH]["rules"]}
    lab.up()
    undone = undo(lab.stack, kept_runs(lab.stack)[0].run, apply_it=True)
    assert undone.refused_by_port == ()
    assert there == {T: scorecards(lab, T)[CARE]["rules"], W: scorecards(lab, W)[HEALTH]["rules"]}
    assert lab.blueprint(T)["aggregationProperties"].keys() > {"theirs", "workspaces"}
    undo(lab.stack, undone.applied, apply_it=True)
    assert scorecards(lab, W) == scorecards(lab, T) == scorecards(lab, PROVISIONER) == {}
    assert not any(lab.blueprint(name).get("aggregationProperties") for name in COUNTING - {T})
    assert lab.blueprint(T)["aggregationProperties"].keys() == {"theirs"}
    monkeypatch.delenv("CODERPORT_ALLOW_DELETIONS")
    lab.assert_converged()


def test_a_page_of_somebody_else_is_a_conflict_unless_taken_over(lab: Lab) -> None:
    body = {"identifier": MINE, "title": "Theirs", "type": "dashboard", "widgets": []}
    asked(lab.pair, lambda client: Definitions.pages(client).create(body))
    lab.stack.configure({"answers": ["pages"]})
    refusal = lab.refused()
    assert f"Port already has a page {MINE}" in refusal.message
    assert "coderport:takeOver true" in refusal.message
    assert pages(lab)[MINE]["title"] == "Theirs"
    lab.stack.configure({"takeOver": "true"})
    lab.up()
    assert pages(lab)[MINE]["title"] == "My workspaces"
    undone = undo(lab.stack, kept_runs(lab.stack)[0].run, apply_it=True)
    assert (pages(lab)[MINE]["title"], ours(lab)) == ("Theirs", {MINE})
    undo(lab.stack, undone.applied, apply_it=True)
    assert pages(lab)[MINE]["title"] == "My workspaces"
    lab.stack.configure({"takeOver": "false"})
    lab.assert_converged()


def test_a_stack_that_only_uses_the_blueprints_declares_none(lab: Lab, tmp_path: Path) -> None:
    user = lab.opened("user", tmp_path)
    user.configure(
        {"blueprints": "use", "templates": ["no-such-template"], "answers": ["aggregations", "scorecards", "pages"]}
    )
    outcome, tally = user.up()
    assert outcome.exit_code == 0, outcome.message
    assert tally.changes == []
    assert scorecards(lab, W) == {}
