"""Whose turn it is: so many runs at work at once, shared fairly among people.

A turn is given back while its run only waits (for a build, for a server that is away), and is taken away from one
that is at work for long: a slow end then holds up its own run and nobody else's.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Final

LEASE_SECONDS: Final = 5.0
"""A turn that lasts longer counts no more, though its run goes on: some server keeps it waiting."""


class Turns:
    """`places` turns at once, of which no person has more than half."""

    def __init__(
        self,
        places: int,
        *,
        lease: float = LEASE_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._free, self._each = places, max(1, (places + 1) // 2)
        self.lease, self.sleep = lease, sleep
        self._held: Counter[str] = Counter()
        # Whoever has waited longest for a turn stands first; each with their runs in order.
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    def of(self, person: str) -> Turn:
        """A turn for one run of the person; it is not taken yet."""
        return Turn(self, person)

    async def take(self, person: str) -> None:
        """Waits for a turn."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(person, deque()).append(mine)
        self._share()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.give_back(person)
            raise

    def give_back(self, person: str) -> None:
        """The turn is over."""
        self._free += 1
        self._held[person] -= 1
        if not self._held[person]:
            del self._held[person]
        self._share()

    def _share(self) -> None:
        while self._free > 0:
            person = self._next()
            if person is None:
                return
            queue = self._queues.pop(person)
            given = queue.popleft()
            if queue:
                self._queues[person] = queue  # behind the others
            if not given.done():
                self._free -= 1
                self._held[person] += 1
                given.set_result(None)

    def _next(self) -> str | None:
        return next((person for person in self._queues if self._held[person] < self._each), None)


class Turn:
    """The turn of one run. Its `sleep` is what the run waits with."""

    def __init__(self, turns: Turns, person: str) -> None:
        self._turns, self._person = turns, person
        self._lease: asyncio.TimerHandle | None = None

    async def take(self) -> None:
        """Waits for the turn."""
        await self._turns.take(self._person)
        self._lease = asyncio.get_running_loop().call_later(self._turns.lease, self.give_back)

    def give_back(self) -> None:
        """The turn is over; it may be over already."""
        if self._lease is not None:
            self._lease.cancel()
            self._lease = None
            self._turns.give_back(self._person)

    async def sleep(self, seconds: float) -> None:
        """Lets others work for so many seconds, and waits for a turn again."""
        self.give_back()
        await self._turns.sleep(seconds)
        await self.take()
