"""The rules of `live`, one by one; each test dies where its rule is taken out."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Any

import pytest
from live_world import LiveWorld, T, W, in_world

from coderport.errors import Refusal
from coderport.live.values import Event, Hint


@in_world(seed=11)
async def test_more_deletions_than_a_run_may_make_are_held_and_the_rest_goes_on(world: LiveWorld) -> None:
    for _ in range(30):
        world.coder.create_workspace()
    await world.run("up")
    live = await world.live()
    *gone, left = sorted(world.coder.workspace_ids())
    with world.coder.state.lock:
        for each in gone:
            world.coder.delete_workspace(each)
    await asyncio.sleep(30)
    world.coder.stop(left)
    await world.until(lambda: world.value(left, "status") == "stopped", "the rest goes on", 10)
    held = world.ids() - {left}
    assert len(held) >= len(gone) - 10  # a run may delete ten
    assert live.why_not_ready() == ""
    assert f"sync --stack prod --allow-deletions {len(held)}" in live.details()
    await asyncio.sleep(3600)
    assert world.ids() - {left} == held
    await world.run("sync", allow_deletions=len(gone))
    assert world.ids() == {left}
    await world.until(lambda: live.details() == "", "no longer held", 700)
    await world.settled()


@in_world(seed=12)
async def test_what_coder_does_not_show_stays(world: LiveWorld) -> None:
    await world.live()
    first, second, *_ = sorted(world.coder.workspace_ids())
    world.coder.faults.add(kind="status", status=404, path=f"/api/v2/workspaces/{first}", body={"message": "none"})
    world.coder.faults.add(kind="status", status=410, path=f"/api/v2/workspaces/{second}", body={"message": "gone"})
    world.coder.drop_rows(first, second)
    await asyncio.sleep(1500)
    assert {first, second} <= world.ids()


@in_world(seed=13)
async def test_an_older_value_that_a_run_wrote_later_is_corrected_within_half_a_minute(world: LiveWorld) -> None:
    await world.live()
    first, *_ = sorted(world.coder.workspace_ids())
    await asyncio.sleep(60)
    world.coder.stop(first)
    old = world.entity(first)
    assert old is not None
    await world.until(lambda: world.value(first, "status") == "stopped", "stopped", 10)
    world.port.put_entity(W, old)  # as a run does that read before
    assert await world.until(lambda: world.value(first, "status") == "stopped", "corrected") < 30
    await world.settled()


@in_world(seed=14)
async def test_what_others_delete_in_port_comes_back(world: LiveWorld) -> None:
    await world.live()
    first, *_ = sorted(world.coder.workspace_ids())
    world.port.delete_entity(W, first)
    await world.until(lambda: world.entity(first) is not None, "back", 700)
    await world.settled()


@in_world(seed=15)
async def test_of_two_readings_the_one_that_was_asked_for_later_wins(world: LiveWorld) -> None:
    live = await world.live()
    first, *_ = sorted(world.coder.workspace_ids())
    early, _ = await live._reader.read({world.ref(first): ()})
    world.coder.stop(first)
    late, _ = await live._reader.read({world.ref(first): ()})
    live._order(late)
    assert live._catalog.judged(early, datetime.now(timezone.utc)) == ()
    await asyncio.sleep(5)
    assert world.value(first, "status") == "stopped"
    await world.settled()


@in_world(seed=16)
async def test_an_entity_of_somebody_else_is_left_alone(world: LiveWorld) -> None:
    await world.live()
    made = world.coder.create_workspace()
    theirs: dict[str, Any] = {"identifier": made, "title": "theirs", "properties": {"managed_by": "other/stack#1"}}
    world.port.put_entity(W, theirs)
    await asyncio.sleep(60)
    world.coder.stop(made)
    await asyncio.sleep(700)
    held = world.entity(made)
    assert held is not None and held["title"] == "theirs"
    world.coder.delete_workspace(made)
    await asyncio.sleep(60)
    assert world.entity(made) is not None


@in_world(seed=17)
async def test_what_a_colleague_added_stays(world: LiveWorld) -> None:
    body = world.port.blueprint(W)
    assert body is not None
    body["schema"]["properties"]["cost_center"] = {"type": "string"}
    world.port.put_blueprint(body)
    first, *_ = sorted(world.coder.workspace_ids())
    held = world.entity(first)
    assert held is not None
    world.port.put_entity(W, {**held, "properties": {**held["properties"], "cost_center": "R&D"}})
    await world.live()
    world.coder.stop(first)
    await world.until(lambda: world.value(first, "status") == "stopped", "stopped", 10)
    assert world.value(first, "cost_center") == "R&D"


@in_world(seed=18)
async def test_another_coder_is_found_before_anything_of_it_is_written(world: LiveWorld) -> None:
    await world.live()
    before = {each["identifier"]: each for each in world.port.entities(W)}
    world.coder.reseed(99, workspaces=6)
    with pytest.raises(Refusal, match="Another Coder answers"):
        await world.until(lambda: False, "stops", 1500)
    assert {each["identifier"]: each for each in world.port.entities(W)} == before


@in_world(seed=19)
async def test_a_coder_that_was_restored_from_a_backup_stops_it(world: LiveWorld) -> None:
    await world.live()
    first, *_ = sorted(world.coder.workspace_ids())
    for _ in range(3):
        world.coder.stop(first)
        world.coder.start(first)
    await asyncio.sleep(30)
    with world.coder.state.lock:
        world.coder.set_build(first, number=1, job_status="succeeded", transition="stop")
    with pytest.raises(Refusal, match="older state"):
        await world.until(lambda: False, "stops", 1500)
    assert world.entity(first) is not None


@in_world(seed=20)
async def test_until_a_run_has_declared_the_stack_it_writes_nothing_and_says_which_run(world: LiveWorld) -> None:
    world.options["excludeTemplates"] = ["nothing-of-that-name"]
    live = await world.started()
    await asyncio.sleep(60)
    assert "python -m coderport up --stack prod" in live.why_not_ready()
    first, *_ = sorted(world.coder.workspace_ids())
    world.coder.stop(first)
    await asyncio.sleep(900)
    assert world.value(first, "status") != "stopped"
    await world.run("up")
    await world.until(lambda: live.why_not_ready() == "", "ready", 100)
    await world.settled()


@in_world(seed=21)
async def test_a_run_with_other_settings_is_followed(world: LiveWorld) -> None:
    await world.live()
    template = world.coder.template(sorted(world.coder.template_ids())[0])
    world.coder.create_template("kept")
    kept = world.coder.create_workspace(template="kept")
    await world.until(lambda: world.entity(kept) is not None, "there", 30)
    world.options["excludeTemplates"] = [template.name]
    await world.run("up", allow_deletions=100)
    assert world.entity(template.id, T) is None
    await asyncio.sleep(1500)
    assert world.entity(template.id, T) is None
    made = world.coder.create_workspace(template="kept")
    await world.until(lambda: world.entity(made) is not None, "it follows", 30)


@in_world(seed=22)
async def test_no_minute_has_more_requests_to_coder_than_the_budget(world: LiveWorld) -> None:
    world.options["live"] = {"requestsPerMinute": 40}
    seen: list[float] = []
    live = await world.live()
    since = world.requests()
    for number in range(200):
        nobody = [world.ref(f"00000000-0000-4000-8000-{number:06}{at:06}") for at in range(9)]
        live.hints.add(Hint(key, Event("nowhere")) for key in nobody)
        await asyncio.sleep(3)
        seen.append(world.requests() - since)
    assert all(later - earlier <= 40 for earlier, later in zip(seen, seen[20:], strict=False))
    assert seen[-1] > 100


@in_world(seed=23)
async def test_a_run_after_a_day_of_live_finds_nothing_to_write_to_port(world: LiveWorld) -> None:
    for _ in range(30):
        world.coder.create_workspace()
    await world.run("up")
    await world.live()
    ids = sorted(world.coder.workspace_ids())
    for each in ids[:24]:  # far more than one run may delete
        world.coder.delete_workspace(each)
        await asyncio.sleep(100)
    for each in ids[24:]:
        world.coder.stop(each)
        world.coder.rename_workspace(each, f"n{each[:4]}")
    made = world.coder.create_workspace()
    await asyncio.sleep(700)
    assert world.ids() == {*ids[24:], made}
    world.process.kill()
    for name in ("sync", "up", "sync"):
        await world.finds_nothing(name)
    assert (await world.run("sync")).result == "unchanged"


@in_world(seed=24)
async def test_new_names_and_addresses_of_people_and_organizations_are_followed(world: LiveWorld) -> None:
    await world.live()
    await asyncio.sleep(30)
    first, *_ = sorted(world.coder.workspace_ids())
    owner = world.coder.workspace(first).owner_id
    world.coder.set_user(owner, email="new@example.com")
    with world.coder.state.lock:
        for each in world.coder.state.organizations.values():
            each.display_name = "Another name"
    await world.run("up")  # it knows them at once, and is not corrected
    assert world.value(first, "owner_email") == "new@example.com"
    await asyncio.sleep(200)
    assert world.value(first, "owner_email") == "new@example.com"
    await world.until(lambda: world.value(first, "organization_display_name") == "Another name", "name", 1500)
    made = world.coder.create_organization("later")
    template = world.coder.create_template("of-later", organization=made)
    workspace = world.coder.create_workspace(template="of-later")
    await world.until(lambda: world.entity(workspace) is not None, "there", 1500)
    assert world.value(template, "organization_name", T) == "later"
    await asyncio.sleep(700)
    await world.settled()
