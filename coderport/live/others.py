"""What others write to Port: runs of the same stack, people's hands, a second `live`.

Port's search by `$updatedAt` shows it. Whatever is not as it should be becomes a hint: what Coder has then is written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from coderport.catalog.meaning import instant, time_text
from coderport.catalog.values import Ref
from coderport.live.catalog import Catalog
from coderport.live.values import KEPT, Event, Hint
from coderport.live.writing import Writer
from coderport.port.client import PortClient
from coderport.port.models import PortEntity
from coderport.port.sweep import swept

EVERY = 15.0
"""Seconds between two looks."""
OVERLAP = timedelta(seconds=60)
"""So late a search may notice a write: each look reaches back so far before the one before it."""
OTHERS = "port"


class Others:
    """Looks at what was written to Port since the last look."""

    def __init__(self, port: PortClient, catalog: Catalog, writer: Writer) -> None:
        self._port, self._catalog, self._writer = port, catalog, writer
        self._clocks: dict[str, _Clock] = {}
        self._looked: dict[str, float] = {}

    async def look(self) -> tuple[Hint, ...]:
        """Hints for what Port holds otherwise than was expected. Raises a PortError where Port does not answer."""
        hints: list[Hint] = []
        for blueprint in KEPT:
            hints += [hint async for hint in self._changed(blueprint.identifier)]
        return tuple(hints)

    async def sweep(self) -> tuple[Hint, ...]:
        """The same for all of Port's entities: also finds what others have deleted."""
        hints: list[Hint] = []
        for blueprint in KEPT:
            asked = time.monotonic()
            name = blueprint.identifier
            held = await swept(self._port, name)
            for identifier in list(self._catalog.held[name].keys() - held.keys()):
                key = Ref(name, identifier)
                if not self._writer.touched_since(key, asked):
                    del self._catalog.held[name][identifier]
                    hints.append(Hint(key, Event(OTHERS)))
            for number, row in enumerate(held.values()):
                hints += self._judged(row, asked)
                if number % 200 == 0:  # others have their turn as well
                    await asyncio.sleep(0)
            self._catalog.deletions.release(
                [key for key in self._catalog.deletions.held if key.blueprint == name and key.identifier not in held]
            )
        return tuple(hints)

    async def _changed(self, blueprint: str) -> AsyncIterator[Hint]:
        asked = time.monotonic()
        clock = self._clocks.get(blueprint) or _Clock.of(self._catalog, blueprint, asked)
        query = None
        if clock is not None:
            since = clock.at_least(self._looked.get(blueprint, clock.seen)) - OVERLAP
            rule = {"property": "$updatedAt", "operator": ">", "value": time_text(since)}
            query = {"combinator": "and", "rules": [rule]}
        async for row in self._port.entities(blueprint, query=query):
            at = instant(row.updated_at)
            if at is not None and (clock is None or at > clock.newest):
                clock = _Clock(at, time.monotonic())
            for hint in self._judged(row, asked):
                yield hint
        if clock is not None:
            self._clocks[blueprint] = clock
        self._looked[blueprint] = asked

    def _judged(self, row: PortEntity, asked: float) -> Iterator[Hint]:
        key = Ref(row.blueprint, row.identifier)
        if not self._writer.touched_since(key, asked) and self._catalog.seen(row):
            if self._catalog.emails is not None:  # a run that came by may know a newer address
                self._catalog.emails.pop(str(row.properties.get("owner_id")), None)
            yield Hint(key, Event(OTHERS))


@dataclass(frozen=True)
class _Clock:
    """Port's time, as far as the newest row tells it: it was `newest` at the latest when the row was `seen` here.

    `seen` is of the monotonic clock. So nothing is asked of Port's clock, nor of this machine's.
    """

    newest: datetime
    seen: float

    @classmethod
    def of(cls, catalog: Catalog, blueprint: str, now: float) -> _Clock | None:
        """By the rows that are known; None where there are none."""
        moments = (instant(each.updated_at) for each in catalog.held[blueprint].values())
        newest = max((each for each in moments if each is not None), default=None)
        return None if newest is None else cls(newest, now)

    def at_least(self, moment: float) -> datetime:
        """What Port's clock showed at that moment (monotonic) at the least."""
        return self.newest + timedelta(seconds=max(0.0, moment - self.seen))
