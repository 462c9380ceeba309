"""Through the real engine: what runs change and delete is kept first, and an undo gives it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from catalog_samples import SERVICE
from lab import Lab, laboratory

from coderport.catalog.blueprint import to_port
from coderport.commands import drift, sync
from coderport.commands.history import kept_runs, store_of, undo
from coderport.engine import CliInfo
from coderport.errors import Refusal
from coderport.history.record import HistoryError, Record, packed
from coderport.kinds.all import ALWAYS
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.report.outcome import Outcome, Tally
from coderport.settings import RELEASES

W, T = WORKSPACE.identifier, TEMPLATE.identifier


@pytest.fixture
def lab(tmp_path: Path, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path, cli, workspaces=16, templates=3) as lab:
        yield lab


def catalog(lab: Lab) -> dict[tuple[str, str], Any]:
    """Every entity in Port without the stamps that Port sets itself."""
    return {
        (blueprint, each["identifier"]): {
            key: {k: v for k, v in value.items() if v not in (None, [])} if isinstance(value, dict) else value
            for key, value in each.items()
            if key not in ("createdAt", "createdBy", "updatedAt", "updatedBy", "scorecards")
        }
        for blueprint in (T, W, "service")
        if lab.port.blueprint(blueprint)
        for each in lab.port.entities(blueprint)
    }


def colleagues_values(lab: Lab) -> list[str]:
    """A property, values, and relations of a colleague; the workspaces that have them."""
    body = to_port(ALWAYS[1])
    body["schema"]["properties"]["cost_center"] = {"type": "object", "title": "Cost center"}
    lab.port.put_blueprint(body, by="colleague")
    lab.port.put_blueprint(dict(SERVICE), by="colleague")
    ids = sorted(lab.ids())[:3]
    for each in ids:
        lab.port.put_entity(W, {"identifier": each, "icon": "Star", "properties": {"cost_center": {"code": 7}}})
    lab.port.put_entity(
        "service",
        {"identifier": "api", "title": "API", "properties": {}, "relations": {"home": ids[0], "homes": ids[:2]}},
    )
    return ids


@pytest.mark.parametrize("run", [lambda lab: lab.stack.up(), lambda lab: sync.sync(lab.stack)], ids=["up", "sync"])
def test_a_run_and_its_undo_leave_the_same_catalog(lab: Lab, run: Callable[[Lab], tuple[Outcome, Tally]]) -> None:
    lab.up()
    ids = colleagues_values(lab)
    lab.up()
    before = catalog(lab)
    for each in ids[:2]:
        lab.coder.delete_workspace(each)
    lab.coder.rename_workspace(ids[2], "renamed")
    lab.coder.create_workspace("admin", name="fresh")
    outcome, _ = run(lab)
    assert outcome.exit_code == 0, outcome.message
    assert catalog(lab)["service", "api"]["relations"] == {}
    assert catalog(lab) != before

    newest = kept_runs(lab.stack)[0]
    counts = newest.count("created"), newest.count("changed"), newest.count("deleted")
    assert counts[0] == 1 and counts[1] >= 1 and counts[2] == 2
    writes = lab.port.writes
    shown = undo(lab.stack, newest.run, apply_it=False)
    assert not shown.applied and not shown.undo.stays
    assert lab.port.writes == writes, "a dry run writes nothing"
    done = undo(lab.stack, newest.run, apply_it=True)
    assert done.refused_by_port == () and done.undo.stays == ()
    assert catalog(lab) == before
    assert undo(lab.stack, newest.run, apply_it=True).undo.nothing

    again = undo(lab.stack, done.applied, apply_it=True)  # the undo of the undo
    assert again.undo.stays == ()
    assert lab.ids() == lab.coder.workspace_ids()
    outcome, _ = lab.stack.up()
    assert (outcome.exit_code, lab.ids()) == (0, lab.coder.workspace_ids())


def test_what_somebody_changed_since_stays_and_is_named(lab: Lab) -> None:
    lab.up()
    one, other = sorted(lab.ids())[:2]
    old = lab.workspace(one)["properties"]["name"]
    lab.coder.rename_workspace(one, "first")
    lab.coder.rename_workspace(other, "second")
    lab.up()
    run = kept_runs(lab.stack)[0].run
    lab.port.put_entity(W, {"identifier": other, "properties": {"name": "by hand"}}, by="somebody@example.com")
    done = undo(lab.stack, run, apply_it=True)
    assert [each for each in done.undo.stays if each.what.startswith("name of") and "somebody" in each.why]
    assert lab.workspace(one)["properties"]["name"] == old
    assert lab.workspace(other)["properties"]["name"] == "by hand"


def test_what_others_point_at_by_now_is_not_deleted_by_an_undo(lab: Lab) -> None:
    """Port would empty the relation of a colleague's entity, and no record of that would be kept."""
    lab.up()
    made = [lab.coder.create_workspace("admin", name=name) for name in ("one", "two")]
    lab.up()
    lab.port.put_blueprint(dict(SERVICE), by="colleague")
    lab.port.put_entity("service", {"identifier": "shop", "relations": {"home": made[0]}}, by="colleague")
    done = undo(lab.stack, kept_runs(lab.stack)[0].run, apply_it=True)
    assert [each.identifier for each in done.undo.delete] == [made[1]]
    assert [each for each in done.undo.stays if made[0] in each.what and "service shop points at it" in each.why]
    shop = lab.port.entity("service", "shop")
    assert shop is not None and shop["relations"]["home"] == made[0] and made[0] in lab.ids()


def test_an_undo_deletes_no_more_than_a_run_may(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.up()
    first = kept_runs(lab.stack)[-1].run
    with pytest.raises(Refusal, match="--allow-deletions 19"):
        undo(lab.stack, first, apply_it=True)
    assert lab.ids() == lab.coder.workspace_ids()
    monkeypatch.setenv(RELEASES["allow_deletions"], "19")
    assert undo(lab.stack, first, apply_it=True).applied
    assert lab.ids() == set()


def test_a_repair_is_kept_and_can_be_undone(lab: Lab) -> None:
    lab.up()
    one = sorted(lab.ids())[0]
    lab.port.put_entity(W, {"identifier": one, "title": "a title of mine"})
    before = catalog(lab)
    outcome, _ = drift.drift(lab.stack, repair=True)
    assert outcome.exit_code == 0 and catalog(lab) != before
    undo(lab.stack, kept_runs(lab.stack)[0].run, apply_it=True)
    assert catalog(lab) == before


def test_nothing_is_changed_where_it_cannot_be_kept_first(lab: Lab) -> None:
    lab.stack.configure({"history": "/proc/nowhere"})
    outcome, _ = lab.stack.up()
    assert (outcome.exit_code, outcome.port_writes) in ((1, 0), (2, 0))  # root learns it by the write alone
    assert "/proc/nowhere" in outcome.message and "coderport:keepRuns 0" in outcome.message
    lab.stack.configure({"keepRuns": "0"})
    lab.up()


def test_a_run_that_changes_nothing_is_not_kept_and_old_ones_go(lab: Lab) -> None:
    lab.stack.configure({"keepRuns": "2"})
    lab.up()
    lab.up()
    assert len(kept_runs(lab.stack)) == 1
    for number in range(3):
        lab.coder.rename_workspace(sorted(lab.ids())[0], f"name-{number}")
        sync.sync(lab.stack)
    kept = kept_runs(lab.stack)
    assert len(kept) == 2 and all(each.how == "part" for each in kept)


def test_an_unknown_run_is_named_with_those_that_are_kept(lab: Lab) -> None:
    lab.up()
    run = kept_runs(lab.stack)[0].run
    with pytest.raises(HistoryError, match=run):
        undo(lab.stack, "nonsense", apply_it=False)
    memory = lab.stack.memory()
    store = store_of(lab.stack, lab.stack.settings(), memory)
    (Path(store.place) / memory.state / f"{run}.json.gz").write_bytes(b"cut")
    with pytest.raises(HistoryError, match="damaged"):
        undo(lab.stack, run, apply_it=False)


def kept_by_name(store: Path, state: str, name: str) -> None:
    """Puts the records where the version before had them."""
    (store / name).parent.mkdir(parents=True, exist_ok=True)
    (store / state).rename(store / name)


def test_the_runs_from_before_a_rename_are_found_also_those_of_an_older_version(lab: Lab) -> None:
    lab.up()
    first = kept_runs(lab.stack)[0].run
    memory = lab.stack.memory()
    place = Path(store_of(lab.stack, lab.stack.settings(), memory).place)
    kept_by_name(place, memory.state, lab.stack.managed_by)
    theirs = place / "coderport" / "other" / f"{first}.json.gz"  # another stack's, with its own id in it
    theirs.parent.mkdir(parents=True)
    record = store_of(lab.stack, lab.stack.settings(), replace(memory, state="")).record(first)
    theirs.write_bytes(packed(signed_by(record, "coderport/other#00000000")))
    lab.pulumi("stack", "rename", "renamed", "--stack", "lab")
    stack = lab.opened("renamed")
    assert [each.run for each in kept_runs(stack)] == [first]
    lab.coder.rename_workspace(sorted(lab.ids())[0], "after-the-rename")
    outcome, _ = stack.up()
    assert outcome.exit_code == 0, outcome.message
    assert [each.stack for each in kept_runs(stack)] == ["coderport/renamed", "coderport/lab"]
    assert undo(stack, kept_runs(stack)[0].run, apply_it=True).applied
    assert theirs.exists()


def signed_by(record: Record, mark: str) -> Record:
    text = record.model_dump_json().replace(f"coderport/lab#{state_of(record)}", mark)
    return Record.model_validate_json(text)


def state_of(record: Record) -> str:
    created = record.entities[0].created
    assert created is not None
    return str(created.properties["managed_by"]).rpartition("#")[2]
