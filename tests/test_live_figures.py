"""The figures of `live`: how late it is, by Coder's own clock, and what its feeds have missed."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone, tzinfo
from unittest import mock

import pytest
from live_world import LiveWorld, W, in_world, played

from coderport.catalog.values import Ref
from coderport.live.lateness import RECENT_SECONDS, Lateness
from coderport.live.misses import SETTLES, Misses, Suspect
from coderport.live.rereading import REREAD
from coderport.live.values import Event
from coderport.transport.server_clock import ServerClock

CODER = datetime(2026, 11, 27, 8, tzinfo=timezone.utc)
KEY = Ref(W, "one")
JOBS, AUDIT = ("jobs", "org"), ("audit", "")


class Clock:
    """The moment (monotonic); Coder's clock shows `CODER` where it is 0, and its answers name whole seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def coder(self, seconds_ago: float = 0.0) -> datetime:
        return CODER + timedelta(seconds=self.now - seconds_ago)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_servers_clock_is_known_from_the_seconds_that_its_answers_name(clock: Clock) -> None:
    server = ServerClock()
    assert server.at(clock.now) is None and not server
    for _ in range(20):
        clock.now += 0.37
        server.heard(clock.coder().replace(microsecond=0), clock.now)
    found = server.at(clock.now)
    assert found is not None and abs(found - clock.coder()) < timedelta(seconds=0.1)
    for _ in range(100):  # it was set back by an hour
        clock.now += 0.37
        server.heard((clock.coder() - timedelta(hours=1)).replace(microsecond=0), clock.now)
    found = server.at(clock.now)
    assert found is not None and abs(found - clock.coder(3600)) < timedelta(seconds=0.1)


@pytest.mark.parametrize("dated", [True, False], ids=["with dates", "without dates"])
def test_lag_is_told_by_coders_clock_however_wrong_this_machines_is(clock: Clock, dated: bool) -> None:
    server = ServerClock()
    lateness = Lateness(server)
    first = Event("jobs", clock.coder())
    if dated:
        server.heard(clock.coder(), clock.now)
    else:
        lateness.heard(first)
    clock.now += 3
    assert lateness.of(first) == pytest.approx(3)
    assert lateness.of(Event("jobs", clock.coder(500))) is None  # before anybody looked
    assert lateness.of(Event("jobs")) is None


def test_what_waits_unwritten_is_late(clock: Clock) -> None:
    server = ServerClock()
    server.heard(clock.coder(), clock.now)
    lateness = Lateness(server)
    waiting = [Event("jobs", clock.coder()), Event("port")]
    assert lateness.recent(waiting) == 0
    clock.now += 40
    assert lateness.recent(waiting) == pytest.approx(40)
    assert lateness.recent(waiting[1:]) == pytest.approx(40)
    assert lateness.recent([Event(REREAD, heard=0.0)]) == 0
    lateness.written(35.0)
    assert lateness.recent([]) == 35
    clock.now += RECENT_SECONDS + 1
    assert lateness.recent([]) == 0


class Counted:
    """What counts as missed, by feeds that looked last at these moments."""

    def __init__(self, **looked: float) -> None:
        self.looked, self.missed = looked, list[tuple[str, str]]()
        self.misses = Misses(self._looked, lambda feed, name: self.missed.append((feed, name)))

    def _looked(self, place: tuple[str, str], since: float) -> bool | None:
        at = self.looked.get(place[0])
        return None if at is None else at >= since

    def settled(self) -> list[tuple[str, str]]:
        self.misses.settle()
        return self.missed


def test_a_change_is_missed_only_by_a_feed_that_has_looked_since_and_had_its_time(clock: Clock) -> None:
    counted = Counted(audit=clock.now)
    counted.misses.found(KEY, [Suspect("audit", "$title", (AUDIT,))], ())
    clock.now += 29  # the audit log is asked every 30 s
    assert counted.settled() == []
    counted.looked["audit"] = clock.now - 29 + SETTLES / 2  # sooner than Coder has to name it there
    assert counted.settled() == []
    counted.looked["audit"] = clock.now
    assert counted.settled() == [("audit", "title")]
    assert counted.settled() == [("audit", "title")]  # once


def test_what_its_feed_says_or_has_said_is_not_missed(clock: Clock) -> None:
    counted = Counted(audit=clock.now + 99, jobs=clock.now + 99)
    name = Suspect("audit", "name", (AUDIT,))
    status, at = Suspect("jobs", "status", (JOBS,)), Suspect("audit", "updated_at", (AUDIT, JOBS))
    counted.misses.found(KEY, [name], {"audit"})  # its hint is being followed
    clock.now += SETTLES
    assert counted.settled() == []
    counted.misses.found(KEY, [name, status, at], ())
    counted.misses.hinted(KEY, "jobs")
    counted.misses.hinted(KEY, "port")
    clock.now += SETTLES
    assert counted.settled() == [("audit", "name")]


@in_world(seed=206)
async def test_renames_that_the_audit_log_tells_of_are_not_missed_though_a_re_read_is_quicker(world: LiveWorld) -> None:
    live = await world.live()
    await asyncio.sleep(100)
    ids = sorted(world.coder.workspace_ids())
    for number in range(5):
        for each in ids:
            world.coder.rename_workspace(each, f"x{number}{each[:4]}")
        live._rereading.all_at_once()  # type: ignore[union-attr]
        await asyncio.sleep(120)
    said = live.metrics.exposition().decode()
    assert f'coderport_live_hints_total{{feed="audit"}} {5.0 * len(ids)}' in said
    assert "coderport_live_missed_total{" not in said


@in_world(seed=207)
async def test_what_the_feed_of_builds_loses_is_missed_by_it(world: LiveWorld) -> None:
    live = await world.live()
    first, second, *_ = sorted(world.coder.workspace_ids())
    await asyncio.sleep(100)
    for (name, _), feed in live._following.feeds.items():  # type: ignore[union-attr]
        if name == "jobs":
            feed.look = _nothing  # type: ignore[method-assign]
    await asyncio.sleep(3)  # a look was under way
    world.coder.stop(first)
    world.coder.delete_workspace(second)
    made = world.coder.create_workspace()
    await world.until(lambda: world.value(first, "status") == "stopped", "found", 700)
    await world.until(lambda: second not in world.ids() and made in world.ids(), "found", 1500)
    await asyncio.sleep(60)
    said = live.metrics.exposition().decode()
    for name in ("status", "created", "deleted"):
        assert f'coderport_live_missed_total{{feed="jobs",property="{name}"}} 1.0' in said, said


async def _nothing() -> tuple[()]:
    """A look that hears nothing."""
    return ()


@in_world(seed=302)
async def test_a_change_that_port_does_not_take_makes_it_not_ready_before_it_is_written(world: LiveWorld) -> None:
    live = await world.live()
    await asyncio.sleep(70)
    first, *_ = sorted(world.coder.workspace_ids())
    world.coder.faults.add(kind="status", status=500, path=r"/workspaces\?.*id")
    world.coder.stop(first)
    await asyncio.sleep(90)
    live._health._failing.clear()  # the sentence of the failing server is not the only one
    assert "s late" in live.why_not_ready()
    world.coder.faults.clear()
    await world.until(lambda: world.value(first, "status") == "stopped", "stopped", 60)


@contextmanager
def ahead(seconds: float) -> Iterator[None]:
    """This machine's clock is so far ahead of those of Coder and Port."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(time.time() + seconds, tz)

    with ExitStack() as patched:
        for name, module in list(sys.modules.items()):
            if name.startswith("coderport.live.") and hasattr(module, "datetime"):
                patched.enter_context(mock.patch.object(module, "datetime", Ahead))
        yield


@pytest.mark.parametrize("seconds", [300, -300])
def test_a_wrong_clock_of_this_machine_changes_neither_readiness_nor_when_edits_are_corrected(seconds: float) -> None:
    async def test(world: LiveWorld) -> None:
        with ahead(seconds):
            live = await world.live()
            second, *_ = sorted(world.coder.workspace_ids())
            await asyncio.sleep(3)  # before the first look at what others write
            made = world.coder.create_workspace()
            await world.until(lambda: world.entity(made) is not None, "there", 30)
            await asyncio.sleep(5)  # Port's answer takes its time
            assert live.why_not_ready() == ""
            lags = re.findall(
                r'lag_seconds_bucket\{feed="jobs",le="(?:5.0|\+Inf)"\} (.*)', live.metrics.exposition().decode()
            )
            assert lags[0] == lags[1] and float(lags[0]) > 0
            await asyncio.sleep(20)
            for _ in range(2):
                old = world.entity(second)
                assert old is not None
                old["properties"]["status"] = "by hand"
                world.port.put_entity(W, old)
                await world.until(lambda: world.value(second, "status") != "by hand", "corrected", 30)

    played(test, 301, {})
