"""Runs bigger than Port's budget, in virtual time: they end, as fast as the budget comes back, and in order."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace

import httpx
import pytest

from coderport.emulators.port import PortEmulator
from coderport.port.bulk import UPSERTS_PER_CALL
from coderport.port.client import PortClient
from coderport.port.limits import Bucket, Closed, RateLimits
from coderport.provider.batches import Batches, UpsertKey
from simulation.clock import VirtualTime

BLUEPRINT = "workspace"


class OneWindow(httpx.AsyncBaseTransport):
    """A server of the other kind: so many requests in each window of a minute, and a reset that is the window's end."""

    def __init__(self, clock: Callable[[], float], limit: int) -> None:
        self._clock, self._limit = clock, limit
        self.served: Counter[int] = Counter()
        self.refused: Counter[int] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = await request.aread()
        await asyncio.sleep(0.05)
        window, passed = divmod(self._clock(), 60)
        window = int(window)
        if request.url.path.endswith("access_token"):
            return httpx.Response(200, json={"ok": True, "accessToken": "t", "expiresIn": 10800})
        spent = self.served[window] >= self._limit
        (self.refused if spent else self.served)[window] += 1
        entities = [
            {"created": True, "identifier": each["identifier"], "index": n}
            for n, each in enumerate(json.loads(sent)["entities"])
        ]
        return httpx.Response(
            429 if spent else 200,
            headers={
                "x-ratelimit-limit": str(self._limit),
                "x-ratelimit-period": "60",
                "x-ratelimit-remaining": str(self._limit - self.served[window]),
                "x-ratelimit-reset": str(math.ceil(60 - passed)),
            },
            json={"ok": True, "entities": entities, "errors": []},
        )


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualTime]:
    loop = VirtualTime()
    monkeypatch.setattr("coderport.port.session.RateLimits", partial(RateLimits, loop.clock))
    monkeypatch.setattr("coderport.port.session.time", SimpleNamespace(monotonic=loop.time))
    monkeypatch.setattr("coderport.transport.patience.time", SimpleNamespace(monotonic=loop.time, time=loop.clock))
    yield loop
    loop.close()


@pytest.fixture
def port(loop: VirtualTime) -> PortEmulator:
    """A two-hundredth of the published budgets: bulk calls 18 at once, then one in 1.7 s."""
    port = PortEmulator(seed=1, rate_limits=0.005, latency_ms=50, clock=loop.clock)
    port.put_blueprint({"identifier": BLUEPRINT, "title": "w", "schema": {"properties": {}}, "relations": {}})
    return port


def client_of(port: PortEmulator, token: str | None = None) -> PortClient:
    transport = httpx.ASGITransport(app=port.app)
    return PortClient("https://port.test", port.client_id, port.client_secret, transport=transport, token=token)


async def token_of(port: PortEmulator) -> str:
    """A token of the client: the budget for them is one in ten minutes here."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=port.app), base_url="https://port.test") as http:
        credentials = {"clientId": port.client_id, "clientSecret": port.client_secret}
        answer = await http.post("/v1/auth/access_token", json=credentials)
    return str(answer.json()["accessToken"])


async def upserted(client: PortClient, entities: int) -> list[int]:
    """All of them at once, by the provider's batches; their bulk calls in the order of the answers."""
    batches = Batches(client)
    calls: list[int] = []

    async def one(number: int) -> None:
        body = {"identifier": f"w{number}", "title": "w", "properties": {}, "relations": {}}
        await batches.upsert(UpsertKey(BLUEPRINT), body)
        calls.append(number // UPSERTS_PER_CALL)

    await asyncio.gather(*(one(number) for number in range(entities)))
    return list(dict.fromkeys(calls))


def refusals(port: PortEmulator) -> int:
    refused: int = port.log.snapshot()["statuses"].get("429", 0)
    return refused


def test_a_run_bigger_than_the_budget_takes_what_comes_back_without_one_refusal(
    loop: VirtualTime, port: PortEmulator
) -> None:
    async def run() -> list[int]:
        async with client_of(port) as client:
            return await upserted(client, 1200)

    order = loop.run_until_complete(run())
    assert len(port.entities(BLUEPRINT)) == 1200
    assert refusals(port) == 0
    assert max(abs(place - call) for place, call in enumerate(order)) < 16, "first come, first served, 16 side by side"
    at_the_least = (60 - 18) * 300 / 175  # 60 calls, 18 of them at once, 175 come back in 300 s
    assert at_the_least <= loop.time() <= 1.1 * at_the_least


def test_where_others_draw_half_of_the_budget_the_run_ends_with_few_refusals(
    loop: VirtualTime, port: PortEmulator
) -> None:
    async def others(client: PortClient, done: asyncio.Event) -> None:
        number = 0
        while not done.is_set():
            body = {"identifier": f"o{number}", "title": "o", "properties": {}, "relations": {}}
            await client.upsert(BLUEPRINT, [body])
            number += 1
            await asyncio.sleep(4)

    async def run() -> None:
        done, token = asyncio.Event(), await token_of(port)
        async with client_of(port, token) as ours, client_of(port, token) as theirs:
            beside = asyncio.create_task(others(theirs, done))
            await upserted(ours, 1200)
            done.set()
            await beside

    loop.run_until_complete(run())
    assert sum(1 for each in port.entities(BLUEPRINT) if each["identifier"].startswith("w")) == 1200
    served = port.log.count("POST /v1/blueprints/{blueprint}/entities/bulk") - refusals(port)
    assert refusals(port) < served / 2
    assert loop.time() <= 1.25 * (served - 18) * 300 / 175, "the budget is used"


def test_a_budget_that_comes_back_all_at_once_costs_a_handful_of_refusals_in_each_window(loop: VirtualTime) -> None:
    window = OneWindow(loop.clock, limit=10)

    async def run() -> list[int]:
        async with PortClient("https://port.test", "id", "secret", transport=window) as client:
            return await upserted(client, 800)

    order = loop.run_until_complete(run())
    assert sorted(order) == list(range(40))
    assert list(window.served.values()) == [10, 10, 10, 10], "no window goes by unused"
    assert max(window.refused.values()) <= 16, "in a minute: 6 of the first 16, and a question every 8 s"


def test_who_is_refused_keeps_its_place(loop: VirtualTime) -> None:
    limits = RateLimits(loop.clock)
    served: list[str] = []

    async def call(name: str, refusals: int) -> None:
        ticket = limits.ticket()
        for remaining in range(refusals, -1, -1):
            async with limits.permit(Bucket.BULK, ticket):
                await asyncio.sleep(0.1)
                limits.observe(
                    Bucket.BULK, 429 if remaining else 200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"}
                )
        served.append(name)

    async def run() -> None:
        limits.observe(Bucket.BULK, 200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"})
        await asyncio.gather(call("first", refusals=2), call("second", refusals=0), call("third", refusals=1))

    loop.run_until_complete(run())
    assert served == ["first", "second", "third"]


def test_a_bucket_that_an_answer_closes_for_a_year_is_asked_again_after_the_longest_window(loop: VirtualTime) -> None:
    limits = RateLimits(loop.clock)

    async def sent() -> bool:
        try:
            async with limits.permit(Bucket.OTHER, most=330):
                return True
        except Closed:
            return False

    async def run() -> list[bool]:
        limits.observe(Bucket.OTHER, 429, {"retry-after": "31536000"})
        at_once = await sent()
        await asyncio.sleep(299)
        before = await sent()
        await asyncio.sleep(2)
        return [at_once, before, await sent()]

    assert loop.run_until_complete(run()) == [False, False, True]
    assert loop.time() <= 302
