"""What happens in a world: each event takes its choices from a seed of its own, so that others may be left out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from coderport.emulators.port.problems import Problem
from coderport.guard.ownership import DEPLOYMENT, MANAGED_BY
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.port.client import PortClient
from coderport.port.errors import PortError
from coderport.settings import Releases
from simulation.engine import State
from simulation.network import CODER, PORT, Weather
from simulation.people import BUTTONS
from simulation.watch import OTHER
from simulation.world import SECRET, World

W, T = WORKSPACE.identifier, TEMPLATE.identifier

_STAMPS = ("createdAt", "createdBy", "updatedAt", "updatedBy", "id")
"""What Port adds to a blueprint by itself."""

Event = Callable[[World, random.Random], Awaitable[None]]


def _workspace(world: World, chance: random.Random) -> str | None:
    ids = sorted(world.coder.workspace_ids())
    return chance.choice(ids) if ids else None


def _entity(world: World, chance: random.Random, blueprint: str | None = None) -> tuple[str, dict[str, Any]] | None:
    blueprint = blueprint or chance.choice((W, W, T))
    if world.port.blueprint(blueprint) is None:
        return None
    rows = sorted(world.port.entities(blueprint), key=lambda each: str(each["identifier"]))
    return (blueprint, chance.choice(rows)) if rows else None


# --- in Coder


async def create(world: World, chance: random.Random) -> None:
    users = sorted(each.username for each in world.coder.state.users.values())
    world.coder.create_workspace(chance.choice(users))


async def change(world: World, chance: random.Random) -> None:
    if one := _workspace(world, chance):
        number = chance.randint(1, 9999)
        coder = world.coder
        chance.choice((coder.stop, coder.start, lambda each: coder.rename_workspace(each, f"n{number}")))(one)


async def delete(world: World, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 1, 3, 12))):
        if one := _workspace(world, chance):
            world.coder.delete_workspace(one)


async def rename_template(world: World, chance: random.Random) -> None:
    world.coder.set_template(chance.choice(sorted(world.coder.template_ids())), name=f"t{chance.randint(1, 9999)}")


async def promote(world: World, chance: random.Random) -> None:
    world.coder.promote_version(chance.choice(sorted(world.coder.template_ids())))


async def lose_sight(world: World, chance: random.Random) -> None:
    """Coder's lists lose rows that its count still has."""
    if one := _workspace(world, chance):
        world.coder.drop_rows(one)


async def blind(world: World, chance: random.Random) -> None:
    """Coder answers 404 for workspaces by id, or 410 with somebody else's body, and shows an empty list."""
    status = chance.choice((404, 404, 410))
    body = {"message": "gone fishing"} if status == 410 else {"message": "Resource not found"}
    world.coder.faults.add(kind="status", status=status, path="/api/v2/workspaces/", body=body)
    for one in sorted(world.coder.workspace_ids()):
        world.coder.drop_rows(one)
    world.coder.set_count_off(-len(world.coder.workspace_ids()))


async def see_again(world: World, chance: random.Random) -> None:
    world.coder.clear_list_faults()
    world.coder.faults.clear()


# --- in Port


async def edit_by_hand(world: World, chance: random.Random) -> None:
    if found := _entity(world, chance):
        blueprint, held = found
        edits: list[dict[str, Any]] = [{"name": "by hand"}, {MANAGED_BY: None}, {"created_at": None}]
        world.port.put_entity(
            blueprint, {"identifier": held["identifier"], "properties": chance.choice(edits)}, by="colleague"
        )


async def add_value(world: World, chance: random.Random) -> None:
    """A colleague's property on our blueprint, and a value."""
    if (live := world.port.blueprint(W)) is None or not (found := _entity(world, chance, W)):
        return
    body = {key: value for key, value in live.items() if key not in _STAMPS}
    body["schema"]["properties"]["cost_center"] = {"type": "string", "title": "Cost center"}
    world.port.put_blueprint(body, by="colleague")
    world.port.put_entity(W, {"identifier": found[1]["identifier"], "properties": {"cost_center": "x"}}, by="colleague")
    world.theirs[found[1]["identifier"]] = "x"


async def delete_by_hand(world: World, chance: random.Random) -> None:
    if found := _entity(world, chance):
        world.port.delete_entity(found[0], found[1]["identifier"])
        world.watch.by_hand_at[found[0]] = asyncio.get_running_loop().time()
        world.theirs.pop(found[1]["identifier"], None)


async def duplicate(world: World, chance: random.Random) -> None:
    """Somebody duplicates an entity of ours in Port, mark and all."""
    if found := _entity(world, chance, W):
        copy = {key: found[1][key] for key in ("title", "properties")}
        world.port.put_entity(W, {**copy, "identifier": f"copy-{chance.randint(1, 99)}"}, by="colleague")


async def foreign(world: World, chance: random.Random) -> None:
    """Another stack holds an entity of the same blueprint: one of its own, or one that ours would write."""
    if world.port.blueprint(W) is None:
        return
    alive = _workspace(world, chance)
    identifier = alive if alive and chance.random() < 0.4 else f"00000000-0000-4000-8000-{chance.randint(1, 99):012}"
    properties = {"name": "theirs", MANAGED_BY: str(OTHER), DEPLOYMENT: world.coder.deployment_id}
    world.port.put_entity(W, {"identifier": identifier, "title": "theirs", "properties": properties}, by="other")
    world.watch.foreign_since[W, identifier] = asyncio.get_running_loop().time()


async def own_action(world: World, chance: random.Random) -> None:
    """A colleague makes an action of their own."""
    name = f"deploy_{chance.randint(1, 3)}"
    body = {
        "identifier": name,
        "title": "Deploy",
        "trigger": {"type": "self-service", "operation": "CREATE", "userInputs": {"properties": {}, "required": []}},
        "invocationMethod": {"type": "WEBHOOK", "url": "https://deploy.example.com"},
    }
    with suppress(PortError):
        async with PortClient(PORT, world.port.client_id, SECRET) as client:
            await client.create_action(body)
            world.their_actions.add(name)


async def item_errors(world: World, chance: random.Random) -> None:
    if one := _workspace(world, chance):
        status = chance.choice((429, 500, 422))
        world.port.fail_items(
            identifiers=[one], status=status, error="internal_error", message="try again", times=chance.randint(1, 3)
        )


# --- the network, the settings, the state, time


async def weather(world: World, chance: random.Random) -> None:
    world.network.weather = Weather.bad(chance) if chance.random() < 0.7 else Weather()


async def partition(world: World, chance: random.Random) -> None:
    """One of the servers cannot be reached for a while."""
    server = chance.choice((CODER, PORT))
    world.network.weather.cut.add(server)
    await asyncio.sleep(chance.choice((5, 60, 600)))
    world.network.weather.cut.discard(server)


async def filter_templates(world: World, chance: random.Random) -> None:
    """One more template is left out, or another choice of them."""
    names = sorted(each.name for each in world.coder.state.templates.values())
    left_out = list(world.options.get("excludeTemplates", ()))
    if chance.random() < 0.7:
        world.options["excludeTemplates"] = sorted({*left_out, chance.choice(names)})
    else:
        world.options["excludeTemplates"] = chance.sample(names, k=chance.randint(0, len(names)))


async def narrow(world: World, chance: random.Random) -> None:
    names = sorted(each.name for each in world.coder.state.organizations.values())
    world.options["organizations"] = chance.choice(([], names[:1]))


async def rename_stack(world: World, chance: random.Random) -> None:
    if not world.stack.busy:
        world.stack.name = f"prod{chance.randint(1, 9)}"


async def restore(world: World, chance: random.Random) -> None:
    """An older state is restored, or the state is lost."""
    if world.stack.busy:
        return
    if chance.random() < 0.5:
        world.older = world.state.copied()
    elif world.older is not None:
        world.state.resources, world.state.outputs = dict(world.older.resources), dict(world.older.outputs)
    else:
        fresh = State()
        world.state.resources, world.state.outputs = fresh.resources, fresh.outputs


async def forget(world: World, chance: random.Random) -> None:
    """The stack loses its outputs, and keeps its resources."""
    if not world.stack.busy:
        world.state.outputs = {}


async def pass_time(world: World, chance: random.Random) -> None:
    await asyncio.sleep(chance.choice((60, 3600, 30 * 3600)))


# --- commands


async def up(world: World, chance: random.Random) -> None:
    """A full run to its end, without a release."""
    await world.finished(world.command("up"))


async def run(world: World, chance: random.Random) -> None:
    """A run to its end, seldom with a release."""
    releases = Releases(allow_deletions=50, forget_unproven=chance.choice((0, 50))) if chance.random() < 0.1 else None
    await world.finished(world.command(chance.choice(("up", "up", "sync", "sync", "repair")), releases))


async def run_killed(world: World, chance: random.Random) -> None:
    found = world.command(chance.choice(("up", "sync", "repair")))
    await asyncio.sleep(chance.uniform(0, 3) ** 2 / 3)
    found.kill()
    await found.ended()


async def run_beside(world: World, chance: random.Random) -> None:
    """A run while something else happens: another run, a change in Coder or Port, a server that is out of reach."""
    found = world.command(chance.choice(("up", "sync")))
    await asyncio.sleep(chance.uniform(0, 2))
    await chance.choice(BESIDE)(world, chance)
    await world.finished(found)


# --- people


async def press(world: World, chance: random.Random) -> None:
    await _pressed(world, chance)
    await asyncio.sleep(chance.choice((0, 1, 30)))


async def _pressed(world: World, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 3)):
        await world.people.press(chance)


async def loosen(world: World, chance: random.Random) -> None:
    """A portal admin lets everybody run an action, whosever the workspace is."""
    actions = sorted(name for name in world.port.objects()["actions"] if name in BUTTONS)
    if not actions:
        return
    everybody = {"execute": {"users": [], "teams": [], "roles": ["Member"], "ownedByTeam": False, "policy": None}}
    with suppress(PortError):
        async with PortClient(PORT, world.port.client_id, SECRET) as client:
            await client.patch_action_permissions(chance.choice(actions), everybody)


async def service(world: World, chance: random.Random) -> None:
    """The service is started, or killed at any moment, most often while it is at work, or killed and started again."""
    if chance.random() < 0.5:
        if chance.random() < 0.7:
            world.service.start()
            await asyncio.sleep(1)
            await _pressed(world, chance)
            await asyncio.sleep(chance.uniform(0, 1))  # the builds of its runs begin in this second
        else:
            await asyncio.sleep(chance.uniform(0, 2) ** 3)
        await world.service.kill()
    if chance.random() < 0.8:
        world.service.start()
        await asyncio.sleep(chance.choice((0, 1)))


BESIDE: tuple[Event, ...] = (
    *(run, create, change, delete, edit_by_hand, delete_by_hand, foreign),
    *(lose_sight, see_again, partition, partition, filter_templates),
)
"""What happens while a run is at work."""

EVENTS: dict[Event, int] = {
    press: 6,
    loosen: 2,
    service: 3,
    create: 4,
    change: 6,
    delete: 4,
    rename_template: 1,
    promote: 1,
    lose_sight: 2,
    blind: 2,
    see_again: 2,
    edit_by_hand: 3,
    add_value: 1,
    delete_by_hand: 2,
    duplicate: 1,
    foreign: 2,
    own_action: 1,
    item_errors: 1,
    weather: 2,
    partition: 1,
    filter_templates: 5,
    narrow: 1,
    rename_stack: 1,
    restore: 1,
    forget: 1,
    pass_time: 3,
    run: 10,
    run_killed: 3,
    run_beside: 3,
}

NAMES = {event.__name__: event for event in (up, *EVENTS)}

__all__ = ["EVENTS", "NAMES", "Event", "Problem"]
