"""What the re-read has found and no feed has said, although it had its time to say it: the feeds' quality."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from coderport.catalog.values import Ref
from coderport.live.feeds.feed import Place
from coderport.live.rereading import REREAD
from coderport.live.values import Order

SETTLES = 5.0
"""Seconds from a change until the server names it in a feed, at most: a look that begins sooner proves nothing."""
NO_FEED = "none"
"""The feed of properties that none covers."""


@dataclass(frozen=True)
class Suspect:
    """A property that was found changed: the feed that should have said so, and all that may say so yet."""

    feed: str
    name: str
    places: tuple[Place, ...]


def is_late_deletion(order: Order) -> bool:
    """Whether it deletes what the re-read alone has missed."""
    return order.entity is None and bool(order.events) and all(each.feed == REREAD for each in order.events)


class Misses:
    """Suspects by object. `missed` counts one: the feed and the property.

    `looked` says whether a feed was asked since a moment (monotonic), None where it is had no more.
    """

    def __init__(self, looked: Callable[[Place, float], bool | None], missed: Callable[[str, str], None]) -> None:
        self._looked, self._missed = looked, missed
        self._suspects: dict[Ref, dict[str, tuple[float, Suspect]]] = {}

    def found(self, key: Ref, suspects: Iterable[Suspect], pointed: Collection[str]) -> None:
        """The re-read has found these. `pointed` are the feeds whose hints at the object wait or are being followed."""
        now = time.monotonic()
        for each in suspects:
            if all(name not in pointed for name, _ in each.places):
                self._suspects.setdefault(key, {}).setdefault(each.name, (now, each))

    def hinted(self, key: Ref, feed: str) -> None:
        """That feed has pointed at the object: nothing that it covers is missed."""
        suspects = self._suspects.pop(key, {})
        left = {name: each for name, each in suspects.items() if all(feed != place[0] for place in each[1].places)}
        if left:
            self._suspects[key] = left

    def settle(self) -> None:
        """Counts those that each of their feeds has had its time to say."""
        for key, suspects in list(self._suspects.items()):
            for name, (at, suspect) in list(suspects.items()):
                since = at + SETTLES
                if since <= time.monotonic() and all(self._looked(each, since) is not False for each in suspect.places):
                    self._missed(suspect.feed, suspect.name.removeprefix("$"))
                    del suspects[name]
            if not suspects:
                del self._suspects[key]
