"""Through the real engine: a catalog of the original integration comes over, and nothing of anybody is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Json, Lab, laboratory
from old_catalog import ACTION, SCORECARD, T, W, by_hand, old_catalog

from coderport.adoption.report import AdoptionOutcome
from coderport.commands.adopt import Next, adopt
from coderport.commands.history import kept_runs, undo
from coderport.engine import CliInfo
from coderport.settings import RELEASES

VERSIONS = 4


def catalog(lab: Lab) -> dict[tuple[str, str], Json]:
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


def test_an_undo_gives_the_old_catalog_back(lab: Lab) -> None:
    old_catalog(lab.pair, versions=3, services=4)
    before = catalog(lab)
    outcome, _ = come_over(lab)
    assert outcome.history == kept_runs(lab.stack)[0].run
    done = undo(lab.stack, outcome.history, apply_it=True)
    assert done.refused_by_port == () and done.undo.stays == ()
    assert catalog(lab) == before
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
