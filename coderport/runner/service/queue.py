"""Runs that wait and runs at work: so many at once, one at a time for each workspace, in the order in which they came.

A run is brought to its end by the runner that the service is given. An attempt that breaks off (Port or Coder cannot
be reached, the journal cannot be written) is made again, after a pause, until the run is a day old. Its workspace
stays taken meanwhile: the build that it started may still be going on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from coderport.runner.service.journal import JournalError, RunJournal, Waiting
from coderport.runner.service.metrics import ABANDONED, Metrics
from coderport.runner.values import Ended, Journal

GIVE_UP_SECONDS: Final = 86400.0
LONGEST_PAUSE: Final = 60.0

_CANCEL_SECONDS: Final = 5.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runner:
    """What is done with a run.

    `execute` works a run to its end and reports it to Port. It raises only where it could not report, and can then
    be called again: the journal tells it what it had begun. `key_of` names the workspace that the run acts on, None
    where there is none to protect (a run that Port does not know).
    """

    execute: Callable[[str, Journal], Awaitable[Ended]]
    key_of: Callable[[str], Awaitable[str | None]]


def pause(attempt: int) -> float:
    """Seconds before the next attempt after so many: 2, 4, 8 … up to a minute."""
    return min(2.0 ** min(attempt, 10), LONGEST_PAUSE)


class Workers:
    """Works on runs from `start` to `drain`. Both gauges of the metrics are its own."""

    def __init__(
        self,
        runner: Runner,
        journal: RunJournal,
        metrics: Metrics,
        *,
        workers: int,
        clock: Callable[[], float],
        pause: Callable[[int], float] = pause,
    ) -> None:
        self._runner, self._journal, self._metrics = runner, journal, metrics
        self._clock, self._pause = clock, pause
        self._slots, self._asking = asyncio.Semaphore(workers), asyncio.Semaphore(workers)
        self._arrived: asyncio.Queue[tuple[Waiting, asyncio.Task[str | None]]] = asyncio.Queue()
        self._ready: asyncio.Queue[tuple[Waiting, str | None]] = asyncio.Queue()
        # The workspaces that are taken, each with the runs that wait for it.
        self._lanes: dict[str, deque[Waiting]] = {}
        self._waiting: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._helpers: set[asyncio.Task[Any]] = set()
        metrics.watch(queued=lambda: len(self._waiting), running=lambda: len(self._running))

    @property
    def waiting(self) -> int:
        """How many runs wait, those between two attempts among them."""
        return len(self._waiting)

    def start(self, unfinished: Iterable[Waiting] = ()) -> None:
        """Begins to work, first on what an earlier service left."""
        for run in unfinished:
            self._metrics.resumed.inc()
            self.submit(run)
        self._help(self._sort())
        self._help(self._dispatch())

    def submit(self, run: Waiting) -> None:
        """Takes the run on; it must be in the journal."""
        self._waiting.add(run.run_id)
        asking = asyncio.create_task(self._workspace(run))
        self._helpers.add(asking)
        asking.add_done_callback(self._helpers.discard)
        self._arrived.put_nowait((run, asking))

    async def drain(self, grace: float) -> None:
        """Starts nothing more, lets the runs at work end for `grace` seconds and leaves the rest to the journal."""
        helpers = list(self._helpers)
        for task in helpers:
            task.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        left = list(self._running)
        for work in left:
            work.cancel()
        if left:
            _logger.warning("runs left to the journal", extra={"runs": len(left)})
            await asyncio.wait(left, timeout=_CANCEL_SECONDS)

    async def _workspace(self, run: Waiting) -> str | None:
        """The key of the run's workspace; asked for by several runs at a time."""
        if run.workspace is not None:
            return run.workspace
        async with self._asking:
            key = await self._runner.key_of(run.run_id)
        if key is not None:
            await self._journal.keyed(run.run_id, key)
        return key

    async def _sort(self) -> None:
        """Puts the runs into the lanes of their workspaces, in the order in which they came."""
        while True:
            run, asking = await self._arrived.get()
            try:
                key = await asking
            except Exception as error:
                await self._broke_off(run, error, then=self.submit)
                continue
            if key is None:
                self._ready.put_nowait((run, None))
            elif key in self._lanes:
                self._lanes[key].append(run)
            else:
                self._lanes[key] = deque()
                self._ready.put_nowait((run, key))

    async def _dispatch(self) -> None:
        while True:
            await self._slots.acquire()
            run, key = await self._ready.get()
            work = asyncio.create_task(self._work(run, key))
            self._running.add(work)
            self._waiting.discard(run.run_id)
            work.add_done_callback(self._worked)

    def _worked(self, work: asyncio.Task[None]) -> None:
        self._running.discard(work)
        self._slots.release()

    async def _work(self, run: Waiting, key: str | None) -> None:
        """One attempt at a run, and what follows from how it ended."""
        try:
            await self._journal.started(run.run_id)
            ended = await self._runner.execute(run.run_id, self._journal)
            await self._end(run, ended.value)
        except Exception as error:
            again = await self._broke_off(run, error, then=lambda late: self._ready.put_nowait((late, key)))
            if again:
                return
        self._free(key)

    def _free(self, key: str | None) -> None:
        """The next run of the workspace, if there is one, queues behind the runs of others."""
        if key is None:
            return
        lane = self._lanes[key]
        if lane:
            self._ready.put_nowait((lane.popleft(), key))
        else:
            del self._lanes[key]

    async def _broke_off(self, run: Waiting, error: Exception, then: Callable[[Waiting], None]) -> bool:
        """Plans another attempt, which `then` queues; False if the run is too old for one, which ends it here."""
        late = replace(run, attempts=run.attempts + 1)
        about = {"run_id": run.run_id, "attempt": late.attempts}
        self._metrics.broken_off.inc()
        if self._clock() - run.received_at > GIVE_UP_SECONDS:
            _logger.error("run given up: see in Port whether it ended", extra=about, exc_info=error)
            with suppress(JournalError):
                await self._end(run, ABANDONED)
            return False
        _logger.warning("attempt broke off", extra=about, exc_info=error)
        with suppress(JournalError):
            await self._journal.put_back(run.run_id)
        self._waiting.add(run.run_id)
        self._help(self._later(late, then))
        return True

    async def _later(self, run: Waiting, then: Callable[[Waiting], None]) -> None:
        await asyncio.sleep(self._pause(run.attempts))
        then(run)

    async def _end(self, run: Waiting, outcome: str) -> None:
        self._waiting.discard(run.run_id)
        await self._journal.ended(run.run_id, outcome)
        seconds = max(0.0, self._clock() - run.received_at)
        self._metrics.ended.labels(outcome).inc()
        self._metrics.duration.observe(seconds)
        _logger.info("run ended", extra={"run_id": run.run_id, "outcome": outcome, "seconds": round(seconds, 3)})

    def _help(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)
