"""The HTTP side of the service: Port's webhook, and what a supervisor and Prometheus ask.

Nothing in a request is believed but the id of a run, and that only under Port's signature; who pressed which button
on what is asked from Port by that id. A 202 is given after the run is on the disk.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from coderport.runner.service.journal import RunJournal, Taken, Waiting
from coderport.runner.service.journal_file import JournalError
from coderport.runner.service.metrics import CONTENT_TYPE, Metrics
from coderport.runner.service.queue import Workers
from coderport.runner.service.settings import ServiceSettings
from coderport.runner.service.signature import BadSignatureError, verified
from coderport.tasks import within

BODY_LIMIT: Final = 64 * 1024
BODY_SECONDS: Final = 10.0
_DISCARD_LIMIT: Final = 1024 * 1024
PROBE_SECONDS: Final = 1.0
"""How long what was found of the journal counts."""
RETRY_AFTER_SECONDS: Final = 30
"""What a sender is told that comes while nothing can be taken on."""

_RUN_ID = re.compile(r"r_[A-Za-z0-9_-]{1,64}", re.ASCII)
_logger = logging.getLogger(__name__)

_REFUSALS: dict[str, tuple[int, str]] = {
    "unsigned": (401, "x-port-signature or x-port-timestamp is missing"),
    "forged": (401, "the signature does not fit the body and the timestamp"),
    "stale": (401, "the timestamp is too far from this clock"),
    "replayed": (409, "this request was taken already"),
    "too_large": (413, f"the body is larger than {BODY_LIMIT} bytes"),
    "incomplete": (408, "the body did not arrive whole in time"),
    "invalid": (400, 'the body must be a JSON object with "run_id", the id of a run'),
    "full": (503, "too many runs wait"),
    "draining": (503, "the service is about to stop"),
    "journal": (503, "the journal cannot be written"),
}


class _RefusedError(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Service:
    """The endpoints. `draining` is set once the service is told to stop: it then takes on nothing more."""

    def __init__(
        self,
        settings: ServiceSettings,
        journal: RunJournal,
        workers: Workers,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._journal, self._workers, self._metrics = settings, journal, workers, metrics
        self._clock = clock
        self.draining = False
        self._probed: asyncio.Future[None] | None = None
        self._probed_at = 0.0

    async def runs(self, request: Request) -> Response:
        """POST /runs, the webhook."""
        self._metrics.received.inc()
        try:
            taken, run_id = await self._taken(request)
        except (_RefusedError, BadSignatureError) as refusal:
            return self._refused(refusal.reason)
        if taken is Taken.NEW:
            self._metrics.accepted.inc()
        else:
            self._metrics.repeated.inc()
        _logger.info("run taken on" if taken is Taken.NEW else "run known already", extra={"run_id": run_id})
        return JSONResponse({"run_id": run_id}, 202)

    async def health(self, request: Request) -> Response:
        """GET /healthz: the process is alive."""
        return PlainTextResponse("alive\n")

    async def ready(self, request: Request) -> Response:
        """GET /readyz: a run would be taken on now; 503 and the reason otherwise."""
        reason = "draining" if self.draining else "full" if self._full else None
        if reason is None:
            try:
                await self._probe()
            except JournalError:
                reason = "journal"
        return PlainTextResponse("ready\n") if reason is None else PlainTextResponse(f"{_REFUSALS[reason][1]}\n", 503)

    async def metrics(self, request: Request) -> Response:
        """GET /metrics, for Prometheus."""
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE)

    async def _probe(self) -> None:
        """One write to the journal, shared by all who ask within a second: strangers must not keep the disk busy."""
        now = self._clock()
        if self._probed is None or not 0 <= now - self._probed_at < PROBE_SECONDS:
            self._probed, self._probed_at = asyncio.ensure_future(self._journal.probe()), now
        await asyncio.shield(self._probed)

    @property
    def _full(self) -> bool:
        return self._workers.waiting >= self._settings.queue_size

    async def _taken(self, request: Request) -> tuple[Taken, str]:
        body = await _body(request)
        signed = verified(self._settings.secret.get_secret_value(), request.headers, body, self._clock())
        run_id = _run_id(signed.body)
        if self.draining:
            raise _RefusedError("draining")
        try:
            taken = await self._journal.take(run_id, signed.mark, signed.expires, self._settings.queue_size)
        except JournalError as error:
            _logger.error("journal", extra={"run_id": run_id}, exc_info=error)
            raise _RefusedError("journal") from error
        if taken is Taken.REPLAYED or taken is Taken.FULL:
            raise _RefusedError(taken.value)
        if taken is Taken.REPEATED:
            self._workers.called_again(run_id)
        elif not self.draining:
            self._workers.submit(Waiting(run_id, self._clock()))
        return taken, run_id

    def _refused(self, reason: str) -> Response:
        status, text = _REFUSALS[reason]
        self._metrics.refused.labels(reason).inc()
        _logger.warning("request refused", extra={"reason": reason})
        headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if status == 503 else None
        return JSONResponse({"error": reason, "message": text}, status, headers)


def create_app(service: Service) -> Starlette:
    """The service as an ASGI application. It has no lifespan: `server.running` opens and closes what it uses."""
    return Starlette(
        routes=[
            Route("/runs", service.runs, methods=["POST"]),
            Route("/healthz", service.health),
            Route("/readyz", service.ready),
            Route("/metrics", service.metrics),
        ]
    )


async def _body(request: Request) -> bytes:
    """The raw body. One that is too large is read on for a while, because closing at once could cut our answer off."""

    async def read() -> bytes:
        found, size = bytearray(), 0
        async for chunk in request.stream():
            size += len(chunk)
            if size <= BODY_LIMIT:
                found += chunk
            elif size > _DISCARD_LIMIT:
                break
        if size > BODY_LIMIT:
            raise _RefusedError("too_large")
        return bytes(found)

    try:
        return await within(BODY_SECONDS, read())
    except (asyncio.TimeoutError, ClientDisconnect):
        raise _RefusedError("incomplete") from None


def _run_id(body: bytes) -> str:
    """The one thing that is read from a body; whatever else is in it (Port's agent adds its own) is not looked at."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise _RefusedError("invalid") from None
    run_id = value.get("run_id") if isinstance(value, dict) else None
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise _RefusedError("invalid")
    return run_id
