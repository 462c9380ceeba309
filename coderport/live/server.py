"""`live` as a process: what a supervisor and Prometheus ask it, and its orderly end."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from coderport.live.beginning import LiveStack
from coderport.live.feeds.webhook import Limit
from coderport.live.opening import opened_live
from coderport.live.service import Live
from coderport.live.settings import ServiceSettings
from coderport.runner.service.connections import Connections, most_connections
from coderport.runner.service.listening import answering, bound
from coderport.runner.service.logs import log_to_stderr
from coderport.runner.service.metrics import CONTENT_TYPE
from coderport.settings import Settings
from coderport.tasks import ended, within
from coderport.terminal.ending import as_service

BODY_LIMIT: Final = 64 * 1024
BODY_SECONDS: Final = 10.0
CONNECTIONS: Final = 64
"""Open at once: a supervisor's and Prometheus' are few."""

_PREFIX: Final = "/coder/"
_LOG = logging.getLogger(__name__)


class Endpoints:
    """What is asked of `live`."""

    def __init__(self, live: Live, webhook_secret: str = "") -> None:
        self._live, self._secret = live, webhook_secret
        self._known, self._strange = Limit(), Limit()
        self.draining = False

    async def health(self, request: Request) -> Response:
        """GET /healthz: the process is alive."""
        return PlainTextResponse("alive\n")

    async def ready(self, request: Request) -> Response:
        """GET /readyz: Port follows Coder; 503 and the reason otherwise. Deletions that are held are said with both."""
        why = "it is about to stop" if self.draining else self._live.why_not_ready()
        text = "\n".join(each for each in (why or "ready", self._live.details()) if each)
        return PlainTextResponse(f"{text}\n", 503 if why else 200)

    async def metrics(self, request: Request) -> Response:
        """GET /metrics, for Prometheus."""
        return Response(self._live.metrics.exposition(), media_type=CONTENT_TYPE)

    async def notification(self, request: Request) -> Response:
        """POST /coder/SECRET, Coder's notification webhook: 202, and nothing in it is believed.

        So many a minute are heard with the secret, whatever their bodies are, and so many without: who guesses does not
        keep Coder out.
        """
        known = self._knows(request)
        if not (self._known if known else self._strange).lets_through():
            return PlainTextResponse("too many\n", 429, {"retry-after": "60"})
        if self.draining or not known:
            return PlainTextResponse("Not Found\n", 404)
        try:
            self._live.notified(json.loads(await within(BODY_SECONDS, _body(request))))
        except (ValueError, RecursionError, asyncio.TimeoutError, ClientDisconnect):
            return PlainTextResponse("not a notification\n", 400)
        return PlainTextResponse("taken\n", 202)

    def _knows(self, request: Request) -> bool:
        """Whether the path ends with the secret, percent-encoded or as it is."""
        sent: bytes = request.scope["raw_path"].removeprefix(_PREFIX.encode())
        secret = self._secret.encode(errors="surrogateescape")  # as the environment gave its bytes
        as_sent, decoded = (hmac.compare_digest(each, secret) for each in (sent, unquote_to_bytes(sent)))
        return as_sent or decoded

    def app(self) -> Starlette:
        """The application."""
        routes = [
            Route("/healthz", self.health),
            Route("/readyz", self.ready),
            Route("/metrics", self.metrics),
        ]
        if self._secret:
            routes.append(Route(f"{_PREFIX}{{secret:path}}", self.notification, methods=["POST"]))
        return Starlette(routes=routes)


async def _body(request: Request) -> bytes:
    """The body; ValueError where it is too large for a notification."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > BODY_LIMIT:
            raise ValueError("too large")
    return bytes(found)


def follow(
    stack: LiveStack,
    settings: Settings,
    service: ServiceSettings,
    beside: AbstractAsyncContextManager[object] | None = None,
) -> None:
    """Keeps Port as Coder is until SIGTERM or SIGINT, then finishes the writes under way and returns.

    `beside` is another service in this process, entered and left with this one. Raises CoderportError if the port
    cannot be used, and Refusal where Coder is not the one that it was.
    """
    log_to_stderr()
    asyncio.run(_until_told(stack, settings, service, beside or nullcontext()))


@asynccontextmanager
async def running(live: Live, service: ServiceSettings) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    """`live` at work and answering at the URL that is given. The task ends by itself only where it cannot go on."""
    with bound(service.host, service.port) as listening:
        secret = service.webhook_secret.get_secret_value() if service.webhook_secret else ""
        endpoints = Endpoints(live, secret)
        connections = Connections(most_connections(CONNECTIONS), lambda why: None)
        async with answering(endpoints.app(), listening, connections) as url:
            _LOG.info("listening", extra={"url": url})
            work = asyncio.create_task(live.run())
            try:
                yield url, work
            finally:
                endpoints.draining = True
                _LOG.info("draining")
                if not work.done():
                    await live.drained(service.grace_seconds)
                await ended(work)
    _LOG.info("stopped")


async def _until_told(
    stack: LiveStack, settings: Settings, service: ServiceSettings, beside: AbstractAsyncContextManager[object]
) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The handler of a signal wakes the loop by itself only where the loop has set it.
    with as_service(lambda: loop.call_soon_threadsafe(told.set)):
        async with beside, opened_live(stack, settings) as live, running(live, service) as (_, work):
            stopping = asyncio.create_task(told.wait())
            await asyncio.wait((stopping, work), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if work.done():
                work.result()
