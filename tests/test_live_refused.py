"""What Port refuses while `live` runs: it waits its pause, and is neither forgotten nor asked about in circles."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

from live_world import LiveWorld, T, W, in_world

from coderport.catalog.values import Ref
from coderport.live.refused import DELETION, PAUSE, Refused

NOW = datetime(2026, 11, 27, 8, tzinfo=timezone.utc)
KEY, TEMPLATE = Ref(W, "one"), Ref(T, "its")


def test_what_port_refused_waits_for_its_pause_unless_it_changes() -> None:
    refused = Refused()
    refused.note(KEY, b"so", NOW)
    assert refused.waits(KEY, NOW) and refused.waits(KEY, NOW, b"so")
    assert not refused.waits(KEY, NOW, b"other")
    assert not refused.due(NOW + PAUSE - timedelta(seconds=1))
    assert not refused.waits(KEY, NOW + PAUSE, b"so")
    assert list(refused.due(NOW + PAUSE)) == [KEY]
    assert not refused.due(NOW + PAUSE)


def test_what_waits_for_a_template_is_due_when_that_is_there() -> None:
    refused = Refused()
    refused.note(KEY, b"so", NOW, lacks=[TEMPLATE])
    refused.written(TEMPLATE)
    assert not refused.waits(KEY, NOW, b"so")
    assert list(refused.due(NOW)) == [KEY]


def test_a_refusal_leads_to_another_look_once_in_a_pause() -> None:
    refused = Refused()
    looks = [refused.may_lead_to_another_look(KEY, NOW + timedelta(minutes=at)) for at in range(21)]
    assert [at for at, looked in enumerate(looks) if looked] == [0, 10, 20]


def demanding(world: LiveWorld, blueprint: str) -> None:
    """A colleague makes a property of theirs mandatory."""
    body = the_blueprint(world, blueprint)
    body["schema"]["properties"]["cost_center"] = {"type": "string"}
    body["schema"]["required"] = ["cost_center"]
    world.port.put_blueprint(body)


def the_blueprint(world: LiveWorld, blueprint: str) -> dict[str, Any]:
    body = world.port.blueprint(blueprint)
    assert body is not None
    return body


@in_world(seed=202)
async def test_a_template_that_port_refuses_and_its_workspaces_wait_for_their_pause(world: LiveWorld) -> None:
    live = await world.live()
    demanding(world, T)
    await asyncio.sleep(70)
    made = world.coder.create_template("fresh")
    await asyncio.sleep(30)
    of_it = [world.coder.create_workspace(template="fresh") for _ in range(3)]
    await asyncio.sleep(30)
    coder, port = world.requests(), world.port.log.total
    await asyncio.sleep(300)
    assert world.requests() - coder <= 5 * 60  # no more than while nothing happens
    assert world.port.log.total - port <= 5 * 20
    assert live.metrics.refused._value.get() == 4
    mended = the_blueprint(world, T)
    mended["schema"]["required"] = []
    world.port.put_blueprint(mended)
    there = {made}
    await world.until(lambda: there <= world.ids(T) and set(of_it) <= world.ids(), "tried again", 530)
    await world.settled()


@in_world(seed=203, live={"resync": "1h"})
async def test_what_port_refuses_to_delete_stops_no_other_and_goes_later(world: LiveWorld) -> None:
    live = await world.live()
    first, second, *_ = sorted(world.coder.workspace_ids())
    relation = {"target": W, "required": True, "many": False, "title": "Workspace"}
    world.port.put_blueprint(
        {
            "identifier": "desk",
            "title": "Desk",
            "schema": {"properties": {}, "required": []},
            "relations": {"of": relation},
        }
    )
    world.port.put_entity("desk", {"identifier": "d", "title": "d", "properties": {}, "relations": {"of": first}})
    world.coder.delete_workspace(first)
    world.coder.delete_workspace(second)
    await world.until(lambda: world.entity(second) is None, "the other goes", 30)
    await asyncio.sleep(100)
    assert world.entity(first) is not None
    assert live.metrics.refused._value.get() == 1
    assert live.why_not_ready() == ""
    world.port.delete_entity("desk", "d")
    await world.until(lambda: world.entity(first) is None, "tried again", 530)


@in_world(seed=204)
async def test_a_blueprint_that_somebody_changed_makes_it_not_ready_until_a_run(world: LiveWorld) -> None:
    live = await world.live()
    body = the_blueprint(world, W)
    del body["schema"]["properties"]["status"]
    world.port.put_blueprint(body)
    await asyncio.sleep(5)
    first, *_ = sorted(world.coder.workspace_ids())
    world.coder.stop(first)
    await world.until(lambda: "python -m coderport up --stack prod" in live.why_not_ready(), "says so", 70)
    assert "coder_workspace.status" in live.why_not_ready()
    await world.run("up")
    await world.until(lambda: live.why_not_ready() == "", "ready", 100)
    assert world.value(first, "status") == "stopped"
    await world.settled()


@in_world(seed=205)
async def test_a_changed_blueprint_is_found_within_resync_where_nothing_is_written(world: LiveWorld) -> None:
    live = await world.live()
    body = the_blueprint(world, T)
    del body["schema"]["properties"]["active_version_id"]
    world.port.put_blueprint(body)
    await world.until(lambda: "coder_template.active_version_id" in live.why_not_ready(), "says so", 700)


def test_a_deletion_is_no_content_of_an_entity() -> None:
    refused = Refused()
    refused.note(KEY, b"so", NOW)
    assert not refused.waits(KEY, NOW, DELETION)
