"""Port's request budgets of one organization: requests per five minutes, and how many at once."""

from __future__ import annotations

import math
from typing import Final

from coderport.emulators.kit import Clock, RateBuckets

_PERIOD: Final = 300
# Requests per period and burst, by kind of route, as Port's documentation of its rate limits has them.
_BUDGETS: Final = {
    "unauthenticated": (100, 10),
    "entities": (35_000, 3_500),
    "blueprints": (15_000, 1_500),
    "search": (35_000, 3_500),
    "single upsert": (10_000, 200),
    "bulk upsert": (35_000, 3_500),
    "other": (15_000, 1_500),
}


class Budgets:
    """All buckets, `scale` times as large as documented (at least one request).

    At 0 nothing is spent and the headers say that all of the documented budget is left.
    """

    def __init__(self, clock: Clock, scale: float) -> None:
        self._enforced = scale > 0
        times = scale or 1
        self._sizes = {
            kind: (max(1, round(limit * times)), max(1, round(burst * times)))
            for kind, (limit, burst) in _BUDGETS.items()
        }
        self._buckets = {
            kind: RateBuckets(limit, _PERIOD, burst, clock) for kind, (limit, burst) in self._sizes.items()
        }

    def spend(self, kind: str, who: str) -> tuple[bool, dict[str, str]]:
        """Whether a request of this kind may go on, and the headers of its answer (`reset` in seconds)."""
        limit, burst = self._sizes[kind]
        if not self._enforced:
            return True, _headers(limit, burst, 0)
        verdict = self._buckets[kind].take(who)
        return verdict.allowed, _headers(limit, verdict.remaining, math.ceil(verdict.reset))


def kind_of(method: str, template: str, single: str = "entities") -> str:
    """The bucket of a route; `single` is that of a PUT, PATCH or DELETE of one entity, which is not documented."""
    if template.endswith("/entities/{entity}") and method != "GET":
        return single
    if template.endswith(("/entities/search", "/entities/search/count")):
        return "search"
    if template.endswith("/entities/bulk"):
        return "bulk upsert"
    if template == "/v1/blueprints/{blueprint}/entities" and method == "POST":
        return "single upsert"
    if "entities" in template:
        return "entities"
    return "blueprints" if template.startswith("/v1/blueprints") else "other"


def _headers(limit: int, remaining: int, reset: int) -> dict[str, str]:
    return {
        "x-ratelimit-period": str(_PERIOD),
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(reset),
    }
