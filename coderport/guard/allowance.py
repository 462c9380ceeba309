"""What a stack deletes in a day though it lives in Coder: kept in its memory, so that many small runs add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

PERIOD = timedelta(hours=24)
PERIOD_OF_DELETED = timedelta(minutes=10)
"""In any such time `live` may delete as much of what Coder deleted as one run may."""

UNTOLD = "untold"
"""Stands for a kind in the hour in which a state got outputs again: nobody knows what it let go before."""

Spent = Mapping[str, Mapping[str, int]]
"""By hour (UTC, as 2026-11-27T09) and kind: how many went without a release."""


@dataclass(frozen=True)
class LetGo:
    """What `live` has deleted without a release, by kind, with when and how many; what lived in Coder apart."""

    deleted: Mapping[str, tuple[tuple[datetime, int], ...]] = field(default_factory=dict)
    living: Spent = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.deleted.values()) or any(self.living.values())

    def __add__(self, other: LetGo) -> LetGo:
        kinds = self.deleted.keys() | other.deleted.keys()
        hours = self.living.keys() | other.living.keys()
        return LetGo(
            {kind: (*self.deleted.get(kind, ()), *other.deleted.get(kind, ())) for kind in sorted(kinds)},
            {
                hour: dict(Counter(self.living.get(hour, {})) + Counter(other.living.get(hour, {})))
                for hour in sorted(hours)
            },
        )

    def lately(self, now: datetime) -> LetGo:
        """The same without what counts no longer."""
        return LetGo(
            {
                kind: kept
                for kind, several in self.deleted.items()
                if (kept := tuple(each for each in several if each[0] > now - PERIOD_OF_DELETED))
            },
            spent_after(self.living, {}, now),
        )

    def deleted_lately(self, kind: str, now: datetime) -> int:
        """How many of that kind went in the last ten minutes because Coder deleted them."""
        return sum(number for at, number in self.deleted.get(kind, ()) if at > now - PERIOD_OF_DELETED)


def let_go(kind: str, number: int, now: datetime, *, living: bool) -> LetGo:
    """So many of that kind, now."""
    if living:
        return LetGo(living=spent_after({}, {kind: number}, now))
    return LetGo(deleted={kind: ((now, number),)})


def spent_lately(spent: Spent, now: datetime, *others: Spent) -> dict[str, int]:
    """How many of each kind went in the last day, of all that is given. An hour counts until all of it is a day ago."""
    total: Counter[str] = Counter()
    for each in (spent, *others):
        for hour, kinds in each.items():
            if _ends(hour) + PERIOD > now:
                total.update(kinds)
    return dict(total)


def spent_after(spent: Spent, going: Mapping[str, int], now: datetime) -> dict[str, dict[str, int]]:
    """The same with what goes now, without the hours that count no longer."""
    found = {hour: dict(kinds) for hour, kinds in spent.items() if _ends(hour) + PERIOD > now}
    if going:
        hour = now.astimezone(timezone.utc).strftime("%Y-%m-%dT%H")
        found[hour] = dict(Counter(found.get(hour, {})) + Counter(going))
    return found


def _ends(hour: str) -> datetime:
    """When the hour is over; one that is no hour never is, so that what is not understood still counts."""
    try:
        return datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=timezone.utc) + timedelta(hours=1)
    except ValueError:
        return datetime.max.replace(tzinfo=timezone.utc) - PERIOD
