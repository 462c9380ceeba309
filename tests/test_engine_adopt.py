"""Through the real engine: a catalog of the original integration comes over, and nothing of anybody is lost."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from killing import Ground, Kill, Moment
from lab import Json, Lab, laboratory
from old_catalog import ACTION, SCORECARD, T, W, by_hand, old_catalog, old_name, original, read_by_hand

from coderport.adoption.following import Next
from coderport.adoption.report import AdoptionOutcome
from coderport.commands.adopt import adopt
from coderport.commands.history import kept_runs, undo
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.errors import Refusal
from coderport.port.client import PortClient
from coderport.settings import RELEASES

VERSIONS = 4


def catalog(lab: Lab | Pair) -> dict[tuple[str, str], Json]:
    """Every entity in Port without the stamps that Port sets itself, and without what has no value."""
    stamps = ("createdAt", "createdBy", "updatedAt", "updatedBy", "scorecards")
    return {
        (blueprint, each["identifier"]): {
            key: {k: v for k, v in value.items() if v not in (None, [])} if isinstance(value, dict) else value
            for key, value in each.items()
            if key not in stamps
        }
        for blueprint in (T, W, "service")
        for each in lab.port.entities(blueprint)
    }


def services(lab: Lab) -> dict[str, Json]:
    return {each["identifier"]: each["relations"] for each in lab.port.entities("service")}


def come_over(lab: Lab, *, apply: bool = True) -> tuple[AdoptionOutcome, Next | None]:
    """The outcome, whose figures are those that the emulators counted."""
    lab.port.reset_requests()
    outcome, _, following = adopt(lab.stack, apply_it=apply)
    assert outcome.port_writes == lab.port.writes
    assert outcome.port_requests == lab.port.log.total
    return outcome, following


@pytest.fixture
def lab(tmp_path: Path, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path, cli, workspaces=6, templates=3) as lab:
        yield lab


def test_a_dry_run_shows_all_of_it_and_writes_nothing(lab: Lab) -> None:
    old = old_catalog(lab.pair, versions=3, services=4)
    by_hand(lab.pair)
    before = catalog(lab)
    outcome, following = come_over(lab, apply=False)
    assert (outcome.result, outcome.exit_code, outcome.port_writes) == ("changes", 0, 0)
    assert catalog(lab) == before
    assert outcome.kinds.template.updated == 3 and outcome.kinds.template.deleted == 6
    report = outcome.adoption
    assert report is not None and following is not None
    assert {each.template: each.identifier for each in report.renamed} == {
        key: ids[-1] for key, ids in old.names.items()
    }
    assert {each.identifier for each in report.siblings} == {each for ids in old.names.values() for each in ids[:-1]}
    assert {each.identifier for each in report.taken_over} == lab.coder.workspace_ids()
    assert {(each.kind, each.identifier) for each in report.definitions} == {
        ("blueprint", T),
        ("blueprint", W),
        ("action", str(ACTION["identifier"])),
        ("scorecard", str(SCORECARD["identifier"])),
    }
    assert (following.created, following.changed, following.deleted) == (0, 9, 0)
    assert any("takeOver true" in each for each in following.commands)


def test_three_hundred_old_entities_come_over_and_a_lost_state_is_rebuilt(
    tmp_path: Path, cli: CliInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with laboratory(tmp_path, cli, workspaces=40, templates=75) as lab:
        old = old_catalog(lab.pair, versions=VERSIONS, services=30)
        by_hand(lab.pair)
        assert len(old.all) == 300
        owner = {each: template for template, ids in old.names.items() for each in ids}
        before = services(lab)

        made_by_hand = read_by_hand(lab.pair)
        untouched = catalog(lab)
        monkeypatch.setenv(RELEASES["allow_deletions"], "225")
        shown, _ = come_over(lab, apply=False)
        monkeypatch.delenv(RELEASES["allow_deletions"])
        assert (shown.result, shown.exit_code, shown.port_writes) == ("changes", 0, 0)
        assert (shown.kinds.template.updated, shown.kinds.template.deleted) == (75, 225)
        assert catalog(lab) == untouched

        refused, _ = come_over(lab)
        assert (refused.result, refused.exit_code, refused.port_writes) == ("refused", 3, 0)
        assert "--allow-deletions 225" in refused.message and "60 may" in refused.message
        assert lab.ids(T) == old.all
        monkeypatch.setenv(RELEASES["allow_deletions"], "225")
        outcome, _ = come_over(lab)
        monkeypatch.delenv(RELEASES["allow_deletions"])
        assert (outcome.result, outcome.exit_code) == ("converged", 0), outcome.message
        assert outcome.kinds.template.updated == 75 and outcome.kinds.template.deleted == 225
        assert lab.ids(T) == set(old.names) and lab.ids(W) == lab.coder.workspace_ids()
        moved = {
            name: {
                "image": owner[relations["image"]],
                "images": list(dict.fromkeys(owner[each] for each in relations["images"])),
                "home": relations["home"],
            }
            for name, relations in before.items()
        }
        assert services(lab) == moved

        again, _ = come_over(lab)
        assert (again.result, again.port_writes) == ("unchanged", 0)

        lab.stack.configure({"takeOver": "true"})
        up, _ = lab.up()
        assert (up.kinds.template.created, up.kinds.workspace.created) == (0, 0)
        assert (up.kinds.template.deleted, up.kinds.workspace.deleted) == (0, 0)
        lab.stack.configure({"takeOver": "false"})
        lab.assert_converged()
        assert services(lab) == moved
        assert read_by_hand(lab.pair) == made_by_hand
        assert all(each["properties"]["tier"] == "gold" for each in lab.port.entities(W))
        assert come_over(lab)[0].port_writes == 0

        settled = catalog(lab)
        lab.stack = lab.opened(folder=tmp_path / "after the state was lost")
        lab.stack.configure({"takeOver": "true"})
        assert come_over(lab)[0].port_writes == 0
        rebuilt, _ = lab.up()
        assert (rebuilt.kinds.template.deleted, rebuilt.kinds.workspace.deleted) == (0, 0)
        assert (rebuilt.kinds.template.created, rebuilt.kinds.workspace.created) == (0, 0)
        assert settled.keys() == catalog(lab).keys() and services(lab) == moved


def test_an_undo_gives_the_old_catalog_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    old_catalog(lab.pair, versions=3, services=4)
    before = catalog(lab)
    outcome, _ = come_over(lab)
    assert outcome.history == kept_runs(lab.stack)[0].run
    done = undo(lab.stack, outcome.history, apply_it=True)
    assert done.refused_by_port == () and done.undo.stays == ()
    assert catalog(lab) == before
    with pytest.raises(Refusal, match="templates: 6 of 6 would go"):  # what it made again, signed by no stack
        undo(lab.stack, done.applied, apply_it=True)
    monkeypatch.setenv("CODERPORT_ALLOW_DELETIONS", "6")
    undo(lab.stack, done.applied, apply_it=True)
    assert come_over(lab)[0].port_writes == 0, "the undo of the undo has come over again"


def test_the_undo_leaves_what_a_stack_keeps_by_now(lab: Lab) -> None:
    old = old_catalog(lab.pair, versions=1)
    outcome, _ = come_over(lab)
    lab.stack.configure({"takeOver": "true"})
    lab.up()
    done = undo(lab.stack, outcome.history, apply_it=True)
    assert done.undo.nothing and all("a stack keeps" in each.why for each in done.undo.stays)
    assert lab.ids(T) == set(old.names)


def test_a_half_migrated_catalog_converges(lab: Lab) -> None:
    """An `up` came first, and made templates under their ids beside the old ones."""
    old = old_catalog(lab.pair, versions=3, services=4)
    lab.stack.configure({"takeOver": "true"})
    lab.up()
    lab.stack.configure({"takeOver": "false"})
    assert lab.ids(T) == old.all | set(old.names)
    outcome, following = come_over(lab)
    assert (outcome.kinds.template.updated, outcome.kinds.template.deleted) == (0, 9)
    assert lab.ids(T) == set(old.names)
    assert all(each["image"] in old.names and set(each["images"]) <= set(old.names) for each in services(lab).values())
    assert following is not None and (following.created, following.changed) == (0, 0)
    lab.assert_converged()


def test_what_coder_deleted_goes_and_what_it_does_not_show_stays(lab: Lab) -> None:
    old = old_catalog(lab.pair, versions=2)
    workspace = sorted(lab.coder.workspace_ids())[0]
    template = lab.coder.create_template("short-lived")
    name = old_name(lab.coder.template(template).organization_id, template, str(uuid.uuid4()))
    unseen = old_name(lab.coder.template(template).organization_id, str(uuid.uuid4()), str(uuid.uuid4()))
    for each in (name, unseen):
        lab.port.put_entity(T, {"identifier": each, "title": "old"}, by="script")
    lab.port.put_entity(W, {"identifier": str(uuid.uuid4()), "title": "never in this Coder"}, by="script")
    lab.coder.delete_template(template)
    lab.coder.delete_workspace(workspace)
    outcome, _ = come_over(lab)
    assert outcome.adoption is not None
    assert {each.identifier for each in outcome.adoption.gone} == {name, workspace}
    assert lab.ids(T) == {*old.names, unseen}
    assert {each["title"] for each in lab.port.entities(W)} >= {"never in this Coder"}
    assert workspace not in lab.ids(W)


def test_another_stacks_mark_refuses_the_whole_and_nothing_is_written(lab: Lab) -> None:
    old = old_catalog(lab.pair, versions=2)
    body = original(T)
    body["schema"]["properties"]["managed_by"] = {"type": "string", "title": "Managed By"}
    lab.port.put_blueprint(body)
    template = sorted(old.names)[0]
    signed = old.names[template][0]
    lab.port.put_entity(T, {"identifier": signed, "properties": {"managed_by": "coderport/other#12345678"}})
    before = catalog(lab)
    for take_over in ("false", "true"):
        lab.stack.configure({"takeOver": take_over})
        outcome, _ = come_over(lab)
        assert (outcome.result, outcome.exit_code, outcome.port_writes) == ("refused", 3, 0)
        assert signed in outcome.message and "coderport/other" in outcome.message
    assert catalog(lab) == before
    lab.stack.configure({"excludeTemplates": [lab.coder.template(template).name]})
    outcome, _ = come_over(lab)
    assert outcome.result == "converged" and signed in lab.ids(T), "the way out that the refusal names"


def test_what_is_changed_or_related_to_while_it_runs_stays(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the reading and the deletions a colleague relates to one sibling, writes to another, relates a third."""
    old = old_catalog(lab.pair, versions=4, services=1)
    lab.port.put_blueprint({"identifier": "squad", "title": "Squad", "schema": {"properties": {}}})
    lab.port.put_entity("squad", {"identifier": "a", "properties": {}})
    own = {key: value for key, value in lab.blueprint(T).items() if not key.endswith(("At", "By"))}
    own["relations"]["squad"] = {"title": "Squad", "target": "squad", "required": False, "many": False}
    lab.port.put_blueprint(own)
    siblings = [ids[0] for ids in old.names.values()]
    renamed = PortClient.rename_entity

    async def rename(client: PortClient, *given: Any) -> bool:
        late = {"identifier": "late", "properties": {}, "relations": {"image": siblings[0]}}
        lab.port.put_entity("service", late)
        lab.port.put_entity(T, {"identifier": siblings[1], "properties": {"tier": "platinum"}})
        lab.port.put_entity(T, {"identifier": siblings[2], "relations": {"squad": "a"}})
        return await renamed(client, *given)

    monkeypatch.setattr(PortClient, "rename_entity", rename)
    outcome, tally, _ = adopt(lab.stack, apply_it=True)
    assert outcome.adoption is not None, outcome.message
    assert {each.identifier for each in outcome.adoption.stayed} == set(siblings[:3])
    assert {each for each in lab.ids(T) if each in old.all} == set(siblings[:3])
    assert outcome.kinds.template.deleted == 6 and any("stay" in each for each in tally.warnings)
    monkeypatch.undo()
    come_over(lab)
    assert lab.ids(T) == set(old.names)
    owner = {ids[0]: template for template, ids in old.names.items()}
    assert services(lab)["late"]["image"] == owner[siblings[0]]
    assert lab.template(owner[siblings[1]])["properties"]["tier"] == "platinum", "it had none, and takes it over"
    assert lab.template(owner[siblings[2]])["relations"]["squad"] == "a"


def test_a_relation_that_somebody_changes_while_it_runs_stays_and_nobody_is_made_anew(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading and the moves a colleague leads one service elsewhere, and deletes another."""
    old = old_catalog(lab.pair, versions=3, services=1)
    sibling, elsewhere = sorted(ids[0] for ids in old.names.values())[:2]
    moving, gone = "moving", "gone"
    for each in (moving, gone):
        lab.port.put_entity("service", {"identifier": each, "properties": {}, "relations": {"image": sibling}})
    renamed = PortClient.rename_entity

    async def rename(client: PortClient, *given: Any) -> bool:
        lab.port.put_entity("service", {"identifier": moving, "relations": {"image": elsewhere}})
        if gone in services(lab):
            lab.port.delete_entity("service", gone)
        return await renamed(client, *given)

    monkeypatch.setattr(PortClient, "rename_entity", rename)
    outcome, _, _ = adopt(lab.stack, apply_it=True)
    assert outcome.adoption is not None, outcome.message
    assert {each.identifier for each in outcome.adoption.stayed} == {moving, elsewhere}
    assert services(lab)[moving]["image"] == elsewhere and gone not in services(lab)
    monkeypatch.undo()
    come_over(lab)
    assert services(lab)[moving]["image"] in old.names and lab.ids(T) == set(old.names)


@pytest.mark.parametrize("moment", [Moment("port write", 2), Moment("written", 3), Moment("port write", 5)], ids=str)
def test_one_that_is_killed_is_finished_by_the_next_and_both_can_be_undone(
    moment: Moment, tmp_path: Path, cli: CliInfo
) -> None:
    with Pair(seed=11, workspaces=6, templates=3) as pair:
        ground = Ground(tmp_path, cli, pair)
        old = old_catalog(pair, versions=4, services=4)
        before = catalog(pair)
        assert ground.killed(Kill("adopt", "all", moment, 1))
        ended = ground.run("adopt")
        assert ended.code == 0, ended.said
        assert {each["identifier"] for each in pair.port.entities(T)} == set(old.names)
        assert ground.run("adopt").outcome["port_writes"] == 0
        for run in json.loads(ground.command("history", "--json").stdout):
            undone = ground.command("undo", run["run"], "--apply")
            assert undone.returncode == 0, undone.stderr
        assert catalog(pair) == before


def test_as_a_new_user_reads_it_and_pastes_what_is_printed(tmp_path: Path, cli: CliInfo) -> None:
    with Pair(seed=11, workspaces=6, templates=3) as pair:
        ground = Ground(tmp_path, cli, pair)
        old = old_catalog(pair, versions=6, services=4)
        wrong = ground.command("adopt", CODER_SESSION_TOKEN="")
        assert wrong.returncode == 2 and "CODER_SESSION_TOKEN" in wrong.stdout + wrong.stderr
        away = ground.command("adopt", "--apply", CODER_API_BASE_URL="http://127.0.0.1:9", CODERPORT_PATIENCE="1")
        assert away.returncode == 1 and "did not answer" in away.stdout + away.stderr
        summary = tmp_path / "summary.json"
        refused = ground.command("adopt", "--summary", str(summary))
        assert refused.returncode == 3
        assert json.loads(summary.read_text())["result"] == "refused"
        (whole,) = re.findall(r"-m coderport (adopt .*--allow-deletions \d+)", refused.stdout)
        shown = ground.command(*whole.split())
        assert shown.returncode == 0 and "Nothing was changed" in shown.stdout
        assert {each["identifier"] for each in pair.port.entities(T)} == old.all
        (again,) = re.findall(r"-m coderport (adopt .*--apply.*)", shown.stdout)
        done = ground.command(*again.split())
        assert done.returncode == 0, done.stdout + done.stderr
        pasted = re.findall(r"-m coderport (pulumi -- .*|up .*)", done.stdout)
        assert len(pasted) == 3
        for each in pasted:
            ran = ground.command(*each.split())
            assert ran.returncode == 0, ran.stdout + ran.stderr
        assert {each["identifier"] for each in pair.port.entities(T)} == set(old.names)
        outcome = json.loads(ground.command("up", "--json").stdout.strip().splitlines()[-1])
        assert (outcome["result"], outcome["port_writes"]) == ("unchanged", 0)
        outcome = json.loads(ground.command("adopt", "--json").stdout.strip().splitlines()[-1])
        assert outcome["result"] == "unchanged" and outcome["adoption"]["renamed"] == []
