"""What a stack lets go in a day though it lives in Coder: kept in its memory, so that many small runs add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

PERIOD = timedelta(hours=24)

Spent = Mapping[str, Mapping[str, int]]
"""By hour (UTC, as 2026-11-27T09) and kind: how many went without a release."""


def spent_lately(spent: Spent, now: datetime) -> dict[str, int]:
    """How many of each kind went in the last day. An hour counts until all of it is a day ago."""
    total: Counter[str] = Counter()
    for hour, kinds in spent.items():
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
