"""Tasks end when they are to: in time, with the one who waits for them, and also where a library loses a cancel."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx
import pytest
from service_lab import looped

from coderport import tasks
from coderport.tasks import ended, within
from coderport.transport.exchange import Late, exchange


class Deaf:
    """Work that loses the first cancels, as a connection that is being opened by AnyIO may."""

    def __init__(self, losses: int) -> None:
        self.losses, self.lost = losses, 0

    async def work(self) -> str:
        while self.lost < self.losses:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
            self.lost += 1
        await asyncio.sleep(3600)
        return "never"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.01)


@looped
async def test_work_that_loses_cancels_is_ended_at_its_deadline() -> None:
    deaf = Deaf(losses=3)
    with pytest.raises(asyncio.TimeoutError):
        await within(0.01, deaf.work())
    assert deaf.lost == 3


@looped
async def test_work_that_loses_a_cancel_ends_with_the_one_who_waits_for_it() -> None:
    deaf = Deaf(losses=1)
    waiting = asyncio.ensure_future(within(3600, deaf.work()))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert deaf.lost == 1


@looped
async def test_a_cancel_that_comes_as_the_work_ends_is_not_lost() -> None:
    done = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(within(3600, done))
    await asyncio.sleep(0.01)
    done.set_result("done")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@looped
async def test_work_that_is_done_in_time_gives_its_result_or_its_error() -> None:
    async def work(error: Exception | None = None) -> str:
        if error is not None:
            raise error
        return "done"

    assert await within(3600, work()) == "done"
    with pytest.raises(ValueError, match="wrong"):
        await within(3600, work(ValueError("wrong")))


@looped
async def test_an_error_of_what_was_ended_is_dropped() -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("while it ended")

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    await ended(task)
    assert task.done()


@looped
async def test_an_answer_has_its_deadline_where_a_connection_loses_a_cancel() -> None:
    deaf = Deaf(losses=1)

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=await deaf.work())

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(Late):
            await exchange(http, "GET", "http://127.0.0.1", seconds=0.01, most=1000)
