"""Hours of waiting in no time: an event loop whose clock jumps."""

from __future__ import annotations

import asyncio
import selectors

import pytest

START = 1_767_225_600.0


class Jumping(selectors.SelectSelector):
    """Waits for nothing: where the loop would sleep, its clock jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            pytest.fail("all wait, and nothing will ever happen")
        self.now += timeout
        return super().select(0)


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop in which an hour of sleep takes no time."""

    def __init__(self) -> None:
        self.jumping = Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now

    def clock(self) -> float:
        """The time of day."""
        return START + self.jumping.now
