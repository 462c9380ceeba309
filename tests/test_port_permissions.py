"""The permissions of a new action, which Port makes a moment after it: waited for, within bounds, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
import stamina
from echoing_port import EchoingPort, Sent, ok, refused
from provider_driver import PERMISSIONS, Aborted, Driver

from coderport.emulators.port import PortEmulator
from coderport.port.client import PortClient
from coderport.port.errors import PortRejected
from coderport.port.permissions import PERMISSIONS_SECONDS, PermissionsNotMade
from coderport.transport.patience import Patience

BODY = {"execute": {"roles": ["Member"]}}
EMPTY = [refused(404, "not_found"), ok(), ok(permissions=None), ok(permissions={})]


@pytest.fixture
def port() -> EchoingPort:
    port = EchoingPort()
    port.add_action("stop")
    return port


@pytest.fixture
def quick_repeats() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4):
        yield


def not_yet(port: EchoingPort, answer: httpx.Response, times: int) -> list[Sent]:
    """Lets the first requests for permissions have this answer; they are collected."""
    asked: list[Sent] = []

    def answered(sent: Sent) -> httpx.Response | None:
        if not sent.path.endswith("/permissions"):
            return None
        asked.append(sent)
        return answer if len(asked) <= times else None

    port.answers.append(answered)
    return asked


def ask(port: EchoingPort, question: Callable[[PortClient], Awaitable[Any]], **settings: Any) -> Any:
    async def asked() -> Any:
        async with PortClient("https://port.test", "id", "secret", transport=port.transport(), **settings) as client:
            return await question(client)

    return asyncio.run(asked())


@pytest.mark.usefixtures("quick_repeats")
@pytest.mark.parametrize("answer", EMPTY, ids=["404", "no member", "null", "empty"])
@pytest.mark.parametrize("changed", [False, True], ids=["read", "changed"])
def test_an_answer_without_permissions_is_waited_out(port: EchoingPort, answer: httpx.Response, changed: bool) -> None:
    asked = not_yet(port, answer, times=2)

    def question(client: PortClient) -> Awaitable[Any]:
        return client.patch_action_permissions("stop", BODY) if changed else client.action_permissions("stop")

    async def counted(client: PortClient) -> tuple[Any, int, float]:
        return await question(client), client.retries, client.waited

    found, retries, waited = ask(port, counted)
    assert found["execute"]["roles"] == (["Member"] if changed else ["Admin"])
    assert len(asked) == 3 and len({each.route for each in asked}) == 1
    assert retries == 2, "the account of a run counts them"
    assert waited == 0, "Port works: it costs the command nothing of what it waits for servers that fail"


@pytest.mark.usefixtures("quick_repeats")
def test_an_action_that_is_not_there_is_not_waited_for(port: EchoingPort) -> None:
    assert ask(port, lambda client: client.action_permissions("gone")) is None
    assert port.routes() == ["GET /v1/actions/gone/permissions", "GET /v1/actions/gone"]
    with pytest.raises(PortRejected) as raised:
        ask(port, lambda client: client.patch_action_permissions("gone", BODY))
    assert (raised.value.status, raised.value.code) == (404, "not_found")
    assert port.routes()[2:] == ["PATCH /v1/actions/gone/permissions", "GET /v1/actions/gone"]


@pytest.mark.usefixtures("quick_repeats")
def test_another_refusal_is_told_at_once(port: EchoingPort) -> None:
    asked = not_yet(port, refused(403, "missing_permissions"), times=9)
    with pytest.raises(PortRejected):
        ask(port, lambda client: client.action_permissions("stop"))
    assert len(asked) == 1


@pytest.mark.usefixtures("quick_repeats")
def test_permissions_that_never_come_are_named_with_a_remedy(port: EchoingPort) -> None:
    not_yet(port, refused(404, "not_found"), times=99)
    with pytest.raises(PermissionsNotMade) as raised:
        ask(port, lambda client: client.action_permissions("stop"))
    assert "action stop" in str(raised.value) and "Run again" in str(raised.value)


def test_the_wait_has_an_end(port: EchoingPort) -> None:
    asked = not_yet(port, refused(404, "not_found"), times=999)
    with pytest.raises(PermissionsNotMade):
        ask(port, lambda client: client.action_permissions("stop"), patience=Patience(outage=0.5, pause=0.1))
    assert len(asked) >= 2
    assert PERMISSIONS_SECONDS <= 30


@pytest.mark.usefixtures("quick_repeats")
def test_the_provider_sets_and_reads_permissions_that_come_late(port: EchoingPort) -> None:
    nobody: dict[str, Any] = {"users": [], "teams": []}
    news = {
        "actionIdentifier": "stop",
        "permissions": {
            "execute": {**nobody, "roles": ["Member"], "ownedByTeam": False},
            "approve": {**nobody, "roles": ["Admin"]},
        },
    }
    late = not_yet(port, refused(404, "not_found"), times=2)
    driver = Driver(port)
    made = driver.create(PERMISSIONS, news)
    assert len(late) == 3
    port.answers.clear()
    late = not_yet(port, ok(permissions={}), times=2)
    later = Driver(port)
    assert later.diff(made) == set()
    seen = later.read(made)
    assert seen is not None and len(late) == 3
    port.actions.clear()
    with pytest.raises(Aborted):
        Driver(port).create(PERMISSIONS, news)


def test_the_emulated_port_makes_them_a_moment_later() -> None:
    now = [1000.0]
    emulator = PortEmulator(permissions_delay=3, clock=lambda: now[0])
    method = {"type": "KAFKA", "payload": {}}
    trigger = {"type": "self-service", "operation": "CREATE", "userInputs": {"properties": {}}}

    async def work() -> list[int]:
        transport = httpx.ASGITransport(emulator.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://port/v1") as http:
            credentials = {"clientId": emulator.client_id, "clientSecret": emulator.client_secret}
            token = (await http.post("/auth/access_token", json=credentials)).json()["accessToken"]
            http.headers["authorization"] = f"Bearer {token}"
            body = {"identifier": "make", "trigger": trigger, "invocationMethod": method}
            assert (await http.post("/actions", json=body)).status_code == 201
            statuses = []
            for seconds in (0.0, 2.9, 0.2):
                now[0] += seconds
                statuses.append((await http.get("/actions/make/permissions")).status_code)
                statuses.append((await http.patch("/actions/make/permissions", json=BODY)).status_code)
            assert (await http.put("/actions/make", json={**body, "identifier": "other"})).status_code == 200
            statuses.append((await http.get("/actions/other/permissions")).status_code)
            return statuses

    assert asyncio.run(work()) == [404, 404, 404, 404, 200, 200, 200]
