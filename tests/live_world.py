"""`live` in the world of `simulation`: one clock that jumps, both emulators, runs beside it, a bad network."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

from coderport.catalog.values import Ref
from coderport.emulators.coder import builds
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.live.hints import Hints
from coderport.live.opening import opened_live
from coderport.live.service import Live
from coderport.report.outcome import Outcome
from coderport.settings import Releases
from simulation.clock import StuckError, VirtualTime
from simulation.process import Process, task_of
from simulation.world import World, entered

W, T = WORKSPACE.identifier, TEMPLATE.identifier
Json = dict[str, Any]
LEAST = 4
"""So many workspaces has each world at least."""


class LiveWorld:
    """A world whose stack is up, and `live` beside it."""

    def __init__(self, world: World) -> None:
        self.world, self.coder, self.port = world, world.coder, world.port
        self.network, self.options = world.network, world.options
        self.processes: list[Process] = []
        self.lives: list[Live] = []
        self.door: Any = None
        self.hints: type[Hints] | None = None

    async def run(self, name: str = "up", *, allow_deletions: int = 0) -> Outcome:
        """A run of the stack, which has to succeed."""
        releases = Releases(allow_deletions=allow_deletions)
        outcome = await self.world.finished(self.world.command(name, releases))
        assert outcome is not None and outcome.exit_code == 0, outcome
        return outcome

    async def finds_nothing(self, name: str, *, but_deletes: Collection[Ref] = ()) -> None:
        """A run writes nothing to Port, or deletes no more than those."""
        before, writes = self.content(), self.port.writes
        await self.run(name, allow_deletions=len(but_deletes))
        after = self.content()
        unlike = {key: (before.get(key), after.get(key)) for key in before.keys() | after.keys()}
        differing = {key: _differing(*each) for key, each in unlike.items() if key not in but_deletes}
        differing = {key: each for key, each in differing.items() if each}
        assert not differing, differing
        assert but_deletes or self.port.writes == writes

    def content(self) -> dict[Ref, Any]:
        """What Port holds of each entity, but for when and by whom it was written."""
        return {
            Ref(blueprint, each["identifier"]): {"$title": each["title"], **each["properties"], **each["relations"]}
            for blueprint in (T, W)
            for each in self.port.entities(blueprint)
        }

    def requests(self) -> int:
        """How many Coder has had."""
        return self.coder.log.total

    def ref(self, identifier: str, blueprint: str = W) -> Ref:
        """An entity."""
        return Ref(blueprint, identifier)

    async def live(self) -> Live:
        """Another `live`, begun."""
        found = await self.started()
        await self.until(lambda: found.why_not_ready() == "", lambda: f"ready: {found.why_not_ready()}")
        return found

    async def started(self) -> Live:
        """Another `live`, under way."""
        opened: asyncio.Future[Live] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            async with opened_live(self.world.stack, self.world.settings(), say=lambda text: None) as live:
                if self.hints is not None:
                    live.hints = self.hints()
                self.lives.append(live)
                opened.set_result(live)
                await live.run()

        process = Process("live")
        process.start(work, blocking=False)
        self.processes.append(process)
        await asyncio.wait([opened], timeout=1)
        return opened.result()

    @property
    def process(self) -> Process:
        """The newest `live`."""
        return self.processes[-1]

    async def until(self, true: Callable[[], bool], what: str | Callable[[], str], seconds: float = 3600) -> float:
        """Waits until it is so, by the world's clock; the seconds that this took."""
        began = asyncio.get_running_loop().time()
        while not true():
            for process in self.processes:
                if process.error is not None and not process.dead:
                    raise process.error
            now = asyncio.get_running_loop().time()
            assert now - began < seconds, what if isinstance(what, str) else what()
            await asyncio.sleep(0.05)
        return asyncio.get_running_loop().time() - began

    def entity(self, identifier: str, blueprint: str = W) -> Json | None:
        """What Port holds."""
        return self.port.entity(blueprint, identifier)

    def value(self, identifier: str, name: str, blueprint: str = W) -> Any:
        """A property in Port; None where there is no such entity."""
        held = self.entity(identifier, blueprint)
        return None if held is None else held["properties"].get(name)

    def build(self, identifier: str, transition: str) -> None:
        """A build that takes its time."""
        with self.coder.state.lock:
            workspace = self.coder.workspace(identifier)
            builds.begin(self.coder.state, workspace, transition, workspace.owner_id)

    async def settled(self) -> None:
        """Whatever `live` has done, a run after it writes nothing to Port."""
        for process in self.processes:
            process.kill()
        await self.finds_nothing("up")
        assert self.ids() == self.coder.workspace_ids()

    def ids(self, blueprint: str = W) -> set[str]:
        """All in Port."""
        return {each["identifier"] for each in self.port.entities(blueprint)}


def in_world(
    seed: int = 1, **options: Any
) -> Callable[[Callable[[LiveWorld], Coroutine[Any, Any, None]]], Callable[[], None]]:
    """Runs the test in a world of that seed, after a first `up`; `options` are settings of the stack."""

    def decorated(test: Callable[[LiveWorld], Awaitable[None]]) -> Callable[[], None]:
        @wraps(test)
        def run() -> None:
            played(test, seed, options)

        # What pytest takes for the test has no arguments.
        del run.__wrapped__
        return run

    return decorated


def played(
    test: Callable[[LiveWorld], Awaitable[None]], seed: int, options: Json, *, hints: type[Hints] | None = None
) -> None:
    """One test in one world; `hints` stand in for those of each `live`."""
    random.seed(seed)
    loop = VirtualTime()
    loop.set_task_factory(task_of)
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory(prefix="live-") as folder:
        world = World(seed, loop, Path(folder), with_actions=False)
        world.options.update(options)

        async def story() -> None:
            lab = LiveWorld(world)
            lab.hints = hints
            while len(world.coder.workspace_ids()) < LEAST:
                world.coder.create_workspace()
            await lab.run("up")
            await test(lab)
            for process in lab.processes:
                process.kill()

        try:
            with entered(loop, world):
                loop.run_until_complete(story())
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            with suppress(StuckError):
                loop.run_until_complete(_all_ended())
            asyncio.set_event_loop(None)
            loop.close()


def _differing(before: Json | None, after: Json | None) -> Any:
    """What of an entity is another."""
    if before is None or after is None:
        return [] if before == after else ["gone" if after is None else "new"]
    return {key: (before.get(key), after.get(key)) for key in before | after if before.get(key) != after.get(key)}


async def _all_ended() -> None:
    """Each task that is cancelled ends its own tasks first."""
    for _ in range(50):
        await asyncio.sleep(0)


__all__ = ["LiveWorld", "T", "W", "in_world", "played"]
