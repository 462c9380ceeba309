"""Through the real engine: an undo passes the guard of a run, and nothing that others keep is written over or deleted.

The tests of this file share one laboratory and run in order: each begins converged and leaves it so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from lab import Lab, laboratory

from coderport.commands.history import kept_runs, undo
from coderport.engine import CliInfo
from coderport.errors import CoderportError, Refusal
from coderport.history.applying import apply
from coderport.history.undoing import Now, Undo
from coderport.kinds.workspace import WORKSPACE
from coderport.port.client import PortClient
from coderport.port.errors import PortError
from coderport.settings import RELEASES

pytestmark = pytest.mark.in_order

W = WORKSPACE.identifier
THEIRS = "other/stack#deadbeef"
STOP, CREATE = "coder_stop_workspace", "coder_create_workspace"
Json = dict[str, Any]
Value = TypeVar("Value")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("undo"), cli, workspaces=8, templates=2) as lab:
        lab.up()
        yield lab


def newest(lab: Lab) -> str:
    return kept_runs(lab.stack)[0].run


def asked(lab: Lab, question: Callable[[PortClient], Awaitable[Value]]) -> Value:
    """The answer of the emulated Port to a colleague."""
    servers = lab.pair.describe()

    async def ask() -> Value:
        async with PortClient(servers["port_url"], servers["port_client_id"], servers["port_client_secret"]) as client:
            return await question(client)

    return asyncio.run(ask())


def theirs(identifier: str) -> Json:
    return {"identifier": identifier, "title": "THEIRS", "properties": {"managed_by": THEIRS, "name": "theirs"}}


def test_what_a_search_does_not_show_is_not_taken_for_absent(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coderport.port.sweep.PAUSES", (0.0,))
    gone = sorted(lab.ids())[0]
    lab.coder.delete_workspace(gone)
    lab.up()
    lab.port.behave(search_delay=600.0)
    lab.port.put_entity(W, theirs(gone), by="colleague")
    writes = lab.port.writes
    try:
        for apply_it in (False, True):
            with pytest.raises(PortError, match="Port counts"):
                undo(lab.stack, newest(lab), apply_it=apply_it)
        assert lab.port.writes == writes
        body = {"identifier": gone, "title": "ours", "properties": {"name": "ours"}, "relations": {}}
        absent = Undo(write={(W, gone): body})  # as where a Port does not say how many there are
        refused = asked(lab, lambda client: apply(client, absent, Now({}, {})))
    finally:
        lab.port.behave(search_delay=0.0)
    assert len(refused) == 1 and f"it belongs to {THEIRS}" in refused[0]
    assert (lab.workspace(gone)["title"], lab.workspace(gone)["properties"]["managed_by"]) == ("THEIRS", THEIRS)
    lab.port.delete_entity(W, gone)
    there = asked(lab, lambda client: client.entity(W, sorted(lab.ids())[0]))
    assert there is not None
    lab.port.delete_entity(W, there.identifier)
    half = Undo(write={(W, there.identifier): {**body, "identifier": there.identifier}})
    refused = asked(lab, lambda client: apply(client, half, Now({(W, there.identifier): there}, {})))
    assert refused == [f"Port has no entity {W}:{there.identifier} any more"]
    assert there.identifier not in lab.ids(), "a few values are no entity"
    lab.up()


def test_what_somebody_else_has_signed_since_stays_and_is_named(lab: Lab) -> None:
    one, other = sorted(lab.ids())[:2]
    old = lab.workspace(other)["properties"]["name"]
    lab.coder.rename_workspace(one, "first")
    lab.coder.rename_workspace(other, "second")
    lab.up()
    lab.port.put_entity(W, {"identifier": one, "properties": {"managed_by": THEIRS}}, by="colleague")
    done = undo(lab.stack, newest(lab), apply_it=True)
    assert [each.why for each in done.undo.stays] == [f"is left as it is: it belongs to {THEIRS} by now"]
    assert lab.workspace(one)["properties"]["name"] == "first"
    assert lab.workspace(other)["properties"]["name"] == old
    lab.port.put_entity(W, {"identifier": one, "properties": {"managed_by": lab.mark()}}, by="colleague")
    lab.up()


def test_actions_go_with_a_release_and_one_whose_permissions_were_changed_stays(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.stack.configure({"actions": {"backend": "webhook", "url": "https://coderport.example.com/runs"}})
    lab.up()
    run, ours = newest(lab), asked(lab, lambda client: client.actions()).keys()
    mine = {"execute": {"users": [], "roles": ["Admin"], "teams": [], "ownedByTeam": False}}
    asked(lab, lambda client: client.patch_action_permissions(STOP, mine))
    rights = asked(lab, lambda client: client.action_permissions(CREATE))
    number = len(ours) - 1
    with pytest.raises(Refusal) as raised:
        undo(lab.stack, run, apply_it=True)
    said = str(raised.value)
    assert f"actions: {number} of {len(ours)} would go (3 may without a release)" in said
    assert f"python -m coderport undo {run} --stack lab --allow-deletions {number}" in said
    assert asked(lab, lambda client: client.actions()).keys() == ours
    monkeypatch.setenv(RELEASES["allow_deletions"], str(number))
    done = undo(lab.stack, run, apply_it=True)
    assert [(each.what, each.why) for each in done.undo.stays] == [
        (f"action {STOP}", "stays: somebody changed its permissions since")
    ]
    assert asked(lab, lambda client: client.actions()).keys() == {STOP}
    undo(lab.stack, done.applied, apply_it=True)
    assert asked(lab, lambda client: client.actions()).keys() == ours
    assert asked(lab, lambda client: client.action_permissions(CREATE)) == rights
    held = asked(lab, lambda client: client.action_permissions(STOP))
    lab.up()  # permissions alone differ, and are kept before they are corrected
    (image,) = kept_runs(lab.stack)[0].definitions
    assert (image.kind, image.identifier, image.before) == ("permissions", STOP, held)
    undo(lab.stack, newest(lab), apply_it=True)
    assert asked(lab, lambda client: client.action_permissions(STOP)) == held
    lab.up()


def test_an_undo_that_failed_is_done_by_the_same_command_whatever_is_kept(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(lab.ids())
    for name in ("one", "two", "three"):
        lab.coder.create_workspace("admin", name=name)
    gone = sorted(lab.ids())[0]
    lab.coder.delete_workspace(gone)
    lab.up()
    lab.stack.configure({"keepRuns": "1"})
    run = newest(lab)
    for path in ("/bulk/entities/delete", "/entities/bulk"):
        lab.port.faults.add(kind="status", status=500, path=path, method="POST", body={"ok": False})
        with monkeypatch.context() as hasty, pytest.raises(CoderportError, match="The same command does the rest"):
            hasty.setenv("CODERPORT_PATIENCE", "2")
            undo(lab.stack, run, apply_it=True)
        lab.port.faults.clear()
    done = undo(lab.stack, run, apply_it=True)
    assert done.refused_by_port == () and done.undo.stays == ()
    assert gone in lab.ids() and len(lab.ids()) == before
    assert run in [each.run for each in kept_runs(lab.stack)]
    lab.stack.configure({"keepRuns": "20"})
    lab.up()


def test_runs_and_undos_spend_one_allowance(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three workspaces have gone by the undo before, though they live in Coder: the day's allowance."""
    for name in ("four", "five"):
        lab.coder.create_workspace("admin", name=name)
    lab.up()
    run, there = newest(lab), lab.ids()
    with pytest.raises(Refusal, match="0 may without a release, after 3 in the last day"):
        undo(lab.stack, run, apply_it=True)
    monkeypatch.setenv(RELEASES["allow_deletions"], "2")
    undo(lab.stack, run, apply_it=True)
    assert len(lab.ids()) == len(there) - 2
    monkeypatch.delenv(RELEASES["allow_deletions"])
    lab.up()
    left_out = min(lab.coder.template_ids())
    named = lab.template(left_out)["properties"]["name"]
    lab.stack.configure({"excludeTemplates": [named]})
    for look in (lab.stack.up, lab.stack.preview):
        outcome, _ = look()
        assert outcome.exit_code == 3, outcome
        assert "0 alive in Coder may without a release, after 3 in the last day" in outcome.message
    lab.stack.configure({"excludeTemplates": []})
    lab.assert_converged()


def test_a_kind_that_is_switched_off_comes_back_with_all_that_led_to_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held() -> tuple[Json, set[str], list[Any]]:
        blueprint = lab.port.blueprint(W)
        assert blueprint is not None
        owners = [each["relations"].get("owner") for each in lab.port.entities(W)]
        return blueprint["relations"], lab.ids("coder_user"), owners

    monkeypatch.setenv(RELEASES["allow_deletions"], "1000")
    lab.stack.configure({"kinds": "users"})
    lab.up()
    before = held()
    assert all(before[2])
    lab.stack.configure({"kinds": "default"})
    lab.up()
    assert lab.port.blueprint("coder_user") is None
    done = undo(lab.stack, newest(lab), apply_it=True)
    assert (done.refused_by_port, done.undo.stays) == ((), ())
    assert held() == before
    lab.up()
