"""JSON that something on the way answers in Port's place tells nothing of what is in Port."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from port_talk import SERVICE
from simulated_lab import Story, played

from coderport.emulators.port import PortEmulator
from coderport.port.client import PortClient
from coderport.port.definitions import Definitions
from coderport.port.errors import PortUnreachable

NO_ROUTE = {"message": "no Route matched with those values"}
Question = Callable[[PortClient], Awaitable[Any]]

QUESTIONS: dict[str, Question] = {
    "an entity": lambda client: client.entity("service", "one"),
    "a blueprint": lambda client: client.blueprint("service"),
    "a page": lambda client: Definitions.pages(client).one("one"),
    "whether an entity is deleted": lambda client: client.delete_entity("service", "one"),
    "whether entities are deleted": lambda client: client.delete("service", ["one"]),
    "whether a blueprint is deleted": lambda client: client.delete_blueprint("service"),
    "whether an action is deleted": lambda client: client.delete_action("one"),
    "whether a page is deleted": lambda client: Definitions.pages(client).delete("one"),
    "a token": lambda client: client.blueprint("service"),
}


class Gateway(httpx.AsyncBaseTransport):
    """Answers 404 with JSON of its own, to requests for a token or to all others."""

    def __init__(self, port: PortEmulator, *, of_token: bool) -> None:
        self._port, self._of_token = httpx.ASGITransport(port.app), of_token

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if ("access_token" in request.url.path) == self._of_token:
            return httpx.Response(404, json=NO_ROUTE)
        return await self._port.handle_async_request(request)


@pytest.mark.parametrize("about", QUESTIONS)
def test_its_404_does_not_say_that_something_is_not_there(about: str) -> None:
    port = PortEmulator(seed=1)
    port.put_blueprint(SERVICE)

    async def asked() -> None:
        way = Gateway(port, of_token=about == "a token")
        async with PortClient("https://port.test", port.client_id, port.client_secret, transport=way) as client:
            await QUESTIONS[about](client)

    with pytest.raises(PortUnreachable, match="answers 404 with JSON that is not Port's"):
        asyncio.run(asked())


@pytest.mark.parametrize("command", ["sync", "up"])
def test_a_deletion_that_it_answered_is_no_success_and_the_next_run_makes_it(tmp_path: Path, command: str) -> None:
    async def story(told: Story) -> None:
        await told.run()
        gone = min(told.coder.workspace_ids())
        told.coder.delete_workspace(gone)
        faults = [{"path": "/bulk/entities/delete"}, {"path": "/v1/", "method": "DELETE"}]
        numbers = [told.port.faults.add({"kind": "status", "status": 404, "body": NO_ROUTE, **each}) for each in faults]

        outcome = await told.run(command)
        assert outcome.exit_code == 1 and "answers 404 with JSON that is not Port's" in outcome.message
        assert gone in told.held()

        for number in numbers:
            told.port.faults.clear(number)
        outcome = await told.run(command)
        assert outcome.exit_code == 0 and gone not in told.held()

    played(tmp_path, story)
