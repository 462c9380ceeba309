"""What `live` stands on: settings that change and change back, a CLI that fails, runs that come by."""

from __future__ import annotations

import asyncio
from unittest import mock

import pytest
from live_world import LiveWorld, T, in_world

from coderport.engine.errors import EngineError
from coderport.errors import SettingsError
from coderport.live import standing
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
    took = await world.until(lambda: live.why_not_ready() == "", "ready after the run", 100)
    assert took < 10  # the run is noticed as it ends
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


def narrowed_with_builds_beside(*, leaves_traces: bool) -> None:
    """A run leaves a template out; its workspaces are then built, before `live` looks at the stack again."""

    @in_world(seed=21)
    async def test(world: LiveWorld) -> None:
        world.world.stack.leaves_traces = leaves_traces
        world.options["live"] = {"resync": "1d"}
        template = world.coder.template(sorted(world.coder.template_ids())[0])
        there = world.entity(template.id, T)
        assert there is not None
        for _ in range(14):
            world.coder.create_workspace(template=template.name)
        world.coder.create_template("kept")
        kept = world.coder.create_workspace(template="kept")
        await world.run("up")
        live = await world.live()
        await asyncio.sleep(20)
        of_it = {each for each in world.ids() if world.coder.workspace(each).template_id == template.id}
        assert len(of_it) >= 14
        world.options["excludeTemplates"] = [template.name]
        await world.run("sync", allow_deletions=100)
        assert not of_it & world.ids()
        if not leaves_traces:  # else the first workspace finds that its template is gone
            world.port.put_entity(T, there)
        writes = world.port.writes
        await asyncio.sleep(5)
        for each in of_it:
            world.coder.stop(each)
        await asyncio.sleep(200)
        assert not of_it & world.ids() and world.entity(template.id, T) is None
        assert live.why_not_ready() == live.details() == ""
        assert world.port.writes == writes or not leaves_traces  # nothing was written back for a while either
        world.coder.stop(kept)
        await world.until(lambda: world.value(kept, "status") == "stopped", "it goes on", 30)
        world.process.kill()
        await world.finds_nothing("sync")

    test()


def test_what_a_run_with_narrower_filters_removed_is_not_written_back() -> None:
    with mock.patch.object(standing, "TRACE_EVERY", 10_000):  # the look before each write is what counts here
        narrowed_with_builds_beside(leaves_traces=True)


def test_where_runs_leave_no_trace_what_was_written_back_goes_again_within_a_minute() -> None:
    narrowed_with_builds_beside(leaves_traces=False)


@pytest.mark.parametrize(("leaves_traces", "seconds"), [(True, 10), (False, 70)])
def test_a_run_that_writes_nothing_to_port_is_noticed(leaves_traces: bool, seconds: float) -> None:
    run_is_noticed(leaves_traces, seconds)


def run_is_noticed(leaves_traces: bool, seconds: float) -> None:
    @in_world(seed=403)
    async def test(world: LiveWorld) -> None:
        world.world.stack.leaves_traces = leaves_traces
        world.options["live"] = {"resync": "1d"}
        live = await world.live()
        await asyncio.sleep(120)
        world.options["excludeTemplates"] = ["nothing"]
        await world.run("up")
        await world.until(lambda: live._settings == world.world.settings(), "noticed", seconds)
        await world.until(lambda: live.why_not_ready() == "", "ready", 40)

    test()


@in_world(seed=404)
async def test_where_the_stack_cannot_be_read_after_a_run_nothing_is_written_until_it_can(world: LiveWorld) -> None:
    live = await world.live()
    await asyncio.sleep(20)
    first, *_ = sorted(world.coder.workspace_ids())
    with mock.patch.object(WorldStack, "memory", side_effect=EngineError("the backend does not answer")):
        world.world.state.runs += 1
        world.coder.stop(first)
        await asyncio.sleep(120)
        assert world.value(first, "status") != "stopped"
        assert live.why_not_ready() == "the backend does not answer"
    await world.until(lambda: world.value(first, "status") == "stopped", "goes on", 30)
    await world.until(lambda: live.why_not_ready() == "", "ready", 100)


@in_world(seed=405)
async def test_another_token_and_another_budget_are_taken_without_a_restart(world: LiveWorld) -> None:
    live = await world.live()
    await asyncio.sleep(20)
    asked = live._servers.requests
    spare = world.coder.create_token(name="spare")
    world.coder.revoke_token(world.coder.token)
    world.options["coderSessionToken"] = spare
    world.options["live"] = {"requestsPerMinute": 60}
    await world.until(lambda: live._servers.budget.per_minute == 60, "noticed", 700)
    await world.until(lambda: live.why_not_ready() == "", "ready", 100)
    first, *_ = sorted(world.coder.workspace_ids())
    world.coder.stop(first)
    await world.until(lambda: world.value(first, "status") == "stopped", "follows", 60)
    assert live._servers.requests["coder"] > asked["coder"]
