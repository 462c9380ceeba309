"""An undo gives back what a run took: over many histories, on values, with a model of the engine."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from engine_model import SETTINGS, Port, World
from test_sync_equals_up import EVENTS, History

from coderport.catalog.answers.values import Part, split
from coderport.catalog.digest import digest
from coderport.guard.ownership import MANAGED_BY
from coderport.history.definitions import NEW_ACTION, permissions_back
from coderport.history.images import DefinitionImage, EntityImage, deleted_of, entity_images, pointers_among
from coderport.history.keeping import definition_images
from coderport.history.record import Record, packed, unpacked
from coderport.history.undoing import Now, Stays, Undo, undo_of
from coderport.kinds.refused import Refused
from coderport.planning.difference import part_of
from coderport.planning.memory import rebuilt
from coderport.planning.plan import Plan
from coderport.port.models import PortEntity

HISTORIES = int(os.environ.get("UNDO_HISTORIES", "1000"))
SERVICE = "service"
"""A blueprint of somebody else, whose entities point at ours."""
PARTS: tuple[Part, ...] = ("aggregations", "scorecards", "pages")
DEFINITIONS = ("action", "permissions", "answer", "aggregations")
TARGETS = {"workspace": "coder_workspace", "templates": "coder_template", "template_id": "coder_template"}


def test_a_run_and_its_undo_leave_the_same_catalog(figure: Callable[[str], None]) -> None:
    steps: Counter[str] = Counter()
    for seed in range(HISTORIES):
        world, before, record = _run(seed)
        for image in record.entities:
            steps[image.step] += 1
        for each in record.definitions:
            step = "created" if each.before is None else "deleted" if each.after is None else "changed"
            steps[f"{each.kind} {step}"] += 1
        steps["relations of others"] += len(record.pointers)
        undo = undo_of(record, _now(world.port, record), world.past().owner())
        assert not [each for each in undo.stays if not _is_new_blueprint(each)], f"history {seed}"
        _apply(world.port, undo)
        assert _catalog(world.port) == before, f"history {seed}"
        again = undo_of(record, _now(world.port, record), world.past().owner())
        assert again.nothing, f"history {seed}: an undo is not done twice"
    figure(f"undo over {HISTORIES} histories: {dict(steps)}, 0 entities differ")
    assert min(steps[each] for each in ("created", "changed", "deleted", "relations of others")) > HISTORIES / 20
    for kind in ("action", "permissions", "answer"):
        assert min(steps[f"{kind} {each}"] for each in ("created", "changed", "deleted")) > HISTORIES / 50, kind


def test_what_somebody_changed_since_stays_as_they_left_it() -> None:
    touched: Counter[str] = Counter()
    for seed in range(HISTORIES // 4):
        world, before, record = _run(seed)
        chance = random.Random(seed)
        theirs = {place: each for place, each in world.port.entities.items() if chance.random() < 0.3}
        for place, held in theirs.items():
            world.port.entities[place] = replace(
                held, title="theirs", properties={**held.properties, "name": "theirs", "note": "theirs"}
            )
        after = _catalog(world.port)
        undo = undo_of(record, _now(world.port, record), world.past().owner())
        _apply(world.port, undo)
        now = _catalog(world.port)
        images = {(each.blueprint, each.identifier): each for each in record.entities}
        for place in before.keys() | after.keys():
            image = images.get(place)
            if place not in theirs:
                if place[0] in DEFINITIONS:
                    continue
                if place in before and not _points_at_theirs(before[place], theirs):
                    assert now.get(place) == before.get(place), f"history {seed}: {place}"
                continue
            assert place in now, f"history {seed}: an entity with values of theirs is never deleted"
            title, properties, _ = now[place]
            assert (title, properties["note"]) == ("theirs", "theirs")
            assert properties["name"] == "theirs"
            touched[image.step if image else "not of the run"] += 1
    assert min(touched["created"], touched["changed"]) > 0


def test_what_somebody_signed_since_stays_as_it_is() -> None:
    """The mark alone is theirs; every value is as the run left it."""
    signed = 0
    for seed in range(HISTORIES // 4):
        world, _, record = _run(seed)
        chance = random.Random(seed)
        written = {(each.blueprint, each.identifier): each for each in record.entities if each.step != "deleted"}
        theirs = {place for place in sorted(written) if chance.random() < 0.3 and place in world.port.entities}
        for place in theirs:
            held = world.port.entities[place]
            marked = replace(held, properties={**held.properties, MANAGED_BY: "team/their#deadbeef"})
            world.port.entities[place] = marked
        after = _catalog(world.port)
        undo = undo_of(record, _now(world.port, record), world.past().owner())
        _apply(world.port, undo)
        now = _catalog(world.port)
        for place in theirs:
            assert now[place][:2] == after[place][:2], f"history {seed}: {place}"
            assert any(place[1] in each.what and "team/their" in each.why for each in undo.stays)
        signed += len(theirs)
    assert signed > HISTORIES / 20


def test_the_actions_permissions_and_answers_that_somebody_changed_since_stay_as_they_left_them() -> None:
    touched: Counter[str] = Counter()
    for seed in range(0, HISTORIES, 5):  # those with actions
        world, before, record = _run(seed)
        port, chance = world.port, random.Random(seed)
        images = {(each.kind, each.identifier): each for each in record.definitions}
        theirs = {
            **{("action", each): {**body, "title": "theirs"} for each, body in port.actions.items()},
            **{("permissions", each): {"execute": {"roles": ["theirs"]}} for each in port.permissions},
            **{("answer", each): {**body, "title": "theirs"} for each, body in port.answers.items()},
        }
        theirs = {place: body for place, body in theirs.items() if chance.random() < 0.2}
        bodies = {"action": port.actions, "permissions": port.permissions, "answer": port.answers}
        for (kind, identifier), body in theirs.items():
            bodies[kind][identifier] = body
        after = _catalog(port)
        undo = undo_of(record, _now(port, record), world.past().owner())
        _apply(port, undo)
        now = _catalog(port)
        for place in {each for each in (*after, *before) if each[0] in bodies}:
            kind, identifier = place
            image = images.get(place)
            if place in theirs:
                assert now[place] == after[place], f"history {seed}: {place}"
                touched[f"{kind} {'created' if image and image.before is None else 'other'}"] += 1
            elif kind == "action" and ("permissions", identifier) in theirs and place not in before:
                assert now[place] == after[place], "an action whose permissions are theirs is never deleted"
            elif kind == "permissions" and ("action", identifier) in theirs and place not in before:
                assert now[place] == after[place], "it goes with an action of theirs"
            else:
                assert now.get(place) == before.get(place), f"history {seed}: {place}"
    assert min(touched[f"{kind} created"] for kind in ("action", "permissions", "answer")) > 0, touched


def test_a_record_is_the_same_after_it_was_written_and_read() -> None:
    for seed in range(20):
        record = _run(seed)[2]
        assert unpacked(packed(record), record.run, "file") == record


def _run(seed: int) -> tuple[World, Mapping[Any, Any], Record]:
    """A world in which one run has just been: what Port held before, and what the history kept of the run."""
    history = History(seed)
    if seed % 5 < 2:
        history.settings = history.settings.model_copy(update={"answers": PARTS})
    world = history.world
    world.settings = history.settings
    if seed % 4:
        world.up()
    _others(world.port, history.chance)
    kinds, weights = [event for event, _ in EVENTS], [weight for _, weight in EVENTS]
    for event in history.chance.choices(kinds, weights, k=history.chance.randint(1, 8)):
        event(history)
    world = history.world
    _edit_definitions(history)
    _empty_relations(world.port)
    plan, verdict = world.judged()
    going = {} if verdict.refused else deleted_of(plan)
    part = part_of(plan, world.difference(plan)) if seed % 3 == 0 and world.state else plan
    record = Record(
        run="20261127T120000Z-0000",
        how="up",
        stack="coderport/test",
        deployment="d",
        port_organization="org",
        started=datetime(2026, 11, 27, 12, tzinfo=timezone.utc),
        entities=() if verdict.refused else tuple(entity_images(part, going)),
        definitions=() if verdict.refused else _definition_images(world, plan, part),
        pointers=tuple(pointers_among({i: e for (_, i), e in world.port.entities.items()}, TARGETS, going)),
    )
    before = _catalog(world.port)
    (world.up if part is plan else world.sync)()
    _empty_relations(world.port)
    return world, before, record


def test_a_default_that_port_gave_what_the_run_created_is_nobody_s_change() -> None:
    _, _, record = _run(0)
    image = next(each for each in record.entities if each.step == "created")
    assert image.created is not None
    alone = record.model_copy(update={"entities": (image,), "pointers": (), "definitions": ()})
    place, owner = (image.blueprint, image.identifier), World().past().owner()
    held = replace(image.created, properties={**image.created.properties, "tier": "bronze"})
    defaults = {image.blueprint: {"tier": "bronze"}}
    assert undo_of(alone, Now({place: held}, {}, defaults=defaults), owner).delete == (held,)
    edited = replace(held, properties={**held.properties, "tier": "gold"})
    for now in (Now({place: held}, {}), Now({place: edited}, {}, defaults=defaults)):
        undo = undo_of(alone, now, owner)
        assert undo.nothing and "changed since" in undo.stays[0].why


def test_a_value_that_port_did_not_take_is_nobody_s_change() -> None:
    _, _, record = _run(0)
    image = next(each for each in record.entities if each.step == "created")
    assert image.created is not None
    place, owner = (image.blueprint, image.identifier), World().past().owner()
    name = image.created.properties["name"]
    held = replace(image.created, properties={**image.created.properties, "name": None})
    was = replace(held, properties={**held.properties, "name": "before"})
    changed = EntityImage(*place, before=was, values={"name": ("before", name)})
    for other, of_value in (("", name), ("later", "another value")):
        refused = {(image.blueprint, "name"): Refused("no", b"", {image.identifier: digest(of_value)})}
        now = Now({place: held}, {}, {place: other} if other else {}, refused=refused)
        created = undo_of(record.model_copy(update={"entities": (image,)}), now, owner)
        back = undo_of(record.model_copy(update={"entities": (changed,)}), now, owner)
        assert (created.delete == (held,)) is (not other)
        assert (back.write.get(place, {}).get("properties") == {"name": "before"}) is (not other)


def _edit_definitions(history: History) -> None:
    """What a colleague did to actions and answers, and settings that leave some of them out."""
    world, chance = history.world, history.chance
    for _ in range(chance.randint(0, 2)):
        history.edit_action()
    if world.port.answers and chance.random() < 0.5:
        key = chance.choice(sorted(world.port.answers))
        world.port.answers[key] = {**world.port.answers[key], "title": "by hand"}
    if chance.random() < 0.15:
        world.settings = world.settings.model_copy(update={"answers": PARTS[: chance.randint(0, 2)]})
    if chance.random() < 0.15:
        world.settings = world.settings.model_copy(
            update={"actions": SETTINGS.actions.model_copy(update={"backend": "off"})}
        )


def _definition_images(world: World, plan: Plan, part: Plan) -> tuple[DefinitionImage, ...]:
    past = world.past()
    if part is plan:  # a full run deletes what only the state has as well
        state = rebuilt(world.resources())
        past = replace(past, actions=state.actions, answers=state.answers)
    leaving = past.actions - plan.memory.actions
    answers = past.answers - plan.memory.answers
    return tuple(definition_images(part, leaving, answers, frozenset(), {}, world.port.actions, world.port.permissions))


def _others(port: Port, chance: random.Random) -> None:
    """Entities of a colleague that point at some of ours, and values of a colleague on ours."""
    ours = sorted(port.entities)
    for place in ours:
        if chance.random() < 0.3:
            held = port.entities[place]
            port.entities[place] = replace(
                held, team=("blue",), icon="Star", properties={**held.properties, "cost_center": {"code": 7}}
            )
    for number in range(4):
        workspaces = [identifier for blueprint, identifier in ours if blueprint == "coder_workspace"]
        templates = [identifier for blueprint, identifier in ours if blueprint == "coder_template"]
        relations = {
            "workspace": chance.choice([None, *workspaces]),
            "templates": chance.sample(templates, k=min(2, len(templates))),
        }
        port.entities[SERVICE, f"s{number}"] = PortEntity(f"s{number}", SERVICE, title="s", relations=relations)
    port.blueprints.setdefault(SERVICE, {"identifier": SERVICE})


def _empty_relations(port: Port) -> None:
    """Port empties relations (that are not required) to what is not there any more."""
    there = {identifier for _, identifier in port.entities}
    for place, held in list(port.entities.items()):
        kept: dict[str, Any] = {
            key: [one for one in value if one in there]
            if isinstance(value, list)
            else value
            if value in there
            else None
            for key, value in held.relations.items()
        }
        if kept != held.relations:
            port.entities[place] = replace(held, relations=kept)


def _apply(port: Port, undo: Undo) -> None:
    for entity in undo.delete:
        del port.entities[entity.blueprint, entity.identifier]
    for bodies in (undo.write, undo.point):
        for (blueprint, identifier), body in bodies.items():
            base = port.entities.get((blueprint, identifier)) or PortEntity(identifier, blueprint)
            port.entities[blueprint, identifier] = replace(
                base,
                title=body["title"],
                icon=body.get("icon", base.icon),
                team=tuple(body.get("team", base.team)),
                properties={**base.properties, **body.get("properties", {})},
                relations={**base.relations, **body.get("relations", {})},
            )

    for image in undo.define:
        _define(port, image)


def _define(port: Port, image: DefinitionImage) -> None:
    """As Port does what `history.applying` asks of it."""
    name, before = image.identifier, image.before
    if image.kind == "blueprint":
        assert before is not None
        port.blueprints[name] = dict(before)
    elif image.kind == "permissions":
        assert before is not None
        has = port.permissions[name]
        port.permissions[name] = {
            part: {**has.get(part, {}), **body} for part, body in permissions_back(before, has).items()
        }
    elif image.kind == "action":
        if before is None:
            del port.actions[name], port.permissions[name]
        else:
            port.actions[name] = dict(before)
            port.permissions.setdefault(name, dict(NEW_ACTION))
    elif (key := split(name))[0] == "aggregations":
        held = port.blueprints[key[1]]
        ours = {*(before or {}), *(image.after or {})}
        theirs = {each: body for each, body in held.get("aggregationProperties", {}).items() if each not in ours}
        port.blueprints[key[1]] = {**held, "aggregationProperties": {**theirs, **(before or {})}}
    elif before is None:
        del port.answers[name]
    else:
        port.answers[name] = dict(before)


def _now(port: Port, record: Record) -> Now:
    held = {
        **{("blueprint", name): body for name, body in port.blueprints.items()},
        **{("action", name): body for name, body in port.actions.items()},
        **{("permissions", name): body for name, body in port.permissions.items()},
        **{("answer", name): body for name, body in port.answers.items()},
    }
    for image in record.definitions:
        if image.kind == "answer" and (key := split(image.identifier))[0] == "aggregations":
            ours = {*(image.before or {}), *(image.after or {})}
            live = port.blueprints.get(key[1], {}).get("aggregationProperties", {})
            if found := {each: body for each, body in live.items() if each in ours}:
                held["answer", image.identifier] = found
    return Now(dict(port.entities), held)


def _is_new_blueprint(stays: Stays) -> bool:
    """The undo leaves the blueprints that a first run has made."""
    return stays.what.startswith("blueprint ") and stays.why.startswith("stays: others may use it")


def _catalog(port: Port) -> dict[Any, Any]:
    """Entity by entity, and each definition, all that counts: a value that is null is none."""
    rights = {
        name: {part: {key: each for key, each in body.items() if each not in (None, [], False)} for part, body in its}
        for name, its in ((name, body.items()) for name, body in port.permissions.items())
    }
    return {
        **{("action", name): body for name, body in port.actions.items()},
        **{("permissions", name): {key: each for key, each in body.items() if each} for name, body in rights.items()},
        **{("answer", name): body for name, body in port.answers.items()},
        **{
            ("aggregations", name): aggregations
            for name, body in port.blueprints.items()
            if (aggregations := body.get("aggregationProperties"))
        },
        **{
            place: (
                each.title,
                {
                    "icon": each.icon,
                    "team": each.team,
                    **{key: value for key, value in each.properties.items() if value not in (None, [])},
                },
                {key: value for key, value in each.relations.items() if value not in (None, [])},
            )
            for place, each in port.entities.items()
        },
    }


def _points_at_theirs(entity: Any, theirs: Mapping[Any, Any]) -> bool:
    named = {identifier for _, identifier in theirs}
    return any(named.intersection(value if isinstance(value, list) else [value]) for value in entity[2].values())
