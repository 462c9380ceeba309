"""One client of an emulated Port in a test: requests without a socket, and the bodies that most tests start from."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from coderport.emulators.port import PortEmulator

Json = dict[str, Any]

SERVICE: Json = {
    "identifier": "service",
    "title": "Service",
    "schema": {
        "properties": {
            "url": {"type": "string", "format": "url"},
            "tier": {"type": "string", "enum": ["gold", "silver"]},
            "cost": {"type": "number", "minimum": 0},
            "live": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "born": {"type": "string", "format": "date-time"},
            "more": {"type": "object"},
        }
    },
    "relations": {},
}
DEPLOYMENT: Json = {
    "identifier": "deployment",
    "title": "Deployment",
    "schema": {"properties": {"state": {"type": "string"}}, "required": []},
    "relations": {
        "of": {"title": "Of", "target": "service", "required": False, "many": False},
        "needs": {"title": "Needs", "target": "service", "required": False, "many": True},
    },
}


class Talk:
    """Requests of one client; `token` is fetched with the first."""

    def __init__(self, emulator: PortEmulator, client: tuple[str, str] | None = None, agent: str = "a-test") -> None:
        self.emulator, self.agent = emulator, agent
        self.credentials = client or (emulator.client_id, emulator.client_secret)
        self.token: str | None = None

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """Send one request; `path` is under /v1. A `body` of bytes is sent as it is."""
        if self.token is None:
            self.token = self.fresh_token()["accessToken"]
        return self.send(method, path, body, {"authorization": f"Bearer {self.token}"}, **query)

    def send(self, method: str, path: str, body: Any, headers: dict[str, str], **query: Any) -> httpx.Response:
        """The same without a token."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()

        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(self.emulator.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://port") as http:
                return await http.request(
                    method, f"/v1{path}", content=content, params=query, headers={"user-agent": self.agent, **headers}
                )

        return asyncio.run(answer())

    def fresh_token(self) -> Json:
        """The answer of the token route."""
        body = {"clientId": self.credentials[0], "clientSecret": self.credentials[1]}
        reply = self.send("POST", "/auth/access_token", body, {})
        assert reply.status_code == 200, reply.text
        found: Json = reply.json()
        return found

    def put(self, blueprint: str, identifier: str, **members: Any) -> httpx.Response:
        """Upsert one entity without merge."""
        body = {"identifier": identifier, **members}
        return self("POST", f"/blueprints/{blueprint}/entities", body, upsert="true")

    def get(self, blueprint: str, identifier: str, **query: Any) -> Json:
        """One entity that exists."""
        reply = self("GET", f"/blueprints/{blueprint}/entities/{quote(identifier, safe='')}", **query)
        assert reply.status_code == 200, reply.text
        found: Json = reply.json()["entity"]
        return found

    def found(self, blueprint: str, *rules: Json, combinator: str = "and") -> list[str]:
        """The identifiers that a search in one blueprint finds."""
        query = {"combinator": combinator, "rules": list(rules)}
        reply = self("POST", f"/blueprints/{blueprint}/entities/search", {"query": query})
        assert reply.status_code == 200, reply.text
        return [entity["identifier"] for entity in reply.json()["entities"]]


def bulk(one: Talk, blueprint: str, *items: Any, **query: Any) -> tuple[int, Json]:
    """Status and body of a bulk call."""
    reply = one("POST", f"/blueprints/{blueprint}/entities/bulk", {"entities": list(items)}, **query)
    return reply.status_code, reply.json()


def refused(reply: httpx.Response, status: int, error: str) -> str:
    """The message of a refusal, which must be of that kind and shape."""
    body = reply.json()
    assert (reply.status_code, body["ok"], body["error"]) == (status, False, error), reply.text
    assert set(body) - {"details"} == {"ok", "error", "message"}
    message: str = body["message"]
    return message


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = 1_750_000_000.1234) -> None:
        self.now = now
        self.meanwhile: list[Callable[[], object]] = []
        """What is done in a sleep: as much as in one that takes its time."""

    def __call__(self) -> float:
        return self.now


def emulator_of(clock: Clock, **settings: Any) -> PortEmulator:
    """An emulator on the clock that does all that it does in the background while somebody sleeps."""
    emulator = PortEmulator(clock=clock, **settings)
    clock.meanwhile.append(emulator.settle)
    return emulator


def talk(**settings: Any) -> Talk:
    """A client of an emulator that has both blueprints."""
    emulator = PortEmulator(**settings)
    emulator.put_blueprint(SERVICE)
    emulator.put_blueprint(DEPLOYMENT)
    return Talk(emulator)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock for an emulator that moves where this process would sleep: no wait takes real time."""
    found = Clock()

    def sleep(seconds: float) -> None:
        found.now += seconds
        for work in found.meanwhile:
            work()

    monkeypatch.setattr(time, "sleep", sleep)
    return found
