"""What `live` stands on, held against what is: the stack's settings, its last run, and Port's blueprints."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from coderport.errors import CoderportError
from coderport.live.beginning import Beginning, LiveStack, blueprint_misfits
from coderport.live.deleting import Deletions
from coderport.port.client import PortClient
from coderport.settings import Settings
from coderport.tasks import within

TRACE_EVERY = 2.0
"""Seconds between two looks at the trace that a run leaves in a folder. It is looked at before each write as well."""
STACK_EVERY = 60.0
"""Seconds between two looks at the stack with the Pulumi CLI where there is no such trace."""
RETRY_SECONDS = 5.0
"""Until the stack is looked at again where that failed."""
BLUEPRINTS_EVERY = 60.0
"""Seconds at least between two looks at Port's blueprints."""

_LOG = logging.getLogger(__name__)


class Anew(Exception):
    """What it stands on has changed; the text says what, as a clause."""


async def until_a_run(stack: LiveStack, trace: str, seconds: float) -> None:
    """Returns once the stack's trace is another, or after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(TRACE_EVERY)
        with suppress(CoderportError):
            if await asyncio.to_thread(stack.trace) != trace:
                return


class Standing:
    """One beginning, and the stack and Port that it was made from. Whatever has changed is raised as Anew.

    `deletions` are told what runs have spent of the day. `failing` says why the stack cannot be read, or is empty.
    """

    def __init__(
        self, stack: LiveStack, settings: Settings, beginning: Beginning, port: PortClient, deletions: Deletions
    ) -> None:
        self._stack, self._settings, self._port, self._deletions = stack, settings, port, deletions
        self._fit, self._called = beginning.fit, beginning.ground.past.mark.stack
        self._trace, self._looked, self._in_doubt = beginning.trace, time.monotonic(), False
        self._looking = asyncio.Lock()
        self._resync = settings.live.resync.total_seconds()
        self.failing = ""

    def doubt(self) -> None:
        """Somebody has written to Port: where runs leave no trace, it may have been one, and the CLI is asked."""
        self._in_doubt = not self._trace

    async def insisted(self) -> None:
        """Returns once no run is known to have come by since the last look: asked before each write."""
        while not await self._looked_at(0.0):
            await asyncio.sleep(RETRY_SECONDS)

    async def watched(self) -> None:
        """Looks again and again, whether anything is written or not, until it is cancelled."""
        while True:
            await self._looked_at(self._resync if self._trace else STACK_EVERY)
            await asyncio.sleep(TRACE_EVERY)

    async def blueprints_watched(self, refuses: asyncio.Event) -> None:
        """Compares Port's blueprints within each resync, and where Port refuses something of an entity."""
        while True:
            with suppress(asyncio.TimeoutError):
                await within(self._resync, refuses.wait())
            refuses.clear()
            try:
                found = {str(each.get("identifier")): each for each in await self._port.blueprints()}
            except CoderportError as error:  # whoever else asks Port says so, too
                _LOG.warning("port fails", extra={"reason": str(error)})
                refuses.set()
            else:
                if wrong := next(blueprint_misfits(self._settings, found), ""):
                    raise Anew(wrong)
            await asyncio.sleep(BLUEPRINTS_EVERY)

    async def _looked_at(self, at_least_every: float) -> bool:
        """Whether nothing is left to be looked at; with 0 only a run that came by, or that may have, makes it look."""
        async with self._looking:
            try:
                trace = await asyncio.to_thread(self._stack.trace)
                age = time.monotonic() - self._looked
                if trace != self._trace or self._in_doubt or (at_least_every and age >= at_least_every):
                    await self._insist_on_stack()
                    self._trace, self._looked, self._in_doubt = trace, time.monotonic(), False
            except CoderportError as error:
                self.failing = str(error)
                _LOG.warning("cannot look at the stack", extra={"reason": str(error)})
                return False
            self.failing = ""
            return True

    async def _insist_on_stack(self) -> None:
        settings = await asyncio.to_thread(self._stack.settings)
        memory = await asyncio.to_thread(self._stack.memory)
        if settings != self._settings:
            raise Anew("the settings of the stack have changed")
        if memory.fit != self._fit or memory.stack != self._called:
            raise Anew("a run with other settings or another version came by")
        self._deletions.runs_spent(memory.spent)
