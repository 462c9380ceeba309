"""Rate budgets as the two servers keep them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]
"""Seconds, as `time.time` or `time.monotonic` count them; tests put their own in its place."""


@dataclass(frozen=True)
class RateVerdict:
    """What a bucket says about one request. Seconds are from now.

    How they become headers is the emulator's.
    """

    allowed: bool
    limit: int
    period: float
    remaining: int
    reset: float
    """Seconds until the window ends (sliding) or the bucket is full again (burst)."""
    retry_after: float
    """Seconds until a request would be let through; 0 where this one was."""


class RateBuckets:
    """Budgets of `limit` requests per `period` seconds, one for each key (a user and path, an organization…).

    Without `burst` it is the sliding window that Coder's limiter keeps: the count of the running window plus
    the previous window's, weighted by how much of it is still in sight. With `burst` it is a token bucket as
    at Port's gateway: it holds `burst` tokens and gains `limit / period` each second. A `limit` of 0 or less
    lets all through.
    """

    def __init__(
        self,
        limit: int,
        period: float = 60.0,
        burst: int | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.limit, self.period, self.burst = limit, period, burst
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[int, int, int]] = {}  # key -> window number, count, previous count
        self._tokens: dict[str, tuple[float, float]] = {}  # key -> tokens, time of that number

    def take(self, key: str) -> RateVerdict:
        """Ask for one request of `key` and spend it if it is allowed."""
        if self.limit <= 0:
            return RateVerdict(True, 0, self.period, 0, 0.0, 0.0)
        with self._lock:
            return self._take_window(key) if self.burst is None else self._take_token(key, self.burst)

    def reset(self) -> None:
        """All budgets are whole again."""
        with self._lock:
            self._windows.clear()
            self._tokens.clear()

    def _take_window(self, key: str) -> RateVerdict:
        now = self._clock()
        window = int(now // self.period)
        last, count, previous = self._windows.get(key, (window, 0, 0))
        if window != last:
            previous, count = (count if window == last + 1 else 0), 0
        left = (window + 1) * self.period - now
        used = previous * left / self.period + count
        allowed = used + 1 <= self.limit
        if allowed:
            count, used = count + 1, used + 1
        self._windows[key] = (window, count, previous)
        remaining = max(0, math.floor(self.limit - used))
        return RateVerdict(
            allowed,
            self.limit,
            self.period,
            remaining,
            left,
            0.0 if allowed else self.period,
        )

    def _take_token(self, key: str, burst: int) -> RateVerdict:
        now, rate = self._clock(), self.limit / self.period
        tokens, since = self._tokens.get(key, (float(burst), now))
        tokens = min(burst, tokens + (now - since) * rate)
        # A hair's breadth: waiting exactly `retry_after` must be enough in floating point, too.
        allowed = tokens >= 1 - 1e-9
        if allowed:
            tokens = max(0.0, tokens - 1)
        self._tokens[key] = (tokens, now)
        wait = 0.0 if allowed else (1 - tokens) / rate
        return RateVerdict(
            allowed,
            self.limit,
            self.period,
            math.floor(tokens),
            (burst - tokens) / rate,
            wait,
        )
