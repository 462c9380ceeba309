"""Resources are registered a window at a time, and none that failed goes unnoticed."""

from __future__ import annotations

import asyncio
import gc
import sys
from types import SimpleNamespace

import pulumi
import pytest
from pulumi.runtime.proto import engine_pb2
from pulumi.runtime.settings import SETTINGS

from coderport.program.registrations import Registrations, sparing_messages


class Resource(pulumi.CustomResource):
    """A resource whose registration ends when the test says so."""

    def __init__(self, frames: list[int] | None = None) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.known = True
        if frames is not None:
            frames.append(getattr(sys, "tracebacklimit", -1))

    @property
    def urn(self) -> pulumi.Output[str]:
        async def future() -> str:
            return await self.ended

        return SimpleNamespace(future=future)  # type: ignore[return-value]

    @property
    def id(self) -> pulumi.Output[str]:
        async def is_known() -> bool:
            return self.known

        return SimpleNamespace(is_known=is_known)  # type: ignore[return-value]


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_the_next_begins_as_soon_as_any_one_ends() -> None:
    async def scenario() -> list[int]:
        registrations, made, counts = Registrations(most=3), [], []

        def make() -> Resource:
            made.append(Resource())
            return made[-1]

        async def program() -> None:
            for _ in range(6):
                await registrations.begin(make)
            await registrations.all_succeeded()

        running = asyncio.create_task(program())
        for end in (None, 1, 0, 4, 2, 3):
            if end is not None:
                made[end].ended.set_result("urn")
            await settled()
            counts.append(len(made))
        assert not running.done(), "the last one is under way"
        made[5].ended.set_result("urn")
        await running
        return counts

    assert asyncio.run(scenario()) == [3, 4, 5, 6, 6, 6]


def test_a_failed_registration_stops_those_to_come_with_its_error() -> None:
    async def scenario() -> int:
        registrations = Registrations(most=2)
        first, _ = [await registrations.begin(Resource) for _ in range(2)]
        first.ended.set_exception(RuntimeError("Port says no"))
        made: list[int] = []
        with pytest.raises(RuntimeError, match="Port says no"):
            for _ in range(5):
                await registrations.begin(lambda: Resource(made))
        return len(made)

    assert asyncio.run(scenario()) == 0


def test_the_end_is_reported_only_when_all_succeeded() -> None:
    async def scenario() -> None:
        registrations = Registrations()
        good, bad, open_ = [await registrations.begin(Resource) for _ in range(3)]
        end = asyncio.create_task(registrations.all_succeeded())
        good.ended.set_result("urn")
        await settled()
        assert not end.done()
        bad.ended.set_exception(RuntimeError("Port says no"))
        with pytest.raises(RuntimeError, match="Port says no"):
            await end
        assert not open_.ended.done(), "it does not wait for what hangs beside the failure"

    asyncio.run(scenario())


def test_with_continue_on_error_all_are_tried_and_the_run_is_no_success() -> None:
    async def scenario() -> None:
        registrations = Registrations(most=1)
        skipped = await registrations.begin(Resource)
        skipped.known = False
        skipped.ended.set_result("urn")
        later = await registrations.begin(Resource)
        later.ended.set_result("urn")
        with pytest.raises(pulumi.RunError, match="1 resources could not be registered"):
            await registrations.all_succeeded()

    asyncio.run(scenario())


def test_nothing_of_what_spares_time_outlasts_the_block() -> None:
    sent: list[int] = []
    engine = SimpleNamespace(Log=lambda request: sent.append(request.severity), address="x")
    before, SETTINGS.engine = SETTINGS.engine, engine
    thresholds = gc.get_threshold()
    frames: list[int] = []

    async def scenario() -> None:
        with sparing_messages():
            pulumi.log.debug("nobody reads this")
            pulumi.log.warn("everybody reads this")
            (await Registrations().begin(lambda: Resource(frames))).ended.set_result("urn")

    try:
        asyncio.run(scenario())
        assert sent == [engine_pb2.WARNING]
        assert frames == [1] and not hasattr(sys, "tracebacklimit")
        assert gc.get_threshold() == thresholds and gc.get_freeze_count() == 0
    finally:
        SETTINGS.engine = before
