"""The network between everybody: it delays, loses and repeats requests, and cuts servers off, by chance."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any
from unittest import mock

import httpx

from simulation.process import CURRENT, RUN

CODER, PORT = "http://127.0.0.1:17001", "http://127.0.0.1:17002"

_REPEATABLE = ("GET", "PUT", "DELETE")
"""What a proxy may send again by itself (RFC 9110, 9.2.2)."""

SOONEST = 0.95
"""Seconds between a failure and the next try. One a second is promised; clocks of the network are not exact."""

_HTML = {"content-type": "text/html"}
_SLOW_DOWN = {"ok": False, "error": "rate", "message": "slow down"}

_url = lru_cache(maxsize=4096)(httpx.URL)


_FAULTS = ("lost", "unanswered", "repeated", "gateway", "limited", "slow", "dripping")


@dataclass
class Weather:
    """How bad the network is: the share of requests that each fault meets. `cut` are the servers nobody reaches."""

    lost: float = 0.0
    unanswered: float = 0.0
    repeated: float = 0.0
    gateway: float = 0.0
    limited: float = 0.0
    slow: float = 0.0
    dripping: float = 0.0
    cut: set[str] = field(default_factory=set)

    @classmethod
    def bad(cls, chance: random.Random) -> Weather:
        """One or two kinds of faults, in up to a tenth of the requests."""
        weather = cls()
        for kind in chance.sample(_FAULTS, k=2):
            setattr(weather, kind, chance.uniform(0.0, 0.1))
        return weather


class Network:
    """Where each client of httpx that is opened inside of `everywhere` ends up; `servers` are applications by URL."""

    def __init__(self, servers: Mapping[str, Any], chance: random.Random) -> None:
        self._servers = dict(servers)
        self._chance = chance
        self._seen = hashlib.sha256()
        self._failed: dict[tuple[int, str, str, httpx.URL, bytes], float] = {}
        self.clients = count()
        self.weather = Weather()
        self.hurried: list[str] = []
        """Requests that a client sent again for the same work less than a second after they failed, with who did so."""

    @property
    def trace(self) -> str:
        """A digest of all that has arrived so far: when, what, and how it was answered. No bodies: ids are random."""
        return self._seen.hexdigest()

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Inside, `httpx.AsyncClient` speaks over this network."""
        with (
            mock.patch.object(httpx, "AsyncClient", lambda **named: _Client(self, **named)),
            mock.patch("coderport.transport.route.tls_context", lambda: True),
        ):
            yield

    async def carry(self, request: httpx.Request, client: int) -> httpx.Response:
        """The answer to a request of that client; the dead send nothing."""
        process, now = CURRENT.get(), asyncio.get_running_loop().time
        if process is not None and process.dead:
            raise asyncio.CancelledError
        key = (client, RUN.get(), request.method, request.url, request.content)
        since = now() - self._failed.pop(key, -math.inf)
        if process is not None and since < SOONEST:
            self.hurried.append(f"{process.name} sends {request.method} {request.url.path} again after {since:.2f} s")
        try:
            answer = await self._carried(request)
        except httpx.TransportError:
            self._failed[key] = now()
            raise
        if answer.status_code == 429 or answer.status_code >= 500:
            self._failed[key] = now()
        return answer

    async def _carried(self, request: httpx.Request) -> httpx.Response:
        """The answer, after whatever befalls the request on the way."""
        server = f"{request.url.scheme}://{request.url.host}:{request.url.port}"
        chance, weather = self._chance, self.weather
        await asyncio.sleep(chance.uniform(0.001, 0.05))
        if server in weather.cut or chance.random() < weather.lost:
            raise httpx.ConnectError("the network lost it", request=request)
        if chance.random() < weather.slow:
            await asyncio.sleep(chance.uniform(1, 90))
        if chance.random() < weather.gateway:
            return httpx.Response(502, text="<html>bad gateway</html>", headers=_HTML, request=request)
        if chance.random() < weather.limited:
            return httpx.Response(429, json=_SLOW_DOWN, request=request)
        answer = await self._answer(server, request)
        if request.method in _REPEATABLE and chance.random() < weather.repeated:
            answer = await self._answer(server, request)
        await asyncio.sleep(chance.uniform(0.001, 0.05))
        if chance.random() < weather.unanswered:
            raise httpx.ReadError("the network lost the answer", request=request)
        if chance.random() < weather.dripping:
            stream = _Drips(answer.content, chance.uniform(1, 60))
            return httpx.Response(answer.status_code, headers=answer.headers, stream=stream, request=request)
        return answer

    async def _answer(self, server: str, request: httpx.Request) -> httpx.Response:
        answer = await answered(self._servers[server], request)
        told = f"{asyncio.get_running_loop().time():.6f} {request.method} {len(request.url.raw_path)} "
        self._seen.update(f"{told}{answer.status_code}\n".encode())
        return answer


async def answered(app: Any, request: httpx.Request) -> httpx.Response:
    """What an ASGI application makes of the request, which can be asked again."""
    url = request.url
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "query_string": url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (url.host, url.port),
        "client": ("127.0.0.1", 123),
        "root_path": "",
    }
    head: dict[str, Any] = {}
    body = bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.content, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            head.update(message)
        else:
            body.extend(message.get("body", b""))

    try:
        await app(scope, receive, send)
    except ConnectionResetError:
        text = "Server disconnected without sending a response."
        raise httpx.RemoteProtocolError(text, request=request) from None
    whole = dict(head["headers"]).get(b"content-length")
    if whole is not None and int(whole) > len(body):
        text = "peer closed connection without sending complete message body"
        raise httpx.RemoteProtocolError(text, request=request)
    return httpx.Response(head["status"], headers=head["headers"], content=bytes(body), request=request)


@dataclass(frozen=True)
class _Drips(httpx.AsyncByteStream):
    """A body that comes in ten parts, so many seconds apart."""

    content: bytes
    seconds: float

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = len(self.content) // 10 + 1
        for at in range(0, len(self.content), size):
            await asyncio.sleep(self.seconds)
            yield self.content[at : at + size]


class _Client:
    """What coderport uses of `httpx.AsyncClient`, straight onto the network: true requests and answers of httpx.

    httpx's own client takes three times as long, for redirects, cookies and pools that there are none of here.
    """

    def __init__(
        self, network: Network, *, headers: Mapping[str, str], base_url: str = "", **of_connections: object
    ) -> None:
        self._network, self._base, self._headers = network, base_url.rstrip("/"), headers
        self._number = next(network.clients)

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **arguments: Any
    ) -> AsyncIterator[httpx.Response]:
        """The answer to a request."""
        whole = url if "://" in url else f"{self._base}{url}"
        request = httpx.Request(method, _url(whole), headers={**self._headers, **(headers or {})}, **arguments)
        yield await self._network.carry(request, self._number)

    async def aclose(self) -> None:
        """It has nothing to close."""

    async def __aenter__(self) -> _Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        """It has nothing to close."""
