"""What `live` deleted stays counted: over restarts, beside a second `live`, and for the runs of the stack."""

from __future__ import annotations

import asyncio
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from live_world import LiveWorld, T, W, in_world

from coderport.guard.allowance import LetGo, let_go
from coderport.history.record import HistoryError
from coderport.history.spending import FILE, Spending, spent_by_live
from coderport.history.store import Store
from coderport.live.deleting import Deletions
from coderport.live.ledger import Ledger
from coderport.live.service import Live
from coderport.settings import Limits

NOW = datetime(2026, 11, 27, 8, tzinfo=timezone.utc)


def store(folder: Path) -> Store:
    return Store("kept", "coderport/prod", state="0badcafe", project=folder)


def test_what_went_is_added_up_by_all_who_keep_it(tmp_path: Path) -> None:
    one, other = Spending(store(tmp_path)), Spending(store(tmp_path))
    assert one.read() is None
    one.add(let_go("w", 2, NOW, living=False) + let_go("w", 1, NOW, living=True), NOW)
    later = NOW + timedelta(minutes=5)
    found = other.add(let_go("w", 3, later, living=False) + let_go("w", 1, later, living=True), later)
    assert found == one.read()
    assert found.deleted_lately("w", later) == 5
    assert spent_by_live(store(tmp_path)) == {"2026-11-27T08": {"w": 2}}
    assert found.deleted_lately("w", NOW + timedelta(minutes=10)) == 3


def test_what_counts_no_longer_is_not_kept(tmp_path: Path) -> None:
    spending = Spending(store(tmp_path))
    spending.add(let_go("w", 2, NOW, living=False) + let_go("w", 1, NOW, living=True), NOW)
    assert spending.add(LetGo(), NOW + timedelta(hours=26)) == LetGo()
    assert spending.read() == LetGo()  # and yet it is known that something was kept


def test_a_file_that_is_damaged_is_told_by_live_and_stops_no_run(tmp_path: Path) -> None:
    spending = Spending(store(tmp_path))
    spending.add(LetGo(), NOW)
    for content in ("", "[]", '{"format": 2}', '{"format": 1, "deleted": {"w": 7}, "living": {}}'):
        (tmp_path / "kept" / "0badcafe" / FILE).write_text(content)
        with pytest.raises(HistoryError, match=r"let-go\.json is damaged"):
            spending.read()
        assert spent_by_live(store(tmp_path)) == {}


def test_what_is_allowed_while_the_file_is_written_is_in_it_before_it_is_carried_out(tmp_path: Path) -> None:
    now = datetime.now(timezone.utc)
    deletions = Deletions(Limits(), {})
    ledger = Ledger(deletions)
    spending = Spending(store(tmp_path))

    class Slow:
        """While it writes the first time, more is allowed."""

        writes = 0

        def add(self, more: LetGo, moment: datetime) -> LetGo:
            self.writes += 1
            if self.writes == 1:
                deletions.unkept += let_go(W, 2, now, living=False)
            return spending.add(more, moment)

    ledger._spending = cast(Any, Slow())
    deletions.unkept += let_go(W, 1, now, living=False)
    asyncio.run(ledger.kept())
    kept = spending.read()
    assert kept is not None and kept.deleted_lately(W, now) == 3 and not deletions.unkept


async def restarted(world: LiveWorld) -> Live:
    world.process.kill()
    await world.process.ended()
    world.processes.clear()
    return await world.live()


@pytest.mark.parametrize("lost", [False, True], ids=["kept", "the file is lost"])
def test_a_restart_is_no_new_allowance(lost: bool) -> None:
    restarts(lost=lost)


def restarts(*, lost: bool) -> None:
    @in_world(seed=401)
    async def test(world: LiveWorld) -> None:
        for _ in range(30):
            world.coder.create_workspace()
        await world.run("up")
        live = await world.live()
        ids = sorted(world.coder.workspace_ids())
        await asyncio.sleep(60)
        for gone in range(0, 21, 7):
            for each in ids[gone : gone + 7]:
                world.coder.delete_workspace(each)
            await asyncio.sleep(20)
            if lost:  # as the folder of a container is
                shutil.rmtree(world.world.stack.directory / ".coderport", ignore_errors=True)
            live = await restarted(world)
        assert len(world.ids()) >= len(ids) - 10  # a run may delete ten
        assert "deletions are held" in live.details()
        assert live.why_not_ready() == ""

    test()


def template_of_each(world: LiveWorld, number: int) -> list[str]:
    """New templates with a workspace of each; their ids."""
    made = [world.coder.create_template(f"of-{at}") for at in range(number)]
    for at in range(number):
        world.coder.create_workspace(template=f"of-{at}")
    return made


def left_out(world: LiveWorld, *templates: str) -> None:
    """From now on the settings leave those out."""
    for each in templates:
        world.coder.set_template(each, name=f"gone-{each[:4]}")


@in_world(seed=402, excludeTemplates=["gone-*"])
async def test_what_lives_in_coder_goes_within_the_limit_of_a_day_whoever_lets_it_go(world: LiveWorld) -> None:
    first, second, third, fourth, fifth = template_of_each(world, 5)
    await world.run("up")
    await world.live()
    left_out(world, first, second)
    await world.until(lambda: not {first, second} & world.ids(T), "live lets two go", 100)
    live = await restarted(world)
    left_out(world, third, fourth)
    await world.until(lambda: "deletions are held" in live.details(), "held after a restart", 100)
    assert {third, fourth} <= world.ids(T)
    world.process.kill()
    for name in ("sync", "up"):
        refused = await world.world.finished(world.world.command(name))
        assert refused is not None and refused.exit_code == 3
        assert "after 2 in the last day" in refused.message
    assert {third, fourth} <= world.ids(T)
    await asyncio.sleep(26 * 3600)
    await world.run("sync")
    assert not {third, fourth} & world.ids(T)
    live = await world.live()
    left_out(world, fifth)
    await world.until(lambda: fifth not in world.ids(T), "one more is within the day's", 100)


@in_world(seed=403, excludeTemplates=["gone-*"])
async def test_what_a_run_lets_go_beside_it_counts(world: LiveWorld) -> None:
    first, second = template_of_each(world, 2)
    await world.run("up")
    live = await world.live()
    await asyncio.sleep(20)
    state = world.world.state  # as a run leaves it that has let two go
    state.outputs["coderport"]["spent"] = {"2026-01-01T00": {T: 2, W: 2}}
    state.runs += 1
    left_out(world, first, second)
    await world.until(lambda: "deletions are held" in live.details(), "held", 100)
    assert {first, second} <= world.ids(T)


@in_world(seed=404, keepRuns=0, history="blocked/by/a/file")
async def test_where_nothing_can_be_kept_it_says_so_and_a_start_counts_all_as_spent(world: LiveWorld) -> None:
    (world.world.stack.directory / "blocked").write_text("no folder")
    live = await world.live()
    assert "blocked/by/a/file cannot be" in live.details() and "A restart counts as if" in live.details()
    assert live.why_not_ready() == ""
    first, *_ = sorted(world.coder.workspace_ids())
    world.coder.delete_workspace(first)
    await asyncio.sleep(300)
    assert first in world.ids() and "1 deletions are held" in live.details()
    await world.until(lambda: first not in world.ids(), "after ten minutes", 900)
