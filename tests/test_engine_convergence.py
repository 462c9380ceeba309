"""Through the real engine: Port matches Coder after `up`, by exactly the steps that are needed.

The tests of this file share one laboratory and run in order: each begins converged and leaves it so.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import Lab, laboratory

from coderport.engine import CliInfo
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.report.account import Read
from coderport.report.change import Change
from coderport.terminal.progress import watched

pytestmark = pytest.mark.in_order

W = WORKSPACE.identifier
T = TEMPLATE.identifier


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("convergence"), cli, prebuilds=2) as lab:
        yield lab


class Heard:
    """Keeps what a run tells to whoever watches it: the phases that are over, and how far each has come."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[str, int, int | None]] = {}
        self._over: list[str] = []

    @property
    def ended_phases(self) -> list[str]:
        """In their order, but for the two reads, which are side by side."""
        reads, rest = self._over[:2], self._over[2:]
        return [*sorted(reads), *rest]

    def began(self, phase: str, what: str = "", total: int | None = None) -> None:
        self.last[phase] = (what, 0, total)

    def advanced(self, phase: str, what: str, done: int, total: int | None = None) -> None:
        self.last[phase] = (what, done, self.last[phase][2] if total is None else total)

    def ended(self, phase: str) -> None:
        self._over.append(phase)

    def said(self, text: str) -> None:
        assert "trying again until" in text


def running(lab: Lab) -> str:
    return next(each for each in sorted(lab.coder.workspace_ids()) if lab.coder.workspace(each).running)


def test_the_first_run_creates_an_entity_for_each_template_and_workspace(lab: Lab) -> None:
    outcome, _ = lab.up()
    assert outcome.result == "converged"
    assert outcome.kinds.workspace.created == len(lab.coder.workspace_ids()) == len(lab.ids())
    assert outcome.kinds.template.created == len(lab.coder.template_ids()) == len(lab.ids(T))
    for identifier in lab.coder.workspace_ids():
        workspace, entity = lab.coder.workspace(identifier), lab.workspace(identifier)
        assert entity["title"] == f"{lab.coder.user(workspace.owner_id).username}/{workspace.name}"
        assert entity["relations"]["template_id"] == workspace.template_id
        assert entity["properties"]["status"] == workspace.build.status
        assert entity["properties"]["managed_by"] == lab.mark()
        assert entity["properties"]["coder_deployment"] == lab.coder.deployment_id


def test_unclaimed_prebuilds_are_left_out(lab: Lab) -> None:
    assert lab.coder.workspace_ids(prebuilds=True) - lab.coder.workspace_ids()
    assert lab.ids() == lab.coder.workspace_ids()


def test_a_second_run_changes_and_writes_nothing(lab: Lab) -> None:
    lab.assert_converged()


def test_a_run_after_a_refresh_changes_and_writes_nothing(lab: Lab) -> None:
    lab.stack.refresh()
    lab.assert_converged()


def test_the_summary_has_the_figures_of_both_servers_and_whoever_watches_hears_of_every_entity(lab: Lab) -> None:
    for server in (lab.coder, lab.port):
        server.log.reset()
        server.faults.add(kind="status", path="/organization", status=503, times=1)
    heard = Heard()
    with watched(heard):
        outcome, _ = lab.up()
    assert (outcome.coder_requests, outcome.port_requests) == (lab.coder.log.total, lab.port.log.total)
    assert outcome.port_writes == lab.port.log.snapshot()["writes"] == 0
    assert outcome.retries == 2, "one at each"
    workspaces, entities = len(lab.coder.workspace_ids(prebuilds=True)), len(lab.ids()) + len(lab.ids(T))
    assert outcome.read == Read(coder_templates=len(lab.ids(T)), coder_workspaces=workspaces, port_entities=entities)
    assert set(outcome.seconds) == {"read_port", "read_coder", "read", "judge", "engine", "total"}
    assert heard.ended_phases == ["read_coder", "read_port", "read", "judge", "engine"]
    assert heard.last["engine"] == ("entities", entities, entities)


def test_a_preview_shows_what_up_does_and_writes_nothing(lab: Lab) -> None:
    identifier = lab.coder.create_workspace(name="previewed")
    outcome, tally = lab.stack.preview()
    assert (outcome.result, outcome.port_writes) == ("changes", 0)
    assert identifier not in lab.ids()
    assert lab.changes() == tally.changes
    lab.assert_converged()


def test_a_new_workspace_is_one_creation(lab: Lab) -> None:
    lab.coder.create_workspace(name="fresh")
    assert [(change.operation, change.kind) for change in lab.changes()] == [("created", "workspace")]
    lab.assert_converged()


def test_a_stopped_workspace_is_one_update(lab: Lab) -> None:
    identifier = running(lab)
    lab.coder.stop(identifier)
    [change] = lab.changes()
    assert (change.operation, change.kind) == ("updated", "workspace")
    assert {"status", "build_transition", "latest_build_number"} <= set(change.details)
    assert lab.workspace(identifier)["properties"]["status"] == "stopped"
    lab.assert_converged()


def test_a_renamed_workspace_is_one_update_of_the_same_entity(lab: Lab) -> None:
    identifier = running(lab)
    lab.coder.rename_workspace(identifier, "renamed")
    [change] = lab.changes()
    assert (change.operation, change.kind) == ("updated", "workspace")
    assert lab.workspace(identifier)["title"].endswith("/renamed")
    lab.assert_converged()


def test_a_deleted_workspace_is_one_deletion(lab: Lab) -> None:
    identifier = running(lab)
    lab.coder.delete_workspace(identifier)
    assert [(change.operation, change.kind) for change in lab.changes()] == [("deleted", "workspace")]
    assert identifier not in lab.ids()
    lab.assert_converged()


def test_a_promoted_version_updates_the_template_and_the_workspaces_that_it_outdates(lab: Lab) -> None:
    template = lab.coder.template(sorted(lab.coder.template_ids())[0])
    current = {
        identifier
        for identifier in lab.coder.workspace_ids()
        if lab.coder.workspace(identifier).template_id == template.id
        and lab.coder.workspace(identifier).build.version_id == template.active_version_id
    }
    lab.coder.promote_version(template.id)
    changes = lab.changes()
    assert [change.kind for change in changes if change.kind == "template"] == ["template"]
    assert len([change for change in changes if change.kind == "workspace"]) == len(current)
    assert all(change.details == ("outdated",) for change in changes if change.kind == "workspace")
    lab.assert_converged()


def test_a_claimed_prebuild_is_a_creation_under_the_id_that_it_always_had(lab: Lab) -> None:
    owner = lab.coder.user(lab.coder.workspace(running(lab)).owner_id).username
    identifier = lab.coder.claim_prebuild(owner, "claimed")
    assert identifier not in lab.ids()
    assert lab.changes() == [Change("created", "workspace", f"{owner}/claimed")]
    assert lab.workspace(identifier)["properties"]["is_prebuild"] is False
    lab.assert_converged()


def test_a_claimed_prebuild_that_was_shown_is_an_update_of_the_same_entity(lab: Lab) -> None:
    lab.stack.configure({"includePrebuilds": "true"})
    lab.up()
    owner = lab.coder.user(lab.coder.workspace(running(lab)).owner_id).username
    identifier = lab.coder.claim_prebuild(owner, "taken")
    [change] = lab.changes()
    assert (change.operation, change.title) == ("updated", f"{owner}/taken")
    assert lab.workspace(identifier)["properties"]["owner_name"] == owner
    lab.stack.configure({"includePrebuilds": "false"})
    lab.up()
    lab.assert_converged()


def test_a_value_cleared_in_coder_is_cleared_in_port(lab: Lab) -> None:
    identifier = running(lab)
    lab.coder.set_workspace(identifier, autostart_schedule="CRON_TZ=UTC 30 9 * * 1-5", ttl_ms=3_600_000)
    lab.up()
    assert lab.workspace(identifier)["properties"]["ttl_ms"] == 3_600_000
    lab.coder.set_workspace(identifier, autostart_schedule="", ttl_ms=None)
    lab.up()
    properties = lab.workspace(identifier)["properties"]
    assert (properties.get("autostart_schedule"), properties.get("ttl_ms")) == (None, None)
    lab.assert_converged()


def test_a_hand_edit_in_port_is_put_right_by_a_plain_run(lab: Lab) -> None:
    identifier = running(lab)
    lab.port.put_entity(
        W,
        {
            "identifier": identifier,
            "title": "mine",
            "properties": {"status": "on fire", "dormant_at": "2026-01-01T00:00:00Z"},
            "relations": {"template_id": None},
        },
        by="somebody",
    )
    [change] = lab.changes()
    assert {"title", "status", "dormant_at", "template_id"} <= set(change.details)
    entity = lab.workspace(identifier)
    assert (entity["properties"]["status"], entity["properties"].get("dormant_at")) == ("running", None)
    assert entity["relations"]["template_id"] == lab.coder.workspace(identifier).template_id
    lab.assert_converged()


def test_a_hand_deletion_in_port_is_put_right_by_a_plain_run(lab: Lab) -> None:
    identifier, template = running(lab), sorted(lab.coder.template_ids())[0]
    lab.port.delete_entity(W, identifier)
    lab.port.delete_entity(T, template)
    lab.up()
    assert identifier in lab.ids() and template in lab.ids(T)
    assert lab.workspace(identifier)["relations"]["template_id"] == lab.coder.workspace(identifier).template_id
    lab.assert_converged()


def test_what_a_colleague_added_stays(lab: Lab) -> None:
    identifier = running(lab)
    blueprint = lab.blueprint(W)
    blueprint["schema"]["properties"]["cost_center"] = {"type": "string", "title": "Cost Center"}
    lab.port.put_blueprint(blueprint)
    lab.port.put_entity(W, {"identifier": identifier, "properties": {"cost_center": "42"}}, by="colleague")
    lab.port.put_entity(W, {"identifier": "by-hand", "title": "Not in Coder", "properties": {}}, by="colleague")
    outcome, _ = lab.up()
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0)
    lab.coder.stop(identifier)
    lab.up()
    assert lab.workspace(identifier)["properties"]["cost_center"] == "42"
    assert lab.workspace(identifier)["properties"]["status"] == "stopped"
    assert "cost_center" in lab.blueprint(W)["schema"]["properties"]
    assert "by-hand" in lab.ids()
    lab.port.delete_entity(W, "by-hand")
    lab.assert_converged()


def test_a_blueprint_edited_by_hand_is_put_right(lab: Lab) -> None:
    blueprint = lab.blueprint(T)
    del blueprint["schema"]["properties"]["url"]
    blueprint["title"] = "Templates of Coder"
    lab.port.put_blueprint(blueprint)
    outcome, _ = lab.up()
    assert outcome.kinds.other.updated == 1
    assert lab.blueprint(T)["title"] == "Coder Template"
    lab.up()
    lab.assert_converged()


def test_usage_times_alone_are_not_written(lab: Lab) -> None:
    identifier = running(lab)
    before = lab.workspace(identifier)["properties"]["last_used_at"]
    lab.coder.set_workspace(identifier, last_used_at=lab.coder.state.now())
    outcome, _ = lab.up()
    assert (outcome.result, outcome.port_writes) == ("unchanged", 0)
    assert lab.workspace(identifier)["properties"]["last_used_at"] == before


def test_destroy_removes_everything_that_the_stack_declared(lab: Lab) -> None:
    lab.stack.destroy()
    assert lab.port.blueprint(W) is None and lab.port.blueprint(T) is None
