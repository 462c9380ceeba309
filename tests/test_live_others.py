"""What `live` asks Port for when it looks at what others wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coderport.catalog.meaning import instant, time_text
from coderport.kinds.workspace import WORKSPACE
from coderport.live.others import EVERY, OVERLAP, Others
from coderport.port.models import PortEntity

NOW = datetime(2026, 11, 28, 8, tzinfo=timezone.utc)
W = WORKSPACE.identifier


class Port:
    """Workspaces by when they were written; a search notices each write `late` after it. Its clock is `seconds`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.written: dict[str, tuple[datetime, timedelta]] = {}
        self.rows = 0

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def write(self, identifier: str, late: float = 0.0) -> None:
        self.written[identifier] = self.now, timedelta(seconds=late)

    async def entities(self, blueprint: str, query: Mapping[str, Any] | None = None) -> AsyncIterator[PortEntity]:
        since = instant(query["rules"][0]["value"]) if query else None
        for identifier, (at, late) in self.written.items() if blueprint == W else ():
            if at + late <= self.now and (since is None or at > since):
                self.rows += 1
                yield PortEntity(identifier, blueprint, "", updated_at=time_text(at))


class World:
    """Looks at a Port while time passes; all that was seen of it."""

    def __init__(self, port: Port, others: Others, seen: list[str]) -> None:
        self.port, self._others, self.seen = port, others, seen

    def looks(self, seconds: float = EVERY) -> None:
        """One look, after so many seconds."""
        self.port.seconds += seconds
        asyncio.run(self._others.look())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    port, seen = Port(), list[str]()
    monkeypatch.setattr("coderport.live.others.time", SimpleNamespace(monotonic=lambda: port.seconds))
    held: dict[str, dict[str, PortEntity]] = {W: {}, "coder_template": {}}

    def saw(row: PortEntity) -> bool:
        seen.append(row.identifier)
        return False

    catalog = SimpleNamespace(held=held, emails=None, seen=saw)
    writer = SimpleNamespace(touched_since=lambda key, asked: False)
    return World(port, Others(cast(Any, port), cast(Any, catalog), cast(Any, writer)), seen)


def test_what_was_written_is_not_read_again_at_each_look_once_no_search_can_be_late(world: World) -> None:
    for number in range(100):
        world.port.write(str(number))
    for _ in range(10):
        world.looks()
    read = world.port.rows
    for _ in range(100):
        world.looks()
    assert world.port.rows == read and len(set(world.seen)) == 100


def test_a_write_that_a_search_notices_late_is_seen(world: World) -> None:
    latest = OVERLAP.total_seconds() - 1
    world.port.write("first")
    for number in range(200):
        world.port.write(f"late {number}", late=latest * (number % 10) / 9)
        if number % 30 == 0:
            world.port.write(f"at once {number}")
        world.looks(7)
    for _ in range(20):
        world.looks()
    assert set(world.seen) == world.port.written.keys()


def test_where_nothing_is_known_all_is_read(world: World) -> None:
    world.looks()
    world.port.write("one")
    world.looks()
    assert world.seen == ["one"]
