"""Processes of the world: a command's own blocking code runs beside others, and can be killed at any await."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar
from unittest import mock

import greenlet

from coderport.settings import Releases, Settings

T = TypeVar("T")

CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)
RUN: ContextVar[str] = ContextVar("run", default="")
"""The id of the run of an action that the service works on just now; several at a time."""


class Process:
    """One command. `releases` are those of its command line, `settings` those that it began with.

    `remembers` says whether its stack then knew what the last run had left. `result` is what it came to, None while it
    runs; `error` what it raised.
    """

    def __init__(self, name: str, releases: Releases | None = None, settings: Settings | None = None) -> None:
        self.name = name
        self.releases, self.settings = releases or Releases(), settings
        self.remembers = True
        self.run: Any = None
        """The run of the engine that it is at, a `simulation.engine.Run`."""
        self.result: Any = None
        self.error: BaseException | None = None
        self.dead = False
        self.began, self.seconds = 0.0, 0.0
        """When it began by the loop's time, and how long it took, once it has ended."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._root: asyncio.Task[None] | None = None

    def start(self, work: Callable[[], Any] | Callable[[], Coroutine[Any, Any, Any]], *, blocking: bool = True) -> None:
        """Begins; `work` is a command's blocking code, or, not `blocking`, a coroutine function."""

        now = asyncio.get_running_loop().time
        self.began = now()

        async def main() -> None:
            CURRENT.set(self)
            try:
                self.result = await (_beside(work) if blocking else work())
            except asyncio.CancelledError:
                if not self.dead:
                    raise
            except Exception as error:
                self.error = error
            finally:
                self.seconds = now() - self.began

        self._root = asyncio.get_running_loop().create_task(main())

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._root is not None and not self._root.done()

    def kill(self) -> None:
        """Ends it where it stands: what it waits for never comes back to it."""
        self.dead = True
        for task in [*self._tasks, *([self._root] if self._root else [])]:
            task.cancel()

    async def ended(self) -> None:
        """Waits for its end. One that was killed has ended when nothing of it is left."""
        if self._root is not None:
            await asyncio.wait([self._root])
        while self.dead and self._tasks:  # asyncio may miss a cancellation that comes together with an outcome
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=1)

    async def doing(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The outcome of something that the process does for somebody else; None where it is killed meanwhile."""
        token = CURRENT.set(self)
        try:
            task = asyncio.get_running_loop().create_task(work)
        finally:
            CURRENT.reset(token)
        await asyncio.wait([task])
        return None if self.dead or task.cancelled() else task.result()

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """A task of this process: it ends with it."""
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if self.dead and not task.cancelled():
            task.exception()  # nobody is left to hear of it


def task_of(loop: asyncio.AbstractEventLoop, coroutine: Any, **named: Any) -> asyncio.Task[Any]:
    """The loop's task factory: each task belongs to the process that made it."""
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **named)
    if (process := CURRENT.get()) is not None:
        process.adopt(task)
        if process.dead:
            task.cancel()
    return task


async def _beside(work: Callable[[], T]) -> T:
    """Runs blocking code in a greenlet; what it waits for is awaited here."""
    code = greenlet.greenlet(work)
    code.gr_context = copy_context()
    waited: Any = code.switch()
    while not code.dead:
        try:
            outcome = await waited
        except BaseException as error:
            waited = code.throw(error)
        else:
            waited = code.switch(outcome)
    result: T = waited
    return result


def wait(awaitable: Awaitable[T]) -> T:
    """The outcome of what the blocking code of a process waits for."""
    process = CURRENT.get()
    if process is not None and process.dead:
        if asyncio.iscoroutine(awaitable):
            awaitable.close()
        raise asyncio.CancelledError
    parent = greenlet.getcurrent().parent
    assert parent is not None
    outcome: T = parent.switch(awaitable)
    return outcome


@contextmanager
def everywhere() -> Iterator[None]:
    """Inside, `asyncio.run` and `asyncio.to_thread` of a command belong to the world's own loop."""

    async def at_once(work: Callable[..., T], *args: Any, **named: Any) -> T:
        return work(*args, **named)

    with mock.patch.object(asyncio, "run", wait), mock.patch.object(asyncio, "to_thread", at_once):
        yield
