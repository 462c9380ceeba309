"""The guard on an undo: what it deletes counts as what lives in Coder, with what runs and undos spent in the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from catalog_samples import MARK, numbered, template
from engine_model import SETTINGS, World

from coderport.guard.allowance import PERIOD
from coderport.guard.deletions import ACTION, ANSWER, DeletionVerdict
from coderport.history.images import DefinitionImage
from coderport.history.judging import going_of, judged, permitted
from coderport.history.record import HistoryError, run_name
from coderport.history.store import Store
from coderport.history.undoing import Now, Undo
from coderport.kinds.all import KINDS
from coderport.kinds.workspace import WORKSPACE
from coderport.planning.memory import Memory, rebuilt
from coderport.port.models import PortEntity
from coderport.settings import Limits, Releases

W = WORKSPACE.identifier
RUN = "20261127T120000Z-000000"
NOON = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


def row(number: int, mark: str | None = str(MARK)) -> PortEntity:
    return PortEntity(numbered(number), W, title=f"w{number}", properties={"managed_by": mark} if mark else {})


def verdict(
    going: int,
    of: int,
    *,
    define: tuple[DefinitionImage, ...] = (),
    undone: Mapping[str, frozenset[str]] | None = None,
    memory: Memory | None = None,
    spent: Mapping[str, int] | None = None,
    allow: int = 0,
    mark: str | None = str(MARK),
    recorded: int = 999,
) -> DeletionVerdict:
    rows = {numbered(each): row(each, mark if each < going else str(MARK)) for each in range(of)}
    undo = Undo(delete=tuple(rows[numbered(each)] for each in range(going)), define=define)
    record = {W: frozenset(numbered(each) for each in range(min(of, recorded)))}
    memory = memory or Memory(state=MARK.state, stack=MARK.stack, deployment="d", declared=record)
    return judged(
        undo,
        Now({}, {}, held={W: rows}),
        replace(memory.owner(MARK), called="acme/dev"),
        memory,
        limits=Limits(),
        spent=spent or {},
        undone=undone or {},
        allow_deletions=allow,
        run=RUN,
    )


def ids(*numbers: int) -> frozenset[str]:
    return frozenset(map(numbered, numbers))


def test_three_or_a_twentieth_may_go_and_never_all() -> None:
    assert verdict(3, 30).ids(W) == ids(0, 1, 2)
    assert not verdict(5, 100).refused and verdict(6, 100).refused
    assert verdict(4, 30).refused and verdict(2, 2).refused
    text = verdict(4, 30).text()
    assert "This undo would delete more than a run may by itself." in text
    assert "workspaces: 4 of 30 would go (3 may without a release)" in text
    assert f"python -m coderport undo {RUN} --stack acme/dev --allow-deletions 4" in text
    released = verdict(4, 30, allow=4)
    assert not released.refused and released.spent() == {}
    assert verdict(3, 30).spent() == {W: 3}


def test_what_went_in_the_day_counts_by_runs_and_by_undos() -> None:
    assert verdict(2, 30, spent={W: 2}).refused
    assert verdict(2, 30, undone={W: ids(20, 21)}).refused
    assert not verdict(1, 30, spent={W: 1}, undone={W: ids(20)}).refused
    assert not verdict(3, 30, undone={"coder_template": ids(20, 21)}).refused


def test_an_undo_that_was_cut_off_is_not_counted_twice() -> None:
    assert not verdict(3, 30, undone={W: ids(0, 1, 2)}).refused
    assert verdict(3, 30, undone={W: ids(0, 1, 7)}).refused


@pytest.mark.parametrize(
    ("kind", "image", "known"),
    [
        (ACTION, lambda number: DefinitionImage("action", f"coder_{number}", None, {}), "actions"),
        (ANSWER, lambda number: DefinitionImage("answer", f"page/coder_{number}", None, {}), "answers"),
    ],
)
def test_actions_and_answers_pass_it_too(kind: str, image: Any, known: str) -> None:
    images = tuple(image(number) for number in range(4))
    names = frozenset(each.identifier for each in images)
    more = frozenset(f"page/other_{number}" for number in range(8))
    memory = Memory(state=MARK.state, stack=MARK.stack, deployment="d", **{known: names | more})  # type: ignore[arg-type]
    assert going_of(Undo(define=images)) == {kind: names}
    assert verdict(0, 9, define=images, memory=memory).refused
    assert verdict(0, 9, define=images[:3], memory=memory).ids(kind) == names - {images[3].identifier}
    assert verdict(0, 9, define=images[:1], memory=memory, undone={kind: more - {min(more)}}).refused
    assert verdict(0, 9, define=images[:1]).refused, "the last one of all"


def test_a_state_that_has_lost_its_memory_deletes_nothing_without_a_release() -> None:
    lost = Memory(state=MARK.state, stack=MARK.stack, deployment="d", lost=True, declared={W: ids(*range(30))})
    assert verdict(1, 30, memory=lost).refused
    assert not verdict(1, 30, memory=lost, allow=1).refused


def test_what_the_state_does_not_know_by_its_mark_is_not_deleted() -> None:
    older = MARK.stack  # a mark without an id, in no record: another state of that name may have written it
    found = verdict(1, 30, mark=older, recorded=0)
    assert not found.refused and found.ids(W) == frozenset()
    undo = permitted(Undo(delete=(row(0),)), found)
    assert undo.delete == () and "this state has no record of it" in undo.stays[0].why


def test_what_an_undo_made_again_without_a_mark_may_go_under_the_same_limits() -> None:
    assert verdict(2, 30, mark=None, recorded=0).ids(W) == ids(0, 1)
    assert verdict(4, 30, mark=None, recorded=0).refused


@pytest.mark.parametrize("back", [True, False])
def test_relations_that_the_undo_takes_back_as_well_are_none_that_port_would_empty(back: bool) -> None:
    source, name = next(
        (kind.name, at.identifier) for kind in KINDS for at in kind.blueprint.relations if at.target == W
    )
    theirs = PortEntity("a", source, properties={"managed_by": "other/stack#deadbeef"}, relations={name: numbered(0)})
    rows = {numbered(each): row(each) for each in range(9)}
    write = {(source, "a"): {"relations": {name: None}}} if back else {}
    memory = Memory(state=MARK.state, stack=MARK.stack, deployment="d", declared={W: frozenset(rows)})
    found = judged(
        Undo(delete=(rows[numbered(0)],), write=write),
        Now({}, {}, held={W: rows, source: {"a": theirs}}),
        memory.owner(MARK),
        memory,
        limits=Limits(),
        spent={},
        undone={},
        allow_deletions=0,
        run=RUN,
    )
    assert found.refused is not back


def test_what_undos_spent_is_kept_for_a_day_beside_the_records(tmp_path: Path) -> None:
    store = Store("history", "coderport/test", state="s", project=tmp_path)
    assert store.undone_since(NOON - PERIOD) == {}
    old, new = run_name(NOON - PERIOD - timedelta(minutes=1)), run_name(NOON)
    store.keep_undone(old, {W: ids(1)}, NOON - 2 * PERIOD)
    store.keep_undone(run_name(NOON - timedelta(hours=1)), {W: ids(2), ACTION: ["coder_x"]}, NOON - 2 * PERIOD)
    assert store.undone_since(NOON - PERIOD) == {W: ids(2), ACTION: frozenset({"coder_x"})}
    assert store.runs() == [], "it is no record"
    store.keep_undone(new, {W: ids(2, 3)}, NOON - PERIOD)
    assert store.undone_since(NOON - 2 * PERIOD)[W] == ids(2, 3), "what is older has gone"
    damaged = tmp_path / "history" / "s" / f"{new}.undone.json"
    damaged.write_text("[")
    with pytest.raises(HistoryError, match="It counts for one day"):
        store.undone_since(NOON - PERIOD)


def test_actions_that_only_the_state_has_pass_the_guard_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that failed has left them there: the engine deletes what is not declared, and the memory knows nothing."""
    world = World()
    world.templates[numbered(1)] = template(id=numbered(1), name="t")
    world.up()
    had = world.memory.actions
    world.memory = replace(world.memory, actions=frozenset())
    world.settings = SETTINGS.model_copy(update={"actions": SETTINGS.actions.model_copy(update={"backend": "off"})})
    world.releases = Releases()
    assert not world.judged()[1].refused
    past = replace(world.past(), actions=rebuilt(world.resources()).actions)
    monkeypatch.setattr(world, "past", lambda: past)
    found = world.judged()[1]
    assert found.refused and f"actions: {len(had)} of {len(had)} would go" in found.text()
