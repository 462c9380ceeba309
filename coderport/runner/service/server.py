"""The service as a process: it opens what it works with, listens, and drains when it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Final

import uvicorn

from coderport.errors import CoderportError
from coderport.runner.service.app import Service, create_app
from coderport.runner.service.connections import ACCEPTED_AT_ONCE, KERNEL_QUEUE, Connections, most_connections
from coderport.runner.service.journal import RunJournal
from coderport.runner.service.logs import log_to_stderr
from coderport.runner.service.metrics import Metrics
from coderport.runner.service.queue import Runner, Workers, pause
from coderport.runner.service.settings import ServiceSettings
from coderport.terminal.ending import as_service

_CLOSE_SECONDS: Final = 2
_KEEP_ALIVE_SECONDS: Final = 5
_logger = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn's, which leaves the signals to us: it would stop listening at once, and end by the signal's default."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


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
    with _bound(settings.host, settings.port) as listening:
        async with RunJournal.opened(settings.database, clock) as journal, runner as actions:
            metrics = Metrics()
            workers = Workers(actions, journal, metrics, workers=settings.workers, clock=clock, pause=pause)
            service = Service(settings, journal, workers, metrics, clock)
            connections = Connections(
                most_connections(settings.connections), lambda why: metrics.closed.labels(why).inc()
            )
            metrics.watch_connections(lambda: len(connections))
            server = _Server(
                uvicorn.Config(
                    create_app(service),
                    http=connections.protocol(),
                    backlog=ACCEPTED_AT_ONCE,
                    timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=_CLOSE_SECONDS,
                )
            )
            if journal.lost:
                _logger.error("journal", extra={"reason": f"{journal.lost}; Port is asked for its open runs"})
            workers.start(await journal.unfinished())
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            while not (server.started or serving.done()):
                await asyncio.sleep(0.01)
            # uvicorn's backlog is also what the event loop takes on in one go; the kernel's queue may be longer.
            listening.listen(KERNEL_QUEUE)
            host, port = listening.getsockname()[:2]
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            _logger.info("listening", extra={"url": url, "runs": workers.waiting})
            try:
                with connections.watched():
                    yield url
            finally:
                service.draining = True
                _logger.info("draining", extra={"runs": workers.waiting})
                await workers.drain(settings.grace_seconds)
                server.should_exit = True
                await serving
    _logger.info("stopped")


async def _until_told(settings: ServiceSettings, runner: AbstractAsyncContextManager[Runner]) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The handler of a signal wakes the loop by itself only where the loop has set it.
    with as_service(lambda: loop.call_soon_threadsafe(told.set)):
        async with running(settings, runner):
            await told.wait()


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket: uvicorn would end the process on a port that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only where it is.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen(2048)
        except OSError as error:
            raise CoderportError(
                f"port {port} on {host} cannot be used ({error.strerror}): stop what listens there, or choose another"
            ) from error
        yield bound
