"""Parts of one run that go on side by side, in the one turn that the run has among all runs.

One part is at work at a time; while one waits, another one works, and while all of them wait, the run waits. So a run
on hundreds of workspaces has several builds at work in Coder, and asks no more of the service and of Coder at any
moment than a run on one workspace does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from coderport.runner.values import Clock

Part = Callable[[Clock], Awaitable[None]]
"""A part of a run. It waits with the clock that it is given."""


async def side_by_side(clock: Clock, parts: Iterable[Part], at_once: int) -> None:
    """Brings all parts to their end, at most `at_once` of them begun and not ended.

    The first error of one ends the others, and is raised.
    """
    await _Relay(clock, deque(parts), at_once).run()


class _Relay:
    def __init__(self, clock: Clock, parts: deque[Part], at_once: int) -> None:
        self._clock, self._parts, self._at_once = clock, parts, at_once
        self._tasks: set[asyncio.Task[None]] = set()
        # Those that wait, with the moment until which they do.
        self._asleep: dict[asyncio.Future[None], float] = {}
        self._rests: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        try:
            while await self._goes_on():
                pass
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _goes_on(self) -> bool:
        """One part at work until it waits or ends, or all of them wait; False once all have ended."""
        if self._parts and len(self._tasks) < self._at_once:
            await self._until_it_rests(self._begin)
        elif not self._tasks:
            return False
        else:
            woken, until = min(self._asleep.items(), key=lambda item: item[1])
            left = until - self._clock.monotonic()
            if left > 0:
                await self._clock.sleep(left)
            else:
                del self._asleep[woken]
                await self._until_it_rests(lambda: woken.set_result(None))
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()
        return True

    def _begin(self) -> None:
        async def work(part: Part) -> None:
            await part(replace(self._clock, sleep=self._sleep))

        task = asyncio.create_task(work(self._parts.popleft()))
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._rest())

    async def _until_it_rests(self, resume: Callable[[], None]) -> None:
        self._rests = asyncio.get_running_loop().create_future()
        resume()
        await self._rests

    async def _sleep(self, seconds: float) -> None:
        """What the part that is at work waits with."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asleep[woken] = self._clock.monotonic() + seconds
        self._rest()
        await woken

    def _rest(self) -> None:
        if not self._rests.done():
            self._rests.set_result(None)
