"""The service as a process: it opens what it works with, listens, and drains when it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from coderport.runner.service.app import Service, create_app
from coderport.runner.service.connections import Connections, most_connections
from coderport.runner.service.journal import RunJournal
from coderport.runner.service.listening import answering, bound
from coderport.runner.service.logs import log_to_stderr
from coderport.runner.service.metrics import Metrics
from coderport.runner.service.queue import Runner, Workers, pause
from coderport.runner.service.settings import ServiceSettings
from coderport.terminal.ending import as_service

_logger = logging.getLogger(__name__)


def serve(settings: ServiceSettings, runner: AbstractAsyncContextManager[Runner]) -> None:
    """Serves until SIGTERM or SIGINT, then drains and returns.

    `runner` is entered and left in the service's own event loop. Raises CoderportError if the journal or the port
    cannot be used.
    """
    log_to_stderr()
    asyncio.run(_until_told(settings, runner))


@asynccontextmanager
async def running(
    settings: ServiceSettings,
    runner: AbstractAsyncContextManager[Runner],
    *,
    clock: Callable[[], float] = time.time,
    pause: Callable[[int], float] = pause,
) -> AsyncIterator[str]:
    """The service, listening at the URL that is given, with the unfinished runs of its journal taken up again.

    On leaving it takes nothing on any more but still answers, until the runs at work have ended or their grace is
    over; what is left then is picked up by the next start.
    """
    with bound(settings.host, settings.port) as listening:
        async with RunJournal.opened(settings.database, clock) as journal, runner as actions:
            metrics = Metrics()
            workers = Workers(actions, journal, metrics, workers=settings.workers, clock=clock, pause=pause)
            service = Service(settings, journal, workers, metrics, clock)
            connections = Connections(
                most_connections(settings.connections), lambda why: metrics.closed.labels(why).inc()
            )
            metrics.watch_connections(lambda: len(connections))
            if journal.lost:
                _logger.error("journal", extra={"reason": f"{journal.lost}; Port is asked for its open runs"})
            workers.start(await journal.unfinished())
            async with answering(create_app(service), listening, connections) as url:
                _logger.info("listening", extra={"url": url, "runs": workers.waiting})
                try:
                    yield url
                finally:
                    service.draining = True
                    _logger.info("draining", extra={"runs": workers.waiting})
                    await workers.drain(settings.grace_seconds)
    _logger.info("stopped")


async def _until_told(settings: ServiceSettings, runner: AbstractAsyncContextManager[Runner]) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The handler of a signal wakes the loop by itself only where the loop has set it.
    with as_service(lambda: loop.call_soon_threadsafe(told.set)):
        async with running(settings, runner):
            await told.wait()
