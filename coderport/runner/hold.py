"""One run is worked once, also where two processes are given it: Port's log of the run says who has it.

A backend without a journal cannot know whether another process has its run already: Port's integration dispatches a
run at least once, and a person may dispatch the workflow again. So each process writes into the run's log that it takes
the run on, and reads the log. The order of the entries, by their time and then by their id, is the same for all of them
and says who has the run. Whoever has it writes something at least every minute, and that it leaves where it was told to
end. One that has been silent for long was cut off, and another may take the run over from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import re
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from coderport.port.errors import PortError, PortRejected
from coderport.port.runs import EXHAUSTED, LogEntry, Runs
from coderport.runner.values import Clock
from coderport.transport.patience import Patience, Say

_TAKEN = re.compile(r"coderport takes this run on \((?P<by>[\w.-]{1,80})\)(?: after \((?P<former>[\w.-]{1,80})\))?\.")
_LEFT = re.compile(r"coderport leaves this run \((?P<by>[\w.-]{1,80})\) before its end\.")
_BEAT_SECONDS = 30.0
_SILENT_SECONDS = 100.0
_LOOKS = 5
"""How often the log is read until it shows what was just written into it."""


class Standing(enum.Enum):
    """How a process stands to a run."""

    FIRST = enum.auto()
    """Nobody had it before."""
    AGAIN = enum.auto()
    """A process that left it or was cut off had it before: what that one began is to be found."""
    NONE = enum.auto()
    """There is nothing to do: the run has ended."""


@dataclass
class Hold:
    """Takes one run on. `claimant` is the same for attempts of which each begins when the one before has ended."""

    runs: Runs
    run_id: str
    patience: Patience
    clock: Clock
    claimant: str | None = None
    say: Say | None = None
    """Is told that another process has the run."""

    def __post_init__(self) -> None:
        self._own = self.claimant or uuid.uuid4().hex
        self._has_written = False

    async def take(self) -> Standing:
        """Returns when the run is this process's, or has ended. Raises PortError where Port cannot be told or asked.

        While another process is at work it waits: to leave would let Port's integration end the run by this process.
        """
        async with self._left_when_told():
            return await self._taken()

    async def _taken(self) -> Standing:
        entries = await self.runs.logs(self.run_id)
        if _holder(entries) == self._own:
            self._has_written = True
            return Standing.AGAIN
        first = not any(_TAKEN.fullmatch(each.message) for each in entries)
        while _holder(entries) is None or await self._is_left(entries):
            entries = await self.runs.logs(self.run_id)
            if not await self._written(_holder(entries)):
                return Standing.NONE
            entries = await self.runs.logs(self.run_id)
            if _holder(entries) == self._own:
                return Standing.FIRST if first else Standing.AGAIN
            first = False
        return Standing.NONE

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """While the block lasts, the log shows now and then that somebody is at work; then that it was left.

        It is left where the process was told to end. An error is left to the next attempt of the same claimant.
        """

        async def beat() -> None:
            known = 0
            while True:
                await asyncio.sleep(_BEAT_SECONDS)
                with contextlib.suppress(PortError):
                    entries = len(await self.runs.logs(self.run_id))
                    if entries == known:
                        await self.runs.log(self.run_id, "Still at work.")
                        entries += 1
                    known = entries

        beating = asyncio.create_task(beat())
        try:
            async with self._left_when_told():
                yield
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating

    @contextlib.asynccontextmanager
    async def _left_when_told(self) -> AsyncIterator[None]:
        """Where the process is told to end, the log says that the run is left, if it says that it was taken on."""
        try:
            yield
        except BaseException as ending:
            if not isinstance(ending, Exception) and self._has_written:
                with contextlib.suppress(PortError):
                    await self.runs.log(self.run_id, f"coderport leaves this run ({self._own}) before its end.")
            raise

    async def _written(self, former: str | None) -> bool:
        """Write that the run is taken on and wait until the log shows it; False if the run has ended."""
        after = "" if former is None else f" after ({former})"
        text = f"coderport takes this run on ({self._own}){after}."
        try:
            await self.runs.log(self.run_id, text)
        except PortRejected as error:
            if error.code == EXHAUSTED:
                return False
            raise
        self._has_written = True
        for _ in range(_LOOKS):
            # Whoever wrote in the same moment has written by now, and is seen.
            await asyncio.sleep(self.patience.poll_first)
            if any(each.message == text for each in await self.runs.logs(self.run_id)):
                return True
        raise PortError(f"Port does not show in the log of run {self.run_id} what was written there. Nothing was done.")

    async def _is_left(self, entries: list[LogEntry]) -> bool:
        """Whether whoever has the run falls silent before it has ended; False if it ends."""
        if self.say is not None:
            self.say(
                f"Another process has run {self.run_id}. Waiting until it has ended; should it write nothing for "
                f"{_SILENT_SECONDS:g} s, the run is taken over."
            )
        known, silent, last = len(entries), 0.0, self.clock.monotonic()
        while silent < _SILENT_SECONDS:
            if _holder(entries) is None:
                return True
            run = await self.runs.run(self.run_id)
            if run is None or not run.in_progress:
                return False
            await self.clock.sleep(self.patience.poll_most)
            entries = await self.runs.logs(self.run_id)
            now = self.clock.monotonic()
            # While Port was away nobody could write: that time does not count.
            silent, last = silent + min(now - last, 2 * self.patience.poll_most), now
            if len(entries) != known:
                known, silent = len(entries), 0.0
        return True


def _holder(entries: Iterable[LogEntry]) -> str | None:
    """Who has the run: the first that took it on, or who took it over from there; None where it was left."""
    holder: str | None = None
    for each in sorted(entries, key=lambda entry: (entry.created_at, entry.id)):
        taken, left = _TAKEN.fullmatch(each.message), _LEFT.fullmatch(each.message)
        if taken is not None and taken["former"] == holder:
            holder = taken["by"]
        elif left is not None and left["by"] == holder:
            holder = None
    return holder
