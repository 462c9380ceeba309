"""A story in the simulated world: both emulators, the commands' own code, no sockets and no time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from coderport.commands.history import kept_runs
from coderport.commands.history import undo as undo_run
from coderport.history.record import Record
from coderport.history.undoing import Undone
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.port.client import PortClient
from coderport.report.outcome import Outcome
from coderport.settings import Releases
from coderport.terminal import ending
from simulation.clock import VirtualTime
from simulation.process import Process, task_of
from simulation.world import GENEROUS, World, entered

T = TypeVar("T")
W, TEMPLATES = WORKSPACE.identifier, TEMPLATE.identifier


class Story:
    """One world in which a test lets commands run, one after the other."""

    def __init__(self, world: World) -> None:
        self.world, self.coder, self.port = world, world.coder, world.port
        self._stack: Any = world.stack

    async def run(self, command: str = "up", releases: Releases | None = GENEROUS) -> Outcome:
        """The command's outcome; with a release for everything, unless another is given."""
        outcome = await self.world.finished(self.world.command(command, releases))
        assert outcome is not None
        return outcome

    async def undo(self, run: str, *, apply_it: bool = True) -> Undone:
        """The run undone, with a release for everything; raises as the command does."""
        return await self.done(lambda: undo_run(self._stack, run, apply_it=apply_it))

    async def kept(self) -> list[Record]:
        """The runs that are kept, the newest first."""
        return await self.done(lambda: kept_runs(self._stack))

    def held(self, blueprint: str = W) -> dict[str, Any]:
        """Port's entities of the blueprint by identifier."""
        return {each["identifier"]: each for each in self.port.entities(blueprint)}

    async def delete_blueprint(self, identifier: str) -> None:
        """What the engine does at the end of a run whose kind was switched off; the simulated one does not."""

        async def deleted() -> bool:
            settings = self.world.settings()
            secret = settings.port_client_secret.get_secret_value()
            async with PortClient(settings.port_base_url, settings.port_client_id, secret) as client:
                return await client.delete_blueprint(identifier)

        assert await self.done(lambda: ending.run(deleted()))

    async def done(self, work: Callable[[], T]) -> T:
        """What a command's own code gives or raises, in a second of its own."""
        await asyncio.sleep(1)
        process = Process("command", GENEROUS, settings=self.world.settings())
        process.start(work)
        await process.ended()
        if process.error is not None:
            raise process.error
        result: T = process.result
        return result


def in_world(
    folder: Path, work: Callable[[World], Coroutine[Any, Any, None]], *, seed: int = 3, with_actions: bool = False
) -> None:
    """Does the work in a new world whose files are in the folder."""
    loop = VirtualTime()
    loop.set_task_factory(task_of)
    asyncio.set_event_loop(loop)
    try:
        world = World(seed, loop, folder, with_actions=with_actions)
        with entered(loop, world):
            try:
                loop.run_until_complete(work(world))
            finally:
                loop.run_until_complete(world.killed())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def played(folder: Path, story: Callable[[Story], Coroutine[Any, Any, None]], *, actions: bool = False) -> None:
    """Plays the story in a new world whose files are in the folder."""
    in_world(folder, lambda world: story(Story(world)), with_actions=actions)
