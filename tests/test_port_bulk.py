"""Bulk calls: what is sent again, what is taken apart, and what is believed of an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest
import stamina
from port_talk import SERVICE

from coderport.emulators.port import PortEmulator
from coderport.port.client import PortClient
from coderport.port.errors import PortError, PortRateLimited, PortRejected, PortUnreachable

T = TypeVar("T")
Json = dict[str, Any]
Answer = Callable[[httpx.Request, Json], httpx.Response | None]


@pytest.fixture(autouse=True)
def quick_repeats() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4):
        yield


@pytest.fixture
def port() -> PortEmulator:
    port = PortEmulator(seed=1)
    port.put_blueprint(SERVICE)
    return port


class Between(httpx.AsyncBaseTransport):
    """The emulated Port behind somebody who may answer in its place; counts the bulk calls and their sizes."""

    def __init__(self, port: PortEmulator, answer: Answer = lambda request, body: None) -> None:
        self._port, self._answer = httpx.ASGITransport(port.app), answer
        self.calls: list[list[Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "bulk" in request.url.path:
            body = json.loads(await request.aread())
            self.calls.append(body["entities"])
            if (answer := self._answer(request, body)) is not None:
                return answer
        return await self._port.handle_async_request(request)

    @property
    def sizes(self) -> list[int]:
        return [len(each) for each in self.calls]


def ask(port: PortEmulator, way: Between, question: Callable[[PortClient], Awaitable[T]]) -> T:
    async def asked() -> T:
        async with PortClient("https://port.test", port.client_id, port.client_secret, transport=way) as client:
            return await question(client)

    return asyncio.run(asked())


def bodies(number: int, **properties: Any) -> list[Json]:
    return [{"identifier": f"e{at}", "title": "e", "properties": properties} for at in range(number)]


def stored(port: PortEmulator) -> int:
    return len(port.entities("service"))


@pytest.mark.parametrize("status", [429, 409, 408, 500, 502, 503])
def test_an_item_that_fails_for_a_moment_is_sent_again_alone(port: PortEmulator, status: int) -> None:
    port.fail_items(["e3", "e7"], status=status, error="sometimes", message="An internal error occurred", times=3)
    way = Between(port)
    outcomes = ask(port, way, lambda client: client.upsert("service", bodies(20)))
    assert [each.error for each in outcomes] == [None] * 20 and [each.index for each in outcomes] == [*range(20)]
    assert stored(port) == 20
    assert way.sizes == [20, 2, 1] or way.sizes == [20, 2, 2], way.sizes


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (429, PortRateLimited, "limits the rate"),
        (500, PortUnreachable, "Port answered 500"),
        (409, PortRejected, "Port refused entity service:e1: 409"),
        (422, PortRejected, "Port refused entity service:e1: 422"),
    ],
)
def test_one_that_goes_on_failing_fails_alone_and_is_called_a_refusal_only_where_it_is_one(
    port: PortEmulator, status: int, kind: type[PortError], said: str
) -> None:
    port.fail_items(["e1"], status=status, error="broken", message="no")
    way = Between(port)
    outcomes = ask(port, way, lambda client: client.upsert("service", bodies(3)))
    assert [each.error is None for each in outcomes] == [True, False, True]
    assert type(outcomes[1].error) is kind and said in str(outcomes[1].error)
    assert len(way.calls) == (1 if status == 422 else 4)


def failed_once(row: Json) -> Answer:
    """The first bulk call: its second item fails with this row."""
    left = [1]

    def answer(request: httpx.Request, body: Json) -> httpx.Response | None:
        if not left:
            return None
        left.pop()
        good = [{"index": at, "created": True} for at in range(len(body["entities"])) if at != 1]
        return httpx.Response(207, json={"ok": False, "entities": good, "errors": [{"index": 1, **row}]})

    return answer


@pytest.mark.parametrize(
    "row",
    [
        {"statusCode": 500.0, "error": "internal_error"},
        {"statusCode": "503", "error": "broken"},
        {"statusCode": 408, "error": "broken"},
        {"statusCode": None, "error": "internal_error"},
        {"statusCode": True, "error": "Internal Server Error"},
        {"error": "service_unavailable"},
        {"error": "too_many_requests"},
        {"index": 1.0, "statusCode": 502, "error": "broken"},
    ],
    ids=str,
)
def test_an_item_that_failed_for_a_moment_is_known_however_its_status_is_written(port: PortEmulator, row: Json) -> None:
    way = Between(port, failed_once(row))
    outcomes = ask(port, way, lambda client: client.upsert("service", bodies(3)))
    assert [each.error for each in outcomes] == [None] * 3
    assert [[each["identifier"] for each in call] for call in way.calls] == [["e0", "e1", "e2"], ["e1"]]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"statusCode": 422.0, "error": "bad", "message": "no"}, "Port refused entity service:e1: 422 bad: no"),
        ({"error": "not_found", "message": "no"}, "Port refused entity service:e1: 404 not_found: no"),
        ({"statusCode": "soon", "error": "bad", "message": "no"}, "Port refused entity service:e1: bad: no"),
        ({"statusCode": 10**400, "message": "no"}, "Port refused entity service:e1: unknown error: no"),
    ],
    ids=str,
)
def test_an_item_that_was_refused_is_not_sent_again_however_its_status_is_written(
    port: PortEmulator, row: Json, said: str
) -> None:
    way = Between(port, failed_once(row))
    outcomes = ask(port, way, lambda client: client.upsert("service", bodies(3)))
    assert [str(each.error) for each in outcomes if each.error] == [said]
    assert len(way.calls) == 1


def written_twice(port: PortEmulator, way: Between) -> list[PortError | None]:
    """What became of twenty entities, written twice; the way has the calls of the second time."""

    async def twice(client: PortClient) -> list[PortError | None]:
        first = await client.upsert("service", bodies(20))
        way.calls.clear()
        return [each.error for each in (*first, *await client.upsert("service", bodies(20)))]

    return ask(port, way, twice)


def gateway(items: int) -> Answer:
    """Something on the way that takes no call with more items, as nginx does (`client_max_body_size`)."""
    page = "<html><head><title>413 Request Entity Too Large</title></head></html>"
    return lambda request, body: httpx.Response(413, html=page) if len(body["entities"]) > items else None


def test_a_call_that_is_too_large_for_a_gateway_is_split_and_the_size_is_remembered(port: PortEmulator) -> None:
    way = Between(port, gateway(5))

    assert written_twice(port, way) == [None] * 40
    assert stored(port) == 20
    assert max(way.sizes) <= 5
    deleted = ask(port, way, lambda client: client.delete("service", [f"e{at}" for at in range(20)]))
    assert len(deleted.deleted) == 20 and stored(port) == 0


def test_one_entity_that_is_too_large_for_a_gateway_stops_no_other(port: PortEmulator) -> None:
    def large(request: httpx.Request, body: Json) -> httpx.Response | None:
        return httpx.Response(413, html="no") if any(each["identifier"] == "e2" for each in body["entities"]) else None

    way = Between(port, large)
    outcomes = ask(port, way, lambda client: client.upsert("service", bodies(6)))
    assert [each.index for each in outcomes if each.error] == [2]
    assert stored(port) == 5
    text = str(outcomes[2].error)
    assert text.startswith("https://port.test answers 413 with HTML instead of JSON (entity service:e2): ")
    size = len(json.dumps({"entities": [bodies(6)[2]]}, separators=(",", ":")))
    assert f"takes no request of {size} bytes. Let it take 1 MiB" in text


@pytest.mark.parametrize("most", [1, 7, 20])
def test_the_size_that_an_answer_announces_is_kept(port: PortEmulator, most: int) -> None:
    way = Between(
        port,
        lambda request, body: httpx.Response(
            200,
            json={
                "ok": True,
                "errors": [],
                "maxBulkSize": most,
                "entities": [{"index": at, "created": True} for at in range(len(body["entities"]))],
            },
        ),
    )

    async def twice(client: PortClient) -> None:
        await client.upsert("service", bodies(20))
        await client.upsert("service", bodies(20))

    ask(port, way, twice)
    assert way.sizes[0] == 20 and max(way.sizes[1:]) <= most
    assert sum(way.sizes[1:]) == 20


@pytest.mark.parametrize("number", ["Infinity", "NaN", "1e400", "0", "-1", "true", '"7"', "null", "1" * 400])
def test_a_size_that_is_none_changes_nothing(port: PortEmulator, number: str) -> None:
    """Numbers of JSON that Python reads and that are none, among others."""

    def answer(request: httpx.Request, body: Json) -> httpx.Response:
        rows = json.dumps([{"index": at, "created": True} for at in range(len(body["entities"]))])
        told = f'{{"ok": true, "errors": [], "maxBulkSize": {number}, "entities": {rows}}}'
        return httpx.Response(200, content=told.encode(), headers={"content-type": "application/json"})

    way = Between(port, answer)
    assert not any(each.error for each in ask(port, way, lambda client: client.upsert("service", bodies(40))))
    assert way.sizes == [20, 20]


@pytest.mark.parametrize("status", [413, 422])
@pytest.mark.parametrize("announced", [True, False])
def test_too_many_for_one_call_are_split_and_the_size_is_remembered(
    port: PortEmulator, status: Any, announced: bool
) -> None:
    port.behave(max_bulk_upserts=6, bulk_too_large=status, announces_bulk_size=announced)
    way = Between(port)

    assert written_twice(port, way) == [None] * 40
    assert stored(port) == 20
    assert max(way.sizes) <= 6


def test_all_are_written_when_the_size_becomes_less_while_they_are_sent(port: PortEmulator) -> None:
    port.behave(max_bulk_upserts=6, max_bulk_deletes=10)
    way = Between(port)
    outcomes = ask(port, way, lambda client: client.upsert("service", bodies(250)))
    assert [(each.index, each.identifier, each.error) for each in outcomes] == [
        (at, f"e{at}", None) for at in range(250)
    ]
    assert stored(port) == 250

    deleted = ask(port, way, lambda client: client.delete("service", [f"e{at}" for at in range(250)]))
    assert len(deleted.deleted) == 250 and stored(port) == 0


def test_too_many_deletions_for_one_call_are_split(port: PortEmulator) -> None:
    port.behave(max_bulk_deletes=10)
    way = Between(port)

    async def both(client: PortClient) -> int:
        await client.upsert("service", bodies(40))
        return len((await client.delete("service", [f"e{at}" for at in range(40)])).deleted)

    assert ask(port, way, both) == 40
    assert stored(port) == 0


def test_one_bad_item_of_a_call_that_is_refused_as_a_whole_stops_no_other(port: PortEmulator) -> None:
    way = Between(
        port,
        lambda request, body: (
            httpx.Response(422, json={"ok": False, "error": "invalid_request", "message": "no"})
            if any(each["identifier"] == "e13" for each in body["entities"])
            else None
        ),
    )
    outcomes = ask(port, way, lambda client: client.upsert("service", bodies(20)))
    assert [each.index for each in outcomes if each.error] == [13]
    assert stored(port) == 19


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(409, json={"ok": False, "error": "conflict"}),
        httpx.Response(408, html="<h1>Request Timeout</h1>"),
        httpx.Response(408, json={"ok": False, "error": "timeout"}),
    ],
    ids=["409", "408 of a gateway", "408 of Port"],
)
def test_a_whole_call_that_fails_for_a_moment_is_sent_again(port: PortEmulator, answer: httpx.Response) -> None:
    left = [1, 2]

    def busy(request: httpx.Request, body: Json) -> httpx.Response | None:
        return answer if left and left.pop() else None

    way = Between(port, busy)
    assert not any(each.error for each in ask(port, way, lambda client: client.upsert("service", bodies(5))))
    assert way.sizes == [5, 5, 5]


NONSENSE: list[Any] = [
    {"ok": True, "entities": [], "errors": []},
    {"ok": True, "entities": "abc", "errors": None},
    {"ok": True, "entities": [None, 3, {"index": True}, {"index": "0"}, {"index": -1}, {"index": 99}]},
    {"ok": True},
]


@pytest.mark.parametrize("body", NONSENSE, ids=str)
@pytest.mark.parametrize("status", [200, 207])
def test_an_answer_that_says_nothing_of_an_item_is_no_success(port: PortEmulator, body: Json, status: int) -> None:
    way = Between(port, lambda request, sent: httpx.Response(status, json=body))
    outcomes = ask(port, way, lambda client: client.upsert("service", bodies(3)))
    assert all("does not say what became of" in str(each.error) for each in outcomes)
    assert len(way.calls) == 4


@pytest.mark.parametrize("named", [[], None, ["somebody-else"], "abc"], ids=str)
def test_a_bulk_deletion_that_deletes_nothing_is_a_failure(port: PortEmulator, named: Any) -> None:
    for each in bodies(5):
        port.put_entity("service", each)
    body = {"ok": True, **({} if named is None else {"deletedEntities": named})}
    way = Between(port, lambda request, sent: httpx.Response(200, json=body))
    with pytest.raises(PortError, match="5 of them are still there"):
        ask(port, way, lambda client: client.delete("service", [f"e{at}" for at in range(5)]))
    assert stored(port) == 5


def test_what_a_bulk_deletion_does_not_name_and_that_is_gone_is_fine(port: PortEmulator) -> None:
    port.put_entity("service", bodies(1)[0])
    result = ask(port, Between(port), lambda client: client.delete("service", ["e0", "never-there"]))
    assert result.deleted == {"e0"}


def test_validation_writes_nothing_and_counts_as_no_write(port: PortEmulator) -> None:
    async def validated(client: PortClient) -> tuple[list[bool], int]:
        wrong = {"identifier": "w", "title": "w", "properties": {"tier": "bronze"}}
        outcomes = await client.upsert("service", [*bodies(1), wrong], validate_only=True)
        return [each.error is None for each in outcomes], client.writes

    assert ask(port, Between(port), validated) == ([True, False], 0)
    assert stored(port) == 0


def test_an_item_that_fails_for_a_moment_keeps_ports_words(port: PortEmulator) -> None:
    row = {"index": 0, "statusCode": 500, "error": "internal_error", "message": "no", "details": {"property": "url"}}
    answer = httpx.Response(207, json={"ok": False, "entities": [], "errors": [row]}, headers={"x-trace-id": "t1"})
    way = Between(port, lambda request, sent: answer)
    outcome = ask(port, way, lambda client: client.upsert("service", bodies(1)))[0]
    said = "Port answered 500 (entity service:e0): internal_error: no [property: url] (trace id t1)"
    assert str(outcome.error) == said


def test_words_of_port_are_shown_without_secrets_control_characters_and_end(port: PortEmulator) -> None:
    message = f"\x1b[31mno\x1b[0m {port.client_secret}\n::error::x " + "y" * 5000
    body = {"ok": False, "error": "invalid_request", "message": message, "details": {"invalidProperties": ["url"]}}
    way = Between(port, lambda request, sent: httpx.Response(422, json=body))
    outcome = ask(port, way, lambda client: client.upsert("service", bodies(1)))[0]
    text = str(outcome.error)
    assert port.client_secret not in text and "\x1b" not in text and "\n" not in text and len(text) < 700
    assert "invalidProperties: url" in text
    port.fail_items(["e0"], status=422, error="bad", message=message)
    text = str(ask(port, Between(port), lambda client: client.upsert("service", bodies(1)))[0].error)
    assert port.client_secret not in text and "\x1b" not in text and "\n" not in text and len(text) < 700
