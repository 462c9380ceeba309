"""What a failed run was about to delete counts for the day only as far as it has gone from Port."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from simulated_lab import TEMPLATES, Story, W, played

from coderport.planning.memory import Memory, recalled
from coderport.port.models import PortEntity
from coderport.settings import Releases

NONE = Releases()
HOUR = "2026-11-27T09"
AT = "2026-11-27T09:30:00+00:00"


def memory(*pending: str, at: str = AT) -> Memory:
    spent = {HOUR: {W: len(pending)}, "2026-11-27T08": {W: 2}}
    return Memory(state="s", deployment="d", spent=spent, pending={W: frozenset(pending)}, pending_at=at)


def row(identifier: str, created: str | None) -> PortEntity:
    return PortEntity(identifier, W, created_at=created)


def test_what_port_still_holds_has_not_gone() -> None:
    held = {W: {"a": row("a", "2026-11-20T00:00:00.000Z"), "b": row("b", "2026-11-27T09:29:59.000Z")}}
    settled = memory("a", "b", "c").settled(held)
    assert settled.spent == {HOUR: {W: 1}, "2026-11-27T08": {W: 2}}
    assert not settled.pending and not settled.pending_at


def test_what_was_made_since_is_another_one_and_without_a_time_it_counts() -> None:
    held = {W: {"a": row("a", "2026-11-27T09:30:01.000Z"), "b": row("b", None)}}
    assert memory("a", "b").settled(held).spent[HOUR] == {W: 2}


def test_it_is_kept_in_the_outputs() -> None:
    kept = memory("a", "b")
    assert recalled(kept.outputs()).settled({}).spent == kept.spent
    again = recalled(kept.outputs())
    assert (again.pending, again.pending_at) == (kept.pending, AT)
    assert "pending" not in Memory(state="s", deployment="d").outputs()["coderport"]


def test_the_same_command_does_what_failed_without_a_release(tmp_path: Path) -> None:
    async def story(at: Story) -> None:
        await at.run()
        template, its = _smallest(at)
        at.world.options["excludeTemplates"] = [at.coder.template(template).name]
        refused = [{"path": "bulk/entities/delete"}, {"path": "/entities/", "method": "DELETE"}]
        faults = [at.port.faults.add({"kind": "status", "status": 422, **each}) for each in refused]
        for _ in range(3):
            outcome = await at.run("up", NONE)
            assert outcome.exit_code == 1, outcome.message
            assert template in at.held(TEMPLATES) and its <= at.held().keys()
        for each in faults:
            at.port.faults.clear(each)

        outcome = await at.run("up", NONE)
        assert outcome.exit_code == 0, outcome.message
        assert template not in at.held(TEMPLATES) and not its & at.held().keys()

        counted = Counter[str]()
        for kinds in at.world.stack.memory().spent.values():
            counted.update(kinds)
        assert counted == Counter({TEMPLATES: 1, W: len(its)}), "once, however often it was tried"

    played(tmp_path, story)


def test_two_runs_that_fail_over_different_things_count_what_each_has_deleted(tmp_path: Path) -> None:
    async def story(at: Story) -> None:
        for each in list(at.coder.workspace_ids()):
            at.coder.delete_workspace(each)
        for name in "abcdefgh":
            template = at.coder.create_template(f"{name}-tpl")
            for number in range(3):
                at.coder.create_workspace(template=template, name=f"w{name}{number}")
        await at.run()
        before = len(at.held())

        async def failing(excluded: list[str], of: str) -> None:
            at.world.options["excludeTemplates"] = excluded
            paths = [{"path": f"{of}/bulk/entities/delete"}, {"path": f"{of}/entities/", "method": "DELETE"}]
            faults = [at.port.faults.add({"kind": "status", "status": 422, **each}) for each in paths]
            assert (await at.run("up", NONE)).exit_code == 1
            for each in faults:
                at.port.faults.clear(each)

        await failing(["a-tpl"], "")
        await failing(["b-tpl"], TEMPLATES)  # its workspaces go, and it does not
        at.world.options["excludeTemplates"] = ["b-tpl", "c-tpl"]
        assert (await at.run("up", NONE)).exit_code == 3
        assert before - len(at.held()) == 3

    played(tmp_path, story)


def _smallest(at: Story) -> tuple[str, set[str]]:
    """The template in Port with the fewest workspaces, and these."""
    of: dict[str, set[str]] = {each: set() for each in at.held(TEMPLATES)}
    for identifier, each in at.held().items():
        of[each["relations"]["template_id"]].add(identifier)
    return min(of.items(), key=lambda each: len(each[1]))
