"""What others write to Port: runs of the same stack, people's hands, a second `live`.

Port's search by `$updatedAt` shows it. Whatever is not as it should be becomes a hint: what Coder has then is written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
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
"""So far each look reaches back before the newest row that is known: a search may notice a write late."""
OTHERS = "port"


class Others:
    """Looks at what was written to Port since the last look."""

    def __init__(self, port: PortClient, catalog: Catalog, writer: Writer) -> None:
        self._port, self._catalog, self._writer = port, catalog, writer
        self._newest: dict[str, datetime] = {}

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
        since = self._newest.get(blueprint) or _newest(self._catalog, blueprint)
        query = None
        if since is not None:
            rule = {"property": "$updatedAt", "operator": ">", "value": time_text(since - OVERLAP)}
            query = {"combinator": "and", "rules": [rule]}
        async for row in self._port.entities(blueprint, query=query):
            at = instant(row.updated_at)
            if at is not None:
                self._newest[blueprint] = max(at, self._newest.get(blueprint, at))
            for hint in self._judged(row, asked):
                yield hint

    def _judged(self, row: PortEntity, asked: float) -> Iterator[Hint]:
        key = Ref(row.blueprint, row.identifier)
        if not self._writer.touched_since(key, asked) and self._catalog.seen(row):
            if self._catalog.emails is not None:  # a run that came by may know a newer address
                self._catalog.emails.pop(str(row.properties.get("owner_id")), None)
            yield Hint(key, Event(OTHERS))


def _newest(catalog: Catalog, blueprint: str) -> datetime | None:
    moments = (instant(each.updated_at) for each in catalog.held[blueprint].values())
    return max((each for each in moments if each is not None), default=None)
