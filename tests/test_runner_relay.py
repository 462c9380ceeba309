"""Parts of one run side by side: one at work at a time, in the run's one turn, and the first error ends them all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from coderport.runner.relay import side_by_side
from coderport.runner.service.turns import Turns
from coderport.runner.values import Clock


class Time:
    """Seconds that pass when somebody waits, and only then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def clock(self, sleep: Callable[[float], Awaitable[None]] | None = None) -> Clock:
        return Clock(sleep=sleep or self.sleep, monotonic=lambda: self.now)


def test_each_waits_for_its_own_time_and_no_two_are_at_work() -> None:
    time, told = Time(), []
    at_work = 0

    async def part(name: str, seconds: float, clock: Clock) -> None:
        nonlocal at_work
        for _ in range(2):
            at_work += 1
            await asyncio.sleep(0)  # an answer of a server: the part is still at work
            assert at_work == 1
            at_work -= 1
            await clock.sleep(seconds)
            told.append((name, clock.monotonic()))

    asyncio.run(side_by_side(time.clock(), [partial(part, "a", 3.0), partial(part, "b", 2.0)], 2))
    assert told == [("b", 2.0), ("a", 3.0), ("b", 4.0), ("a", 6.0)]
    assert time.waits == [2.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize("at_once", [1, 3, 10])
def test_no_more_are_begun_than_may_be(at_once: int) -> None:
    begun, most, ended = 0, 0, 0

    async def part(clock: Clock) -> None:
        nonlocal begun, most, ended
        begun += 1
        most = max(most, begun - ended)
        await clock.sleep(1)
        ended += 1

    asyncio.run(side_by_side(Time().clock(), [part] * 7, at_once))
    assert (ended, most) == (7, min(at_once, 7))


def test_the_first_error_ends_the_others_and_begins_none() -> None:
    told: list[str] = []

    async def waits(clock: Clock) -> None:
        try:
            await clock.sleep(100)
        except asyncio.CancelledError:
            told.append("ended")
            raise

    async def fails(clock: Clock) -> None:
        await clock.sleep(1)
        raise ValueError("no")

    async def never(clock: Clock) -> None:
        told.append("begun")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(side_by_side(Time().clock(), [waits, fails, never], 2))
    assert told == ["ended"]


def test_parts_that_all_wait_leave_the_turn_of_the_run_to_others() -> None:
    """One worker, a run of many parts, and somebody else's run that comes meanwhile."""
    time, told = Time(), []

    async def both() -> None:
        turns = Turns(1, sleep=time.sleep)
        mine, theirs = turns.of("me"), turns.of("other")
        await mine.take()

        async def part(clock: Clock) -> None:
            told.append("part")
            await clock.sleep(1)
            told.append("part")

        async def other() -> None:
            await theirs.take()
            told.append("other")
            theirs.give_back()

        waiting = asyncio.create_task(other())
        await side_by_side(time.clock(mine.sleep), [part] * 4, 4)
        mine.give_back()
        await waiting

    asyncio.run(both())
    assert told == [*["part"] * 4, "other", *["part"] * 4]
