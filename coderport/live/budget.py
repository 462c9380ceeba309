"""How many requests Coder gets from us in a minute."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WINDOW = 61.0
"""Seconds. A second more than a minute: requests that were sent in one minute may arrive in the next."""
ROUTINE_PER_MINUTE = 60
"""Most requests in a minute that are made although nothing has happened."""

_LEAST = 0.001
_KEPT_FOR_HINTS = 0.25
"""So much of the budget is not spent on what can wait."""

_ROUTINE: contextvars.ContextVar[bool] = contextvars.ContextVar("routine", default=False)
_PATIENT: contextvars.ContextVar[bool] = contextvars.ContextVar("patient", default=False)


@contextmanager
def routine() -> Iterator[None]:
    """Requests inside are made whether or not something has happened: feeds and the re-read."""
    token = _ROUTINE.set(True)
    try:
        yield
    finally:
        _ROUTINE.reset(token)


@contextmanager
def patient() -> Iterator[None]:
    """Requests inside can wait, and may be very many: they leave room for others."""
    token = _PATIENT.set(True)
    try:
        yield
    finally:
        _PATIENT.reset(token)


class Budget:
    """Lets at most `per_minute` requests through in any minute, and of the routine ones at most half of them or 60.

    Called before each request, it returns once that may be sent.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] | None = None) -> None:
        self.allow(per_minute)
        self._clock = clock or (lambda: time.monotonic())
        self._sent: deque[float] = deque()
        self._routine: deque[float] = deque()

    def allow(self, per_minute: int) -> None:
        """Another number from now on; what was sent counts."""
        self.per_minute = per_minute
        self.routine_per_minute = min(per_minute // 2, ROUTINE_PER_MINUTE)

    async def __call__(self) -> None:
        """Waits for its turn."""
        is_routine, is_patient = _ROUTINE.get(), _PATIENT.get()
        while (pause := self._pause(is_routine, is_patient)) > 0:
            await asyncio.sleep(pause)
        now = self._clock()
        self._sent.append(now)
        if is_routine:
            self._routine.append(now)

    @property
    def spent(self) -> int:
        """How many went out in the last minute."""
        self._pause(False, False)
        return len(self._sent)

    @property
    def per_second(self) -> float:
        """So many requests a second can go on from now and none of them waits, after what the last minute has spent."""
        self._pause(False, False)
        now = self._clock()
        left = self.per_minute - len(self._sent)
        # Until one that was sent is a minute ago, there is what is left and what came back before it.
        paces = ((left + back) / max(_LEAST, at + WINDOW - now) for back, at in enumerate(self._sent))
        return min(paces, default=self.per_minute / WINDOW)

    def _pause(self, is_routine: bool, is_patient: bool) -> float:
        now = self._clock()
        most = int(self.per_minute * (1 - _KEPT_FOR_HINTS)) if is_patient else self.per_minute
        pause = _room(self._sent, most, now)
        return max(pause, _room(self._routine, self.routine_per_minute, now)) if is_routine else pause


def _room(sent: deque[float], most: int, now: float) -> float:
    """Seconds until one more may follow those that were sent."""
    while sent and sent[0] <= now - WINDOW:
        sent.popleft()
    # Never nothing: by rounding the oldest may be just not over although its time has come.
    return max(_LEAST, sent[0] + WINDOW - now) if len(sent) >= most else 0.0
