"""What `live` stands on: settings that change and change back, a CLI that fails, runs that come by."""

from __future__ import annotations

import asyncio
from unittest import mock

import pytest
from live_world import LiveWorld, in_world

from coderport.engine.errors import EngineError
from coderport.errors import SettingsError
from simulation.engine import WorldStack


@in_world(seed=102)
async def test_settings_that_change_and_change_back_need_no_restart(world: LiveWorld) -> None:
    live = await world.live()
    world.options["excludeTemplates"] = ["nothing-of-that-name"]
    await world.until(lambda: "python -m coderport up" in live.why_not_ready(), "noticed", 800)
    del world.options["excludeTemplates"]
    await world.until(lambda: live.why_not_ready() == "", "ready again", 100)
    world.options["excludeTemplates"] = ["nothing-of-that-name"]
    await world.until(lambda: "python -m coderport up" in live.why_not_ready(), "noticed", 800)
    await world.run("up")
    await world.until(lambda: live.why_not_ready() == "", "ready after the run", 100)
    await world.settled()


@pytest.mark.parametrize("error", [EngineError, SettingsError])
def test_a_stack_that_cannot_be_read_for_a_while_is_waited_for(error: type[Exception]) -> None:
    @in_world(seed=103)
    async def test(world: LiveWorld) -> None:
        live = await world.live()
        world.options["excludeTemplates"] = ["nothing-of-that-name"]
        await world.until(lambda: live.why_not_ready() != "", "noticed", 800)
        with mock.patch.object(WorldStack, "settings", side_effect=error("the backend does not answer")):
            await asyncio.sleep(300)
            assert "the backend does not answer" in live.why_not_ready()
        await world.run("up")
        await world.until(lambda: live.why_not_ready() == "", "ready", 100)

    test()


@in_world(seed=104)
async def test_what_is_wrong_with_the_settings_at_the_start_is_raised(world: LiveWorld) -> None:
    with mock.patch.object(WorldStack, "memory", side_effect=SettingsError("no such stack")):
        await world.started()
        with pytest.raises(SettingsError, match="no such stack"):
            await world.until(lambda: False, "raised", 60)
    world.processes.clear()
