"""Histories of `live`: events of a seed in one world, a bad network, feeds that lose, repeat, delay and invent hints.

At the end of each the world is calm for as long as one re-read takes. Then Port is as Coder is: a run finds nothing to
write. Nothing that exists in Coder was deleted, and no minute had more requests to Coder than the budget.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from live_world import LiveWorld, W, played

from coderport.catalog.values import Ref
from coderport.live.hints import Hints
from coderport.live.values import Event, Hint
from simulation import events
from simulation.network import CODER, PORT, Weather
from simulation.process import CURRENT

RESYNC = 60.0
BUDGET = 120
MOST_EVENTS = 10
CALM = 2 * RESYNC + 60

Happens = Callable[[LiveWorld, random.Random], Awaitable[None]]


async def live(world: LiveWorld, chance: random.Random) -> None:
    """`live` is started; mostly it is the only one."""
    if not any(each.running for each in world.processes) or chance.random() < 0.2:
        await world.started()
        await asyncio.sleep(chance.choice((0, 1, 20)))


async def kill(world: LiveWorld, chance: random.Random) -> None:
    """One that runs is killed, and mostly started again."""
    for each in world.processes:
        if each.running:
            each.kill()
            await each.ended()
            break
    if chance.random() < 0.8:
        await world.started()


async def away(world: LiveWorld, chance: random.Random) -> None:
    """One of the servers cannot be reached for a while, and things happen meanwhile."""
    server = chance.choice((CODER, PORT))
    world.network.weather.cut.add(server)
    await asyncio.sleep(chance.choice((2, 20, 100)))
    await events.change(world.world, chance)
    world.network.weather.cut.discard(server)


async def builds(world: LiveWorld, chance: random.Random) -> None:
    """Builds that take their time."""
    world.coder.set_build_seconds(chance.choice((0, 1, 5)), chance.choice((0, 3, 40)))
    for each in sorted(world.coder.workspace_ids()):
        if chance.random() < 0.4 and not world.coder.workspace(each).build.active:
            world.build(each, chance.choice(("start", "stop")))


async def dormant(world: LiveWorld, chance: random.Random) -> None:
    ids = sorted(world.coder.workspace_ids())
    if ids:
        world.coder.set_dormant(chance.choice(ids), chance.random() < 0.7)


async def schedule(world: LiveWorld, chance: random.Random) -> None:
    """A setting changes of which no feed tells."""
    ids = sorted(world.coder.workspace_ids())
    if ids:
        world.coder.set_workspace(chance.choice(ids), ttl_ms=chance.randint(1, 99) * 60_000)


async def wait(world: LiveWorld, chance: random.Random) -> None:
    await asyncio.sleep(chance.choice((0.1, 1, 3, 20, 70)))


async def run_beside(world: LiveWorld, chance: random.Random) -> None:
    """A run beside `live`, and a change while it reads."""
    found = world.world.command(chance.choice(("up", "sync")))
    await asyncio.sleep(chance.uniform(0, 2))
    await chance.choice((events.change, events.delete, events.create))(world.world, chance)
    await found.ended()


def of_world(event: Any) -> Happens:
    """An event of the simulation's own."""

    async def happens(world: LiveWorld, chance: random.Random) -> None:
        await event(world.world, chance)

    happens.__name__ = event.__name__
    return happens


EVENTS: dict[Happens, int] = {
    live: 4,
    kill: 3,
    away: 2,
    builds: 6,
    dormant: 2,
    schedule: 2,
    wait: 8,
    run_beside: 3,
    of_world(events.create): 4,
    of_world(events.change): 6,
    of_world(events.delete): 3,
    of_world(events.rename_template): 1,
    of_world(events.promote): 2,
    of_world(events.lose_sight): 2,
    of_world(events.blind): 1,
    of_world(events.see_again): 2,
    of_world(events.edit_by_hand): 3,
    of_world(events.delete_by_hand): 2,
    of_world(events.item_errors): 1,
    of_world(events.weather): 2,
    of_world(events.run_killed): 1,
}


class BadHints(Hints):
    """Hints on a bad way: some are lost, some come twice, late or from nowhere."""

    chance = random.Random(0)

    def add(self, hints: Iterable[Hint]) -> None:
        """Takes most of them in, some time."""
        for hint in hints:
            luck = self.chance.random()
            if luck < 0.15:
                continue
            if luck < 0.25:
                asyncio.get_running_loop().call_later(self.chance.uniform(1, 90), super().add, [hint])
                continue
            super().add([hint] * (2 if luck < 0.35 else 1))
            if luck > 0.95:
                number = self.chance.randint(1, 9)
                nobody = Ref(W, f"00000000-0000-4000-8000-{number:012}")
                super().add([Hint(nobody, Event("jobs")), Hint(hint.key, Event("nowhere"))])


class Door:
    """What comes in at Coder's door, by the process that sent it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.seen: defaultdict[int, list[float]] = defaultdict(list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        process = CURRENT.get()
        if process is not None and process.name == "live":
            self.seen[id(process)].append(asyncio.get_running_loop().time())
        await self._app(scope, receive, send)

    def most_in_a_minute(self) -> int:
        """The most requests of one `live` in any minute."""
        most = 0
        for times in self.seen.values():
            first = 0
            for last, at in enumerate(times):
                while times[first] <= at - 60:
                    first += 1
                most = max(most, last - first + 1)
        return most


def history(seed: int, names: list[str] | None = None) -> None:
    """Plays one; AssertionError where something does not hold. `names` are its events instead of those of the seed."""

    async def story(world: LiveWorld) -> None:
        chance = random.Random(f"live {seed}")
        BadHints.chance = random.Random(f"hints {seed}")
        door = world.door = Door(world.coder.app)
        world.network._servers[CODER] = door
        by_name = {each.__name__: each for each in EVENTS}
        drawn = chance.choices(list(by_name), list(EVENTS.values()), k=chance.randint(3, MOST_EVENTS))
        for name in ["live", *(drawn if names is None else names)]:
            await by_name[name](world, random.Random(f"{seed} {name} {chance.random()}"))
        await ended_well(world, door)

    options = {"live": {"resync": "1m", "requestsPerMinute": BUDGET}}
    with _silent():
        played(story, seed, options, hints=BadHints)


@contextmanager
def _silent() -> Iterator[None]:
    """Without a log: thousands of lines on failures that are meant to be are nothing to read."""
    logger = logging.getLogger("coderport")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


async def ended_well(world: LiveWorld, door: Door) -> None:
    """Calm, one re-read, and what has to hold then."""
    world.network.weather = Weather()
    world.coder.clear_list_faults()
    world.coder.faults.clear()
    world.port.clear_item_faults()
    if not any(each.running for each in world.processes):
        world.processes.clear()
        await world.started()
    for each in world.processes:
        assert each.error is None or each.dead, each.error
    await asyncio.sleep(CALM)
    for each in world.processes:
        assert each.running or each.dead, each.error
    waiting = {key for each in world.lives for key in each._deletions.held}
    await world.finds_nothing("sync", but_deletes=waiting)
    assert world.ids() == world.coder.workspace_ids()
    assert not world.world.watch.broken, world.world.watch.broken
    assert door.most_in_a_minute() <= BUDGET
