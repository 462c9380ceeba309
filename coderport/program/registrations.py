"""Registering resources by the ten thousand: a window of them at a time, and nothing done that nobody needs.

Measured with 1,000 resources, 11.6 s for a first run and 13.4 s for one without changes before any of this: what the
SDK reports of each registration at debug level (four calls to the engine that the program waits for) is a fifth of
that, the Python stack that it looks up for each a tenth (and a third of the state), and Python's search for garbage
among all that lives through the run another tenth.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pulumi
from pulumi.runtime.proto import engine_pb2
from pulumi.runtime.settings import SETTINGS

from coderport.program.garbage import seldom_collected

UNDER_WAY = 256
"""Registrations under way at once: two for each of the operations that the engine is told to work on."""

Registered = TypeVar("Registered", bound=pulumi.Resource)


class Registrations:
    """A window on the registrations: as each ends, the next begins and its resource is let go.

    Everything registered at once would be held in memory until the end of the run (100 kB a resource).
    """

    def __init__(self, most: int = UNDER_WAY) -> None:
        self._room = asyncio.Semaphore(most)
        self._under_way: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._unregistered = 0

    async def begin(
        self, make: Callable[[], Registered], ended: Callable[[Registered], Awaitable[None]] | None = None
    ) -> Registered:
        """Makes the resource as soon as there is room for it; raises what an earlier registration failed with.

        `ended` is called with it once it is registered with success, unless this is a preview.
        """
        await self._room.acquire()
        self._raise()
        with _no_stacks():
            resource = make()
        task = asyncio.create_task(self._end(resource, ended))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return resource

    async def all_succeeded(self) -> None:
        """Returns when every registration has ended with success; raises what the first failure was."""
        while self._under_way:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            self._raise()
        self._raise()
        if self._unregistered:
            raise pulumi.RunError(f"{self._unregistered} resources could not be registered: see the errors above")

    async def _end(self, resource: Registered, ended: Callable[[Registered], Awaitable[None]] | None) -> None:
        try:
            await resource.urn.future()
            # With --continue-on-error a failed resource has a URN, but outside of a preview no id.
            if isinstance(resource, pulumi.CustomResource) and not pulumi.runtime.is_dry_run():
                known = await resource.id.is_known()
                self._unregistered += not known
                if known and ended is not None:
                    await ended(resource)
        except Exception as error:
            self._failures.append(error)
        finally:
            self._room.release()

    def _raise(self) -> None:
        if self._failures:
            raise self._failures[0]


@contextmanager
def spared() -> Iterator[None]:
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
