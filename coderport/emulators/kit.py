"""What both emulators share: a server in a thread, faults, a log of requests, rate buckets.

An emulator builds its ASGI application and wraps it once::

    self.faults, self.log = Faults(seed), RequestLog()
    self.app = Instrumented(router, self.faults, self.log)
    def control_routes(self): return [*own_routes, *control_routes(self.faults, self.log)]

and a test serves it: ``with serve(emulator.app) as served: httpx.get(served.url)``.
Everything here may be called from any thread: the server runs in its own.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, final, get_args

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from coderport.errors import CoderportError

Clock = Callable[[], float]
FaultKind = Literal["latency", "status", "cut", "html", "redirect", "drop_connection"]

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HTML = "<!doctype html><html><head><title>Sign in</title></head><body><div id=root></div></body></html>"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

# Open connections by the client's address, so that a fault can break the one its request came by.
_open_connections: dict[tuple[str, int], asyncio.Transport] = {}


class EmulatorError(CoderportError):
    """An emulator was asked for something it cannot do: a port in use, an unknown fault, a missing object."""


def compact_json(value: Any) -> bytes:
    """JSON as the servers write it: no spaces, UTF-8 as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


# ---------------------------------------------------------------- faults


@dataclass(frozen=True)
class Fault:
    """One rule that breaks matching requests.

    `path` is a regular expression searched in the path and query (``/workspaces\\?``), `method` None means any.
    `latency` waits `delay_ms` and lets the request go on, so other rules may still match; all other kinds answer
    (after `delay_ms`, too): `status` with `status`, `headers` and `body` (text, or JSON made from any other value),
    `cut` with the true answer's head and half of its body, `html` with a 200 page, `redirect` with a 307 to
    ``headers["location"]``, `drop_connection` with nothing but a closed connection.
    A `status` fault answers in place of the application: what it asked for has not happened. With `applied`
    the application runs first and its answer is lost, as when a gateway gives up: what it asked for *has* happened.
    The rule skips its first `after` matches, then hits `times` times (None: always), each with probability `share`.
    """

    kind: FaultKind
    path: str = ""
    method: str | None = None
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    delay_ms: float = 0
    times: int | None = None
    after: int = 0
    share: float = 1.0
    applied: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise EmulatorError(f"unknown fault kind {self.kind!r}; one of {', '.join(get_args(FaultKind))}")
        try:
            re.compile(self.path)
        except re.error as error:
            raise EmulatorError(f"fault path {self.path!r} is not a regular expression: {error}") from error

    @classmethod
    def from_rule(cls, rule: Mapping[str, Any]) -> Fault:
        """The fault that a JSON rule describes; unknown keys are an `EmulatorError`, not ignored."""
        unknown = set(rule) - set(cls.__dataclass_fields__)
        if unknown or "kind" not in rule:
            raise EmulatorError(
                f"a fault needs a kind and takes no {', '.join(sorted(unknown)) or 'other keys'}"
            )
        return cls(**rule)


@dataclass
class _Standing:
    """A rule in force and how often it has matched and hit."""

    fault: Fault
    pattern: re.Pattern[str]
    matched: int = 0
    hit: int = 0


class Faults:
    """The rules in force. The first that matches a request answers it; latencies add up before it does."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._rng = random.Random(seed)
        self._rules: dict[int, _Standing] = {}
        self._next = 1
        self.latency_ms: float = 0.0
        """Milliseconds that every request waits before it is looked at."""

    def add(self, rule: Mapping[str, Any] | Fault | None = None, /, **keys: Any) -> int:
        """Put a rule in force, given as a `Fault`, a mapping or keywords; returns a number to clear it by."""
        fault = rule if isinstance(rule, Fault) else Fault.from_rule({**(rule or {}), **keys})
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._rules[number] = _Standing(fault, re.compile(fault.path))
            return number

    def clear(self, number: int | None = None) -> None:
        """Take one rule out of force, or all of them; a rule that is already out is no error."""
        with self._lock:
            if number is None:
                self._rules.clear()
            else:
                self._rules.pop(number, None)

    def standing(self) -> list[dict[str, Any]]:
        """The rules in force as JSON, each with its `number` and how often it `matched` and `hit`."""
        with self._lock:
            return [
                {
                    "number": number,
                    "matched": rule.matched,
                    "hit": rule.hit,
                    **asdict(rule.fault),
                }
                for number, rule in self._rules.items()
            ]

    def strike(self, method: str, target: str) -> tuple[float, Fault | None]:
        """Seconds to wait for this request, and the fault that then answers it (None: the application does)."""
        wait = self.latency_ms
        if not self._rules:
            return wait / 1000, None
        with self._lock:
            for rule in self._rules.values():
                fault = rule.fault
                if fault.method not in (None, method) or not rule.pattern.search(target):
                    continue
                rule.matched += 1
                spent = fault.times is not None and rule.hit >= fault.times
                if rule.matched <= fault.after or spent:
                    continue
                if fault.share < 1 and self._rng.random() >= fault.share:
                    continue
                rule.hit += 1
                wait += fault.delay_ms
                if fault.kind != "latency":
                    return wait / 1000, fault
        return wait / 1000, None


# ---------------------------------------------------------------- request log


def _is_write(method: str, path: str) -> bool:
    return method not in _READS


class RequestLog:
    """Counts of the requests that were answered (or broken), by method and route.

    A route is the path with its parameters as ``{name}``; a request that a fault answered before it was routed
    is counted under its path with ``{id}`` in the place of UUIDs. `is_write(method, path)` says what `writes`
    counts; by default every method that is not a read.
    """

    def __init__(
        self,
        is_write: Callable[[str, str], bool] = _is_write,
        clock: Clock = time.monotonic,
    ) -> None:
        self._is_write = is_write
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget all counts; `per_second` starts again at second 0."""
        with self._lock:
            self._routes: Counter[str] = Counter()
            self._statuses: Counter[str] = Counter()
            self._seconds: Counter[int] = Counter()
            self._writes = 0
            self._since = self._clock()

    def record(self, method: str, path: str, route: str, status: int) -> None:
        """Count one request; status 0 is one that got no answer."""
        with self._lock:
            self._routes[f"{method} {route}"] += 1
            self._statuses[str(status)] += 1
            self._seconds[int(self._clock() - self._since)] += 1
            self._writes += self._is_write(method, path)

    @property
    def total(self) -> int:
        """Requests since the last reset."""
        with self._lock:
            return self._routes.total()

    @property
    def writes(self) -> int:
        """Requests since the last reset that `is_write` holds for."""
        with self._lock:
            return self._writes

    def count(self, key: str) -> int:
        """Requests of one ``"METHOD /route/{param}"``."""
        with self._lock:
            return self._routes[key]

    @property
    def per_second(self) -> dict[int, int]:
        """Requests by whole second since the last reset; seconds without any are absent."""
        with self._lock:
            return dict(sorted(self._seconds.items()))

    def snapshot(self) -> dict[str, Any]:
        """All counts as JSON: `total`, `writes`, `routes`, `statuses`, `per_second`."""
        with self._lock:
            return {
                "total": self._routes.total(),
                "writes": self._writes,
                "routes": dict(sorted(self._routes.items())),
                "statuses": dict(sorted(self._statuses.items())),
                "per_second": {str(second): count for second, count in sorted(self._seconds.items())},
            }


# ---------------------------------------------------------------- rate buckets


@dataclass(frozen=True)
class RateVerdict:
    """What a bucket says about one request. Seconds are from now; how they become headers is the emulator's."""

    allowed: bool
    limit: int
    period: float
    remaining: int
    reset: float
    """Seconds until the window ends (sliding) or the bucket is full again (burst)."""
    retry_after: float
    """Seconds until a request would be let through; 0 where this one was."""


class RateBuckets:
    """Budgets of `limit` requests per `period` seconds, one for each key (a user and path, an organization…).

    Without `burst` it is the sliding window that Coder's limiter keeps: the count of the running window plus the
    previous window's, weighted by how much of it is still in sight. With `burst` it is a token bucket as at Port's
    gateway: it holds `burst` tokens and gains `limit / period` each second. A `limit` of 0 or less lets all through.
    """

    def __init__(
        self,
        limit: int,
        period: float = 60.0,
        burst: int | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.limit, self.period, self.burst = limit, period, burst
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[int, int, int]] = {}  # key -> window number, count, previous count
        self._tokens: dict[str, tuple[float, float]] = {}  # key -> tokens, time of that number

    def take(self, key: str) -> RateVerdict:
        """Ask for one request of `key` and spend it if it is allowed."""
        if self.limit <= 0:
            return RateVerdict(True, 0, self.period, 0, 0.0, 0.0)
        with self._lock:
            return self._take_window(key) if self.burst is None else self._take_token(key, self.burst)

    def reset(self) -> None:
        """All budgets are whole again."""
        with self._lock:
            self._windows.clear()
            self._tokens.clear()

    def _take_window(self, key: str) -> RateVerdict:
        now = self._clock()
        window = int(now // self.period)
        last, count, previous = self._windows.get(key, (window, 0, 0))
        if window != last:
            previous, count = (count if window == last + 1 else 0), 0
        left = (window + 1) * self.period - now
        used = previous * left / self.period + count
        allowed = used + 1 <= self.limit
        if allowed:
            count, used = count + 1, used + 1
        self._windows[key] = (window, count, previous)
        remaining = max(0, math.floor(self.limit - used))
        return RateVerdict(
            allowed,
            self.limit,
            self.period,
            remaining,
            left,
            0.0 if allowed else self.period,
        )

    def _take_token(self, key: str, burst: int) -> RateVerdict:
        now, rate = self._clock(), self.limit / self.period
        tokens, since = self._tokens.get(key, (float(burst), now))
        tokens = min(burst, tokens + (now - since) * rate)
        # A hair's breadth: waiting exactly `retry_after` must be enough in floating point, too.
        allowed = tokens >= 1 - 1e-9
        if allowed:
            tokens = max(0.0, tokens - 1)
        self._tokens[key] = (tokens, now)
        wait = 0.0 if allowed else (1 - tokens) / rate
        return RateVerdict(
            allowed,
            self.limit,
            self.period,
            math.floor(tokens),
            (burst - tokens) / rate,
            wait,
        )


# ---------------------------------------------------------------- middleware


class Instrumented:
    """The ASGI application around an emulator's: latency, faults and the request log.

    Starlette's router leaves ``path_params`` in the scope, which names the route that is counted.
    """

    def __init__(self, app: ASGIApp, faults: Faults, log: RequestLog) -> None:
        self._app, self._faults, self._log = app, faults, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        query = scope["query_string"].decode("latin-1")
        counted = False

        async def counting_send(message: Message) -> None:
            nonlocal counted
            # Counted before the client can see the answer, or it would read a count that lacks its own request.
            if message["type"] == "http.response.start" and not counted:
                counted = True
                self._log.record(method, path, _route(scope), message["status"])
            await send(message)

        try:
            wait, fault = self._faults.strike(method, f"{path}?{query}" if query else path)
            if wait > 0:
                await asyncio.sleep(wait)
            if fault is not None and fault.kind == "drop_connection":
                counted = True
                self._log.record(method, path, _route(scope), 0)
            if fault is None:
                await self._app(scope, receive, counting_send)
            else:
                await self._answer(fault, scope, receive, counting_send)
        finally:
            if not counted:
                self._log.record(method, path, _route(scope), 0)

    async def _answer(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind == "cut":
            await _cut(self._app, scope, receive, send)
            return
        if fault.applied:
            await self._app(scope, receive, _discard)
        if fault.kind == "drop_connection":
            await _hang_up(scope, receive)
            return
        await _response(fault)(scope, receive, send)


def _route(scope: Scope) -> str:
    names = {str(value): name for name, value in scope.get("path_params", {}).items()}
    if not names:
        return _UUID.sub("{id}", scope["path"])
    return "/".join(
        f"{{{names[segment]}}}" if segment in names else segment for segment in scope["path"].split("/")
    )


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
    transport = _open_connections.get(tuple(scope.get("client") or ()))
    if transport is None:
        await send({"type": "http.response.body", "body": b""})
        return
    transport.close()  # sends what is buffered first
    await _disconnect(receive)


async def _hang_up(scope: Scope, receive: Receive) -> None:
    transport = _open_connections.get(tuple(scope.get("client") or ()))
    if transport is None:
        raise ConnectionResetError("injected fault: the connection was dropped")
    transport.abort()
    await _disconnect(receive)


async def _disconnect(receive: Receive) -> None:
    """Returns once the server has seen its connection end, so that it does not complain of a missing answer."""
    while (await receive())["type"] != "http.disconnect":
        pass


# ---------------------------------------------------------------- control


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


# ---------------------------------------------------------------- server


class _Protocol(H11Protocol):
    """uvicorn's, which also lets a fault find its connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            _open_connections[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client is not None:
            _open_connections.pop(self.client, None)
        super().connection_lost(exc)


@final
class Served:
    """An application being served on loopback by a thread of its own; `url` has no slash at its end."""

    _START_SECONDS: Final = 10.0

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        self._socket = _bound_socket(port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            daemon=True,
            name=f"emulator:{self.port}",
        )
        self._thread.start()
        self._await_start()

    def _await_start(self) -> None:
        deadline = time.monotonic() + self._START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise EmulatorError(f"the emulator on {self.url} did not start")
            time.sleep(0.005)

    def stop(self) -> None:
        """Close the connections and end the thread; stopping twice is no error."""
        self._server.should_exit = True
        self._thread.join(timeout=self._START_SECONDS)
        self._socket.close()

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def serve(app: ASGIApp, port: int = 0) -> Served:
    """Serve `app` on 127.0.0.1 (0: a free port) and return once it accepts; `EmulatorError` if the port is taken."""
    return Served(app, port)


def _bound_socket(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise EmulatorError(
            f"port {port} on 127.0.0.1 cannot be used ({error.strerror}): another emulator may still be running; "
            "stop it, or choose another port"
        ) from error
    return bound
