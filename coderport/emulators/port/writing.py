"""Writes of entities: what a body may say, what it makes of the entity that is there, and the stored result."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from coderport.emulators.port.blueprints import Blueprint, Relation, Rules
from coderport.emulators.port.problems import Problem, invalid, mismatch, no_entity, taken
from coderport.emulators.port.records import Entity, Json, Key, Writer, targets
from coderport.emulators.port.search import named_by_search
from coderport.emulators.port.shapes import ENTITY_IDENTIFIER, identifier, only, strings, text, typed
from coderport.emulators.port.store import Store
from coderport.emulators.port.views import recalculated

LONGEST_IDENTIFIER: Final = 1000
_PATCHABLE: Final = frozenset(
    {"identifier", "title", "icon", "team", "properties", "relations", "blueprint"}
    | {"createdAt", "createdBy", "updatedAt", "updatedBy"}
)


@dataclass(frozen=True)
class Manner:
    """How a write goes: the query of the route.

    `upsert` allows an entity that exists, `merge` keeps what the body does not name.
    """

    upsert: bool = False
    merge: bool = False
    create_missing: bool = False
    validation_only: bool = False
    patch: bool = False
    """A PATCH, in which `icon`, `title` and `team` may be null."""
    unseen: Container[Key] | None = None
    """Entities of the same bulk call that its other items cannot relate to."""


def write(store: Store, blueprint: Blueprint, body: Any, manner: Manner, by: Writer) -> tuple[Entity, bool]:
    """Create or change the entity that the body names; the entity, and whether it is new.

    Nothing is changed where it raises, missing relation targets included.
    """
    typed(body, dict, "body")
    name = _name(store, blueprint, body)
    held = blueprint.rows.by_identifier.get(name)
    if held is not None and not manner.upsert:
        raise taken("Entity", name)
    return _store(store, blueprint, name, body, held, manner, by), held is None


def _name(store: Store, blueprint: Blueprint, body: Json) -> str:
    """The identifier that the body gives or (as a search) finds; one of Port's making where it has none."""
    given = body.get("identifier")
    if given is None:
        return store.new_id("e_")
    if not isinstance(given, dict):
        return _allowed(store, checked_identifier(given))
    found = named_by_search(store, given, blueprint.identifier, "body.identifier")
    if len(found) > 1:
        raise invalid("body.identifier", f"must find one entity; it finds {len(found)}")
    return found[0]


def change(store: Store, blueprint: Blueprint, name: str, body: Any, manner: Manner, by: Writer) -> Entity:
    """Replace (or with `merge` patch) the entity of that name, which the body may rename."""
    held = blueprint.rows.by_identifier.get(name)
    if held is None:
        raise no_entity(blueprint.identifier, name)
    typed(body, dict, "body")
    if manner.merge:
        only(body, _PATCHABLE, "body")
    new = name if body.get("identifier") is None else _allowed(store, checked_identifier(body["identifier"]))
    if new != name and new in blueprint.rows.by_identifier:
        raise taken("Entity", new)
    return _store(store, blueprint, new, body, held, manner, by)


def checked_identifier(value: Any, path: str = "body.identifier") -> str:
    """An identifier that an entity may have."""
    return identifier(value, ENTITY_IDENTIFIER, LONGEST_IDENTIFIER, path)


def _allowed(store: Store, name: str) -> str:
    if "'" in name and not store.behaviour.apostrophe:
        raise invalid("body.identifier", f"must match the identifier pattern; got {name!r}")
    return name


def _store(
    store: Store, blueprint: Blueprint, name: str, body: Json, held: Entity | None, manner: Manner, by: Writer
) -> Entity:
    if body.get("blueprint") not in (None, blueprint.identifier):
        raise invalid("body.blueprint", f'must be "{blueprint.identifier}", the blueprint of the path')
    rules = blueprint.rules
    before = held if manner.merge else None
    nullable = manner.patch or store.behaviour.takes_null_label
    defaults = rules.defaults if held is None and store.behaviour.fills_defaults else {}
    properties = _properties(rules, body, before, defaults, strict=store.behaviour.strict_formats)
    relations = _relations(store, rules, body, before, held)
    missing = _missing_targets(store, rules, relations, body, (blueprint.identifier, name), manner.unseen or ())
    if missing and not manner.create_missing:
        raise no_entity(*missing[0])
    now = store.now()
    entity = Entity(
        blueprint=blueprint.identifier,
        identifier=name,
        number=0 if held is None else held.number,
        title=_label(body, "title", before.title if before else None, nullable),
        icon=_label(body, "icon", before.icon if before else None, nullable),
        team=_team(rules, body, before, nullable),
        properties=properties,
        relations=relations,
        created_at=held.created_at if held else now,
        created_by=held.created_by if held else by.client_id,
        updated_at=now,
        updated_by=by.client_id,
        datasource=by.datasource,
    )
    if held is not None and not store.behaviour.moves_updated_at and _same(entity, held):
        return held
    if manner.validation_only:
        return entity
    for place in missing:
        _create_bare(store, place, by, now)
    return _stored(store, blueprint, entity, held)


def _stored(store: Store, blueprint: Blueprint, entity: Entity, held: Entity | None) -> Entity:
    if held is None:
        entity = replace(entity, number=blueprint.rows.next_number())
    entity = recalculated(store, entity, held)
    store.put(entity, held)
    return entity


def _same(entity: Entity, held: Entity) -> bool:
    """Whether a write has changed nothing but the times and writers."""
    stamped = replace(held, updated_at=entity.updated_at, updated_by=entity.updated_by)
    return entity == replace(stamped, datasource=entity.datasource, calculated=entity.calculated)


def _label(body: Json, key: str, before: str | None, nullable: bool) -> str | None:
    if key not in body:
        return before
    return None if body[key] is None and nullable else text(body[key], f"body.{key}")


def _team(rules: Rules, body: Json, before: Entity | None, nullable: bool) -> tuple[str, ...]:
    if "team" not in body:
        return before.team if before else ()
    value = body["team"]
    if value is None and not nullable:
        raise invalid("body.team", "must be string, array or object")
    if value is None or value == "":
        return ()
    team = (value,) if isinstance(value, str) else tuple(strings(value, "body.team"))
    if team and rules.inherited_team:
        raise Problem(422, rules.inherited_team.error, "body.team cannot be set: the blueprint inherits its team")
    return team


def _properties(
    rules: Rules, body: Json, before: Entity | None, defaults: Mapping[str, Any], *, strict: bool
) -> Mapping[str, Any]:
    given = typed(body.get("properties", {}), dict, "body.properties")
    checks = rules.checks
    for key, value in given.items():
        check = checks.get(key)
        if check is None:
            raise mismatch("body.properties", f"must NOT have additional properties: '{key}'")
        if value is not None:
            wrong = check(value) or (rules.strict_checks[key](value) if strict and key in rules.strict_checks else None)
            if wrong is not None:
                raise mismatch(f"body.properties.{key}", wrong)
    result = {**(before.properties if before else defaults), **given}
    for key in rules.required:
        if result.get(key) is None:
            raise mismatch("body.properties", f"must have required property '{key}'")
    return result


def _relations(store: Store, rules: Rules, body: Json, before: Entity | None, held: Entity | None) -> Mapping[str, Any]:
    given: dict[str, Any] = {}
    for key, value in typed(body.get("relations", {}), dict, "body.relations").items():
        relation = rules.relations.get(key)
        if relation is None:
            raise mismatch("body.relations", f"must NOT have additional properties: '{key}'")
        given[key] = _related(store, relation, value, f"body.relations.{key}")
    result = {**before.relations, **given} if before else given
    for key, relation in rules.relations.items():
        if not relation.required or result.get(key) is not None:
            continue
        if held is not None and held.relations.get(key) is not None:
            raise Problem(403, "required_relation", f"relation '{key}' is required and cannot be removed")
        raise Problem(422, "required_relation", f"relation '{key}' is required")
    return result


def _related(store: Store, relation: Relation, value: Any, path: str) -> Any:
    """The value as it is stored; a search becomes what it finds."""
    if isinstance(value, dict):
        found = named_by_search(store, value, relation.target, path)
        value = found if relation.many or len(found) > 1 else found[0]
    _check_relation(relation, value, path)
    return value


def _check_relation(relation: Relation, value: Any, path: str) -> None:
    if value is None:
        return
    if relation.many:
        if not isinstance(value, list):
            raise Problem(422, "relation_many_violation", f"{path} must be array: the relation is many")
        for at, each in enumerate(value):
            checked_identifier(each, f"{path}[{at}]")
    elif isinstance(value, list):
        raise Problem(422, "relation_many_violation", f"{path} must be string or null: the relation is not many")
    else:
        checked_identifier(value, path)


def _missing_targets(
    store: Store, rules: Rules, relations: Mapping[str, Any], body: Json, own: Key, unseen: Container[Key]
) -> list[Key]:
    """Entities that the body relates to and that do not exist; an entity may relate to itself."""
    missing: list[Key] = []
    for key in body.get("relations", ()):
        relation = rules.relations[key]
        rows = store.blueprints[relation.target].rows.by_identifier
        for target in targets(relations[key]):
            place = (relation.target, target)
            if (target not in rows or place in unseen) and place != own and place not in missing:
                missing.append(place)
    return missing


def _create_bare(store: Store, place: Key, by: Writer, now: str) -> None:
    """A related entity that has nothing but its identifier, whatever its blueprint requires."""
    blueprint = store.blueprints[place[0]]
    bare = Entity(*place, 0, None, None, (), {}, {}, now, by.client_id, now, by.client_id, by.datasource)
    _stored(store, blueprint, bare, None)
