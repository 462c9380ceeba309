"""The feeds at work: chosen at the start and again every hour, each asked in its own rhythm."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping

from coderport.coder.errors import CoderError, CoderForbidden, CoderNotFound
from coderport.live.budget import routine
from coderport.live.feeds.choosing import Absent, Chosen
from coderport.live.feeds.feed import Feed, Place
from coderport.live.health import Health
from coderport.live.misses import NO_FEED, Suspect
from coderport.live.rhythm import AUDIT_EVERY, TEMPLATES_EVERY, Rhythm, stretch
from coderport.live.values import CREATED, DELETED, Hint, Order

CHOSEN_EVERY = 3600.0
TRIED_EVERY = 60.0
"""Seconds between two tries of a feed that failed when it was chosen."""
LONGEST_PAUSE = 30.0
"""Seconds between two looks of a feed that does not answer."""
_EVERY = {"templates": TEMPLATES_EVERY, "audit": AUDIT_EVERY}
"""Seconds between two looks of the feeds that are in no hurry."""
_MOST_STRETCH = 2.0
"""So many times longer those feeds may take at most where the budget is nearly spent."""

_LOG = logging.getLogger(__name__)


class Following:
    """Asks the feeds. `choose` says which, `rhythm_of` how often; `hinted` takes hints, `gap` hears of lost ones.

    `choose` is told which are had, and whether these are to be asked anew. `per_second` says how many requests a second
    the budget allows from now on.
    """

    def __init__(
        self,
        choose: Callable[[Collection[Place], bool], Awaitable[Chosen]],
        rhythm_of: Callable[[Chosen], Rhythm],
        hinted: Callable[[tuple[Hint, ...]], None],
        gap: Callable[[], None],
        health: Health,
        per_second: Callable[[], float],
    ) -> None:
        self._choose, self._rhythm_of, self._per_second = choose, rhythm_of, per_second
        self._hinted, self._gap, self._health = hinted, gap, health
        self.rhythm = Rhythm(0.0, 0.0)
        self._requests = 0
        self.feeds: dict[Place, Feed] = {}
        self._tasks: dict[Place, asyncio.Task[None]] = {}
        self._again = asyncio.Event()
        self._looks: dict[Place, deque[float]] = {}
        self._absent: Mapping[Place, Absent] = {}
        self._chosen_at = time.monotonic()

    async def choose(self) -> None:
        """Chooses for the first time."""
        self._adjust(await self._choose((), True))

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        try:
            while True:
                self._start()
                waiting = asyncio.ensure_future(self._again.wait())
                done, _ = await asyncio.wait(
                    {waiting, *self._tasks.values()},
                    timeout=TRIED_EVERY if self.left_out else CHOSEN_EVERY,
                    return_when="FIRST_COMPLETED",
                )
                waiting.cancel()
                for task in done - {waiting}:
                    task.result()
                await self._chosen_again()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def choose_again(self) -> None:
        """Other organizations may have other feeds."""
        self._again.set()

    def suspects(self, order: Order) -> list[Suspect]:
        """Of an order that no hint led to: which feed should have told of what."""
        organization = str(order.entity.properties.get("organization_id", "")) if order.entity is not None else ""
        names = (DELETED,) if order.entity is None else (CREATED,) if order.created else order.properties
        return [self._suspect(order.key.blueprint, name, organization) for name in names]

    def _suspect(self, blueprint: str, name: str, organization: str) -> Suspect:
        """Who should tell of a change of that property of an object in that organization ("": in any), and who may."""
        here = {at: feed for at, feed in self.feeds.items() if not organization or feed.place in ("", organization)}
        own = [at for at, feed in here.items() if name in feed.properties.get(blueprint, ())]
        others = [at for at, feed in here.items() if name in feed.also and blueprint in feed.properties]
        return Suspect(own[0][0] if own else NO_FEED, name, tuple(dict.fromkeys((*own, *others))))

    def has_looked(self, place: Place, since: float) -> bool | None:
        """Whether the feed has shown all that it has since that moment (monotonic); None where it is had no more."""
        feed, looks = self.feeds.get(place), self._looks.get(place, ())
        return None if feed is None else len(looks) == feed.round and min(looks) >= since

    @property
    def left_out(self) -> str:
        """The feeds that are missing because they failed when they were chosen, for a person; empty where none is."""
        whys = {name: each.why for (name, _), each in self._absent.items() if each.fails}
        said = "; ".join(f"{name}: {why}" for name, why in sorted(whys.items()))
        return f"Without a feed that does not answer, which is tried again: {said}" if said else ""

    async def _chosen_again(self) -> None:
        """Asks all, or between two hours those alone that failed."""
        anew = self._again.is_set() or time.monotonic() - self._chosen_at >= CHOSEN_EVERY
        self._again.clear()
        if anew:
            self._chosen_at = time.monotonic()
        with routine():
            self._adjust(await self._choose(self.feeds.keys(), anew))

    def _adjust(self, found: Chosen) -> None:
        """Keeps the feeds that go on, with what they know, and tells a person of what is new."""
        self.rhythm = self._rhythm_of(found)
        # Each look at builds may bring one request more, for the workspaces that it points at.
        self._requests = found.requests + sum(feed.name not in _EVERY for feed in found.feeds)
        wanted = {(feed.name, feed.place): feed for feed in found.feeds}
        for place in self.feeds.keys() - wanted.keys():
            del self.feeds[place]
            self._looks.pop(place, None)
            self._health.forget(*place)
            if task := self._tasks.pop(place, None):
                task.cancel()
        for place, feed in wanted.items():
            if place not in self.feeds:
                self.feeds[place] = feed
                _LOG.info(
                    "feed", extra={"feed": feed.name, "covers": feed.covers, "seconds": round(self._every(feed), 2)}
                )
        for place, absent in found.absent.items():
            if self._absent.get(place) != absent:
                level = logging.WARNING if absent.fails else logging.INFO
                _LOG.log(level, "no feed", extra={"feed": place[0], "place": place[1], "reason": absent.why})
        self._absent = found.absent
        missing = {name for (name, _), each in found.absent.items() if each.fails}
        self._health.asked(had={name for name, _ in self.feeds}, missing=missing)

    def _start(self) -> None:
        for place, feed in self.feeds.items():
            if place not in self._tasks:
                self._tasks[place] = asyncio.ensure_future(self._followed(feed))

    def _every(self, feed: Feed) -> float:
        return _EVERY.get(feed.name, self.rhythm.builds)

    def _pause(self, feed: Feed) -> float:
        factor = stretch(self.rhythm.builds, requests=self._requests, per_second=self._per_second())
        return self._every(feed) * (min(factor, _MOST_STRETCH) if feed.name in _EVERY else factor)

    async def _followed(self, feed: Feed) -> None:
        pause, place = self._every(feed), (feed.name, feed.place)
        while True:
            began = time.monotonic()
            try:
                with routine():
                    hints = await feed.look()
            except CoderError as error:
                self._health.failed(feed.name, error, feed.place)
                pause = min(2 * pause, LONGEST_PAUSE)
                if isinstance(error, (CoderNotFound, CoderForbidden)):  # the token has lost the right
                    self._again.set()
            else:
                self._looks.setdefault(place, deque(maxlen=feed.round)).append(began)
                pause = self._pause(feed)
                self._health.works(feed.name, feed.place)
                self._hinted(hints)
                if feed.gap:
                    self._gap()
            await asyncio.sleep(max(0.05, began + pause - time.monotonic()))
