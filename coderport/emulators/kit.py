"""What both emulators share: a server in a thread, faults, a log of requests, rate buckets.

An emulator builds its ASGI application and wraps it once::

    self.faults, self.log = Faults(seed), RequestLog()
    self.app = Instrumented(router, self.faults, self.log, clock)
    def control_routes(self): return [*own_routes, *control_routes(self.faults, self.log)]

and a test serves it: ``with serve(emulator.app) as served: httpx.get(served.url)``.
Everything here may be called from any thread: the server runs in its own.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coderport.emulators.faults import EmulatorError, Fault, FaultKind, Faults
from coderport.emulators.rates import Clock, RateBuckets, RateVerdict
from coderport.emulators.requestlog import RequestLog
from coderport.emulators.serving import Served, connection_of, serve

__all__ = [
    "Clock",
    "EmulatorError",
    "Fault",
    "FaultKind",
    "Faults",
    "Instrumented",
    "RateBuckets",
    "RateVerdict",
    "RequestLog",
    "Served",
    "compact_json",
    "control_routes",
    "serve",
]

_FIRST_MESSAGES = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HTML = "<!doctype html><html><head><title>Sign in</title></head><body><div id=root></div></body></html>"


def compact_json(value: Any) -> bytes:
    """JSON as the servers write it: no spaces, UTF-8 as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Instrumented:
    """The ASGI application around an emulator's: latency, faults, the request log, and the time of each answer.

    The time (`Date`) is that of the emulator's own clock, as are the times of what it made. Starlette's router leaves
    ``path_params`` in the scope, which names the route that is counted.
    """

    def __init__(self, app: ASGIApp, faults: Faults, log: RequestLog, clock: Clock) -> None:
        self._app, self._faults, self._log, self._clock = app, faults, log, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # A WebSocket begins as a GET, which is what is counted and broken; `cut`, which needs an answer's length, is
        # then a connection that is dropped.
        method, path = scope.get("method", "GET"), scope["path"]
        query = scope["query_string"].decode("latin-1")
        target = f"{path}?{query}" if query else path
        counted = False

        async def counting_send(message: Message) -> None:
            nonlocal counted
            # Counted before the client can see the answer, or it would read a count that lacks its own
            # request.
            if message["type"] in _FIRST_MESSAGES and not counted:
                counted = True
                self._log.record(method, target, _route(scope), message.get("status", 101))
            await send(self._dated(message))

        try:
            wait, fault = self._faults.strike(method, target)
            if wait > 0:
                await self._faults.wait(wait)
            if fault is not None and fault.kind == "cut" and scope["type"] == "websocket":
                fault = replace(fault, kind="drop_connection")
            if fault is not None and fault.kind == "drop_connection":
                counted = True
                self._log.record(method, target, _route(scope), 0)
            if fault is None:
                await self._app(scope, receive, counting_send)
            else:
                await self._answer(fault, scope, receive, counting_send)
        finally:
            if not counted:
                self._log.record(method, target, _route(scope), 0)

    def _dated(self, message: Message) -> Message:
        """The head of an answer with the time, unless it has one."""
        headers = message.get("headers", ())
        if message["type"] != "http.response.start" or any(name.lower() == b"date" for name, _ in headers):
            return message
        return {**message, "headers": [*headers, (b"date", formatdate(self._clock(), usegmt=True).encode())]}

    async def _answer(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind == "cut":
            await _cut(self._app, scope, receive, send)
            return
        if scope["type"] == "http":
            await (self._app(scope, receive, _discard) if fault.applied else _taken_in(receive))
        if fault.kind == "drop_connection":
            await _hang_up(scope, receive)
            return
        await _response(fault)(scope, receive, send)


def _route(scope: Scope) -> str:
    names = {str(value): name for name, value in scope.get("path_params", {}).items()}
    if not names:
        return _UUID.sub("{id}", scope["path"])
    return "/".join(f"{{{names[segment]}}}" if segment in names else segment for segment in scope["path"].split("/"))


def _response(fault: Fault) -> Response:
    headers = dict(fault.headers)
    if fault.kind == "html":
        return Response(_HTML, 200, headers, media_type="text/html")
    if fault.kind == "redirect":
        return Response(b"", 307, {"location": "http://127.0.0.1/", **headers})
    if isinstance(fault.body, str):
        return Response(fault.body, fault.status, headers)
    body = {"message": "injected fault"} if fault.body is None else fault.body
    return Response(
        compact_json(body),
        fault.status,
        {"content-type": "application/json; charset=utf-8", **headers},
    )


async def _discard(message: Message) -> None:
    """Where an answer goes that the client never gets."""


async def _cut(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """The true answer's head, half of its body, then a closed connection."""
    start: Message = {}
    body = bytearray()

    async def hold(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, hold)
    await send(start)
    await send(
        {
            "type": "http.response.body",
            "body": bytes(body[: len(body) // 2]),
            "more_body": True,
        }
    )
    transport = connection_of(scope)
    if transport is None:
        await send({"type": "http.response.body", "body": b""})
        return
    transport.close()  # sends what is buffered first
    await _disconnect(receive)


async def _taken_in(receive: Receive) -> None:
    """Reads the whole request. A connection that is closed before that is ended at one time, and reset at another."""
    while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
        pass


async def _hang_up(scope: Scope, receive: Receive) -> None:
    transport = connection_of(scope)
    if transport is None:
        raise ConnectionResetError("injected fault: the connection was dropped")
    transport.abort()
    await _disconnect(receive)


async def _disconnect(receive: Receive) -> None:
    """Returns once the server has seen its connection end; else it complains of a missing answer."""
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


def control_routes(faults: Faults, log: RequestLog) -> list[Route]:
    """Control routes that every emulator has; they are served apart from the emulated API.

    ``GET|POST|DELETE /faults`` (POST one rule → ``{"number"}``; DELETE ``?number=`` or all), ``PUT /latency``
    ``{"ms": 20}`` for every request, ``GET|DELETE /requests`` (the counts; reset).
    """

    async def faults_endpoint(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"faults": faults.standing(), "latency_ms": faults.latency_ms})
        if request.method == "DELETE":
            number = request.query_params.get("number")
            faults.clear(None if number is None else int(number))
            return JSONResponse({})
        try:
            return JSONResponse({"number": faults.add(await request.json())}, 201)
        except (EmulatorError, TypeError, ValueError) as error:
            return JSONResponse({"message": str(error)}, 400)

    async def latency_endpoint(request: Request) -> Response:
        faults.latency_ms = float((await request.json())["ms"])
        return JSONResponse({"ms": faults.latency_ms})

    async def requests_endpoint(request: Request) -> Response:
        counts = log.snapshot()
        if request.method == "DELETE":
            log.reset()
        return JSONResponse(counts)

    return [
        Route("/faults", faults_endpoint, methods=["GET", "POST", "DELETE"]),
        Route("/latency", latency_endpoint, methods=["PUT"]),
        Route("/requests", requests_endpoint, methods=["GET", "DELETE"]),
    ]
