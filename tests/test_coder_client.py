"""The Coder client: what it sends, what it retries, and which error each bad answer becomes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace
from typing import TypeVar

import httpx
import pytest
import stamina

from coderport.coder import errors
from coderport.coder.client import CoderClient
from coderport.errors import SettingsError

T = TypeVar("T")
Handler = Callable[[httpx.Request], httpx.Response]
TOKEN = "abcdefghij-s3cretpartofthetoken"
ME = {"id": "7490175d-891a-4c6d-b57e-aceef29ab19b", "username": "admin", "email": "admin@example.com"}


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4):
        yield


def ask(
    handler: Handler,
    question: Callable[[CoderClient], Awaitable[T]],
    *,
    url: str = "https://coder.example.com",
    headers: dict[str, str] | None = None,
) -> T:
    async def run() -> T:
        async with CoderClient(url, TOKEN, transport=httpx.MockTransport(handler), headers=headers) as client:
            return await question(client)

    return asyncio.run(run())


def me(client: CoderClient) -> Awaitable[object]:
    return client.me()


def answers(*responses: httpx.Response | Exception) -> Handler:
    """One after the other; the last one for good."""
    left = list(responses)

    def handler(_: httpx.Request) -> httpx.Response:
        response = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(response, Exception):
            raise response
        return response

    return handler


@pytest.mark.parametrize(
    "url",
    [
        "https://coder.example.com",
        "https://coder.example.com/",
        "https://coder.example.com/api/v2",
        "https://coder.example.com/api/v2//",
        "  https://coder.example.com/api/v2/ ",
    ],
)
def test_the_base_url_may_end_in_api_v2_and_in_slashes(url: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://coder.example.com/api/v2/users/me"
        return httpx.Response(200, json=ME)

    ask(handler, me, url=url)


def test_a_deployment_below_a_path_keeps_the_path() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/dev/coder/api/v2/users/me"
        return httpx.Response(200, json=ME)

    ask(handler, me, url="https://example.com/dev/coder/")


@pytest.mark.parametrize("url", ["", "coder.example.com", "ftp://coder.example.com", "https://", "http://coder:port"])
def test_a_url_that_is_none_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match="CODER_API_BASE_URL"):
        CoderClient(url, TOKEN)


def test_the_token_travels_in_its_header_and_cookies_never_come_back() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["coder-session-token"] == TOKEN
        assert request.headers["accept"] == "application/json"
        assert request.headers["user-agent"].startswith("coderport/")
        assert "cookie" not in request.headers
        return httpx.Response(200, json=ME, headers={"set-cookie": "coder_session_token=stray; Path=/"})

    async def twice(client: CoderClient) -> None:
        await client.me()
        await client.me()

    ask(handler, twice)


def test_a_redirect_is_an_error_that_names_the_host_and_is_not_followed() -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"location": "https://access.example.org/login?next=secret"})

    with pytest.raises(errors.CoderRedirected, match=r"to access\.example\.org \(307\)") as caught:
        ask(handler, me)
    assert asked == ["coder.example.com"]
    assert "secret" not in str(caught.value)


def test_html_asks_whether_the_url_is_a_coder_deployment() -> None:
    page = httpx.Response(200, html="<!doctype html><title>Coder</title>")
    with pytest.raises(errors.CoderAnswerError, match=r"HTML.*is that the root of a Coder deployment"):
        ask(answers(page), me)


def test_an_expired_token_says_what_coder_said_and_how_to_make_a_new_one() -> None:
    told = {"message": "You are signed out.", "detail": f"API key {TOKEN} expired."}
    with pytest.raises(errors.CoderUnauthorized) as caught:
        ask(answers(httpx.Response(401, json=told)), me)
    text = str(caught.value)
    assert "You are signed out." in text and "coder tokens create" in text
    assert caught.value.keys == ("coderSessionToken",) and TOKEN not in text


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.CoderBadRequest),
        (403, errors.CoderForbidden),
        (404, errors.CoderNotFound),
        (409, errors.CoderConflict),
        (410, errors.CoderGone),
        (418, errors.CoderStatusError),
    ],
)
def test_each_status_is_its_own_error_with_the_servers_message(
    status: int, kind: type[errors.CoderStatusError]
) -> None:
    body = {"message": "Nope.", "validations": [{"field": "organization", "detail": "not a valid query param"}]}
    with pytest.raises(kind, match=r"GET /users/me with \d+: Nope. \(not a valid query param\)") as caught:
        ask(answers(httpx.Response(status, json=body)), me)
    assert caught.value.status == status
    assert caught.value.fields == {"organization"}


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_error_status_without_coders_json_is_not_coders(status: int) -> None:
    with pytest.raises(errors.CoderAnswerError, match="instead of JSON"):
        ask(answers(httpx.Response(status, html="<h1>gateway</h1>")), me)


def count_requests(handler: Handler) -> tuple[int, int]:
    async def question(client: CoderClient) -> tuple[int, int]:
        await client.me()
        return client.requests, client.retries

    return ask(handler, question)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500, json={"message": "template version not found"}),
        httpx.Response(502, html="<h1>Bad Gateway</h1>"),
        httpx.Response(429, json={"message": "slow"}, headers={"retry-after": "60"}),
        httpx.Response(429, text="slow down"),
        httpx.Response(200, content=b'{"id": "7490', headers={"content-type": "application/json"}),
        httpx.Response(200, content=b"", headers={"content-type": "application/json"}),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout(""),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    ],
    ids=str,
)
def test_passing_trouble_is_retried_and_counted(trouble: httpx.Response | Exception) -> None:
    assert count_requests(answers(trouble, trouble, httpx.Response(200, json=ME))) == (3, 2)


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (httpx.Response(503, html="<h1>down</h1>"), errors.CoderServerError),
        (httpx.Response(429, json={"message": "slow"}), errors.CoderRateLimited),
        (httpx.ConnectError("name unknown"), errors.CoderUnreachable),
        (
            httpx.Response(200, content=b"[{", headers={"content-type": "application/json"}),
            errors.CoderCutAnswer,
        ),
    ],
)
def test_lasting_trouble_ends_in_its_own_error(
    trouble: httpx.Response | Exception, kind: type[errors.CoderError]
) -> None:
    with pytest.raises(kind, match=r"coder\.example\.com|Coder's answer"):
        ask(answers(trouble), me)


def test_an_address_that_never_answered_is_given_up_soon_and_one_that_did_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter(range(1000))
    monkeypatch.setattr(
        "coderport.transport.patience.time", SimpleNamespace(monotonic=lambda: float(next(seconds)), time=lambda: 0.0)
    )
    refused = httpx.ConnectError("refused")

    async def blocked(client: CoderClient) -> int:
        before = client.requests
        with pytest.raises(errors.CoderUnreachable, match="did not answer GET /users/me: refused"):
            await client.me()
        return client.requests - before

    async def after_an_answer(client: CoderClient) -> int:
        await client.me()
        return await blocked(client)

    with stamina.set_testing(True, attempts=20):
        assert ask(answers(refused), blocked) < 12
        assert ask(answers(httpx.Response(200, json=ME), refused), after_an_answer) == 20


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_beyond_the_time_budget_is_not_begun(form: str) -> None:
    tomorrow = format_datetime(datetime.now(timezone.utc) + timedelta(days=1), usegmt=True)
    retry_after = {"seconds": "100000", "date": tomorrow}[form]
    limited = httpx.Response(429, json={"message": "slow"}, headers={"retry-after": retry_after})
    with pytest.raises(errors.CoderRateLimited) as caught:
        ask(answers(limited, httpx.Response(200, json=ME)), me)
    assert caught.value.retry_after is not None and caught.value.retry_after > 80_000


def test_retry_after_as_a_date_is_measured_on_the_servers_clock() -> None:
    now = datetime(2020, 1, 1, tzinfo=timezone.utc)
    headers = {
        "date": format_datetime(now, usegmt=True),
        "retry-after": format_datetime(now + timedelta(seconds=30), usegmt=True),
    }
    with pytest.raises(errors.CoderRateLimited) as caught:
        ask(answers(httpx.Response(429, json={"message": "slow"}, headers=headers)), me)
    assert caught.value.retry_after == 30


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_will_not_change_is_asked_once(status: int) -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, json={"message": "no"})

    with pytest.raises(errors.CoderStatusError):
        ask(handler, me)
    assert len(asked) == 1


def test_a_request_that_must_not_be_repeated_is_sent_once() -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(500, json={"message": "who knows"})

    async def build(client: CoderClient) -> None:
        await client._request("POST", "/workspaces/x/builds", body={"transition": "stop"}, repeat=False)

    with pytest.raises(errors.CoderServerError):
        ask(handler, build)
    assert len(asked) == 1


def test_a_write_may_answer_without_a_body() -> None:
    async def sleep(client: CoderClient) -> int:
        return (await client._request("PUT", "/workspaces/x/dormant", body={"dormant": True}, repeat=True)).status

    assert ask(answers(httpx.Response(304)), sleep) == 304


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"workspaces": []},
        {"workspaces": [], "count": -1},
        {"workspaces": [], "count": True},
        {"workspaces": [], "count": "3"},
        {"workspaces": None, "count": 3},
        {"count": 0},
    ],
)
def test_a_page_of_the_wrong_shape_is_no_empty_page(body: object) -> None:
    with pytest.raises(errors.CoderAnswerError):
        ask(answers(httpx.Response(200, json=body)), lambda client: client.workspaces(limit=10))


def test_an_answer_about_another_object_is_an_error() -> None:
    other = {
        "id": "7490175d-891a-4c6d-b57e-aceef29ab19b",
        "name": "x",
        "organization_id": "29cae1c8-23e8-48d9-91f5-33f23b9eee71",
    }
    with pytest.raises(errors.CoderAnswerError, match="asked for 00000000"):
        ask(
            answers(httpx.Response(200, json=other)),
            lambda client: client.template("00000000-0000-4000-8000-000000000000"),
        )


def test_authcheck_is_retried_and_must_answer_every_question() -> None:
    questions = {"a": {"resource_type": "workspace"}, "b": {"resource_type": "template"}}

    def handler(request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)["checks"]
        assert sent["a"] == {"object": {"resource_type": "workspace"}, "action": "read"}
        return next(replies)

    replies = iter([httpx.Response(500, json={}), httpx.Response(200, json={"a": True, "b": False})])
    assert ask(handler, lambda client: client.authcheck(questions)) == {"a": True, "b": False}
    replies = iter([httpx.Response(200, json={"a": True})])
    with pytest.raises(errors.CoderAnswerError, match="checks b"):
        ask(handler, lambda client: client.authcheck(questions))


def test_no_more_than_the_allowed_requests_are_in_flight() -> None:
    flying = highest = 0

    async def run() -> None:
        full = asyncio.Event()

        async def handler(_: httpx.Request) -> httpx.Response:
            nonlocal flying, highest
            flying += 1
            highest = max(highest, flying)
            if flying == 3:
                full.set()
            await full.wait()
            flying -= 1
            return httpx.Response(200, json=ME)

        transport = httpx.MockTransport(handler)
        async with CoderClient("http://coder.test", TOKEN, transport=transport, in_flight=3) as client:
            await asyncio.gather(*(client.me() for _ in range(10)))

    asyncio.run(run())
    assert highest == 3


def test_the_page_says_when_it_was_asked_for_on_the_servers_clock() -> None:
    now = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)
    body = {"workspaces": [], "count": 0}
    dated = httpx.Response(200, json=body, headers={"date": format_datetime(now, usegmt=True)})
    at = ask(answers(dated), lambda client: client.workspaces(limit=1)).asked_at
    assert at is not None and now - timedelta(seconds=5) < at <= now
    undated = httpx.Response(200, json=body)
    assert ask(answers(undated), lambda client: client.workspaces(limit=1)).asked_at is None


def test_neither_token_nor_url_credentials_are_shown() -> None:
    async def question(client: CoderClient) -> str:
        with pytest.raises(errors.CoderUnreachable) as caught:
            await client.me()
        return f"{client!r} {caught.value}"

    shown = ask(
        answers(httpx.ConnectError(f"cannot send {TOKEN}")),
        question,
        url="https://someone:hunter2@coder.example.com:8443",
    )
    assert "coder.example.com:8443" in shown
    assert TOKEN not in shown and "hunter2" not in shown


def test_over_a_socket_a_body_cut_by_a_lost_connection_is_a_failed_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A proxy from the environment must not come between us and this machine.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n"
    asked = []

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head + b'{"workspaces": [')
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(cut, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, CoderClient(f"http://127.0.0.1:{port}", TOKEN) as client:
            with pytest.raises(errors.CoderUnreachable, match="did not answer GET /workspaces"):
                await client.workspaces(limit=10)

    asyncio.run(run())
    assert len(asked) == 4


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(307, headers={"location": "https://\x1b" + TOKEN}),
        httpx.Response(307, headers={"location": f"https://{TOKEN}.example.com/x"}),
        httpx.Response(307, headers={"location": f"https://{'z' * 3000}.example.com/x"}),
        httpx.Response(200, text="no", headers={"content-type": f"text/{TOKEN}\x07{'z' * 3000}"}),
        httpx.Response(403, text="no", headers={"content-type": f"text/{TOKEN}\x07{'z' * 3000}"}),
        httpx.Response(418, json={}, extensions={"reason_phrase": f"I am {TOKEN} {'z' * 3000}".encode()}),
        httpx.Response(400, json={"message": f"{TOKEN}\x1b[31m\n{'z' * 3000}", "validations": [{"detail": TOKEN}]}),
    ],
    ids=["escape", "host", "long host", "type", "type of a refusal", "reason", "message"],
)
def test_what_coder_says_is_shown_without_secrets_on_one_line_and_short(answer: httpx.Response) -> None:
    with pytest.raises(errors.CoderError) as caught:
        ask(lambda request: answer, me)
    text = str(caught.value)
    assert TOKEN not in text and text.isprintable() and len(text) < 900
    assert "z" * 200 not in text or answer.status_code == 400


def test_own_headers_go_to_coder_and_are_not_shown_in_what_it_says() -> None:
    seen: list[httpx.Request] = []
    secret = "access-secret-0123456789"

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) == 1:
            return httpx.Response(302, headers={"location": "https://elsewhere.example.com/login"})
        return httpx.Response(400, json={"message": f"no {secret}"})

    async def run() -> None:
        transport = httpx.MockTransport(handler)
        headers = {"CF-Access-Client-Secret": secret}
        async with CoderClient("https://coder.example.com", "a-token", transport=transport, headers=headers) as client:
            for kind in (errors.CoderRedirected, errors.CoderBadRequest):
                with pytest.raises(kind) as caught:
                    await client.me()
                assert secret not in str(caught.value)

    asyncio.run(run())
    assert [request.url.host for request in seen] == ["coder.example.com"] * 2
    assert all(request.headers["cf-access-client-secret"] == secret for request in seen)
    assert all(request.headers["coder-session-token"] == "a-token" for request in seen)


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ({"Authorization": "Bearer eyJhbGciOi.secret.sig"}, "eyJhbGciOi.secret.sig"),
        ({"Cookie": "CF_Authorization=eyJhbGciOi.secret.sig==; a=1"}, "eyJhbGciOi.secret.sig=="),
        ({"X-Proxy": "key=abcdefgh,other"}, "abcdefgh"),
        ({"Authorization": 'Token token="s3cr3t-abcdef-123456"'}, "s3cr3t-abcdef-123456"),
        ({"X-Gateway-Auth": "svc-coderport:hunter2hunter2"}, "hunter2hunter2"),
    ],
)
def test_the_secret_within_a_header_of_ones_own_is_not_shown_either(headers: dict[str, str], secret: str) -> None:
    refused = httpx.Response(403, json={"message": "access denied", "detail": f"{secret} has expired"})
    with pytest.raises(errors.CoderForbidden) as caught:
        ask(answers(refused), me, headers=headers)
    assert secret not in str(caught.value) and "[secret] has expired" in str(caught.value)


@pytest.mark.parametrize("validations", [5, True, "no", {"field": "name"}, [5, None]])
def test_validations_that_are_none_leave_the_message(validations: object) -> None:
    answer = httpx.Response(400, json={"message": "no such thing", "validations": validations})
    with pytest.raises(errors.CoderStatusError, match="no such thing"):
        ask(answers(answer), me)


def test_words_of_a_header_are_no_secrets() -> None:
    refused = httpx.Response(403, json={"message": "You may not read workspaces of this template."})
    headers = {"X-Purpose": "catalog of workspaces and template sync"}
    with pytest.raises(errors.CoderForbidden, match="You may not read workspaces of this template"):
        ask(answers(refused), me, headers=headers)
