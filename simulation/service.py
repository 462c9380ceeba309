"""The service of the actions: it is told of runs by Port's webhooks, and killed and started at any time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path

from coderport.runner.service.journal import RunJournal, Taken, Waiting
from coderport.runner.service.metrics import Metrics
from coderport.runner.service.queue import Workers
from coderport.runner.service.runs import service_runner
from coderport.settings import Settings
from simulation.process import Process

ROOM = 100


class ServiceOfRuns:
    """At most one process at a time works on the journal in `folder`; what is delivered to none is lost."""

    def __init__(self, folder: Path, settings: Callable[[], Settings], stack: str, clock: Callable[[], float]) -> None:
        self._file, self._settings, self._stack, self._clock = folder / "journal.sqlite", settings, stack, clock
        self._process: Process | None = None
        self._open: tuple[RunJournal, Workers] | None = None

    @property
    def running(self) -> bool:
        """Whether a process of it lives."""
        return self._process is not None and self._process.running

    def start(self) -> None:
        """Starts it where it does not run."""
        if not self.running:
            self._process = Process("service")
            self._process.start(self._serve, blocking=False)

    async def kill(self) -> None:
        """Kills it where it runs."""
        if self._process is not None and self._process.running:
            self._process.kill()
            await self._process.ended()
        self._open = None

    async def delivered(self, run_id: str) -> bool:
        """Port's webhook for a run; False where nobody took it on."""
        if not self.running or self._open is None:
            return False
        journal, workers = self._open
        taken = await journal.take(run_id, uuid.uuid4().hex, self._clock() + 300, ROOM)
        if taken is Taken.NEW:
            workers.submit(Waiting(run_id, self._clock()))
        return taken in (Taken.NEW, Taken.REPEATED)

    @property
    def error(self) -> BaseException | None:
        """What ended it, if it was not killed."""
        return self._process.error if self._process is not None else None

    async def _serve(self) -> None:
        async with (
            RunJournal.opened(self._file, self._clock) as journal,
            service_runner(self._settings(), self._stack) as runner,
        ):
            workers = Workers(runner, journal, Metrics(), workers=2, clock=self._clock)
            workers.start(await journal.unfinished())
            self._open = (journal, workers)
            try:
                await asyncio.Event().wait()
            finally:
                self._open = None
