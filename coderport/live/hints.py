"""The hints that wait to be looked at: a set, so that one that comes twice is one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from coderport.catalog.values import Ref
from coderport.live.values import Event, Hint

MOST_EVENTS = 8
"""Of how many events one waiting hint keeps the times."""


class Hints:
    """Keys to be read, the oldest first. One that comes again while it waits only adds its event."""

    def __init__(self) -> None:
        self._waiting: dict[Ref, tuple[Event, ...]] = {}
        self._followed: dict[Ref, tuple[Event, ...]] = {}
        self._came = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def events(self) -> Iterator[Event]:
        """The events of all that waits or is being followed."""
        for several in (*self._waiting.values(), *self._followed.values()):
            yield from several

    def feeds_of(self, key: Ref) -> frozenset[str]:
        """The feeds whose hints at it wait or are being followed."""
        return frozenset(each.feed for some in (self._waiting, self._followed) for each in some.get(key, ()))

    def add(self, hints: Iterable[Hint]) -> None:
        """Takes them in."""
        for hint in hints:
            events = self._waiting.get(hint.key, ())
            if hint.event not in events and len(events) < MOST_EVENTS:
                events = (*events, hint.event)
            self._waiting[hint.key] = events
            self._came.set()

    def again(self, events: dict[Ref, tuple[Event, ...]]) -> None:
        """Puts back what could not be read."""
        self.add(Hint(key, event) for key, several in events.items() for event in several)

    async def taken(self, most: int) -> dict[Ref, tuple[Event, ...]]:
        """Up to `most` of them, as soon as there is one. They are being followed until the next are taken."""
        self._followed = {}
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        keys = list(self._waiting)[:most]
        self._followed = {key: self._waiting.pop(key) for key in keys}
        return dict(self._followed)
