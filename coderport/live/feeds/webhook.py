"""Coder's notification webhook, where somebody points it here: a push that says which objects it is about.

A notification names what it concerns in `payload.targets` (payload version 1.1, coderd/notifications/types/payload.go).
Nothing in it is believed: it is not signed, and what it names is only looked at. So it may say little, and seldom.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from coderport.catalog.values import Ref, is_id
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.live.catalog import Catalog
from coderport.live.values import Event, Hint

NAME = "webhook"
PER_MINUTE = 60
"""Requests that are heard in a minute; Coder sends one again that is refused, up to five times."""
MOST_UNKNOWN = 3
"""Of one notification so many objects are looked at that nobody knows: a new workspace is one of them."""


class Limit:
    """Lets `PER_MINUTE` requests through in any minute."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or (lambda: time.monotonic())
        self._taken: deque[float] = deque()

    def lets_through(self) -> bool:
        """Whether one more may pass now; then it counts."""
        now = self._clock()
        while self._taken and self._taken[0] <= now - 60:
            self._taken.popleft()
        if len(self._taken) >= PER_MINUTE:
            return False
        self._taken.append(now)
        return True


class Notifications:
    """Makes hints of notifications. `catalog` is None until `live` has begun."""

    def __init__(self, catalog: Callable[[], Catalog | None]) -> None:
        self._catalog = catalog

    def hints(self, body: Any) -> tuple[Hint, ...]:
        """Where a notification points; ValueError where it is none."""
        payload = body.get("payload") if isinstance(body, dict) else None
        targets = payload.get("targets") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not (targets is None or isinstance(targets, list)):
            raise ValueError("not a notification of Coder")
        catalog = self._catalog()
        ids = [each for each in map(str, targets or ()) if is_id(each)]
        if catalog is None:
            return ()
        event = Event(NAME)
        known = [Ref(kind, each) for kind in (WORKSPACE.identifier, TEMPLATE.identifier) for each in ids]
        known = [key for key in known if catalog.has(key) is not None]
        others = [each for each in ids if all(key.identifier != each for key in known)]
        others = [
            each for each in others if each not in catalog.organization_ids and each not in (catalog.emails or {})
        ]
        new = [Ref(WORKSPACE.identifier, each) for each in others[:MOST_UNKNOWN]]
        return tuple(Hint(key, event) for key in (*known, *new))
