"""The rolling re-read: everything in Coder once more, a template at a time, so that no moment asks for all.

What no feed has said is found by it. It is also how a change that no feed covers gets into Port.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable

from coderport.catalog.values import Ref
from coderport.coder.client import CoderClient
from coderport.coder.models import Workspace
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.live.budget import routine
from coderport.live.catalog import Catalog
from coderport.live.reading import Reader
from coderport.live.values import Event, Hint, Reading

PAGE = 250
"""Rows of a page: a statement of a quarter of a second on a Coder with ten thousand workspaces."""
REREAD = "reread"
"""The name under which the re-read points at what it did not see."""


class Partition:
    """The workspaces of the templates of one name. Templates of a name in several organizations are one partition."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.read_at = self.tried_at = time.monotonic()


class Rereading:
    """The partitions, and one look at one of them."""

    def __init__(self, coder: CoderClient, catalog: Catalog, reader: Reader) -> None:
        self._coder, self._catalog, self._reader = coder, catalog, reader
        self._partitions: dict[str, Partition] = {}
        self._urgent: dict[str, list[Event]] = {}
        """A list of its own each time: a read settles only what was urgent when it was begun."""
        self.renew()

    def renew(self) -> None:
        """Takes the templates that there are now for the partitions."""
        names = {each.name.lower() for each in self._catalog.templates.values()}
        self._partitions = {each: self._partitions.get(each) or Partition(each) for each in sorted(names)}

    def __len__(self) -> int:
        return len(self._partitions)

    @property
    def oldest(self) -> float:
        """Seconds since the partition that was read the longest time ago."""
        now = time.monotonic()
        return max((now - each.read_at for each in self._partitions.values()), default=0.0)

    @property
    def is_urgent(self) -> bool:
        """Whether one is to be read at once."""
        return bool(self._urgent)

    def urgent(self, name: str, events: tuple[Event, ...]) -> None:
        """Something has changed for all workspaces of the templates of that name (in lower case)."""
        self._urgent[name] = list(events)

    def all_at_once(self) -> None:
        """Nobody knows what has changed."""
        self._urgent = {name: list(self._urgent.get(name, ())) for name in self._partitions}

    def next(self) -> tuple[str, tuple[Event, ...]] | None:
        """The partition to be read now, with the events that made it urgent."""
        self.renew()
        if self._urgent:
            name, events = next(iter(self._urgent.items()))
            return name, tuple(events)
        oldest = min(self._partitions.values(), key=lambda each: each.tried_at, default=None)
        return None if oldest is None else (oldest.name, ())

    @property
    def names(self) -> Collection[str]:
        """The partitions that there are."""
        return self._partitions.keys() | self._urgent.keys()

    def failed(self, name: str) -> None:
        """It could not be read: the others have their turn before it comes again."""
        if name in self._partitions:
            self._partitions[name].tried_at = time.monotonic()
        if (events := self._urgent.pop(name, None)) is not None:
            self._urgent[name] = events

    async def read(self, name: str, events: tuple[Event, ...]) -> tuple[Reading, tuple[Hint, ...]]:
        """All of a partition, its templates too, and hints for those of its entities in Port that Coder did not show.

        Raises a CoderError where Coder does not answer.
        """
        asked, due = time.monotonic(), self._urgent.get(name)
        rows = await self._rows(name)
        templates = frozenset(key for key, row in self._catalog.templates.items() if row.name.lower() == name)
        with routine():
            shown = await self._reader.templates(templates)
        referred = await self._reader.referred(rows.values())
        if due is not None and self._urgent.get(name) is due:  # else something more has happened meanwhile
            del self._urgent[name]
        if name in self._partitions:
            self._partitions[name].read_at = self._partitions[name].tried_at = time.monotonic()
        hinted = {Ref(WORKSPACE.identifier, each): events for each in rows} if events else {}
        reading = Reading(asked, {**shown, **referred}, rows, events=hinted)
        return reading, tuple(self._unseen(templates, shown.keys(), rows.keys()))

    async def _rows(self, name: str) -> dict[str, Workspace]:
        rows: dict[str, Workspace] = {}
        offset, count = 0, 1
        while offset < count:
            with routine():
                page = await self._coder.workspaces(f'template:"{name}"', limit=PAGE, offset=offset)
            rows.update((row.id, row) for row in page.rows)
            count, offset = page.count, offset + PAGE
            await asyncio.sleep(0)
        return rows

    def _unseen(self, templates: Collection[str], shown: Collection[str], rows: Collection[str]) -> Iterable[Hint]:
        """Hints for what Port has of these templates and Coder did not show, but for what is proven and held."""
        workspaces = self._catalog.held[WORKSPACE.identifier]
        unseen = [
            *(Ref(TEMPLATE.identifier, each) for each in self._catalog.ours(TEMPLATE.identifier) if each in templates),
            *(
                Ref(WORKSPACE.identifier, each)
                for each in self._catalog.ours(WORKSPACE.identifier)
                if workspaces[each].relations.get("template_id") in templates
            ),
        ]
        for key in unseen:
            if key.identifier not in shown and key.identifier not in rows and key not in self._catalog.deletions.held:
                yield Hint(key, Event(REREAD))
