"""The network between everybody: it delays, loses and repeats requests, and cuts servers off, by chance."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import httpx

CODER, PORT = "http://127.0.0.1:17001", "http://127.0.0.1:17002"

_REPEATABLE = ("GET", "PUT", "DELETE")
"""What a proxy may send again by itself (RFC 9110, 9.2.2)."""


@dataclass
class Weather:
    """How bad the network is: the share of requests that each fault meets. `cut` are the servers nobody reaches."""

    lost: float = 0.0
    unanswered: float = 0.0
    repeated: float = 0.0
    gateway: float = 0.0
    limited: float = 0.0
    slow: float = 0.0
    cut: set[str] = field(default_factory=set)

    @classmethod
    def bad(cls, chance: random.Random) -> Weather:
        """One or two kinds of faults, in up to a tenth of the requests."""
        weather = cls()
        for kind in chance.sample(("lost", "unanswered", "repeated", "gateway", "limited", "slow"), k=2):
            setattr(weather, kind, chance.uniform(0.0, 0.1))
        return weather


class Network:
    """Where each client of httpx that is opened inside of `everywhere` ends up. `requests` counts what arrived."""

    def __init__(self, servers: Mapping[str, Any], chance: random.Random) -> None:
        self._servers = {url: httpx.ASGITransport(app) for url, app in servers.items()}
        self._chance = chance
        self.weather = Weather()
        self.requests: Counter[str] = Counter()
        self.sent: list[float] = []

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Inside, `httpx.AsyncClient` speaks over this network."""
        network, opened = self, httpx.AsyncClient

        def client(*args: Any, **named: Any) -> httpx.AsyncClient:
            for what in ("verify", "proxy", "limits", "http2"):
                named.pop(what, None)
            return opened(*args, **{**named, "transport": _Link(network)})

        with (
            mock.patch.object(httpx, "AsyncClient", client),
            mock.patch("coderport.transport.route.tls_context", lambda: True),
        ):
            yield

    async def carry(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request, after whatever befalls it on the way."""
        server = f"{request.url.scheme}://{request.url.host}:{request.url.port}"
        chance, weather = self._chance, self.weather
        await asyncio.sleep(chance.uniform(0.001, 0.05))
        if server in weather.cut or chance.random() < weather.lost:
            raise httpx.ConnectError("the network lost it", request=request)
        if chance.random() < weather.slow:
            await asyncio.sleep(chance.uniform(1, 90))
        if chance.random() < weather.gateway:
            return httpx.Response(502, text="<html>bad gateway</html>", headers={"content-type": "text/html"})
        if chance.random() < weather.limited:
            return httpx.Response(429, json={"ok": False, "error": "rate", "message": "slow down"})
        answer = await self._answer(server, request)
        if request.method in _REPEATABLE and chance.random() < weather.repeated:
            answer = await self._answer(server, request)
        await asyncio.sleep(chance.uniform(0.001, 0.05))
        if chance.random() < weather.unanswered:
            raise httpx.ReadError("the network lost the answer", request=request)
        return answer

    async def _answer(self, server: str, request: httpx.Request) -> httpx.Response:
        self.requests[server] += 1
        again = httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
        answer = await self._servers[server].handle_async_request(again)
        content = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content, request=request)


class _Link(httpx.AsyncBaseTransport):
    def __init__(self, network: Network) -> None:
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await self._network.carry(request)
