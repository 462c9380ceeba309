"""An undo gives back what a run took: over many histories, on values, with a model of the engine."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from engine_model import Port, World
from test_sync_equals_up import EVENTS, History

from coderport.history.images import deleted_of, entity_images, pointers_among
from coderport.history.record import Record, packed, unpacked
from coderport.history.undoing import Now, Undo, undo_of
from coderport.planning.difference import part_of
from coderport.port.models import PortEntity

HISTORIES = int(os.environ.get("UNDO_HISTORIES", "1000"))
SERVICE = "service"
"""A blueprint of somebody else, whose entities point at ours."""
TARGETS = {"workspace": "coder_workspace", "templates": "coder_template", "template_id": "coder_template"}


def test_a_run_and_its_undo_leave_the_same_catalog(figure: Callable[[str], None]) -> None:
    steps: Counter[str] = Counter()
    for seed in range(HISTORIES):
        world, before, record = _run(seed)
        for image in record.entities:
            steps[image.step] += 1
        steps["relations of others"] += len(record.pointers)
        undo = undo_of(record, _now(world.port), world.past().owner())
        assert undo.stays == (), f"history {seed}"
        _apply(world.port, undo)
        assert _catalog(world.port) == before, f"history {seed}"
        assert undo_of(record, _now(world.port), world.past().owner()).nothing, (
            f"history {seed}: an undo is not done twice"
        )
    figure(f"undo over {HISTORIES} histories: {dict(steps)}, 0 entities differ")
    assert min(steps[each] for each in ("created", "changed", "deleted", "relations of others")) > HISTORIES / 20


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
        undo = undo_of(record, _now(world.port), world.past().owner())
        _apply(world.port, undo)
        now = _catalog(world.port)
        images = {(each.blueprint, each.identifier): each for each in record.entities}
        for place in before.keys() | after.keys():
            image = images.get(place)
            if place not in theirs:
                if place in before and not _points_at_theirs(before[place], theirs):
                    assert now.get(place) == before.get(place), f"history {seed}: {place}"
                continue
            assert place in now, f"history {seed}: an entity with values of theirs is never deleted"
            title, properties, _ = now[place]
            assert (title, properties["note"]) == ("theirs", "theirs")
            assert properties["name"] == "theirs"
            touched[image.step if image else "not of the run"] += 1
    assert min(touched["created"], touched["changed"]) > 0


def test_a_record_is_the_same_after_it_was_written_and_read() -> None:
    for seed in range(20):
        record = _run(seed)[2]
        assert unpacked(packed(record), record.run) == record


def _run(seed: int) -> tuple[World, Mapping[Any, Any], Record]:
    """A world in which one run has just been: what Port held before, and what the history kept of the run."""
    history = History(seed)
    world = history.world
    if seed % 4:
        world.up()
    _others(world.port, history.chance)
    kinds, weights = [event for event, _ in EVENTS], [weight for _, weight in EVENTS]
    for event in history.chance.choices(kinds, weights, k=history.chance.randint(1, 8)):
        event(history)
    world = history.world
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
        pointers=tuple(pointers_among({i: e for (_, i), e in world.port.entities.items()}, TARGETS, going)),
    )
    before = _catalog(world.port)
    (world.up if part is plan else world.sync)()
    _empty_relations(world.port)
    return world, before, record


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


def _now(port: Port) -> Now:
    return Now(dict(port.entities), {})


def _catalog(port: Port) -> dict[Any, Any]:
    """Entity by entity all that counts: a value that is null is none."""
    return {
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
    }


def _points_at_theirs(entity: Any, theirs: Mapping[Any, Any]) -> bool:
    named = {identifier for _, identifier in theirs}
    return any(named.intersection(value if isinstance(value, list) else [value]) for value in entity[2].values())
