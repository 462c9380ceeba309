"""Coder's notifications as hints, over sockets: where they point is looked at, and nothing in them is believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from live_world import LiveWorld, in_world
from pydantic import SecretStr

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.coder.notifications import notification
from coderport.kinds.workspace import WORKSPACE
from coderport.live.feeds.webhook import MOST_UNKNOWN, PER_MINUTE, Notifications
from coderport.live.server import BODY_LIMIT, Endpoints
from coderport.live.settings import ServiceSettings, service_settings

W = WORKSPACE.identifier
SECRET = "a-secret-of-sixteen-letters"


class Told:
    """What the service hands on to `live`."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def notified(self, body: Any) -> None:
        self.bodies.append(body)


@asynccontextmanager
async def endpoint(told: Told, secret: str = SECRET) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Endpoints(told, secret).app())  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://live") as http:
        yield http


def answers(told: Told, path: str, content: bytes, secret: str = SECRET) -> int:
    async def ask() -> int:
        async with endpoint(told, secret) as http:
            return (await http.post(path, content=content)).status_code

    return asyncio.run(ask())


def test_a_notification_needs_the_secret_and_is_off_without_one() -> None:
    told = Told()
    assert answers(told, f"/coder/{SECRET}", b"{}") == 202
    assert answers(told, "/coder/another-secret-of-letters", b"{}") == 404
    assert answers(told, "/coder/", b"{}", secret="") == 404
    assert told.bodies == [{}]
    assert service_settings({}).webhook_secret is None
    assert ServiceSettings(webhook_secret=SecretStr(SECRET)).webhook_secret is not None


@pytest.mark.parametrize("content", [b"no json", b"[" * 100_000, b" " * (BODY_LIMIT + 1)])
def test_what_is_no_notification_is_refused(content: bytes) -> None:
    assert answers(Told(), f"/coder/{SECRET}", content) == 400


def test_more_than_are_heard_are_told_to_come_later_and_who_guesses_keeps_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, told = 0.0, Told()
    monkeypatch.setattr("coderport.live.feeds.webhook.time.monotonic", lambda: now)

    async def ask() -> None:
        nonlocal now

        async def answered(secret: str, content: bytes) -> int:
            return (await http.post(f"/coder/{secret}", content=content)).status_code

        async with endpoint(told) as http:
            guesses = [await answered(f"a-guess-that-is-no-{number}", b"{}") for number in range(PER_MINUTE + 5)]
            assert guesses == [404] * PER_MINUTE + [429] * 5
            bad = [await answered(SECRET, b"no json") for _ in range(PER_MINUTE // 2)]
            good = [await answered(SECRET, b"{}") for _ in range(PER_MINUTE)]
            assert bad == [400] * len(bad)
            assert good == [202] * (PER_MINUTE - len(bad)) + [429] * len(bad)
            now = 60.0
            assert await answered(SECRET, b"{}") == 202
            assert await answered("another-secret-of-letters", b"{}") == 404

    asyncio.run(ask())


@pytest.mark.parametrize(
    "secret",
    [
        "aK3/x+9Zq/7bTzz=aaaa",
        "100%25sure-a-secret-of",
        "100% sure? yes #1 & so",
        "schlüssel-mit-umlaut-ß",
        "//../a/secret/",
        "%%%%%%%%%%%%%%%%",
        "no-utf-8-in-it-\udcff",
    ],
)
def test_a_secret_of_any_characters_works_percent_encoded(secret: str) -> None:
    assert answers(Told(), f"/coder/{quote(secret, safe='', errors='surrogateescape')}", b"{}", secret=secret) == 202
    assert (
        answers(Told(), f"/coder/{quote(f'{secret}x', safe='', errors='surrogateescape')}", b"{}", secret=secret) == 404
    )


@pytest.mark.parametrize("secret", ["aK3/x+9Zq/7bTzz=aaaa", "100%25sure-a-secret-of"])
def test_a_secret_that_a_url_takes_as_it_is_works_so(secret: str) -> None:
    assert answers(Told(), f"/coder/{secret}", b"{}", secret=secret) == 202


@pytest.mark.parametrize("body", [None, [], {}, {"payload": 1}, {"payload": {"targets": "all"}}])
def test_a_body_of_another_shape_is_no_notification(body: object) -> None:
    with pytest.raises(ValueError, match="not a notification"):
        Notifications(lambda: None).hints(body)


def test_the_emulated_coder_notifies_of_what_the_real_one_does() -> None:
    coder = CoderEmulator(3, workspaces=4)
    sent: list[Any] = []
    coder.notify("http://127.0.0.1:9/never")
    first, second, *_ = sorted(coder.workspace_ids())
    coder.state.noted = lambda entry: sent.append(notification(coder.state, entry))
    coder.stop(first)
    coder.set_dormant(first)
    coder.delete_workspace(second)
    told = [(each["payload"]["notification_name"], each["payload"]["targets"][0]) for each in sent if each]
    assert told == [("Workspace Marked as Dormant", first), ("Workspace Deleted", second)]
    assert all(each["_version"] == each["payload"]["_version"] == "1.1" for each in sent if each)


@in_world(seed=31)
async def test_what_a_notification_points_at_is_read_and_nothing_else_of_it(world: LiveWorld) -> None:
    live = await world.live()
    await asyncio.sleep(60)
    first, *_ = sorted(world.coder.workspace_ids())
    world.coder.set_workspace(first, ttl_ms=7_200_000)
    nobody = [f"00000000-0000-4000-8000-{number:012}" for number in range(50)]
    payload = {"targets": [first, *nobody, "no id", 7], "labels": {"name": "<script>"}, "data": {"ttl_ms": 1}}
    live.notified({"payload": payload})
    assert len(live.hints) == 1 + MOST_UNKNOWN
    assert await world.until(lambda: world.value(first, "ttl_ms") == 7_200_000, "read") < 3
    live.notified({"payload": {"targets": [first]}})
    await world.settled()
