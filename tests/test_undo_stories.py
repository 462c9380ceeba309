"""What `undo` takes back of runs that somebody regrets, and what it does after it was cut off."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from catalog_samples import SERVICE
from port_talk import Talk
from simulated_lab import TEMPLATES, Story, W, played

from coderport.emulators.port import PortEmulator
from coderport.emulators.port.store import Store as PortStore
from coderport.errors import CoderportError
from coderport.history.answers import restore_answer
from coderport.history.images import DefinitionImage
from coderport.history.record import HistoryError
from coderport.planning.memory import recalled
from coderport.port.client import PortClient
from coderport.settings import Releases


def actions_of(story: Story) -> set[str]:
    """The actions that Port holds."""
    store: PortStore = story.port._store
    return {each["identifier"] for each in store.actions.values()}


async def pointed_at(story: Story, first: int = 2) -> list[str]:
    """Workspaces that a colleague's entity points at, and that a run then deletes."""
    await story.run()
    story.port.put_blueprint(SERVICE, by="colleague")
    ids = sorted(story.coder.workspace_ids())[:first]
    relations = {"home": ids[0], "homes": ids}
    entity: dict[str, Any] = {"identifier": "api", "title": "API", "properties": {}, "relations": relations}
    story.port.put_entity("service", entity, by="colleague")
    for each in ids:
        story.coder.delete_workspace(each)
    await story.run()
    return ids


def test_actions_that_are_switched_off_come_back(tmp_path: Path) -> None:
    async def story(story: Story) -> None:
        await story.run()
        before = actions_of(story)
        off = story.world.options.pop("actions")
        assert off and before
        await story.run()
        assert not actions_of(story)
        await story.undo((await story.kept())[0].run)
        assert actions_of(story) == before

    played(tmp_path, story, actions=True)


def test_a_kind_that_is_switched_off_comes_back_with_what_others_have_set_on_its_blueprint(tmp_path: Path) -> None:
    async def story(story: Story) -> None:
        kind = "coder_provisioner_daemon"
        story.world.options["kinds"] = "provisioners"
        await story.run()
        blueprint = story.port.blueprint(kind)
        assert blueprint is not None
        blueprint["schema"]["properties"]["name"]["description"] = "theirs"
        story.port.put_blueprint(blueprint, by="colleague")
        there = story.held(kind).keys()
        story.world.options.pop("kinds")
        renamed = sorted(story.held())[0]
        name = story.held()[renamed]["properties"]["name"]
        story.coder.rename_workspace(renamed, "other-name")
        await story.run()
        await story.undo((await story.kept())[0].run, apply_it=False)
        await story.delete_blueprint(kind)
        await story.undo((await story.kept())[0].run)
        assert story.held(kind).keys() == there
        assert story.held()[renamed]["properties"]["name"] == name
        back = story.port.blueprint(kind)
        assert back is not None and back["schema"]["properties"]["name"]["description"] == "theirs"

    played(tmp_path, story)


def test_what_was_of_a_blueprint_that_is_no_more_stays_away_and_is_said(tmp_path: Path) -> None:
    async def story(story: Story) -> None:
        kind = "coder_provisioner_daemon"
        story.world.options["kinds"] = "provisioners"
        await story.run()
        story.coder.set_provisioners(1)
        renamed = sorted(story.held())[0]
        name = story.held()[renamed]["properties"]["name"]
        story.coder.rename_workspace(renamed, "other-name")
        await story.run()
        for each in story.held(kind):
            story.port.delete_entity(kind, each)
        await story.delete_blueprint(kind)
        undone = await story.undo((await story.kept())[0].run)
        assert {each.why for each in undone.undo.stays} == {
            f"does not come back: Port has no blueprint {kind} any more"
        }
        assert story.held()[renamed]["properties"]["name"] == name

    played(tmp_path, story)


@pytest.mark.parametrize("teams", ["inherited", "of the owner"])
def test_where_port_derives_the_teams_of_entities_they_are_neither_written_nor_compared(
    tmp_path: Path, teams: str
) -> None:
    async def story(story: Story) -> None:
        if teams == "of the owner":
            story.world.options.update(kinds="users", owningTeams="true")
        await story.run()
        if teams == "of the owner":
            for each in story.held("coder_user").values():
                story.port.add_user(each["properties"]["email"], teams=("platform",))
        else:
            owned: dict[str, Any] = {"schema": {"properties": {}}, "ownership": {"type": "Direct"}}
            story.port.put_blueprint({"identifier": "team_of", "title": "Team", **owned}, by="colleague")
            theirs: dict[str, Any] = {"identifier": "api", "title": "API", "team": ["platform"], "properties": {}}
            story.port.put_entity("team_of", theirs, by="colleague")
            blueprint = story.port.blueprint(W)
            assert blueprint is not None
            blueprint["relations"]["of"] = {"title": "of", "target": "team_of", "required": False, "many": False}
            story.port.put_blueprint({**blueprint, "ownership": {"type": "Inherited", "path": "of"}}, by="colleague")
            for each in story.held():
                story.port.put_entity(W, {"identifier": each, "relations": {"of": "api"}}, by="colleague")
        await story.run()
        gone = sorted(story.coder.workspace_ids())[0]
        story.coder.delete_workspace(gone)
        made = story.coder.create_workspace("admin", name="fresh")
        await story.run()
        done = await story.undo((await story.kept())[0].run)
        assert done.refused_by_port == () and done.undo.stays == ()
        assert gone in story.held() and made not in story.held()

    played(tmp_path, story)


def test_an_undo_that_failed_at_the_relations_of_others_is_finished_by_the_same_command(tmp_path: Path) -> None:
    async def story(story: Story) -> None:
        ids = await pointed_at(story)
        run = (await story.kept())[0].run
        path = "/v1/blueprints/service/entities/bulk"
        story.port.faults.add(kind="status", status=500, path=path, method="POST", body={"ok": False})
        with pytest.raises(CoderportError, match="The same command does the rest"):
            await story.undo(run)
        story.port.faults.clear()
        assert (await story.undo(run)).undo.stays == ()
        assert story.held("service")["api"]["relations"] == {"home": ids[0], "homes": ids}
        assert (await story.undo(run)).undo.nothing

    played(tmp_path, story)


def test_an_undo_of_which_port_refused_a_part_is_finished_with_all_targets_of_others(tmp_path: Path) -> None:
    async def story(story: Story) -> None:
        ids = await pointed_at(story)
        run = (await story.kept())[0]
        names = {each.identifier: each.title.rpartition("/")[2] for each in run.entities}
        blueprint = story.port.blueprint(W)
        assert blueprint is not None
        only_first = {**blueprint["schema"]["properties"]["name"], "enum": [names[ids[0]]]}
        schema = {**blueprint["schema"], "properties": {**blueprint["schema"]["properties"], "name": only_first}}
        story.port.put_blueprint({**blueprint, "schema": schema}, by="colleague")
        assert (await story.undo(run.run)).refused_by_port
        story.port.put_blueprint(blueprint, by="colleague")
        assert (await story.undo(run.run)).refused_by_port == ()
        assert story.held("service")["api"]["relations"]["homes"] == ids

    played(tmp_path, story)


def test_relations_among_those_that_came_back_are_finished_too_and_the_undo_can_be_undone(tmp_path: Path) -> None:
    async def story(story: Story) -> None:
        await story.run()
        blueprint = story.port.blueprint(W)
        assert blueprint is not None
        blueprint["relations"]["depends_on"] = {"title": "d", "target": W, "required": False, "many": False}
        story.port.put_blueprint(blueprint, by="colleague")
        one, two = sorted(story.coder.workspace_ids())[:2]
        story.port.put_entity(W, {"identifier": one, "relations": {"depends_on": two}}, by="colleague")
        for each in (one, two):
            story.coder.delete_workspace(each)
        await story.run()
        run = (await story.kept())[0].run
        path = f"/v1/blueprints/{W}/entities/bulk"
        story.port.faults.add(kind="status", status=500, path=path, method="POST", after=1, body={"ok": False})
        with pytest.raises(CoderportError, match="The same command does the rest"):
            await story.undo(run)
        story.port.faults.clear()
        assert not story.held()[one]["relations"].get("depends_on")
        assert (await story.undo(run)).undo.stays == ()
        assert story.held()[one]["relations"]["depends_on"] == two
        for each in (one, two):
            story.port.delete_entity(W, each)
        again = await story.undo(run)
        assert (await story.kept())[0].count("created") == 2
        assert (await story.undo(again.applied)).undo.stays == ()
        assert not {one, two} & story.held().keys()

    played(tmp_path, story)


def test_aggregations_come_back_beside_a_property_of_others_that_is_called_like_a_stamp() -> None:
    theirs = {"schema": {"properties": {"createdAt": {"type": "string", "title": "theirs"}}}, "icon": None}
    live = {"identifier": TEMPLATES, "createdAt": "2026-11-28T08:00:00Z", "aggregationProperties": {}, **theirs}
    put: dict[str, Any] = {}

    class Port:
        async def blueprint(self, _: str) -> dict[str, Any]:
            return live

        async def replace_blueprint(self, _: str, body: dict[str, Any]) -> None:
            put.update(body)

    count = {"title": "Workspaces", "target": W, "calculationSpec": {"calculationBy": "entities", "func": "count"}}
    image = DefinitionImage("answer", f"aggregations/{TEMPLATES}", {"count": count}, None)
    asyncio.run(restore_answer(cast(Any, Port()), image))
    assert put == {
        "identifier": TEMPLATES, "schema": theirs["schema"], "aggregationProperties": {"count": count},
    }  # fmt: skip


@pytest.mark.parametrize("deleted", [False, True])
def test_a_page_comes_back_also_where_the_one_before_it_in_the_menu_is_gone(deleted: bool) -> None:
    port = PortEmulator()
    page: dict[str, Any] = {
        "identifier": "p",
        "title": "P",
        "type": "dashboard",
        "widgets": [],
        "section": "organization",
    }
    held = {**page, "id": "x", "protected": False, "icon": None, "requiredQueryParams": [], "after": "gone"}
    image = DefinitionImage("answer", "page/p", held, None if deleted else {**page, "title": "Q"})
    if not deleted:
        assert Talk(port)("POST", "/pages", {**page, "title": "Q"}).status_code == 201

    async def restored() -> None:
        transport = httpx.ASGITransport(app=port.app)
        async with PortClient("http://port/v1", port.client_id, port.client_secret, transport=transport) as client:
            await restore_answer(client, image)

    asyncio.run(restored())
    live = Talk(port)("GET", "/pages/p").json()["page"]
    stamps = {"createdAt", "createdBy", "updatedAt", "updatedBy"}
    assert {key: value for key, value in live.items() if key not in stamps} == page


def test_a_record_that_nobody_can_read_hides_no_other_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def story(story: Story) -> None:
        await story.run()
        renamed = sorted(story.coder.workspace_ids())[0]
        story.coder.rename_workspace(renamed, "other-name")
        await story.run()
        newest, older = (each.run for each in await story.kept())
        (file,) = tmp_path.rglob(f"{newest}.json.gz")
        file.write_bytes(file.read_bytes()[:40])
        assert [each.run for each in await story.kept()] == [older]
        said = capsys.readouterr().err.replace("\n", " ")
        assert newest in said and "move the file away" in said and file.name in said.replace(" ", "")
        assert (await story.undo(older, apply_it=False)).undo.delete
        with pytest.raises(HistoryError, match="move the file away"):
            await story.undo(newest)

    played(tmp_path, story)


def test_a_repair_spends_nothing_of_the_day_for_what_it_does_not_delete(tmp_path: Path) -> None:
    async def story(story: Story) -> None:
        for number in range(3):
            story.coder.create_workspace("admin", name=f"w{number}")
        await story.run()
        of = [each["relations"]["template_id"] for each in story.held().values()]
        few = min(set(of), key=of.count)
        story.world.options["excludeTemplates"] = [story.held(TEMPLATES)[few]["properties"]["name"]]
        kept = next(name for name, each in story.held().items() if each["relations"]["template_id"] != few)
        story.port.put_entity(W, {"identifier": kept, "title": "by hand"}, by="colleague")
        repaired = await story.run("repair", Releases())
        assert repaired.exit_code == 0 and story.held()[kept]["title"] != "by hand"
        assert recalled(story.world.state.outputs).spent == {}
        assert (await story.run("up", Releases())).exit_code == 0
        (spent,) = recalled(story.world.state.outputs).spent.values()
        assert spent[W] == of.count(few)

    played(tmp_path, story)
