"""The feeds of `live` when they fail: none stops it, each failure is told, and what was left out is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from itertools import cycle
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_world import LiveWorld, in_world, played

from coderport.coder.answers import Answer
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderError
from coderport.coder.notices import Notices
from coderport.errors import CoderportError
from coderport.live.feeds.audit import AuditFeed
from coderport.live.feeds.choosing import Absent, audit_absent
from coderport.live.feeds.feed import Feed
from coderport.live.feeds.jobs import JobsFeed
from coderport.live.feeds.templates import TemplatesFeed
from coderport.live.feeds.transitional import TransitionalFeed
from coderport.live.health import AWAY_SECONDS, Health

ID = "00000000-0000-4000-8000-000000000001"
MEMBERS = [
    "id", "workspace_id", "metadata", "status", "created_at", "completed_at",
    "audit_logs", "time", "resource_id", "additional_fields", "workspaces", "count",
    "latest_build", "build_number", "name", "organization_id",
]  # fmt: skip


def figure(live: Any, name: str) -> list[str]:
    return [line for line in live.metrics.exposition().decode().splitlines() if line.startswith(name)]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/api/v2/audit", {"kind": "status", "status": 500}),
        ("/api/v2/audit", {"kind": "html"}),
        ("/api/v2/audit", {"kind": "status", "status": 200, "body": {"audit_logs": "none"}}),
        ("/api/v2/audit", {"kind": "latency", "delay_ms": 3_600_000}),
        ("/provisionerjobs", {"kind": "redirect"}),
        ("/provisionerjobs", {"kind": "drop_connection"}),
        ("/provisionerjobs", {"kind": "status", "status": 200, "body": {"rows": []}}),
    ],
)
def test_a_feed_that_fails_at_the_start_is_left_out_said_and_tried_again(path: str, fault: dict[str, Any]) -> None:
    name = "audit" if path.endswith("audit") else "jobs"

    async def test(world: LiveWorld) -> None:
        world.coder.faults.add(path=path, **fault)
        live = await world.live()
        assert name not in live.feeds
        assert "tried again" in live.details() and f"{name}: " in live.details()
        assert figure(live, f'coderport_live_feed_up{{feed="{name}"}}') == [
            f'coderport_live_feed_up{{feed="{name}"}} 0.0'
        ]
        first, *_ = sorted(world.coder.workspace_ids())
        world.coder.set_build_seconds(30, 60)
        world.build(first, "stop")
        await world.until(lambda: world.value(first, "status") in ("pending", "stopping"), "it follows", 60)
        world.coder.faults.clear()
        await world.until(lambda: name in live.feeds, "had again", 300)
        assert live.details() == ""

    played(test, 204, {})


@in_world(seed=101)
async def test_a_feed_that_fails_in_one_organization_is_not_cleared_by_another(world: LiveWorld) -> None:
    made = world.coder.create_organization("later")
    world.coder.create_template("of-later", organization=made)
    workspace = world.coder.create_workspace(template="of-later")
    await world.run("up")
    live = await world.live()
    await asyncio.sleep(30)
    world.coder.faults.add(kind="status", status=500, path=f"/organizations/{made}/provisionerjobs")
    await asyncio.sleep(60)
    world.coder.stop(workspace)
    for _ in range(300):
        await asyncio.sleep(1)
        assert made in live.why_not_ready()
    assert figure(live, 'coderport_live_feed_up{feed="jobs"}') == ['coderport_live_feed_up{feed="jobs"} 0.0']
    world.coder.faults.clear()
    await world.until(lambda: world.value(workspace, "status") == "stopped", "caught up", 60)
    await world.until(lambda: live.why_not_ready() == "", "ready again", 60)


def remedied(error: CoderportError) -> CoderportError:
    return CoderError(f"{error}\n  do this") if "token" in str(error) else error


def test_failures_are_kept_by_feed_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told, back = 0.0, dict[str, bool | None](), list[float]()
    monkeypatch.setattr("time.monotonic", lambda: now)
    health = Health(told.__setitem__, lambda: back.append(now), remedied)
    health.asked({"jobs", "audit"}, set())
    health.failed("jobs", CoderError("one is away"), "one")
    health.works("jobs", "two")
    assert health.text == "jobs: one is away"
    assert told == {"jobs": False, "audit": True}
    health.failed("jobs", CoderError("three is away"), "three")
    assert health.text == "jobs: one is away (and 1 more)"
    now = AWAY_SECONDS + 1
    health.works("jobs", "two")
    assert not back
    health.works("jobs", "one")
    assert back == [now]
    health.keep("jobs", {"one", "two"})
    assert health.text == ""
    health.asked({"jobs"}, {"jobs"})
    assert told == {"jobs": False, "audit": None}


def test_what_fails_is_told_on_one_line_and_each_remedy_once_after_it() -> None:
    health = Health(lambda name, works: None, lambda: None, remedied)
    for name, why in (("jobs", "the token has ended"), ("audit", "the token has ended"), ("people", "it is away")):
        health.failed(name, CoderError(why))
    assert health.text == "audit: the token has ended; jobs: the token has ended; people: it is away\n  do this"


class Answering(CoderClient):
    """Answers whatever it is asked with the next of what it was given."""

    left: Iterator[Any] = iter(())

    def __init__(self) -> None:
        """It never connects."""

    async def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Answer:
        return Answer(200, next(self.left), None)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([ID, "2026-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=9),
    max_leaves=30,
)


@pytest.mark.parametrize(("seconds", "dear"), [(0.4, False), (1.5, True)])
def test_the_price_of_the_audit_log_is_what_coder_takes_and_not_what_we_wait(
    seconds: float, dear: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal now
        now += seconds
        return httpx.Response(200, json={"audit_logs": []})

    async def turn() -> None:
        nonlocal now
        now += 50

    async def test() -> Absent | None:
        async with CoderClient("http://coder.test", "t", transport=httpx.MockTransport(answer), gate=turn) as coder:
            return await audit_absent(coder)

    found = asyncio.run(test())
    assert (found is not None and "too dear" in found.why) is dear


@settings(max_examples=150)
@given(st.lists(ANYTHING, min_size=3, max_size=3), st.sampled_from(["jobs", "audit", "templates", "transitional"]))
def test_whatever_a_feed_is_answered_is_hints_or_an_error_of_coders(answers: list[Any], name: str) -> None:
    Answering.left = cycle(answers)
    coder = Answering()

    async def test() -> None:
        feeds: dict[str, Feed] = {
            "jobs": JobsFeed(Notices(coder), ID),
            "audit": AuditFeed(Notices(coder), lambda: datetime.now(timezone.utc)),
            "templates": TemplatesFeed(coder, dict),
            "transitional": TransitionalFeed(coder),
        }
        for _ in range(3):
            with suppress(CoderError):
                await feeds[name].look()

    asyncio.run(test())


@in_world(seed=205)
async def test_a_part_that_cannot_be_read_again_does_not_keep_the_others_waiting(world: LiveWorld) -> None:
    world.coder.create_template("broken")
    broken = world.coder.create_workspace(template="broken")
    await world.run("up")
    live = await world.live()
    first = next(each for each in sorted(world.coder.workspace_ids()) if each != broken)
    await asyncio.sleep(60)
    world.coder.faults.add(kind="status", status=500, path=r"/workspaces\?.*broken")
    await asyncio.sleep(700)
    world.coder.set_workspace(first, ttl_ms=3_600_000)  # no feed says so
    await world.until(lambda: world.value(first, "ttl_ms") == 3_600_000, "found", 700)
    assert "re-read: " in live.why_not_ready()


@in_world(seed=206)
async def test_a_feed_that_is_had_no_more_when_it_begins_anew_has_no_figure(world: LiveWorld) -> None:
    live = await world.live()
    assert figure(live, 'coderport_live_feed_up{feed="audit"}')
    world.coder.faults.add(kind="status", status=403, path="/api/v2/audit", body={"message": "no"})
    world.options["excludeTemplates"] = ["nothing-of-that-name"]
    await world.run("up")
    await world.until(lambda: live.feeds == ["jobs", "templates"] and live.why_not_ready() == "", "anew", 1500)
    assert not figure(live, 'coderport_live_feed_up{feed="audit"}')
