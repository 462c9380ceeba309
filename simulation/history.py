"""One history: events of a seed in one world; what broke, and the shortest history that breaks the same."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coderport.program.garbage import seldom_collected
from simulation.clock import StuckError, VirtualTime
from simulation.events import EVENTS, NAMES
from simulation.process import task_of
from simulation.world import BrokenError, World, entered

MOST_EVENTS = 12

_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where a world's files are cheap, on Linux; none of them outlives its history."""

Happening = tuple[str, int]
"""An event's name and the seed of its choices."""


@dataclass(frozen=True)
class Broken:
    """What broke in which history: an `invariant`, or else the code itself, with an error of its own."""

    seed: int
    events: tuple[Happening, ...]
    what: str
    invariant: bool = True

    def text(self) -> str:
        """For a person: what broke, and the command that shows it again."""
        return f"{self.what}\n  python -m simulation --seed {self.seed} --events '{events_text(self.events)}'"


def events_text(events: Sequence[Happening]) -> str:
    """Events as one line."""
    return " ".join(f"{name}:{number}" for name, number in events)


def events_of_text(text: str) -> tuple[Happening, ...]:
    """The events of such a line."""
    return tuple((name, int(number)) for name, _, number in (each.partition(":") for each in text.split()))


def events_of(seed: int) -> tuple[Happening, ...]:
    """The events of a history: a first run, and up to a dozen others."""
    chance = random.Random(f"events {seed}")
    names, weights = [event.__name__ for event in EVENTS], list(EVENTS.values())
    chosen = chance.choices(names, weights, k=chance.randint(2, MOST_EVENTS))
    return (("up", 0), *((name, chance.randrange(10**6)) for name in chosen))


def played(
    seed: int, events: Sequence[Happening] | None = None, told: Callable[[str], None] | None = None
) -> Broken | None:
    """Plays a history; None where all invariants held. `told` is called at its end with the trace of its network."""
    happenings = tuple(events_of(seed) if events is None else events)
    random.seed(seed)
    loop = VirtualTime()
    loop.set_task_factory(task_of)
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory(prefix="world-", dir=_MEMORY) as folder, seldom_collected():
        world = World(seed, loop, Path(folder), with_actions=seed % 4 == 0)
        what, invariant = "", True
        try:
            with entered(loop, world), _overheard(world):
                try:
                    loop.run_until_complete(_told(world, happenings))
                finally:
                    loop.run_until_complete(world.killed())
        except (BrokenError, StuckError) as error:
            what = str(error) or "all wait, and nothing will ever happen"
        except Exception as error:
            what, invariant = f"{type(error).__name__}: {error}", False
            if os.environ.get("SIMULATION_RAISES"):
                raise
        finally:
            asyncio.set_event_loop(None)
            loop.close()
        if told is not None:
            told(world.network.trace)
        del world
        gc.collect()
    return Broken(seed, happenings, what, invariant) if what else None


class _Ear(logging.Handler):
    """Hears what is logged."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        self._world.hear("the log", f"{record.getMessage()} {record.__dict__} {record.exc_info and record.exc_info[1]}")


@contextmanager
def _overheard(world: World) -> Iterator[None]:
    logger = logging.getLogger("coderport")
    before, ear = (logger.level, logger.propagate), _Ear(world)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(ear)
    try:
        yield
    finally:
        logger.removeHandler(ear)
        logger.setLevel(before[0])
        logger.propagate = before[1]


async def _told(world: World, happenings: Sequence[Happening]) -> None:
    for name, number in happenings:
        await NAMES[name](world, random.Random(f"{name} {number}"))
        world.look()
    await world.settled()


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
