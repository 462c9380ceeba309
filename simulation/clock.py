"""A clock that jumps: hours of waiting take no time, and all who ask for the time are told the same."""

from __future__ import annotations

import asyncio
import datetime as datetimes
import selectors
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")

START = 1_767_225_600.0
"""The moment at which each world begins: 2026-01-01, in seconds since 1970."""


class StuckError(Exception):
    """All wait, and nothing will ever happen."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: where the loop would sleep, its clock jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StuckError
        self.now += max(0.0, timeout)
        return []  # there are no sockets: who waits for one is stuck


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop in which an hour of sleep takes no time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(self, executor: Any, work: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Does it at once: another thread would live in another time."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(work(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def clock(self) -> float:
        """The time of day, in seconds since 1970."""
        return START + self._jumping.now

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Inside, the standard library tells coderport's modules the time of this loop."""
        loop = self

        class Now(datetimes.datetime):
            @classmethod
            def now(cls, tz: datetimes.tzinfo | None = None) -> datetimes.datetime:  # type: ignore[override]
                return datetimes.datetime.fromtimestamp(loop.clock(), tz)

        places: list[tuple[Any, str, Any]] = [(module, "datetime", Now) for module in _telling_time(len(sys.modules))]
        places += [(time, "monotonic", self.time), (time, "time", self.clock)]
        before = [getattr(where, name) for where, name, _ in places]
        for where, name, value in places:
            setattr(where, name, value)
        try:
            yield
        finally:
            for (where, name, _), value in zip(places, before, strict=True):
                setattr(where, name, value)


@lru_cache(maxsize=1)
def _telling_time(modules: int) -> list[Any]:
    """coderport's modules that ask `datetime` for the time; looked for again where there are more or fewer modules."""
    return [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("coderport.") and getattr(module, "datetime", None) is datetimes.datetime
    ]
