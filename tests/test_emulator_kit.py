"""The parts that both emulators share."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coderport.emulators.kit import (
    EmulatorError,
    Faults,
    Instrumented,
    RateBuckets,
    RequestLog,
    Served,
    control_routes,
    serve,
)

NOW = 1_800_000_000.0


class Thing:
    """A small application with one counter, instrumented as an emulator is, and its control server."""

    def __init__(self) -> None:
        self.handled = 0
        self.faults, self.log = Faults(seed=1), RequestLog()

        async def item(request: Request) -> Response:
            self.handled += 1
            return JSONResponse({"name": request.path_params["name"], "filler": "x" * 1000})

        router = Starlette(routes=[Route("/items/{name}", item, methods=["GET", "POST"])])
        self.app = Instrumented(router, self.faults, self.log, lambda: NOW)


@pytest.fixture
def thing() -> Thing:
    return Thing()


@pytest.fixture
def served(thing: Thing) -> Iterator[Served]:
    with serve(thing.app) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(timeout=300, base_url=served.url) as running:
        yield running


def test_a_served_application_answers_and_stops(thing: Thing) -> None:
    with serve(thing.app) as served:
        assert httpx.get(f"{served.url}/items/a", timeout=300).json()["name"] == "a"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/items/a", timeout=300)


def test_a_port_in_use_is_named(thing: Thing) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(EmulatorError, match=str(taken.getsockname()[1])):
            serve(thing.app, taken.getsockname()[1])


def test_requests_are_counted_by_route_before_the_client_sees_the_answer(thing: Thing, client: httpx.Client) -> None:
    for name in "abc":
        client.get(f"/items/{name}")
        assert thing.log.total == "abc".index(name) + 1
    client.post("/items/a")
    assert thing.log.snapshot()["routes"] == {
        "GET /items/{name}": 3,
        "POST /items/{name}": 1,
    }
    assert (thing.log.writes, thing.log.count("GET /items/{name}")) == (1, 3)
    assert sum(thing.log.per_second.values()) == 4
    thing.log.reset()
    assert thing.log.total == thing.log.writes == 0


def test_a_write_is_what_the_emulator_says_it_is() -> None:
    log = RequestLog(is_write=lambda method, path: method != "GET" and not path.endswith("/search"))
    log.record("POST", "/entities/search", "/entities/search", 200)
    log.record("POST", "/entities", "/entities", 201)
    assert (log.total, log.writes) == (2, 1)


def test_a_status_fault_answers_for_the_application(thing: Thing, client: httpx.Client) -> None:
    thing.faults.add(
        kind="status",
        status=503,
        body={"why": "test"},
        headers={"retry-after": "1"},
        times=1,
    )
    answer = client.get("/items/a")
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (
        503,
        {"why": "test"},
        "1",
    )
    assert thing.handled == 0
    assert client.get("/items/a").status_code == 200


def test_an_applied_fault_loses_the_answer_but_not_the_effect(thing: Thing, client: httpx.Client) -> None:
    thing.faults.add(kind="status", status=504, body="gateway", applied=True)
    assert client.post("/items/a").text == "gateway"
    assert thing.handled == 1


def test_a_rule_matches_by_method_and_by_path_with_query(thing: Thing, client: httpx.Client) -> None:
    thing.faults.add(kind="status", method="POST", path=r"^/items/a\?page=2$")
    assert client.get("/items/a?page=2").status_code == 200
    assert client.post("/items/a?page=1").status_code == 200
    assert client.post("/items/a?page=2").status_code == 500


def test_after_and_times_choose_which_requests_are_hit(thing: Thing, client: httpx.Client) -> None:
    thing.faults.add(kind="status", after=1, times=2)
    assert [client.get("/items/a").status_code for _ in range(5)] == [
        200,
        500,
        500,
        200,
        200,
    ]
    assert thing.faults.standing()[0]["hit"] == 2


def test_share_is_seeded(thing: Thing) -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(kind="status", share=0.5)
        return [faults.strike("GET", "/")[1] is not None for _ in range(40)]

    assert struck(3) == struck(3)
    assert struck(3) != struck(4)
    assert 5 < sum(struck(3)) < 35


def test_latencies_add_up_and_the_request_goes_on() -> None:
    faults = Faults()
    faults.latency_ms = 20
    faults.add(kind="latency", delay_ms=30)
    faults.add(kind="html", delay_ms=50)
    wait, fault = faults.strike("GET", "/")
    assert wait == pytest.approx(0.1)
    assert fault is not None
    assert fault.kind == "html"


def test_a_request_that_waits_goes_on_when_the_rule_is_cleared(thing: Thing, client: httpx.Client) -> None:
    gate = thing.faults.add(kind="latency", delay_ms=3_600_000)
    with ThreadPoolExecutor(1) as beside:
        waits = beside.submit(client.get, "/items/a")
        while not thing.faults.standing()[0]["hit"]:
            pass
        assert not waits.done()
        thing.faults.clear(gate)
        assert waits.result(300).status_code == 200


def test_a_cut_answer_promises_more_than_it_sends(thing: Thing, client: httpx.Client) -> None:
    thing.faults.add(kind="cut", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/items/a")
    assert client.get("/items/a").status_code == 200


def test_a_dropped_connection_ends_after_the_whole_request_and_is_not_reset(thing: Thing, served: Served) -> None:
    thing.faults.add(kind="drop_connection", times=1)
    with socket.create_connection(("127.0.0.1", httpx.URL(served.url).port or 0), timeout=300) as raw:
        raw.sendall(b"POST /items/a HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n" + bytes(20_000_000))
        assert raw.recv(100) == b""
    assert thing.handled == 0


def test_a_dropped_connection_gives_no_answer(thing: Thing, client: httpx.Client) -> None:
    thing.faults.add(kind="drop_connection", times=1)
    with pytest.raises(httpx.TransportError):
        client.get("/items/a")
    assert thing.handled == 0
    assert thing.log.snapshot()["statuses"] == {"0": 1}


def test_html_and_redirect_are_not_json(thing: Thing, client: httpx.Client) -> None:
    html = thing.faults.add(kind="html")
    answer = client.get("/items/a")
    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "text/html; charset=utf-8",
    )
    thing.faults.clear(html)
    thing.faults.add(kind="redirect", headers={"location": "http://127.0.0.1:1/login"})
    answer = client.get("/items/a")
    assert (answer.status_code, answer.headers["location"]) == (
        307,
        "http://127.0.0.1:1/login",
    )


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "explode"},
        {},
        {"kind": "status", "colour": "red"},
        {"kind": "status", "path": "("},
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule: dict[str, str]) -> None:
    with pytest.raises(EmulatorError):
        Faults().add(rule)


def test_faults_latency_and_counts_are_controlled_over_http(thing: Thing, client: httpx.Client) -> None:
    with (
        serve(Starlette(routes=control_routes(thing.faults, thing.log))) as control,
        httpx.Client(timeout=300, base_url=control.url) as http,
    ):
        number = http.post("/faults", json={"kind": "status", "status": 418}).json()["number"]
        assert client.get("/items/a").status_code == 418
        assert http.get("/faults").json()["faults"][0]["hit"] == 1
        http.delete("/faults", params={"number": number})
        assert client.get("/items/a").status_code == 200
        assert http.post("/faults", json={"kind": "explode"}).status_code == 400
        assert http.put("/latency", json={"ms": 1}).json() == {"ms": 1}
        assert http.delete("/requests").json()["total"] == 2
        assert http.get("/requests").json()["total"] == 0


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_sliding_window_weighs_the_window_before() -> None:
    clock = Clock(600.0)
    buckets = RateBuckets(10, period=60, clock=clock)
    verdicts = [buckets.take("a") for _ in range(11)]
    assert [verdict.allowed for verdict in verdicts] == [True] * 10 + [False]
    assert [verdict.remaining for verdict in verdicts[:3]] == [9, 8, 7]
    assert verdicts[-1].retry_after == 60
    assert buckets.take("b").allowed, "each key has a budget of its own"
    clock.now = 690.0  # half of the window with ten requests is still in sight
    assert sum(buckets.take("a").allowed for _ in range(10)) == 5


def test_a_token_bucket_has_a_burst_and_a_rate() -> None:
    clock = Clock(0.0)
    buckets = RateBuckets(300, period=300, burst=5, clock=clock)
    assert [buckets.take("a").allowed for _ in range(6)] == [True] * 5 + [False]
    clock.now = 0.4
    refused = buckets.take("a")
    assert (refused.allowed, refused.remaining) == (False, 0)
    clock.now += refused.retry_after
    assert buckets.take("a").allowed
    clock.now = 1000.0
    assert sum(buckets.take("a").allowed for _ in range(9)) == 5


def test_no_limit_lets_everything_through() -> None:
    buckets = RateBuckets(0)
    assert all(buckets.take("a").allowed for _ in range(1000))


def test_an_answer_has_the_time_of_the_emulators_own_clock_whatever_that_of_the_machine_is(thing: Thing) -> None:
    thing.faults.add({"kind": "status", "status": 503, "times": 1})
    with serve(thing.app) as served:
        for status in (503, 200):
            answer = httpx.get(f"{served.url}/items/a")
            assert (answer.status_code, answer.headers.get_list("date")) == (status, ["Fri, 15 Jan 2027 08:00:00 GMT"])
