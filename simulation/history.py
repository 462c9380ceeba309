"""One history: events of a seed in one world; what broke, and the shortest history that breaks the same."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from simulation.clock import StuckError, VirtualTime
from simulation.events import EVENTS, NAMES
from simulation.process import task_of
from simulation.world import BrokenError, World, entered

MOST_EVENTS = 12

Happening = tuple[str, int]
"""An event's name and the seed of its choices."""


@dataclass(frozen=True)
class Broken:
    """What broke in which history."""

    seed: int
    events: tuple[Happening, ...]
    what: str

    def text(self) -> str:
        """For a person: what broke, and the command that shows it again."""
        events = " ".join(f"{name}:{number}" for name, number in self.events)
        return f"{self.what}\n  python -m simulation --seed {self.seed} --events '{events}'"


def events_of(seed: int) -> tuple[Happening, ...]:
    """The events of a history: a first run, and up to a dozen others."""
    chance = random.Random(f"events {seed}")
    names, weights = [event.__name__ for event in EVENTS], list(EVENTS.values())
    chosen = chance.choices(names, weights, k=chance.randint(2, MOST_EVENTS))
    return (("up", 0), *((name, chance.randrange(10**6)) for name in chosen))


def played(seed: int, events: Sequence[Happening] | None = None) -> Broken | None:
    """Plays a history; None where all invariants held."""
    happenings = tuple(events_of(seed) if events is None else events)
    logging.getLogger("coderport").setLevel(logging.CRITICAL)
    random.seed(seed)
    loop = VirtualTime()
    loop.set_task_factory(task_of)
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory(prefix="world-") as folder:
        world = World(seed, loop, Path(folder), with_actions=seed % 4 == 0)
        what = ""
        try:
            with entered(loop, world):
                loop.run_until_complete(_told(world, happenings))
        except (BrokenError, StuckError) as error:
            what = str(error) or "all wait, and nothing will ever happen"
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            if os.environ.get("SIMULATION_RAISES"):
                raise
        finally:
            _ended(loop)
    return Broken(seed, happenings, what) if what else None


async def _told(world: World, happenings: Sequence[Happening]) -> None:
    for name, number in happenings:
        await NAMES[name](world, random.Random(f"{name} {number}"))
        if world.watch.broken:
            raise BrokenError(world.watch.broken[0])
    await world.settled()


def _ended(loop: VirtualTime) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
    with suppress(StuckError):
        loop.run_until_complete(asyncio.sleep(0))
    asyncio.set_event_loop(None)
    loop.close()


def shortest(broken: Broken) -> Broken:
    """The same without each event that is not needed to break it; the first sentence of what broke must stay."""
    events, kind = list(broken.events), _kind(broken)
    at = 0
    while at < len(events):
        fewer = events[:at] + events[at + 1 :]
        again = played(broken.seed, fewer)
        if again is not None and _kind(again) == kind:
            events, broken = fewer, again
        else:
            at += 1
    return broken


def _kind(broken: Broken) -> str:
    return " ".join(word for word in broken.what.split() if not any(letter.isdigit() for letter in word))[:60]
