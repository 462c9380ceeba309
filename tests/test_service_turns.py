"""What keeps one run of the webhook service waiting keeps no other: turns, slow servers, unanswered questions."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from service_lab import ONE, THREE, TWO, Stage, ended, looped, run_id, service

from coderport.errors import CoderportError
from coderport.runner.service import queue
from coderport.runner.service.journal import RunJournal
from coderport.runner.service.turns import Turn, Turns
from coderport.runner.values import Claim, Ended, Journal


def taken(turns: Turns, *people: str) -> list[tuple[str, asyncio.Task[None], Turn]]:
    made = []
    for person in people:
        turn = turns.of(person)
        made.append((person, asyncio.create_task(turn.take()), turn))
    return made


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@looped
async def test_nobody_has_more_than_half_of_the_turns() -> None:
    turns = Turns(4)
    asked = taken(turns, *["alice"] * 6, "bob", "carol")
    await settled()
    assert [person for person, task, _ in asked if task.done()] == ["alice", "alice", "bob", "carol"]
    asked[0][2].give_back()
    await settled()
    assert [task.done() for person, task, _ in asked if person == "alice"] == [True, True, True, False, False, False]
    for _, task, _ in asked:
        task.cancel()


@looped
async def test_a_turn_that_lasts_is_taken_away_and_its_run_goes_on() -> None:
    turns = Turns(1, lease=0.01)
    (_, first, hung), (_, second, _) = taken(turns, "alice", "bob")
    await asyncio.wait_for(second, 300)
    assert first.done()
    hung.give_back()  # once only
    (_, third, _) = taken(turns, "carol")[0]
    await asyncio.wait_for(third, 300)


@looped
async def test_a_run_that_sleeps_holds_no_turn_and_waits_for_one_again() -> None:
    woken = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await woken.wait()

    turns = Turns(1, sleep=sleep, lease=60)
    (_, _, mine), (_, other, theirs) = taken(turns, "alice", "bob")
    await settled()
    sleeping = asyncio.create_task(mine.sleep(3))
    await asyncio.wait_for(other, 300)
    woken.set()
    await settled()
    assert not sleeping.done()
    theirs.give_back()
    await asyncio.wait_for(sleeping, 300)


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from(["take", "give", "cancel"]), st.sampled_from("abc")), max_size=40),
)
def test_turns_are_never_lost_and_never_too_many(places: int, acts: list[tuple[str, str]]) -> None:
    @looped
    async def act() -> None:
        turns = Turns(places, lease=60)
        asked: list[tuple[str, asyncio.Task[None], Turn]] = []
        for what, person in acts:
            mine = [each for each in asked if each[0] == person]
            if what == "take":
                asked += taken(turns, person)
            elif mine and what == "give" and mine[0][1].done():
                mine[0][2].give_back()
                asked.remove(mine[0])
            elif mine and what == "cancel":
                mine[-1][1].cancel()
                mine[-1][2].give_back()
                asked.remove(mine[-1])
            await settled()
            held = [each for each in asked if each[1].done()]
            each_may = max(1, (places + 1) // 2)
            wanted = {person: min(each_may, sum(one[0] == person for one in asked)) for person in "abc"}
            assert len(held) == min(places, sum(wanted.values()))
            assert all(sum(one[0] == person for one in held) <= each_may for person in "abc")
        for _, task, turn in asked:
            task.cancel()
            turn.give_back()

    act()


@looped
async def test_a_run_of_which_port_says_nothing_keeps_nobody(tmp_path: Path) -> None:
    stage, never = Stage(), asyncio.Event()
    stage.go.set()

    async def claim_of(run: str) -> Claim | None:
        if run == ONE:
            await never.wait()
        return Claim(run, run)

    stage.claim_of = claim_of  # type: ignore[method-assign]
    async with service(stage, tmp_path, workers=1) as caller:
        for run in (ONE, TWO, THREE):
            await caller.run(run)
        await caller.until(ended("success"), 2)
        never.set()
        await caller.until(ended("success"), 3)
    assert stage.done == [TWO, THREE, ONE]


@looped
async def test_following_a_build_holds_no_worker(tmp_path: Path) -> None:
    stage, builds = Stage(people={run_id(n): "alice" for n in range(8)}), asyncio.Event()

    async def execute(run: str, journal: Journal, sleep: queue.Sleep) -> Ended:
        while run != ONE and not builds.is_set():
            await sleep(0.005)
        stage.done.append(run)
        return Ended.SUCCESS

    stage.execute = execute  # type: ignore[method-assign]
    hogs = [run_id(n) for n in range(20, 28)]
    async with service(stage, tmp_path, workers=1) as caller:
        for run in (*hogs, ONE):
            await caller.run(run)
        await caller.until(ended("success"), 1)
        assert stage.done == [ONE]
        builds.set()
        await caller.until(ended("success"), 9)


@looped
async def test_a_run_that_waits_for_approval_is_begun_when_port_calls_again(tmp_path: Path) -> None:
    stage, now = Stage(outcome=Ended.WAITING), [1_800_000_000.0]
    stage.go.set()
    async with service(stage, tmp_path, clock=lambda: now[0]) as caller:
        assert (await caller.run(ONE, at=now[0])).status_code == 202
        await caller.until(ended("waiting"), 1)
        stage.outcome = Ended.SUCCESS
        assert (await caller.run(ONE, at=now[0] + 1)).status_code == 202
        await caller.until(ended("success"), 1)
    assert stage.done == [ONE, ONE]


@looped
async def test_a_call_that_comes_while_the_run_is_looked_at_is_not_lost(tmp_path: Path) -> None:
    stage, now = Stage(outcome=Ended.WAITING), 1_800_000_000.0
    async with service(stage, tmp_path, clock=lambda: now) as caller:
        await caller.run(ONE, at=now)
        await caller.until("coderport_runs_running", 1)
        await stage.until_at_work(1)
        await caller.run(ONE, at=now + 1)
        stage.go.set()
        await caller.until(ended("waiting"), 1)
        stage.outcome = Ended.SUCCESS
        while len(stage.begun) < 2:
            await asyncio.sleep(0.01)
    assert stage.begun[:2] == [ONE, ONE]


@looped
async def test_a_start_takes_on_what_is_open_in_port_and_in_no_journal(tmp_path: Path) -> None:
    stage = Stage(outcome=Ended.NOT_OURS)
    stage.go.set()
    async with service(stage, tmp_path) as caller:
        await caller.run(ONE)
        await caller.until(ended("not_ours"), 1)
        await caller.run(TWO)
        await caller.until(ended("not_ours"), 2)
    stage.outcome, stage.open = Ended.SUCCESS, [ONE, THREE]
    async with service(stage, tmp_path) as caller:
        await caller.until(ended("success"), 2)
        assert (await caller.figures())["coderport_runs_found_total"] == 2
    async with service(stage, tmp_path) as caller:
        await caller.run(run_id(4))
        await caller.until(ended("success"), 1)
        assert (await caller.figures())["coderport_runs_found_total"] == 0
    assert stage.done == [ONE, TWO, ONE, THREE, run_id(4)]


@looped
async def test_a_port_that_cannot_be_asked_for_open_runs_is_asked_again(tmp_path: Path) -> None:
    stage, failures = Stage(open=[ONE]), [CoderportError("Port is away"), ValueError("odd")]
    stage.go.set()

    async def open_runs() -> list[str]:
        if failures:
            raise failures.pop(0)
        return [ONE]

    stage.open_runs = open_runs  # type: ignore[method-assign]
    async with service(stage, tmp_path, pause=lambda attempt: 0.01) as caller:
        await caller.until(ended("success"), 1)


@looped
async def test_a_run_that_was_given_up_is_taken_on_again_with_what_it_had_begun(tmp_path: Path) -> None:
    async with RunJournal.opened(tmp_path / "runs.sqlite", lambda: 0.0) as journal:
        await journal.take(ONE, "mark", 9.0, 9)
        await journal.record(ONE, "a step")
        await journal.ended(ONE, "abandoned")
        assert [run.run_id for run in await journal.take_open([ONE])] == [ONE]
        assert await journal.step(ONE) == "a step"
        await journal.ended(ONE, "success")
        assert await journal.take_open([ONE]) == []
