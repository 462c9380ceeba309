"""Who somebody is in Coder: by exact address, and whether Coder had them before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from catalog_samples import numbered

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderAnswerError, CoderForbidden, CoderNotFound
from coderport.coder.mail import same_address
from coderport.coder.people import DELETIONS_PAGE, PAGE, People

Answer = tuple[int, Any]


def asked(answer: Callable[[httpx.Request], Answer], email: str) -> bool | None:
    def handler(request: httpx.Request) -> httpx.Response:
        status, body = answer(request)
        return httpx.Response(status, content=json.dumps(body), headers={"content-type": "application/json"})

    async def run() -> bool | None:
        transport = httpx.MockTransport(handler)
        async with CoderClient("https://coder.example.com", "a-token", transport=transport) as client:
            return await People(client).was_deleted(email)

    return asyncio.run(run())


def user(number: int, email: str) -> dict[str, Any]:
    return {"id": numbered(number), "username": f"u{number}", "email": email}


def test_addresses_are_the_same_as_ascii_whatever_the_case() -> None:
    assert same_address("Kate.O'Neil+x@Example.com", "kate.o'neil+X@example.COM")
    assert not same_address("\u212aate@example.com", "kate@example.com")
    assert not same_address("\u212aate@example.com", "\u212aate@example.com")
    assert not same_address("kate@example.com ", "kate@example.com")


def test_a_deleted_user_is_known_by_the_audit_log_and_read_by_id() -> None:
    """A row of the log as Coder 2.20 recorded them has an empty `diff`; with a licence it has the address."""
    rows = [
        {"resource_id": numbered(1), "diff": {}},
        {"resource_id": numbered(2), "diff": {"email": {"old": "b@x.io"}}},
    ]

    def answer(request: httpx.Request) -> Answer:
        if request.url.path == "/api/v2/audit":
            assert request.url.params["q"] == "resource_type:user action:delete"
            return 200, {"audit_logs": rows, "count": 2}
        if request.url.path == f"/api/v2/users/{numbered(1)}":
            return 200, user(1, "A@x.io")
        return 404, {"message": "Resource not found"}

    assert asked(answer, "a@x.io") and asked(answer, "b@x.io") and asked(answer, "c@x.io") is False


def test_all_pages_of_the_log_are_looked_through() -> None:
    def answer(request: httpx.Request) -> Answer:
        if request.url.path != "/api/v2/audit":
            return 404, {"message": "Resource not found"}
        if request.url.params["offset"] == "0":
            return 200, {"audit_logs": [{"resource_id": numbered(7), "diff": {}}] * DELETIONS_PAGE}
        return 200, {"audit_logs": [{"resource_id": numbered(8), "diff": {"email": {"old": "a@x.io"}}}]}

    assert asked(answer, "a@x.io") and not asked(answer, "b@x.io")


def test_an_empty_log_and_one_that_is_too_long_tell_nothing() -> None:
    def empty(request: httpx.Request) -> Answer:
        return 200, {"audit_logs": [], "count": 0}

    def without_deletions(request: httpx.Request) -> Answer:
        return 200, {"audit_logs": [] if "q" in request.url.params else [{"resource_id": numbered(1), "diff": {}}]}

    def endless(request: httpx.Request) -> Answer:
        if request.url.path != "/api/v2/audit":
            return 404, {"message": "Resource not found"}
        return 200, {"audit_logs": [{"resource_id": numbered(7), "diff": {}}] * DELETIONS_PAGE}

    assert asked(empty, "a@x.io") is None
    assert asked(without_deletions, "a@x.io") is False
    assert asked(endless, "a@x.io") is None


def test_a_token_that_may_not_read_the_log_is_told_apart_from_a_server_without_one() -> None:
    with pytest.raises(CoderForbidden):
        asked(lambda _: (403, {"message": "Forbidden."}), "a@x.io")
    with pytest.raises(CoderNotFound):
        asked(lambda _: (404, {"message": "Resource not found"}), "a@x.io")


def test_a_server_that_shows_one_page_of_users_without_end_is_an_error() -> None:
    """It does not know `offset`; without an end nobody would ever be served again."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"users": [user(n, f"u{n}@x.io") for n in range(PAGE)], "count": PAGE})

    async def run() -> None:
        async with CoderClient(
            "https://coder.example.com", "a-token", transport=httpx.MockTransport(handler)
        ) as client:
            await People(client).by_email("u1@x.io")

    with pytest.raises(CoderAnswerError, match="the same page"):
        asyncio.run(run())
