"""Counts of the requests that an emulator answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from coderport.emulators.rates import Clock

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def _is_write(method: str, target: str) -> bool:
    return method not in _READS


class RequestLog:
    """Counts of the requests that were answered (or broken), by method and route.

    A route is the path with its parameters as ``{name}``; a request that a fault answered before it was
    routed is counted under its path with ``{id}`` in the place of UUIDs. `is_write(method, target)` says what
    `writes` counts; by default every method that is not a read. A target is the path with its query.
    """

    def __init__(
        self,
        is_write: Callable[[str, str], bool] = _is_write,
        clock: Clock = time.monotonic,
    ) -> None:
        self._is_write = is_write
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget all counts; `per_second` starts again at second 0."""
        with self._lock:
            self._routes: Counter[str] = Counter()
            self._statuses: Counter[str] = Counter()
            self._seconds: Counter[int] = Counter()
            self._writes = 0
            self._since = self._clock()

    def record(self, method: str, target: str, route: str, status: int) -> None:
        """Count one request; status 0 is one that got no answer."""
        with self._lock:
            self._routes[f"{method} {route}"] += 1
            self._statuses[str(status)] += 1
            self._seconds[int(self._clock() - self._since)] += 1
            self._writes += self._is_write(method, target)

    @property
    def total(self) -> int:
        """Requests since the last reset."""
        with self._lock:
            return self._routes.total()

    @property
    def writes(self) -> int:
        """Requests since the last reset that `is_write` holds for."""
        with self._lock:
            return self._writes

    def count(self, key: str) -> int:
        """Requests of one ``"METHOD /route/{param}"``."""
        with self._lock:
            return self._routes[key]

    @property
    def per_second(self) -> dict[int, int]:
        """Requests by whole second since the last reset; seconds without any are absent."""
        with self._lock:
            return dict(sorted(self._seconds.items()))

    def snapshot(self) -> dict[str, Any]:
        """All counts as JSON: `total`, `writes`, `routes`, `statuses`, `per_second`."""
        with self._lock:
            return {
                "total": self._routes.total(),
                "writes": self._writes,
                "routes": dict(sorted(self._routes.items())),
                "statuses": dict(sorted(self._statuses.items())),
                "per_second": {str(second): count for second, count in sorted(self._seconds.items())},
            }
