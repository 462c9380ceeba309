"""`live` follows Coder: what happens there is in Port soon after, and a run after it finds nothing to do."""

from __future__ import annotations

import asyncio

from live_world import LiveWorld, T, W, in_world

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
    world.coder.set_workspace(first, ttl_ms=3_600_000)  # no line of the log says so
    await world.until(lambda: world.value(first, "ttl_ms") == 3_600_000, "found", 700)
    await asyncio.sleep(30)
    assert 'coderport_live_missed_total{feed="audit",property="ttl_ms"} 1.0' in live.metrics.exposition().decode()
    await world.settled()


@in_world(seed=4)
async def test_the_audit_log_tells_of_names_and_dormancy(world: LiveWorld) -> None:
    live = await world.live()
    first, second, *_ = sorted(world.coder.workspace_ids())
    await asyncio.sleep(60)
    world.coder.rename_workspace(first, "renamed")
    world.coder.set_dormant(second)
    assert await world.until(lambda: world.value(first, "name") == "renamed", "renamed") < 60
    assert await world.until(lambda: world.value(second, "dormant_at") is not None, "dormant") < 60
    await asyncio.sleep(30)
    assert "coderport_live_missed_total{" not in live.metrics.exposition().decode()
    await world.settled()


@in_world(seed=8)
async def test_a_promotion_outdates_all_workspaces_of_its_template(world: LiveWorld) -> None:
    await world.live()
    template = world.coder.workspace(sorted(world.coder.workspace_ids())[0]).template_id
    mine = {each for each in world.coder.workspace_ids() if world.coder.workspace(each).template_id == template}
    await asyncio.sleep(60)
    world.coder.promote_version(template)
    assert await world.until(lambda: all(world.value(each, "outdated") for each in mine), "outdated") < 60
    active = str(world.coder.template(template).active_version_id)
    assert await world.until(lambda: world.value(template, "active_version_id", T) == active, "promoted") < 60
    await world.settled()


@in_world(seed=8)
async def test_templates_that_come_change_and_go_are_followed(world: LiveWorld) -> None:
    await world.live()
    await asyncio.sleep(60)
    made = world.coder.create_template("brand-new")
    assert await world.until(lambda: world.entity(made, T) is not None, "there") < 60
    world.coder.set_template(made, description="other")
    assert await world.until(lambda: world.value(made, "description", T) == "other", "changed") < 60
    world.coder.deprecate(made)
    assert await world.until(lambda: world.value(made, "deprecated", T) is True, "deprecated") < 120
    workspace = world.coder.create_workspace(template="brand-new")
    assert await world.until(lambda: world.entity(workspace) is not None, "workspace") < SECONDS
    world.coder.delete_workspace(workspace)
    await world.until(lambda: world.entity(workspace) is None, "workspace gone")
    world.coder.delete_template(made)
    assert await world.until(lambda: world.entity(made, T) is None, "gone") < 120
    await world.settled()


@in_world(seed=9)
async def test_a_token_that_may_not_read_jobs_asks_for_builds_under_way(world: LiveWorld) -> None:
    world.options["coderSessionToken"] = world.coder.create_token("template-admin")
    live = await world.live()
    assert live.feeds == ["templates", "transitional"]
    world.coder.set_build_seconds(30, 60)
    first, *_ = sorted(world.coder.workspace_ids())
    world.build(first, "stop")
    assert await world.until(lambda: world.value(first, "status") in ("pending", "stopping"), "under way") < 60
    assert await world.until(lambda: world.value(first, "status") == "stopped", "stopped") < 130
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


@in_world(seed=7)
async def test_what_port_could_not_take_is_written_once_it_can(world: LiveWorld) -> None:
    await world.live()
    first, second, *_ = sorted(world.coder.workspace_ids())
    await asyncio.sleep(200)
    world.coder.rename_workspace(second, "newer")  # so that a look at others' writes does not reach back to the first
    await world.until(lambda: world.value(second, "name") == "newer", "newer", 60)
    await asyncio.sleep(30)
    world.network.weather.cut = {"http://127.0.0.1:17002"}
    world.coder.stop(first)
    await asyncio.sleep(100)
    world.network.weather.cut = set()
    number = world.coder.workspace(first).build.number
    assert await world.until(lambda: world.value(first, "latest_build_number") == number, "written", 60) < 60
    await world.settled()
