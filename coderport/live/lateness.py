"""How late Port hears of what happens in Coder: by Coder's own clock, which this machine's is never held against."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

from coderport.live.rereading import REREAD
from coderport.live.values import Event
from coderport.transport.server_clock import ServerClock

RECENT = 200
"""Of how many changes the lag is kept for readiness."""
RECENT_SECONDS = 60.0


class Lateness:
    """The lags of the last changes. `clock` is Coder's by the dates of its answers; without any, events tell it."""

    def __init__(self, clock: ServerClock) -> None:
        self._dated, self._told = clock, ServerClock()
        self._began = time.monotonic()
        self._lags: deque[tuple[float, float]] = deque(maxlen=RECENT)

    def begin(self) -> None:
        """From now on it is looked: what happened before is not late."""
        self._began = time.monotonic()

    def heard(self, event: Event) -> None:
        """An event was told of, with its time by Coder's clock."""
        if event.at is not None:
            self._told.heard(event.at, event.heard)

    def of(self, event: Event) -> float | None:
        """Seconds from the event until now; None where Coder gave it no time, or it was before anybody looked."""
        clock = self._dated or self._told
        now, began = clock.at(time.monotonic()), clock.at(self._began)
        if event.at is None or now is None or began is None or event.at < began:
            return None
        return max(0.0, (now - event.at).total_seconds())

    def written(self, lag: float) -> None:
        """Port has taken a change that late."""
        self._lags.append((time.monotonic(), lag))

    def recent(self, waiting: Iterable[Event]) -> float:
        """The lag that 99 of 100 changes keep: those of the last minute, and those that wait. 0 where none is."""
        now = time.monotonic()
        lags = [lag for at, lag in self._lags if at >= now - RECENT_SECONDS]
        for event in waiting:
            if event.feed != REREAD:  # it has found nothing yet
                lag = self.of(event)
                lags.append(now - event.heard if lag is None else lag)
        lags.sort()
        return lags[min(len(lags) - 1, int(len(lags) * 0.99))] if lags else 0.0
