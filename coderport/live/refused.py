"""What Port has refused: each is tried again after a pause, or when it changes, or when what it refers to is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta, timezone

from coderport.catalog.values import Ref

PAUSE = timedelta(minutes=10)
"""Until what Port did not take is tried again."""
DELETION = b"deletion"
"""Stands for the content of an entity that was to go."""
_OVER = datetime.min.replace(tzinfo=timezone.utc)


class Refused:
    """Entities that Port did not take, or not whole, by key, and until when they wait."""

    def __init__(self) -> None:
        self._until: dict[Ref, tuple[bytes, datetime]] = {}
        self._waiting: defaultdict[Ref, set[Ref]] = defaultdict(set)
        self._again: dict[Ref, datetime] = {}

    def note(self, key: Ref, content: bytes, now: datetime, *, lacks: Iterable[Ref] = ()) -> None:
        """Port has refused that content, perhaps because of entities that it `lacks`."""
        self._until[key] = content, now + PAUSE
        for each in lacks:
            self._waiting[each].add(key)

    def waits(self, key: Ref, now: datetime, content: bytes | None = None) -> bool:
        """Whether it is not to be sent yet; with a `content`, whether that is the one that was refused."""
        what, until = self._until.get(key, (b"", now))
        return until > now and (content is None or what == content)

    def may_lead_to_another_look(self, key: Ref, now: datetime) -> bool:
        """Whether a refusal of it may be followed by another look at once: so once in a pause, and never in circles."""
        if self._again.get(key, now) > now:
            return False
        self._again[key] = now + PAUSE
        return True

    def written(self, key: Ref) -> None:
        """Port holds it now: what waits for it waits no longer."""
        for each in self._waiting.pop(key, ()):
            if each in self._until:
                self._until[each] = self._until[each][0], _OVER
                self._again.pop(each, None)

    def due(self, now: datetime) -> Collection[Ref]:
        """Those whose pause is over, each once."""
        found = [key for key, (_, until) in self._until.items() if until <= now]
        for key in found:
            del self._until[key]
        self._again = {key: until for key, until in self._again.items() if until > now}
        return found
