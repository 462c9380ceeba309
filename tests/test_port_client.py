"""The client of Port's API: the token, the limits, repeats, and errors that say what to do."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import NoReturn, TypeVar

import httpx
import pytest
import stamina
from echoing_port import EchoingPort, Sent, ok, refused

from coderport.port.client import PortClient
from coderport.port.errors import PortError, PortRateLimited, PortRejected, PortUnauthorized, PortUnreachable
from coderport.port.limits import Bucket, RateLimits, bucket_of
from coderport.port.models import PortEntity

Value = TypeVar("Value")
SECRET = "very-secret"


@pytest.fixture(autouse=True)
def quick_repeats() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4):
        yield


@pytest.fixture
def port() -> EchoingPort:
    port = EchoingPort()
    port.add_blueprint("workspace")
    return port


def ask(
    port: EchoingPort, question: Callable[[PortClient], Awaitable[Value]], url: str = "https://port.test/v1"
) -> tuple[Value, PortClient]:
    async def asked() -> tuple[Value, PortClient]:
        async with PortClient(url, "id", SECRET, transport=port.transport()) as client:
            return await question(client), client

    return asyncio.run(asked())


def failing(*responses: httpx.Response | Exception) -> Callable[[Sent], httpx.Response | None]:
    """The answers in turn, then Port's own."""
    rest = iter(responses)

    def answer(sent: Sent) -> httpx.Response | None:
        response = next(rest, None) if sent.path != "/v1/auth/access_token" else None
        if isinstance(response, Exception):
            raise response
        return response

    return answer


def throw(error: Exception) -> NoReturn:
    raise error


# --- address and token --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["https://port.test", "https://port.test/", "https://port.test/v1", "https://port.test/v1/"]
)
def test_the_address_is_taken_with_or_without_v1(port: EchoingPort, url: str) -> None:
    held, client = ask(port, lambda client: client.blueprint("workspace"), url)
    assert held is not None
    assert client.base_url == "https://port.test"


def test_one_token_serves_many_requests_at_once(port: EchoingPort) -> None:
    async def many(client: PortClient) -> None:
        await asyncio.gather(*(client.blueprint("workspace") for _ in range(20)))

    _, client = ask(port, many)
    assert port.tokens == 1
    assert client.requests == 21
    assert client.writes == 0


def test_a_token_that_is_refused_is_renewed_once_for_all(port: EchoingPort) -> None:
    port.answers.append(
        lambda sent: refused(401, "unauthorized") if sent.headers.get("authorization") == "Bearer token-1" else None
    )

    async def many(client: PortClient) -> None:
        await asyncio.gather(*(client.blueprint("workspace") for _ in range(5)))

    ask(port, many)
    assert port.tokens == 2


def test_a_token_that_stays_refused_is_an_error(port: EchoingPort) -> None:
    port.answers.append(lambda sent: refused(401, "unauthorized") if "authorization" in sent.headers else None)
    with pytest.raises(PortUnauthorized, match="does not accept the token"):
        ask(port, lambda client: client.blueprint("workspace"))
    assert port.tokens == 2


@pytest.mark.parametrize("status", [401, 404, 422])
def test_wrong_credentials_name_the_settings_and_both_regions(port: EchoingPort, status: int) -> None:
    port.answers.append(lambda sent: refused(status, "invalid_credentials") if "auth" in sent.path else None)
    with pytest.raises(PortUnauthorized) as caught:
        ask(port, lambda client: client.blueprint("workspace"))
    text = str(caught.value)
    for part in ("the client id", "https://api.port.io", "https://api.us.port.io", "https://port.test"):
        assert part in text
    assert caught.value.keys == ("portClientId", "portClientSecret", "portBaseUrl")
    assert SECRET not in text


def test_a_token_is_taken_as_ports_openapi_has_the_answer(port: EchoingPort) -> None:
    answer = httpx.Response(200, json={"accessToken": "tok-1", "expiresIn": 3600, "tokenType": "Bearer"})
    port.answers.append(lambda sent: answer if "auth" in sent.path else None)
    assert ask(port, lambda client: client.blueprint("workspace")) is not None


def test_the_secret_is_in_no_repr() -> None:
    client = PortClient("https://port.test", "id", SECRET)
    assert SECRET not in repr(client)
    asyncio.run(client.close())


# --- errors -------------------------------------------------------------------------------------------------------


def test_a_refusal_has_its_code_its_message_and_the_trace(port: EchoingPort) -> None:
    port.answers.append(failing(refused(422, "invalid_request", "title is missing")))
    with pytest.raises(PortRejected) as caught:
        ask(port, lambda client: client.blueprint("workspace"))
    assert (caught.value.code, caught.value.status, caught.value.trace_id) == ("invalid_request", 422, "trace-1")
    assert "title is missing" in str(caught.value)
    assert "trace-1" in str(caught.value)


def test_an_answer_without_ok_is_no_success(port: EchoingPort) -> None:
    port.answers.append(failing(httpx.Response(200, json={"blueprint": {}})))
    with pytest.raises(PortRejected):
        ask(port, lambda client: client.blueprint("workspace"))


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, html="<html>Sign in</html>"),
        httpx.Response(302, headers={"location": "https://login.test"}),
    ],
)
def test_an_address_that_is_not_ports_says_which_setting_to_look_at(
    port: EchoingPort, response: httpx.Response
) -> None:
    port.answers.append(failing(response))
    with pytest.raises(PortUnreachable, match="Is that the address of Port's API") as caught:
        ask(port, lambda client: client.blueprint("workspace"))
    assert caught.value.keys == ("portBaseUrl",)


def test_an_address_that_is_none_is_not_tried_again() -> None:
    with pytest.raises(PortUnreachable, match="is not an address"):
        asyncio.run(PortClient("api.port.io", "id", SECRET).blueprint("workspace"))


def test_a_token_that_cannot_be_sent_is_not_shown() -> None:
    client = PortClient("http://127.0.0.1:9", "", "", token="two\nlines")
    with pytest.raises(PortError) as caught:
        asyncio.run(client.blueprint("workspace"))
    assert "lines" not in str(caught.value)


# --- repeats ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(503),
        httpx.Response(502, html="<html>bad gateway</html>"),
        httpx.Response(429, headers={"retry-after": "0"}),
        httpx.Response(200, content=b'{"ok": tr', headers={"content-type": "application/json"}),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("cut"),
    ],
)
def test_a_read_is_repeated(port: EchoingPort, failure: httpx.Response | Exception) -> None:
    port.answers.append(failing(failure, failure))
    held, client = ask(port, lambda client: client.blueprint("workspace"))
    assert held is not None
    assert client.retries == 2


def test_an_address_that_never_answered_is_given_up_soon_and_one_that_did_is_not(
    port: EchoingPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(1000))
    monkeypatch.setattr(
        "coderport.transport.patience.time", SimpleNamespace(monotonic=lambda: float(next(seconds)), time=lambda: 0.0)
    )
    refused = httpx.ConnectError("refused")

    async def blocked(client: PortClient) -> tuple[int, str]:
        before = client.requests
        with pytest.raises(PortUnreachable) as caught:
            await client.blueprint("workspace")
        return client.requests - before, str(caught.value)

    async def after_an_answer(client: PortClient) -> tuple[int, str]:
        assert await client.blueprint("workspace") is not None
        port.answers.append(failing(*[refused] * 100))
        return await blocked(client)

    with stamina.set_testing(True, attempts=20):
        later, text = ask(port, after_an_answer)[0]
        port.answers[:] = [lambda sent: throw(refused)]
        first, same_text = ask(port, blocked)[0]
    assert text == same_text == "Port at https://port.test cannot be reached: refused"
    assert first < 12 and later == 20


def test_repeats_end_with_the_last_failure(port: EchoingPort) -> None:
    port.answers.append(lambda sent: httpx.Response(503) if "auth" not in sent.path else None)
    with pytest.raises(PortUnreachable, match="503"):
        ask(port, lambda client: client.blueprint("workspace"))
    port.answers[:] = [
        lambda sent: httpx.Response(429, headers={"retry-after": "0"}) if "auth" not in sent.path else None
    ]
    with pytest.raises(PortRateLimited):
        ask(port, lambda client: client.blueprint("workspace"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            httpx.Response(
                500,
                json={
                    "ok": False,
                    "error": "internal_error",
                    "message": f"no {SECRET}",
                    "details": {"property": "url"},
                },
                headers={"x-trace-id": "t1"},
            ),
            "Port answered 500 (reading blueprint workspace): "
            "internal_error: no [secret] [property: url] (trace id t1)",
        ),
        (httpx.Response(503, json={"message": "soon"}), "Port answered 503 (reading blueprint workspace): soon"),
        (httpx.Response(503, json={"error": "down"}), "Port answered 503 (reading blueprint workspace): down"),
        (httpx.Response(502, html="<h1>no</h1>"), "Port answered 502 (reading blueprint workspace)"),
        (httpx.Response(502, json=["no"]), "Port answered 502 (reading blueprint workspace)"),
    ],
    ids=["all", "message", "code", "HTML", "a list"],
)
def test_an_error_of_ports_own_is_told_in_its_words(port: EchoingPort, answer: httpx.Response, said: str) -> None:
    port.answers.append(lambda sent: answer if "auth" not in sent.path else None)
    with pytest.raises(PortUnreachable) as caught:
        ask(port, lambda client: client.blueprint("workspace"))
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(422, json={"ok": False, "error": "e", "message": "m"}),
        httpx.Response(401, json={"ok": False, "error": "e", "message": "m"}),
        httpx.Response(500, json={"ok": False}),
        httpx.Response(429, json={}),
        httpx.Response(413, text="too large"),
        httpx.Response(200, text="<h1>no</h1>"),
        httpx.Response(200, content=b"{", headers={"content-type": "application/json"}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"ok": True}),
    ],
    ids=lambda answer: f"{answer.status_code} {answer.text[:9]}",
)
def test_what_headers_of_port_say_is_shown_without_secrets_on_one_line_and_short(
    port: EchoingPort, answer: httpx.Response
) -> None:
    said = f"id \x1b[31m\x07{SECRET} {'y' * 9000}"
    answer.headers["x-trace-id"] = said
    if answer.status_code in (200, 413) and "json" not in answer.headers["content-type"]:
        answer.headers["content-type"] = f"text/{said}"
    port.answers.append(lambda sent: answer if "auth" not in sent.path else None)
    with pytest.raises(PortError) as caught:
        ask(port, lambda client: client.blueprint("workspace"))
    text = str(caught.value)
    assert "[secret]" in text and SECRET not in text
    assert text.isprintable() and len(text) < 700, "on one line, and not endless"
    assert "y" * 20 in text


def test_the_details_of_a_refusal_have_an_end(port: EchoingPort) -> None:
    details = {f"property{number}": "x" * 300 for number in range(1000)}
    body = {"ok": False, "error": "invalid_request", "message": "no", "details": details}
    port.answers.append(lambda sent: httpx.Response(422, json=body) if "auth" not in sent.path else None)
    with pytest.raises(PortRejected) as caught:
        ask(port, lambda client: client.blueprint("workspace"))
    assert len(caught.value.details) == 1000 and len(str(caught.value)) < 700


def test_an_error_of_http_that_quotes_the_line_is_shown_without_secrets(port: EchoingPort) -> None:
    def broken(sent: Sent) -> httpx.Response | None:
        if "auth" in sent.path:
            return None
        raise httpx.RemoteProtocolError(f"illegal status line: bytearray(b'{SECRET}\n{'z' * 9000}')")

    port.answers.append(broken)
    with pytest.raises(PortUnreachable) as caught:
        ask(port, lambda client: client.blueprint("workspace"))
    text = str(caught.value)
    assert "illegal status line" in text and SECRET not in text and text.isprintable() and len(text) < 700


def test_a_lost_answer_to_a_creation_is_looked_up_before_a_second_try(port: EchoingPort) -> None:
    body = {"identifier": "made", "title": "Made", "schema": {"properties": {}}}

    def lost(sent: Sent) -> httpx.Response | None:
        if sent.route == "POST /v1/blueprints":
            port.add_blueprint("made")
            raise httpx.ReadTimeout("lost")
        return None

    port.answers.append(lost)
    made, _ = ask(port, lambda client: client.create_blueprint(body))
    assert made["identifier"] == "made"
    assert port.routes() == ["POST /v1/blueprints", "GET /v1/blueprints/made"]


def test_a_creation_that_did_not_arrive_is_tried_once_more(port: EchoingPort) -> None:
    body = {"identifier": "made", "title": "Made", "schema": {"properties": {}}}
    port.answers.append(failing(httpx.Response(503)))
    ask(port, lambda client: client.create_blueprint(body))
    assert port.routes() == ["POST /v1/blueprints", "GET /v1/blueprints/made", "POST /v1/blueprints"]


# --- entities -----------------------------------------------------------------------------------------------------


def test_all_pages_are_read_and_every_entity_once(port: EchoingPort) -> None:
    for n in range(25):
        port.add_entity("workspace", f"w{n}")
    port.page = 10

    async def read(client: PortClient) -> list[str]:
        return [each.identifier async for each in client.entities("workspace")]

    found, _ = ask(port, read)
    assert found == [f"w{n}" for n in range(25)]
    assert [each.body.get("from") for each in port.sent] == [None, "10", "20"]
    assert all(each.query == {"exclude_calculated_properties": "true"} for each in port.sent)


@pytest.mark.parametrize("rows", [[], [{"identifier": "a", "properties": {}, "relations": {}}]], ids=["none", "known"])
def test_pages_that_bring_nothing_new_are_an_error(port: EchoingPort, rows: list[dict[str, object]]) -> None:
    turns = itertools.count()
    port.answers.append(
        lambda sent: ok(entities=rows, next=f"page {next(turns)}") if sent.path.endswith("/search") else None
    )

    async def read(client: PortClient) -> list[str]:
        return [each.identifier async for each in client.entities("workspace")]

    with pytest.raises(PortError, match="pages do not end"):
        ask(port, read)
    assert len(port.sent) < 5


def test_pages_that_do_not_end_are_an_error(port: EchoingPort) -> None:
    port.answers.append(lambda sent: ok(entities=[], next="same") if sent.path.endswith("/search") else None)

    async def read(client: PortClient) -> list[PortEntity]:
        return [each async for each in client.entities("workspace")]

    with pytest.raises(PortError, match="do not end"):
        ask(port, read)


def test_an_identifier_with_a_slash_is_one_segment(port: EchoingPort) -> None:
    port.add_entity("workspace", "a/b c")
    found, _ = ask(port, lambda client: client.entity("workspace", "a/b c"))
    assert found is not None
    assert port.routes() == ["GET /v1/blueprints/workspace/entities/a%2Fb%20c"]


def patched(*answers: httpx.Response) -> Callable[[Sent], httpx.Response | None]:
    """Answers to a PATCH, one after the other."""
    rest = iter(answers)
    return lambda sent: next(rest) if sent.method == "PATCH" else None


def test_a_rename_whose_answer_was_lost_is_found_under_the_new_name(port: EchoingPort) -> None:
    entity = port.add_entity("workspace", "new")
    port.answers.append(patched(httpx.Response(503), refused(404, "not_found")))
    assert ask(port, lambda client: client.rename_entity("workspace", "old", "new"))[0] is True
    port.answers[:] = [patched(refused(404, "not_found"))]
    assert ask(port, lambda client: client.rename_entity("workspace", "old", "other"))[0] is False
    port.answers[:] = [patched(ok(entity={**entity, "identifier": "old"}))]
    with pytest.raises(PortError, match="left the identifier as it is"):
        ask(port, lambda client: client.rename_entity("workspace", "old", "new"))
    port.answers[:] = [patched(refused(409, "identifier_taken"))]
    with pytest.raises(PortRejected, match="identifier_taken"):
        ask(port, lambda client: client.rename_entity("workspace", "old", "new"))


def test_what_is_not_there_is_none_or_false(port: EchoingPort) -> None:
    async def look(client: PortClient) -> list[object]:
        return [
            await client.entity("workspace", "gone"),
            await client.blueprint("gone"),
            await client.delete_entity("workspace", "gone"),
            await client.delete_blueprint("gone"),
        ]

    assert ask(port, look)[0] == [None, None, False, False]


def test_an_entity_without_an_identifier_is_an_error() -> None:
    with pytest.raises(PortError, match="without an identifier"):
        PortEntity.from_json("workspace", {"title": "x"})


def test_bulk_outcomes_are_in_the_order_of_the_request(port: EchoingPort) -> None:
    port.add_entity("workspace", "old")
    error = {"index": 1, "identifier": "unknown", "statusCode": 404, "error": "not_found", "message": "no t9"}
    done = [{"index": 2, "identifier": "x", "created": True}, {"index": 0, "identifier": "old", "created": False}]
    port.answers.append(failing(httpx.Response(207, json={"ok": False, "entities": done, "errors": [error]})))
    bodies = [{"identifier": name} for name in ("old", "bad", "new")]
    outcomes, client = ask(port, lambda client: client.upsert("workspace", bodies))
    assert [(each.identifier, each.created, each.error is None) for each in outcomes] == [
        ("old", False, True),
        ("bad", False, False),
        ("new", True, True),
    ]
    assert client.writes == 1


def test_a_bulk_deletion_says_what_was_there(port: EchoingPort) -> None:
    port.add_entity("workspace", "old")
    result, _ = ask(port, lambda client: client.delete("workspace", ["old", "gone"]))
    assert result.deleted == {"old"}


def test_the_count_is_ports(port: EchoingPort) -> None:
    port.add_entity("workspace", "old")
    assert ask(port, lambda client: client.count("workspace"))[0] == 1


# --- organization -------------------------------------------------------------------------------------------------


def test_the_organization_is_read(port: EchoingPort) -> None:
    port.answers.append(
        lambda sent: ok(organization={"id": "org_1", "name": "Acme"}) if sent.path == "/v1/organization" else None
    )
    organization, _ = ask(port, lambda client: client.organization())
    assert (organization.id, organization.name) == ("org_1", "Acme")


def test_the_organization_falls_back_to_the_tokens_claim(port: EchoingPort) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"orgId": "org_2"}).encode()).decode().rstrip("=")
    token = f"head.{claims}.tail"
    port.answers.append(lambda sent: ok(accessToken=token, expiresIn=10800) if "auth" in sent.path else None)
    port.answers.append(lambda sent: refused(403, "missing_permissions") if "organ" in sent.path else None)
    organization, _ = ask(port, lambda client: client.organization())
    assert (organization.id, organization.name) == ("org_2", "")


# --- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "bucket"),
    [
        ("POST", "/v1/blueprints/w/entities/bulk", Bucket.BULK),
        ("POST", "/v1/blueprints/w/entities", Bucket.SINGLE),
        ("PUT", "/v1/blueprints/w/entities/x", Bucket.SINGLE),
        ("POST", "/v1/blueprints/w/entities/search", Bucket.SEARCH),
        ("GET", "/v1/blueprints/w/entities/x", Bucket.ENTITIES),
        ("POST", "/v1/blueprints/w/bulk/entities/delete", Bucket.ENTITIES),
        ("PUT", "/v1/blueprints/w", Bucket.BLUEPRINTS),
        ("GET", "/v1/organization", Bucket.OTHER),
        ("POST", "/v1/auth/access_token", Bucket.TOKEN),
    ],
)
def test_every_route_draws_from_its_bucket(method: str, path: str, bucket: Bucket) -> None:
    assert bucket_of(method, path) is bucket


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("12", 12.0), ("1767225645", 45.0), ("2026-01-01T00:01:00Z", 60.0), ("soon", 0.0)],
)
def test_the_reset_is_understood_in_every_documented_form(reset: str, seconds: float) -> None:
    limits = RateLimits(clock=lambda: 1767225600.0)
    limits.observe(Bucket.BULK, 200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset})
    assert limits.pause(Bucket.BULK) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7", "x-ratelimit-reset": "99"}, 7.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, 30.0),
        ({"x-ratelimit-reset": "99"}, 1.0),
        ({"x-ratelimit-reset": "0.2"}, 1.0),
        ({"retry-after": "0"}, 1.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 1.0),
        ({"retry-after": "nan"}, 1.0),
        ({"retry-after": "-1"}, 1.0),
        ({"retry-after": "soon"}, 1.0),
        ({}, 1.0),
    ],
)
def test_a_429_closes_the_bucket_as_long_as_it_asks_or_for_a_moment(headers: dict[str, str], seconds: float) -> None:
    limits = RateLimits(clock=lambda: 1767225600.0)
    limits.observe(Bucket.BULK, 429, headers)
    assert limits.pause(Bucket.BULK) == pytest.approx(seconds)


def test_an_empty_bucket_stays_closed_until_its_reset_and_others_stay_open() -> None:
    now = 1000.0
    limits = RateLimits(clock=lambda: now)
    limits.observe(Bucket.BULK, 200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"})
    assert limits.pause(Bucket.BULK) == 30.0
    assert limits.pause(Bucket.SEARCH) == 0.0
    now = 1030.0
    assert limits.pause(Bucket.BULK) == 0.0


def test_requests_in_flight_count_as_spent() -> None:
    async def scenario() -> tuple[float, float]:
        limits = RateLimits(clock=lambda: 1000.0)
        limits.observe(Bucket.BULK, 200, {"x-ratelimit-remaining": "1", "x-ratelimit-reset": "30"})
        async with limits.permit(Bucket.BULK):
            during = limits.pause(Bucket.BULK)
        return during, limits.pause(Bucket.BULK)

    assert asyncio.run(scenario()) == (30.0, 0.0)


def test_an_empty_bucket_that_refills_all_the_time_opens_with_its_next_request() -> None:
    limits = RateLimits(clock=lambda: 1000.0)
    limits.observe(
        Bucket.BULK,
        200,
        {
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": "30",
            "x-ratelimit-limit": "150",
            "x-ratelimit-period": "300",
        },
    )
    assert limits.pause(Bucket.BULK) == 2.0


def test_each_further_429_without_a_time_doubles_the_wait_until_an_answer_is_good() -> None:
    limits = RateLimits(clock=lambda: 1000.0)
    pauses = []
    for status in (429, 429, 429, 200, 429):
        limits.observe(Bucket.BULK, status, {"x-ratelimit-reset": "30"})
        pauses.append(limits.pause(Bucket.BULK))
    assert [pauses[n] for n in (0, 1, 2, 4)] == [1.0, 2.0, 4.0, 1.0]
