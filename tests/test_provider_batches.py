"""Operations that arrive together leave in bulk calls."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import stamina
from echoing_port import EchoingPort, Sent, ok, refused
from provider_driver import ENTITY, Aborted, Driver, entity

from coderport.port.client import PortClient
from coderport.provider.batches import Batches, Cancelled, Gatherer, Pulse, UpsertKey
from simulation.clock import VirtualTime

KEY = UpsertKey("workspace")


@pytest.fixture
def port() -> EchoingPort:
    port = EchoingPort()
    port.add_blueprint("workspace")
    return port


def bulks(port: EchoingPort) -> list[int]:
    return [len(each.body["entities"]) for each in port.writes if "bulk" in each.path]


def create_all(driver: Driver, count: int, **inputs: object) -> list[object]:
    return driver.together(*(driver.creating(ENTITY, entity(f"w{n}", **inputs)) for n in range(count)))


def test_entities_that_arrive_together_leave_twenty_at_a_time(driver: Driver) -> None:
    create_all(driver, 45)
    assert sorted(bulks(driver.port)) == [5, 20, 20]
    assert len(driver.port.entities["workspace"]) == 45


def test_a_thousand_entities_are_fifty_writes_and_one_read(driver: Driver) -> None:
    create_all(driver, 1000)
    assert bulks(driver.port) == [20] * 50
    assert len(driver.port.sent) == 52


def test_a_bulk_call_stays_below_a_mebibyte(driver: Driver) -> None:
    create_all(driver, 20, properties={"stringProps": {"text": "x" * 100_000}})
    assert sum(bulks(driver.port)) == 20
    assert max(bulks(driver.port)) == 10


def test_deletions_leave_a_hundred_at_a_time(driver: Driver) -> None:
    made = [driver.create(ENTITY, entity(f"w{n}")) for n in range(150)]
    driver.port.sent.clear()
    driver.together(*(driver.deleting(each) for each in made))
    assert sorted(bulks(driver.port)) == [50, 100]
    assert driver.port.entities["workspace"] == {}


def test_one_bad_entity_fails_alone(driver: Driver) -> None:
    def partly(sent: Sent) -> httpx.Response | None:
        if not sent.path.endswith("/entities/bulk"):
            return None
        error = {"statusCode": 404, "error": "not_found", "message": "no template t9", "index": 1, "identifier": "w1"}
        done = [{"created": True, "identifier": f"w{n}", "index": n} for n in (0, 2)]
        return httpx.Response(207, json={"ok": False, "entities": done, "errors": [error]})

    driver.port.answers.append(partly)
    first, second, third = create_all(driver, 3)
    assert isinstance(second, Aborted)
    assert "workspace:w1" in second.text
    assert "no template t9" in second.text
    assert first["id"] == "workspace:w0"  # type: ignore[index]
    assert third["id"] == "workspace:w2"  # type: ignore[index]


def test_a_batch_that_is_rejected_as_a_whole_is_taken_apart(driver: Driver) -> None:
    def picky(sent: Sent) -> httpx.Response | None:
        if sent.path.endswith("/entities/bulk") and "w5" in [each["identifier"] for each in sent.body["entities"]]:
            return refused(422, "invalid_request", "entities/5 is odd")
        return None

    driver.port.answers.append(picky)
    results = create_all(driver, 20)
    assert [n for n, result in enumerate(results) if isinstance(result, Aborted)] == [5]
    assert len(driver.port.entities["workspace"]) == 19


def test_a_missing_blueprint_is_not_asked_for_entity_by_entity(driver: Driver) -> None:
    driver.port.blueprints.clear()
    results = create_all(driver, 20)
    assert all(isinstance(result, Aborted) for result in results)
    assert len(bulks(driver.port)) == 1


def test_deletions_are_taken_apart_until_the_one_that_is_needed_is_named(driver: Driver) -> None:
    made = [driver.create(ENTITY, entity(f"w{n}")) for n in range(8)]

    def needed(sent: Sent) -> httpx.Response | None:
        bulk = sent.path.endswith("/bulk/entities/delete") and "w3" in sent.body["entities"]
        single = sent.method == "DELETE" and sent.path.endswith("/w3")
        return refused(403, "has_dependents", "b1 requires w3") if bulk or single else None

    driver.port.answers.append(needed)
    results = driver.together(*(driver.deleting(each) for each in made))
    assert [n for n, result in enumerate(results) if isinstance(result, Aborted)] == [3]
    assert list(driver.port.entities["workspace"]) == ["w3"]


@pytest.mark.parametrize("failure", [503, 429, "timeout"])
def test_a_batch_whose_answer_is_lost_is_sent_again(driver: Driver, failure: int | str) -> None:
    failures = iter([failure, failure])

    def lost(sent: Sent) -> httpx.Response | None:
        kind = next(failures, None) if sent.path.endswith("/entities/bulk") else None
        if kind == "timeout":
            raise httpx.ReadTimeout("lost")
        return None if kind is None else httpx.Response(int(kind), headers={"x-ratelimit-reset": "0"})

    driver.port.answers.append(lost)
    with stamina.set_testing(True, attempts=5):
        results = create_all(driver, 3)
    assert not [result for result in results if isinstance(result, Aborted)]
    assert bulks(driver.port) == [3, 3, 3]


def test_a_cancelled_batch_is_dropped_and_what_is_in_flight_ends(port: EchoingPort) -> None:
    async def scenario() -> tuple[list[object], list[int]]:
        arrived, release = asyncio.Event(), asyncio.Event()

        class Slow(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                await request.aread()
                if request.url.path.endswith("/entities/bulk"):
                    arrived.set()
                    await release.wait()
                return await port.transport().handle_async_request(request)

        async with PortClient("https://port.test", "id", "secret", transport=Slow()) as client:
            batches = Batches(client, idle=3600)
            sent = [asyncio.create_task(batches.upsert(KEY, {**BODY, "identifier": f"w{n}"})) for n in range(20)]
            await arrived.wait()
            waiting = asyncio.create_task(batches.upsert(KEY, {**BODY, "identifier": "late"}))
            await asyncio.sleep(0)
            batches.cancel()
            release.set()
            results = await asyncio.gather(*sent, waiting, return_exceptions=True)
            with pytest.raises(Cancelled):
                await batches.upsert(KEY, BODY)
            return list(results), bulks(port)

    results, calls = asyncio.run(scenario())
    assert [isinstance(result, Cancelled) for result in results] == [False] * 20 + [True]
    assert calls == [20]


BODY = {"identifier": "w", "title": "w", "properties": {}, "relations": {}}


def test_a_batch_waits_as_long_as_others_keep_arriving(port: EchoingPort) -> None:
    async def scenario() -> None:
        async with PortClient("https://port.test", "id", "secret", transport=port.transport()) as client:
            batches = Batches(client, idle=0.2)
            tasks = []
            for n in range(10):
                tasks.append(asyncio.create_task(batches.upsert(KEY, {**BODY, "identifier": f"w{n}"})))
                await asyncio.sleep(0.01)
            assert not any(task.done() for task in tasks)
            await asyncio.gather(*tasks)

    loop = VirtualTime()
    loop.run_until_complete(scenario())
    loop.close()
    assert bulks(port) == [10]


def test_a_batch_that_left_too_early_is_a_lesson_for_the_next(port: EchoingPort) -> None:
    """The engine stops for 0.6 s in the middle of a batch, twice: the second time it is waited for."""

    async def scenario() -> None:
        async with PortClient("https://port.test", "id", "secret", transport=Distant(port.transport())) as client:
            batches, tasks = Batches(client), []
            for n in range(40):
                if n in (10, 35):
                    await asyncio.sleep(0.6)
                tasks.append(asyncio.create_task(batches.upsert(KEY, {**BODY, "identifier": f"w{n}"})))
                await asyncio.sleep(0.001)
            await asyncio.gather(*tasks)

    loop = VirtualTime()
    loop.run_until_complete(scenario())
    loop.close()
    assert sorted(bulks(port)) == [10, 10, 20]


class Distant(httpx.AsyncBaseTransport):
    """Answers after a second."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1)
        return await self._inner.handle_async_request(request)


def test_waiting_for_more_takes_no_more_than_a_tenth_of_a_run(port: EchoingPort) -> None:
    """Sixty that come one after another, each when the one before is answered, wait in vain for company."""

    async def scenario() -> float:
        async with PortClient("https://port.test", "id", "secret", transport=Distant(port.transport())) as client:
            batches = Batches(client)
            for n in range(60):
                await batches.upsert(KEY, {**BODY, "identifier": f"w{n}"})
        return asyncio.get_running_loop().time()

    loop = VirtualTime()
    took = loop.run_until_complete(scenario())
    loop.close()
    assert bulks(port) == [1] * 60
    assert took <= 60 * 1.15


def test_entities_with_other_options_go_in_calls_of_their_own(driver: Driver) -> None:
    driver.together(
        driver.creating(ENTITY, entity("w0")),
        driver.creating(ENTITY, entity("w1", createMissingRelatedEntities=True)),
        driver.creating(ENTITY, entity("w2", runId="r_1")),
    )
    queries = [each.query for each in driver.port.writes]
    assert {query["create_missing_related_entities"] for query in queries} == {"true", "false"}
    assert [query.get("run_id") for query in queries].count("r_1") == 1
    assert all(query["upsert"] == query["merge"] == "true" for query in queries)


def test_an_answer_that_forgets_an_entity_fails_that_entity(driver: Driver) -> None:
    driver.port.answers.append(
        lambda sent: ok(entities=[], errors=[]) if sent.path.endswith("/entities/bulk") else None
    )
    (result,) = create_all(driver, 1)
    assert isinstance(result, Aborted)
    assert "does not say what became of entity workspace:w0" in result.text


def test_nobody_waits_for_an_answer_that_is_too_short() -> None:
    async def sent(key: UpsertKey, items: list[int]) -> list[int]:
        return items[:-1]

    async def asked() -> list[object]:
        flights = asyncio.Semaphore(1)
        gatherer: Gatherer[UpsertKey, int, int] = Gatherer(sent, most=lambda: 3, flights=flights, pulse=Pulse())
        return await asyncio.gather(*(gatherer.submit(KEY, at) for at in range(3)), return_exceptions=True)

    results = asyncio.run(asyncio.wait_for(asked(), 60))
    assert len(results) == 3 and all(isinstance(each, Exception) for each in results)
