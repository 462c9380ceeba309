"""`live` follows Coder: what happens there is in Port soon after, and a run after it finds nothing to do."""

from __future__ import annotations

import asyncio

from live_world import LiveWorld, W, in_world

SECONDS = 3.0
"""Of the world's clock, whose network takes up to a tenth of a second each way."""


@in_world(seed=3)
async def test_what_builds_change_is_in_port_soon_after(world: LiveWorld) -> None:
    await world.live()
    first, *_ = sorted(world.coder.workspace_ids())
    world.coder.stop(first)
    assert await world.until(lambda: world.value(first, "status") == "stopped", "stopped") < SECONDS
    made = world.coder.create_workspace()
    assert await world.until(lambda: world.entity(made) is not None, "created") < SECONDS
    world.coder.delete_workspace(first)
    assert await world.until(lambda: world.entity(first) is None, "deleted") < SECONDS
    await world.settled()


@in_world(seed=4)
async def test_what_no_feed_tells_is_found_by_the_re_read_and_counted_as_missed(world: LiveWorld) -> None:
    live = await world.live()
    first, *_ = sorted(world.coder.workspace_ids())
    await asyncio.sleep(60)
    world.coder.rename_workspace(first, "renamed")
    assert await world.until(lambda: world.value(first, "name") == "renamed", "renamed") < 700
    await asyncio.sleep(30)
    assert 'coderport_live_missed_total{feed="none",property="name"} 1.0' in live.metrics.exposition().decode()
    await world.settled()


@in_world(seed=5)
async def test_an_edit_by_hand_is_corrected_within_half_a_minute(world: LiveWorld) -> None:
    await world.live()
    first, *_ = sorted(world.coder.workspace_ids())
    await asyncio.sleep(100)
    held = world.entity(first)
    assert held is not None
    right = held["properties"]["status"]
    world.port.put_entity(W, {**held, "properties": {**held["properties"], "status": "by hand"}})
    assert await world.until(lambda: world.value(first, "status") == right, "corrected") < 30
    await world.settled()


@in_world(seed=6)
async def test_it_waits_while_a_server_is_away_and_catches_up(world: LiveWorld) -> None:
    live = await world.live()
    first, second, *_ = sorted(world.coder.workspace_ids())
    for server in ("http://127.0.0.1:17001", "http://127.0.0.1:17002"):
        world.network.weather.cut = {server}
        world.coder.stop(first)
        world.coder.rename_workspace(second, f"n{server[-1]}")
        await asyncio.sleep(900)
        assert live.why_not_ready()
        world.network.weather.cut = set()
        await world.until(lambda server=server: world.value(second, "name") == f"n{server[-1]}", "renamed", 120)  # type: ignore[misc]
        await world.until(lambda: live.why_not_ready() == "", "ready again", 120)
    await world.settled()
