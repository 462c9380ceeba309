"""Running tasks so that none outlives a failure of another, its time, or the one who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, Final, TypeVar

AGAIN_SECONDS: Final = 1.0
"""Until a task that has been cancelled and still runs is cancelled again."""

T = TypeVar("T")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order. The first failure cancels the rest, waits for them to end, and is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def within(seconds: float, work: Awaitable[T]) -> T:
    """The result of the work, which is ended where it takes longer; then raises asyncio.TimeoutError.

    Not `asyncio.wait_for`: up to Python 3.11 that loses a cancel that comes as the work ends, and it waits without end
    for work that loses one.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            return task.result()
    finally:
        await ended(task)
    raise asyncio.TimeoutError


async def ended(task: asyncio.Future[Any]) -> None:
    """Returns when the task is over; one that still runs is cancelled until then. Its result or error is dropped.

    Once is not enough: AnyIO, by which httpx opens its connections, can lose a cancel that comes as a connection is
    opened (github.com/agronholm/anyio/issues/1214).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()  # or asyncio logs that nobody looked at it
