"""Runs that wait and runs at work: fairly by people, one at a time for each workspace, in the order of arrival.

A run is brought to its end by the runner that the service is given. An attempt that breaks off (Port or Coder cannot
be reached, the journal cannot be written) is made again, after a pause, until the run is a day old. Its workspace
stays taken meanwhile: the build that it started may still be going on. What keeps one run waiting keeps no other:
neither a question about it that Port does not answer nor a server that is slow (`turns`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from coderport.runner.service.journal import RunJournal, Waiting
from coderport.runner.service.journal_file import JournalError
from coderport.runner.service.metrics import ABANDONED, Metrics
from coderport.runner.service.turns import Turns
from coderport.runner.values import Claim, Ended, Journal

GIVE_UP_SECONDS: Final = 86400.0
LONGEST_PAUSE: Final = 60.0
ORDER_SECONDS: Final = 2.0
"""How long later runs wait for Port to say what an earlier one acts on, for the sake of the order."""

_CANCEL_SECONDS: Final = 5.0
_logger = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]
T = TypeVar("T")


@dataclass(frozen=True)
class Runner:
    """What is done with a run.

    `execute` works a run to its end and reports it to Port; it waits with the sleep that it is given, in which others
    work. It raises only where it could not report, and can then be called again: the journal tells it what it had
    begun. `claim_of` says what the run acts on and whose it is, None for a run that Port does not know. `open_runs`
    are those that Port has begun and nobody has ended.
    """

    execute: Callable[[str, Journal, Sleep], Awaitable[Ended]]
    claim_of: Callable[[str], Awaitable[Claim | None]]
    open_runs: Callable[[], Awaitable[list[str]]]


def pause(attempt: int) -> float:
    """Seconds before the next attempt after so many: 2, 4, 8 … up to a minute."""
    return min(2.0 ** min(attempt, 10), LONGEST_PAUSE)


class Workers:
    """Works on runs from `start` to `drain`. The gauges of runs in the metrics are its own."""

    def __init__(
        self,
        runner: Runner,
        journal: RunJournal,
        metrics: Metrics,
        *,
        workers: int,
        clock: Callable[[], float],
        pause: Callable[[int], float] = pause,
        turns: Turns | None = None,
    ) -> None:
        self._runner, self._journal, self._metrics = runner, journal, metrics
        self._clock, self._pause = clock, pause
        self._turns = turns or Turns(workers)
        self._arrived: asyncio.Queue[tuple[Waiting, asyncio.Task[Claim | None], float]] = asyncio.Queue()
        # The workspaces that are taken, each with the runs that wait for it.
        self._lanes: dict[str, deque[tuple[Waiting, Claim]]] = {}
        self._waiting: set[str] = set()
        self._at_work: set[str] = set()
        self._called_again: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._helpers: set[asyncio.Task[Any]] = set()
        metrics.watch(queued=lambda: len(self._waiting), running=lambda: len(self._running))

    @property
    def waiting(self) -> int:
        """How many runs wait, those between two attempts among them."""
        return len(self._waiting)

    def start(self, unfinished: Iterable[Waiting] = ()) -> None:
        """Begins to work, first on what an earlier service left; then asks Port for what nobody told it of."""
        for run in unfinished:
            self._metrics.resumed.inc()
            self.submit(run)
        self._help(self._sort())
        self._help(self._take_open())

    def submit(self, run: Waiting) -> None:
        """Takes the run on; it must be in the journal."""
        self._waiting.add(run.run_id)
        asking = self._help(self._claim(run))
        self._arrived.put_nowait((run, asking, asyncio.get_running_loop().time()))

    def called_again(self, run_id: str) -> None:
        """Port has named a run that is known already: one that was about to be forgotten is looked at once more."""
        if run_id in self._at_work:
            self._called_again.add(run_id)

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

    async def _take_open(self) -> None:
        """Takes on the runs that are open in Port and in no journal: calls that never came, a journal that was lost."""
        for attempt in range(1, 1000):
            try:
                found = await self._journal.take_open(await self._runner.open_runs())
                break
            except Exception as error:
                _logger.warning("Port was not asked for open runs", extra={"attempt": attempt}, exc_info=error)
            await asyncio.sleep(self._pause(attempt))
        else:
            return
        if found:
            _logger.warning("open runs found in Port that nobody had called for", extra={"runs": len(found)})
        for run in found:
            self._metrics.found.inc()
            self.submit(run)

    async def _claim(self, run: Waiting) -> Claim | None:
        """What the run acts on and whose it is: as the journal knows it, or else as Port says."""
        if run.workspace is not None and run.person is not None:
            return Claim(run.workspace, run.person)
        claim = await self._runner.claim_of(run.run_id)
        if claim is not None:
            await self._journal.claimed(run.run_id, claim.workspace, claim.person)
        return claim

    async def _sort(self) -> None:
        """Puts the runs into the lanes of their workspaces, in the order in which they came.

        One that Port says nothing of for a while is put there later, and keeps the others no longer.
        """
        while True:
            run, asking, since = await self._arrived.get()
            left = since + ORDER_SECONDS - asyncio.get_running_loop().time()
            await asyncio.wait({asking}, timeout=max(0.0, left))
            placing = self._place(run, asking)
            if asking.done():
                await placing
            else:
                self._help(placing)

    async def _place(self, run: Waiting, asking: asyncio.Task[Claim | None]) -> None:
        try:
            claim = await asking
        except Exception as error:
            await self._broke_off(run, error, then=self.submit)
            return
        if claim is not None and claim.workspace in self._lanes:
            self._lanes[claim.workspace].append((run, claim))
            return
        if claim is not None:
            self._lanes[claim.workspace] = deque()
        self._begin(run, claim)

    def _begin(self, run: Waiting, claim: Claim | None) -> None:
        self._help(self._work(run, claim))

    async def _work(self, run: Waiting, claim: Claim | None) -> None:
        """One attempt at a run, once it is its turn, and what follows from how it ended."""
        turn = self._turns.of(claim.person if claim is not None else "")
        await turn.take()
        work = asyncio.current_task()
        assert work is not None
        self._helpers.discard(work)  # from here on it is let end when the service drains
        self._running.add(work)
        self._waiting.discard(run.run_id)
        self._at_work.add(run.run_id)
        try:
            await self._journal.started(run.run_id)
            ended = await self._runner.execute(run.run_id, self._journal, turn.sleep)
            await self._end(run, ended)
        except Exception as error:
            if await self._broke_off(run, error, then=lambda late: self._begin(late, claim)):
                return
        finally:
            turn.give_back()
            self._running.discard(work)
            self._at_work.discard(run.run_id)
            self._called_again.discard(run.run_id)
        self._free(claim)

    def _free(self, claim: Claim | None) -> None:
        """The next run of the workspace, if there is one, waits for its turn."""
        if claim is None:
            return
        lane = self._lanes[claim.workspace]
        if lane:
            self._begin(*lane.popleft())
        else:
            del self._lanes[claim.workspace]

    async def _broke_off(self, run: Waiting, error: Exception, then: Callable[[Waiting], None]) -> bool:
        """Plans another attempt, which `then` queues; False if the run is too old for one, which ends it here."""
        late = replace(run, attempts=run.attempts + 1)
        about = {"run_id": run.run_id, "attempt": late.attempts}
        self._metrics.broken_off.inc()
        if self._clock() - run.received_at > GIVE_UP_SECONDS:
            _logger.error("run given up: see in Port whether it ended", extra=about, exc_info=error)
            with suppress(JournalError):
                await self._over(run, ABANDONED)
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

    async def _end(self, run: Waiting, outcome: Ended) -> None:
        if outcome is not Ended.WAITING:
            await self._over(run, outcome.value)
            return
        # Port calls once more when it is approved; if it has already, this is looked at again.
        await self._journal.forget(run.run_id)
        self._metrics.ended.labels(outcome.value).inc()
        _logger.info("run waits for an approval", extra={"run_id": run.run_id})
        if run.run_id in self._called_again:
            for found in await self._journal.take_open([run.run_id]):
                self.submit(found)

    async def _over(self, run: Waiting, outcome: str) -> None:
        self._waiting.discard(run.run_id)
        await self._journal.ended(run.run_id, outcome)
        seconds = max(0.0, self._clock() - run.received_at)
        self._metrics.ended.labels(outcome).inc()
        self._metrics.duration.observe(seconds)
        _logger.info("run ended", extra={"run_id": run.run_id, "outcome": outcome, "seconds": round(seconds, 3)})

    def _help(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)
        return task
