"""Port's rate limits: which bucket a request draws from, and how long to wait before the next one.

Port counts per organization in windows of five minutes and says on every answer what is left
(`x-ratelimit-*`). The reset was documented first as an epoch second and later as seconds to go, so both
are understood.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum

from coderport.transport.patience import retry_after

_EPOCH_FROM = 10_000_000.0
_MILLISECONDS_FROM = 100_000_000_000.0
_LONGEST_PAUSE = 300.0
_SHORTEST_PAUSE = 1.0
"""After a 429, whatever it asks for: a zero or a date that is past would be an invitation to send without end."""
_LONGEST_GUESS = 8.0
_USUAL_PERIOD = 300.0
_LEAST_PAUSE = 0.001


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
    if not math.isfinite(value):
        return None
    if value > _MILLISECONDS_FROM:
        value /= 1000
    return max(0.0, value - now if value > _EPOCH_FROM else value)


def _size(headers: Mapping[str, str]) -> tuple[float, float] | None:
    """How many requests a bucket takes in how many seconds, where an answer says so."""
    try:
        limit, period = float(headers["x-ratelimit-limit"]), float(headers["x-ratelimit-period"])
    except (KeyError, ValueError):
        return None
    return (limit, period) if limit > 0 and period > 0 else None


def _rate(headers: Mapping[str, str]) -> float:
    size = _size(headers)
    return size[0] / size[1] if size is not None else 0.0


@dataclass(frozen=True)
class _Level:
    """What an answer said of a bucket: how many requests are left at that moment, and when there will be more.

    `rate` is requests per second that come back all the time (a token bucket, as the published bursts tell of), 0 where
    the answer does not say. Whatever the kind of bucket, it is full or new at `reset`.
    """

    left: int
    at: float
    rate: float
    reset: float

    def next_at(self, in_flight: int) -> float:
        """When one more request may go beside those in flight."""
        missing = 1 - (self.left - in_flight)
        if missing <= 0:
            return self.at
        return min(self.reset, self.at + missing / self.rate) if self.rate else self.reset


class Closed(Exception):
    """A bucket stays closed for longer than a call may wait; `seconds` says how long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"closed for {seconds:.0f} s")
        self.seconds = seconds


class RateLimits:
    """What is left of each bucket, shared by every request of a client.

    Requests in flight count as spent, so that many at once do not all take the last permit. Who asks first is served
    first: a call that was refused by a 429 keeps its place by its ticket. `share` is the part of a bucket that these
    requests take at most in each of its periods; 1 takes what there is.
    """

    def __init__(self, clock: Callable[[], float] | None = None, *, share: float = 1.0) -> None:
        self._clock = clock or time.time
        self._share = share
        self._sent: defaultdict[Bucket, deque[float]] = defaultdict(deque)
        self._sizes: dict[Bucket, tuple[float, float]] = {}
        self._tickets = itertools.count()
        self._levels: dict[Bucket, _Level] = {}
        self._closed_until: dict[Bucket, float] = {}
        self._refused_at: dict[Bucket, float] = {}
        self._refusals: Counter[Bucket] = Counter()
        self._in_flight: Counter[Bucket] = Counter()
        self._lines: defaultdict[Bucket, _Line] = defaultdict(_Line)

    def ticket(self) -> int:
        """The place of a call in every line that it will wait in."""
        return next(self._tickets)

    def pause(self, bucket: Bucket) -> float:
        """Seconds until a request may be sent; 0 if it may go now, infinity if first an answer has to come."""
        now = self._clock()
        until = self._closed_until.get(bucket, 0.0)
        level, in_flight = self._levels.get(bucket), self._in_flight[bucket]
        if level is not None and level.left - in_flight <= 0:
            if now >= level.reset and in_flight:  # nobody knows what there is now: one goes ahead and looks
                return math.inf
            until = max(until, level.next_at(in_flight))
        return max(0.0, until - now, self._pause_for_share(bucket, now))

    def _pause_for_share(self, bucket: Bucket, now: float) -> float:
        """Seconds until our own share of the bucket has room again; its size is what an answer said of it."""
        if self._share >= 1:
            return 0.0
        limit, period = self._sizes.get(bucket, (math.inf, _USUAL_PERIOD))
        sent, most = self._sent[bucket], max(1.0, limit * self._share)
        while sent and sent[0] <= now - period:
            sent.popleft()
        # Never nothing: by rounding the oldest may be just not over although its time has come.
        return max(_LEAST_PAUSE, sent[0] + period - now) if len(sent) >= most else 0.0

    @asynccontextmanager
    async def permit(self, bucket: Bucket, ticket: int | None = None, *, most: float = math.inf) -> AsyncIterator[None]:
        """Wait until the bucket is open, and hold one permit of it for the time of a request.

        Closed at once where a refusal closed the bucket for more than `most` seconds. Such a refusal is believed for as
        long as the longest window of Port's, and looked at again then: a service outlives an absurd answer.
        """

        def pause() -> float:
            now = self._clock()
            if (closed := self._closed_until.get(bucket, 0.0) - now) > most:
                if now < self._refused_at[bucket] + _LONGEST_PAUSE:
                    raise Closed(closed)
                del self._closed_until[bucket]
                self._levels.pop(bucket, None)
            return self.pause(bucket)

        line = self._lines[bucket]
        await line.turn(self.ticket() if ticket is None else ticket, pause)
        self._in_flight[bucket] += 1
        if self._share < 1:
            self._sent[bucket].append(self._clock())
        line.wake_first()
        try:
            yield
        finally:
            self._in_flight[bucket] -= 1
            line.wake_first()

    def observe(self, bucket: Bucket, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer: what is left, and on a 429 until when the bucket stays closed."""
        now = self._clock()
        if (size := _size(headers)) is not None:
            self._sizes[bucket] = size
        reset = _reset(headers, now)
        if status == 429:
            self._refusals[bucket] += 1
            asked = retry_after(headers, now)
            if asked is None:  # the reset may mean "full again", and long before that there is something to have
                asked = min(2.0 ** (self._refusals[bucket] - 1), _LONGEST_GUESS, 1.0 if reset is None else reset)
            until = now + max(asked, _SHORTEST_PAUSE)
            self._closed_until[bucket], self._refused_at[bucket] = until, now
            self._levels[bucket] = _Level(left=0, at=until, rate=0.0, reset=until)
            return
        self._refusals[bucket] = 0
        try:
            left = int(headers["x-ratelimit-remaining"])
        except (KeyError, ValueError):
            self._levels.pop(bucket, None)
            return
        self._levels[bucket] = _Level(left, now, _rate(headers), now + min(reset or 0.0, _LONGEST_PAUSE))


class _Line:
    """Those who wait for a bucket; the oldest ticket is served first."""

    def __init__(self) -> None:
        self._tickets: list[int] = []
        self._calls: dict[int, asyncio.Future[None]] = {}

    async def turn(self, ticket: int, pause: Callable[[], float]) -> None:
        """Wait until the ticket is the first and there is no pause to make."""
        if not self._tickets and pause() <= 0:
            return
        heapq.heappush(self._tickets, ticket)
        try:
            while (seconds := pause() if self._tickets[0] == ticket else math.inf) > 0:
                self._calls[ticket] = call = asyncio.get_running_loop().create_future()
                await asyncio.wait((call,), timeout=None if math.isinf(seconds) else seconds)
        finally:
            self._calls.pop(ticket, None)
            self._tickets.remove(ticket)
            heapq.heapify(self._tickets)
            self.wake_first()

    def wake_first(self) -> None:
        """Something has changed: the first has to look again."""
        if self._tickets and (call := self._calls.get(self._tickets[0])) is not None and not call.done():
            call.set_result(None)
