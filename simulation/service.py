"""The service of the actions: it is told of runs by Port's webhooks, and killed and started at any time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
from pydantic import SecretStr
from starlette.applications import Starlette

from coderport.emulators.port.deliveries import signature
from coderport.runner.service.app import Service, create_app
from coderport.runner.service.journal import RunJournal
from coderport.runner.service.journal_file import JournalError
from coderport.runner.service.metrics import Metrics
from coderport.runner.service.queue import Runner, Sleep, Workers
from coderport.runner.service.runs import service_runner
from coderport.runner.service.settings import ServiceSettings
from coderport.runner.service.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER
from coderport.runner.values import Ended, Journal
from coderport.settings import Settings
from simulation.network import answered
from simulation.process import RUN, Process


class ServiceOfRuns:
    """At most one process at a time works on the journal in `folder`; what is delivered to none is lost."""

    def __init__(self, folder: Path, settings: Callable[[], Settings], stack: str, clock: Callable[[], float]) -> None:
        self._file, self._settings, self._stack, self._clock = folder / "journal.sqlite", settings, stack, clock
        self._process: Process | None = None
        self._app: Starlette | None = None

    @property
    def running(self) -> bool:
        """Whether a process of it lives."""
        return self._process is not None and self._process.running

    def start(self) -> None:
        """Starts it where it does not run."""
        if self.error is None and not self.running:
            self._process = Process("service")
            self._process.start(self._serve, blocking=False)

    async def kill(self) -> None:
        """Kills it where it runs. Its files stay as they are at that moment: nothing is closed in good order."""
        if self._process is None or not self._process.running:
            return
        left = {each: each.read_bytes() for each in self._file.parent.glob(f"{self._file.name}*")}
        self._process.kill()
        await self._process.ended()
        self._app = None
        for each in self._file.parent.glob(f"{self._file.name}*"):
            each.unlink()
        for each, content in left.items():
            each.write_bytes(content)

    async def delivered(self, run_id: str) -> bool:
        """Port's webhook for a run; False where nobody took it on."""
        if self._process is None or not self.running or self._app is None:
            return False
        now, body = str(int(self._clock())), json.dumps({"run_id": run_id}).encode()
        signed = {TIMESTAMP_HEADER: now, SIGNATURE_HEADER: signature(self._secret(), now, body)}
        request = httpx.Request("POST", "http://127.0.0.1:17003/runs", content=body, headers=signed)
        answer = await self._process.doing(answered(self._app, request))
        return answer is not None and answer.status_code == 202

    def _secret(self) -> str:
        return self._settings().port_client_secret.get_secret_value()

    @property
    def error(self) -> BaseException | None:
        """What ended it, if it was not killed: nothing may, so it is not started again."""
        return self._process.error if self._process is not None else None

    async def _serve(self) -> None:
        async with (
            RunJournal.opened(self._file, self._clock) as journal,
            service_runner(self._settings(), self._stack) as runner,
        ):
            if journal.lost:
                raise JournalError(journal.lost)
            metrics = Metrics()
            workers = Workers(_told(runner), journal, metrics, workers=2, clock=self._clock)
            settings = ServiceSettings(database=self._file, secret=SecretStr(self._secret()))
            workers.start(await journal.unfinished())
            self._app = create_app(Service(settings, journal, workers, metrics, self._clock))
            try:
                await asyncio.Event().wait()
            finally:
                self._app = None


def _told(runner: Runner) -> Runner:
    """The same; the network is told for which run a request is sent."""

    async def execute(run_id: str, journal: Journal, sleep: Sleep) -> Ended:
        RUN.set(run_id)
        return await runner.execute(run_id, journal, sleep)

    return replace(runner, execute=execute)
