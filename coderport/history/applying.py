"""Writes an undo to Port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coderport.catalog.meaning import same_targets, same_value
from coderport.catalog.overlay import declarable
from coderport.guard.ownership import MANAGED_BY
from coderport.history.answers import read_answer, restore_answer
from coderport.history.definitions import permissions_back
from coderport.history.images import DefinitionImage
from coderport.history.record import Record
from coderport.history.undoing import Now, Place, Undo, places_of
from coderport.kinds.all import BLUEPRINTS
from coderport.kinds.refused import Refused
from coderport.port.bulk import DELETES_PER_CALL, TAKEN, UPSERTS_PER_CALL
from coderport.port.client import PortClient
from coderport.port.errors import PortRejected
from coderport.port.models import PortEntity
from coderport.port.sweep import swept
from coderport.tasks import together
from coderport.terminal.text import short

_ORDER = tuple(each.identifier for each in BLUEPRINTS)
"""What others relate to first; blueprints of others come after ours."""

_DEFINITIONS = ("action", "permissions", "answer", "blueprint")
"""A blueprint is cut only after no entity has the values that go with it; an action before its permissions."""


async def read_now(
    client: PortClient, record: Record, later: Mapping[Place, str], refused: Mapping[Place, Refused]
) -> Now:
    """What Port holds of all that the record is about: a sweep for each blueprint, a request for each definition.

    `later` and `refused` are those of `Now`. PortError where a sweep shows fewer entities than Port counts: what it
    does not show would be taken for absent.
    """
    wanted: dict[str, set[str]] = {}
    for blueprint, identifier in places_of(record):
        wanted.setdefault(blueprint, set()).add(identifier)
    live = {blueprint: await client.blueprint(blueprint) for blueprint in wanted}
    rows = {blueprint: await swept(client, blueprint) if live[blueprint] else {} for blueprint in wanted}
    entities = {(name, each): rows[name][each] for name, ids in wanted.items() for each in ids & rows[name].keys()}
    held = await together(_definition(client, each) for each in record.definitions)
    definitions: dict[tuple[str, str], Mapping[str, Any]] = {
        (image.kind, image.identifier): body
        for image, body in zip(record.definitions, held, strict=True)
        if body is not None
    }
    come_back = {each.identifier: each.before for each in record.definitions if each.kind == "blueprint"}
    shapes = {name: body or come_back.get(name) for name, body in live.items()}
    return Now(
        entities,
        definitions,
        later,
        rows,
        defaults={name: _defaults(body or {}) for name, body in live.items()},
        inherited=frozenset(name for name, body in shapes.items() if body and _inherits(body)),
        absent=frozenset(name for name, body in shapes.items() if not body),
        refused=refused,
    )


def _defaults(blueprint: Mapping[str, Any]) -> dict[str, Any]:
    """The values that Port gives a new entity of the blueprint, by property."""
    properties = (blueprint.get("schema") or {}).get("properties") or {}
    return {
        key: each["default"]
        for key, each in properties.items()
        if isinstance(each, Mapping) and each.get("default") is not None
    }


def _inherits(blueprint: Mapping[str, Any]) -> bool:
    """Whether Port derives the teams of its entities, and refuses any that are written."""
    ownership = blueprint.get("ownership")
    inherits = isinstance(ownership, Mapping) and ownership.get("type") == "Inherited"
    return inherits or bool(blueprint.get("teamInheritance"))


async def _definition(client: PortClient, image: DefinitionImage) -> Mapping[str, Any] | None:
    if image.kind == "blueprint":
        return await client.blueprint(image.identifier)
    if image.kind == "action":
        return await client.action(image.identifier)
    if image.kind == "answer":
        return await read_answer(client, image)
    return await client.action_permissions(image.identifier)


async def apply(client: PortClient, undo: Undo, now: Now) -> list[str]:
    """Writes it all; what was not written and why, one sentence each. Entities of a bulk call fail one by one.

    What `now` does not have is only made where it is absent, and what it has is only changed where it is there.
    """
    refused = await _widened(client, [each for each in undo.define if each.kind == "blueprint"])
    for (blueprint, identifier), body in undo.rename.items():
        values = {key: value for key, value in body.items() if key != "identifier"}
        try:
            if not await client.rename_entity(blueprint, identifier, body["identifier"], values):
                refused.append(f"Port has no entity {blueprint}:{identifier} any more")
        except PortRejected as error:
            refused.append(str(error))
    for blueprint in (*reversed(_ORDER),):
        ids = [each.identifier for each in undo.delete if each.blueprint == blueprint]
        for batch in _batches(ids, DELETES_PER_CALL):
            await client.delete(blueprint, batch)
    new = {place: body for place, body in undo.write.items() if place not in now.entities}
    changed = {place: body for place, body in undo.write.items() if place in now.entities}
    for bodies in (new, changed, undo.point):
        for blueprint in sorted({name for name, _ in bodies}, key=_place_of):
            of_it = [body for (name, _), body in bodies.items() if name == blueprint]
            for batch in _batches(of_it, UPSERTS_PER_CALL):
                refused += await _written(client, blueprint, batch, only_new=bodies is new)
    for image in sorted(undo.define, key=lambda each: _DEFINITIONS.index(each.kind)):
        try:
            await _define(client, image)
        except PortRejected as error:
            refused.append(str(error))
    return refused


async def _widened(client: PortClient, blueprints: Iterable[DefinitionImage]) -> list[str]:
    """Gives Port the blueprints that it lacks, and the others what they lack, before entities need it; the refusals."""
    refused: list[str] = []
    for image in sorted(blueprints, key=lambda each: _place_of(each.identifier)):
        assert image.before is not None  # an undo never deletes a blueprint
        live = await client.blueprint(image.identifier)
        try:
            if live is None:
                await client.create_blueprint(declarable(image.before))
            elif (wide := _with_more(declarable(live), image.before)) != declarable(live):
                await client.replace_blueprint(image.identifier, wide)
        except PortRejected as error:
            refused.append(str(error))
    return refused


def _with_more(live: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The blueprint with the properties and relations that it had before, beside those that it has."""
    schema, was = live.get("schema") or {}, before.get("schema") or {}
    properties = {**(was.get("properties") or {}), **(schema.get("properties") or {})}
    relations = {**(before.get("relations") or {}), **(live.get("relations") or {})}
    return {**live, "schema": {**schema, "properties": properties}, "relations": relations}


async def _written(
    client: PortClient, blueprint: str, bodies: Sequence[Mapping[str, Any]], *, only_new: bool
) -> list[str]:
    """Writes the entities; what was not written and why."""
    refused: list[str] = []
    for body, outcome in zip(bodies, await client.upsert(blueprint, bodies, only_new=only_new), strict=True):
        what = f"{blueprint}:{outcome.identifier}"
        if isinstance(outcome.error, PortRejected) and outcome.error.code == TAKEN and only_new:
            held = await client.entity(blueprint, outcome.identifier)
            if held is None or not _has(held, body):  # else a request whose answer was lost has made it
                mark = held.properties.get(MANAGED_BY) if held else None
                owner = short(str(mark)) if mark else "no stack"
                refused.append(
                    f"Port holds {what} already, and its search did not show it: it belongs to {owner}. It was left "
                    "as it is."
                )
        elif outcome.error is not None:
            refused.append(str(outcome.error))
        elif outcome.created and not only_new:  # it went away meanwhile, and a few values are no entity
            await client.delete_entity(blueprint, outcome.identifier)
            refused.append(f"Port has no entity {what} any more")
    return refused


def _has(held: PortEntity, body: Mapping[str, Any]) -> bool:
    """Whether the entity is as the body would make it."""
    return (
        held.title == body["title"]
        and all(same_value(value, held.properties.get(key), times=True) for key, value in body["properties"].items())
        and all(same_targets(value, held.relations.get(key)) for key, value in body["relations"].items())
    )


async def _define(client: PortClient, image: DefinitionImage) -> None:
    if image.kind == "blueprint":
        assert image.before is not None
        await client.replace_blueprint(image.identifier, image.before)
    elif image.kind == "answer":
        await restore_answer(client, image)
    elif image.kind == "permissions":
        assert image.before is not None  # those of a deleted action go with it
        has = await client.action_permissions(image.identifier)
        await client.patch_action_permissions(image.identifier, permissions_back(image.before, has))
    elif image.before is None:
        await client.delete_action(image.identifier)
    elif image.after is None:
        await client.create_action(image.before)
    else:
        await client.replace_action(image.identifier, image.before)


def _place_of(blueprint: str) -> tuple[int, str]:
    return (_ORDER.index(blueprint) if blueprint in _ORDER else len(_ORDER), blueprint)


def _batches(values: Sequence[Any] | Iterable[Any], size: int) -> Iterable[list[Any]]:
    several = list(values)
    return (several[start : start + size] for start in range(0, len(several), size))
