"""Registering resources by the ten thousand: a window of them at a time, and nothing done that nobody needs.

Measured with 1,000 resources, 11.6 s for a first run and 13.4 s for one without changes before any of this: what the
SDK reports of each registration at debug level (four calls to the engine that the program waits for) is a fifth of
that, the Python stack that it looks up for each a tenth (and a third of the state), and Python's search for garbage
among all that lives through the run another tenth. What goes through the SDK is spared these; entities do not go
through it at all (`entities`).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pulumi
from pulumi.runtime.proto import engine_pb2
from pulumi.runtime.settings import SETTINGS

from coderport.program.garbage import seldom_collected

UNDER_WAY = 256
"""Registrations under way at once: two for each of the operations that the engine is told to work on."""

Registered = TypeVar("Registered", bound=pulumi.Resource)
Answer = TypeVar("Answer")


class Registrations:
    """A window on the registrations: as each ends, the next begins and its resource is dropped.

    Everything registered at once would be held in memory until the end of the run (100 kB a resource).
    """

    def __init__(self, most: int = UNDER_WAY) -> None:
        self._room = asyncio.Semaphore(most)
        self._under_way: set[asyncio.Task[Any]] = set()
        self._failures: list[BaseException] = []
        self._unregistered = 0

    async def begin(self, make: Callable[[], Registered]) -> Registered:
        """Makes the resource, through the SDK, as soon as there is room; raises what an earlier one failed with."""
        await self._has_room()
        with _no_stacks():
            resource = make()
        self._start(self._registered(resource))
        return resource

    async def send(self, registration: Callable[[], Coroutine[Any, Any, Answer]]) -> asyncio.Task[Answer]:
        """Starts the registration as soon as there is room for it; raises what an earlier one failed with."""
        await self._has_room()
        return self._start(registration())

    def without_id(self) -> None:
        """A resource has a URN and, outside of a preview, no id: with --continue-on-error it failed."""
        self._unregistered += 1

    async def all_succeeded(self) -> None:
        """Returns when every registration has ended with success; raises what the first failure was."""
        while self._under_way:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            self._raise()
        self._raise()
        if self._unregistered:
            raise pulumi.RunError(f"{self._unregistered} resources could not be registered: see the errors above")

    async def _has_room(self) -> None:
        await self._room.acquire()
        self._raise()

    def _start(self, registration: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        task = asyncio.create_task(self._ended(registration))
        self._under_way.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        # Looked at, so that asyncio does not report it once more: it is among the failures.
        if not task.cancelled():
            task.exception()

    async def _ended(self, registration: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            return await registration
        except Exception as error:
            self._failures.append(error)
            raise
        finally:
            self._room.release()

    async def _registered(self, resource: pulumi.Resource) -> None:
        await resource.urn.future()
        if pulumi.runtime.is_dry_run() or not isinstance(resource, pulumi.CustomResource):
            return
        if not await resource.id.is_known():
            self.without_id()

    def _raise(self) -> None:
        if self._failures:
            raise self._failures[0]


@contextmanager
def sparing_messages() -> Iterator[None]:
    """Whatever is registered within the block costs no messages at debug level, and Python seldom looks for garbage.

    The SDK sends those messages whether they are asked for or not. All others reach the engine.
    """
    engine = SETTINGS.engine
    if engine is not None:
        SETTINGS.engine = _WithoutDebug(engine)
    try:
        with seldom_collected():
            yield
    finally:
        SETTINGS.engine = engine


class _WithoutDebug:
    """The program's line to the engine."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def Log(self, request: engine_pb2.LogRequest) -> Any:
        return None if request.severity == engine_pb2.DEBUG else self._engine.Log(request)


@contextmanager
def _no_stacks() -> Iterator[None]:
    """Keeps the SDK from recording the twenty lines that lead to a registration, the same for each resource.

    It leaves out its own frames, and one is all that it sees here.
    """
    before = getattr(sys, "tracebacklimit", None)
    sys.tracebacklimit = 1
    try:
        yield
    finally:
        if before is None:
            del sys.tracebacklimit
        else:
            sys.tracebacklimit = before
