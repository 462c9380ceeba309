"""What `live` makes of a Coder that shows less than it did: a token that lost rights, an older Coder, a bad answer."""

from __future__ import annotations

import asyncio

import pytest
from live_world import LiveWorld, W, in_world

from coderport.errors import Refusal


@in_world(seed=208)
async def test_what_coder_neither_shows_nor_calls_deleted_makes_it_not_ready_and_stays(world: LiveWorld) -> None:
    live = await world.live()
    await asyncio.sleep(100)
    before = world.content()
    ids = world.coder.workspace_ids()
    world.coder.drop_rows(*ids)
    for path in ("/api/v2/workspaces/[0-9a-f-]+$", "/provisionerjobs"):
        world.coder.faults.add(kind="status", status=404, path=path, body={"message": "none"})
    world.coder.faults.add(kind="status", status=403, path="/api/v2/audit", body={"message": "no"})
    for each in ids:
        world.coder.stop(each)
    said = f"neither shows nor calls deleted {len(ids)} of {len(ids)}"
    await world.until(lambda: said in live.why_not_ready(), live.why_not_ready, 1000)
    assert "preview --stack prod" in live.why_not_ready()
    assert world.content() == before
    world.coder.clear_list_faults()
    world.coder.faults.clear()
    await world.until(lambda: live.why_not_ready() == "", "seen again", 2000)
    await world.until(lambda: all(world.value(each, "status") == "stopped" for each in ids), "written", 1000)


@in_world(seed=209)
async def test_rights_that_are_lost_are_noticed_by_the_re_read(world: LiveWorld) -> None:
    user = world.coder.create_user("reader", roles=("template-admin",))
    world.options["coderSessionToken"] = world.coder.create_token(user=user)
    live = await world.live()
    await asyncio.sleep(100)
    before = world.content()
    world.coder.set_user(user, roles=frozenset())
    await world.until(lambda: live.why_not_ready() != "", "said", 1500)
    await asyncio.sleep(700)
    assert "lost sight" in live.why_not_ready() and "template-admin" in live.why_not_ready()
    asked = world.requests()
    await asyncio.sleep(600)
    assert world.requests() - asked <= 600  # nothing is asked for by itself, over and over
    assert world.content() == before
    world.coder.set_user(user, roles=frozenset({"template-admin"}))
    await world.until(lambda: live.why_not_ready() == "", "seen again", 2000)


@in_world(seed=207)
async def test_an_answer_of_the_feed_of_builds_that_lacks_jobs_does_not_end_it(world: LiveWorld) -> None:
    live = await world.live()
    await asyncio.sleep(100)
    world.coder.faults.add(kind="status", status=200, path="/provisionerjobs", body=[], times=40)
    await asyncio.sleep(200)
    assert world.process.running
    made = world.coder.create_workspace()
    await world.until(lambda: world.entity(made) is not None, "it follows", 10)
    assert live.why_not_ready() == ""
    await world.settled()


@in_world(seed=19)
async def test_a_coder_that_was_restored_stops_it_also_at_the_next_start_until_a_run_has_written_it(
    world: LiveWorld,
) -> None:
    await world.live()
    first, second, *_ = sorted(world.coder.workspace_ids())
    for _ in range(3):
        world.coder.stop(first)
        world.coder.start(first)
    await asyncio.sleep(30)
    world.process.kill()
    held = world.entity(second)
    assert held is not None  # a number that somebody wrote by hand says nothing of Coder
    world.port.put_entity(W, {**held, "properties": {**held["properties"], "latest_build_number": 99}})
    with world.coder.state.lock:
        world.coder.set_build(
            first, number=1, job_status="succeeded", transition="stop", created_at="2025-01-01T00:00:00Z"
        )
    for _ in range(2):
        await world.started()
        with pytest.raises(Refusal, match="older state"):
            await world.until(lambda: False, "stops", 300)
        assert world.value(first, "latest_build_number") > 1
        world.process.kill()
    await world.run("up")
    await world.live()
    await world.settled()
