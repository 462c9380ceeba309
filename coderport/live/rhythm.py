"""How often each thing is asked: what the budget leaves to the feed of builds once all else has its share."""

from __future__ import annotations

from dataclasses import dataclass

from coderport.live.budget import WINDOW

QUICKEST = 1.25
"""Seconds between two looks at one organization's jobs, where the budget is enough."""
TEMPLATES_EVERY = 20.0
AUDIT_EVERY = 30.0
_SHARE_OF_LOOKS = 0.95
"""So much of what is left of a minute is for looks at builds and what they bring."""
_LONGEST_STRETCH = 30.0
"""Seconds between two looks at builds that are not exceeded only because the budget is spent."""
_REREAD_SHARE = 0.4
"""So much of the routine requests goes into the re-read at most; then it takes longer than was asked for."""


@dataclass(frozen=True)
class Rhythm:
    """Seconds between two looks at all organizations' jobs, and between two partitions of the re-read."""

    builds: float
    partition: float


def stretch(builds: float, *, requests: int, per_second: float) -> float:
    """How many times longer than `builds` seconds it should be from one look to the next; never less than once.

    A look costs so many `requests`, and the budget has so many a second left. The whole read at the beginning is paid
    from the first minute. Looks in the usual rhythm would spend the rest of it early, and the budget would then let
    nothing through until that read is a minute ago.
    """
    share = per_second * _SHARE_OF_LOOKS
    return max(1.0, (min(requests / share, _LONGEST_STRETCH) if share else _LONGEST_STRETCH) / builds)


def rest_of(resync: float) -> float:
    """Seconds from the whole read at the beginning to the first partition of the re-read, which has `resync` seconds.

    The first minute's budget is left to the feeds; a quarter of the time is the most that this may take.
    """
    return min(WINDOW, resync / 4)


def rhythm_of(
    *, routine_per_minute: int, sources: int, requests_of_reread: int, partitions: int, resync: float, audit: bool
) -> Rhythm:
    """The rhythm for so many sources of builds and so many requests (and partitions) of one whole re-read.

    `resync` is the time in seconds in which the re-read should come round, what it waits at the beginning included.
    """
    resync -= rest_of(resync)
    rest = routine_per_minute - 60 / TEMPLATES_EVERY - (60 / AUDIT_EVERY if audit else 0) - 1
    reread = min(60 * max(1, requests_of_reread) / resync, _REREAD_SHARE * rest)
    builds = max(QUICKEST, 60 * max(1, sources) / (rest - reread))
    return Rhythm(builds, 60 * max(1, requests_of_reread) / reread / max(1, partitions))
