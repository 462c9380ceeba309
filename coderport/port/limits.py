"""Port's rate limits: which bucket a request draws from, and how long to wait before the next one.

Port counts per organization in windows of five minutes and says on every answer what is left
(`x-ratelimit-*`). The reset was documented first as an epoch second and later as seconds to go, so both
are understood.
"""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from enum import Enum

_EPOCH_FROM = 10_000_000.0
_LONGEST_PAUSE = 300.0


class Bucket(Enum):
    """The buckets that Port publishes; a request draws from exactly one."""

    TOKEN = "token"
    BULK = "bulk upsert"
    SINGLE = "single upsert"
    SEARCH = "search"
    ENTITIES = "entities"
    BLUEPRINTS = "blueprints"
    OTHER = "other"


def bucket_of(method: str, path: str) -> Bucket:
    """The bucket of a request, by the most specific published rule."""
    if path == "/v1/auth/access_token":
        return Bucket.TOKEN
    if path.endswith("/entities/search"):
        return Bucket.SEARCH
    if method == "POST" and path.endswith("/entities/bulk"):
        return Bucket.BULK
    if "/entities" in path:
        single = method in ("PUT", "PATCH") or (method == "POST" and path.endswith("/entities"))
        return Bucket.SINGLE if single else Bucket.ENTITIES
    if path.startswith("/v1/blueprints"):
        return Bucket.BLUEPRINTS
    return Bucket.OTHER


def seconds_to_wait(headers: Mapping[str, str], now: float) -> float | None:
    """How long a 429 asks for: `Retry-After` (seconds or an HTTP date), else `x-ratelimit-reset`.

    None if neither.
    """
    after = headers.get("retry-after")
    if after is not None:
        try:
            return max(0.0, float(after))
        except ValueError:
            try:
                return max(0.0, email.utils.parsedate_to_datetime(after).timestamp() - now)
            except (TypeError, ValueError):
                pass
    return _reset(headers, now)


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    text = headers.get("x-ratelimit-reset")
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return max(0.0, moment.timestamp() - now)
    return max(0.0, value - now if value > _EPOCH_FROM else value)


class RateLimits:
    """What is left of each bucket, shared by every request of a client.

    Requests in flight count as spent, so that many at once do not all take the last permit.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._left: dict[Bucket, int] = {}
        self._reset_at: dict[Bucket, float] = {}
        self._closed_until: dict[Bucket, float] = {}
        self._in_flight: Counter[Bucket] = Counter()

    def pause(self, bucket: Bucket) -> float:
        """Seconds until a request may be sent; 0 if it may go now."""
        now = self._clock()
        until = self._closed_until.get(bucket, 0.0)
        left = self._left.get(bucket)
        if left is not None and left - self._in_flight[bucket] <= 0:
            until = max(until, self._reset_at.get(bucket, 0.0))
        return max(0.0, until - now)

    @asynccontextmanager
    async def permit(self, bucket: Bucket) -> AsyncIterator[None]:
        """Wait until the bucket is open, and hold one permit of it for the time of a request."""
        while (pause := self.pause(bucket)) > 0:
            await asyncio.sleep(pause)
        self._in_flight[bucket] += 1
        try:
            yield
        finally:
            self._in_flight[bucket] -= 1

    def observe(self, bucket: Bucket, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer: what is left, and on a 429 until when the bucket stays closed."""
        now = self._clock()
        if status == 429:
            asked = seconds_to_wait(headers, now)
            self._closed_until[bucket] = now + min(1.0 if asked is None else asked, _LONGEST_PAUSE)
            self._left.pop(bucket, None)
            return
        try:
            self._left[bucket] = int(headers["x-ratelimit-remaining"])
        except (KeyError, ValueError):
            self._left.pop(bucket, None)
            return
        self._reset_at[bucket] = now + min(_reset(headers, now) or 0.0, _LONGEST_PAUSE)
