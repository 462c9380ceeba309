"""Entities as the API answers them: with calculated and mirrored properties, related titles, some of the keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from coderport.emulators.port.aggregating import aggregated, aggregations_of
from coderport.emulators.port.behaviour import Behaviour
from coderport.emulators.port.blueprints import Rules
from coderport.emulators.port.owning import teams_of
from coderport.emulators.port.records import META, Calculated, Entity, Json, targets
from coderport.emulators.port.store import Store


@dataclass(frozen=True)
class Look:
    """The query parameters of a read: without calculated values, with titles of relations, which paths."""

    plain: bool = False
    titles: bool = False
    include: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    as_written: bool = False
    """For those who look into the emulator: without what an answer puts in the place of values that are not there."""


PLAIN: Final = Look(plain=True)
STORED: Final = Look(plain=True, as_written=True)


def entity_json(store: Store, entity: Entity, look: Look) -> Json:
    """The entity as one answer shows it; property values are those that were written."""
    relations: Mapping[str, Any] = _titled(store, entity) if look.titles else entity.relations
    properties: Mapping[str, Any] = entity.properties
    if not look.as_written:
        rules = store.blueprints[entity.blueprint].rules
        properties = {**_unset_properties(store.behaviour, rules), **properties}
        relations = {**_unset_relations(store.behaviour, rules), **relations}
    if not look.plain:
        properties = {**properties, **derived(store, entity)}
    shown = {
        "identifier": entity.identifier,
        "title": entity.title,
        "icon": entity.icon,
        "blueprint": entity.blueprint,
        "team": list(entity.team if look.as_written else teams_of(store, entity)),
        "properties": properties,
        "relations": relations,
        "createdAt": entity.created_at,
        "createdBy": entity.created_by,
        "updatedAt": entity.updated_at,
        "updatedBy": entity.updated_by,
    }
    if not look.as_written and store.behaviour.unset_label == "absent":
        for key in ("title", "icon"):
            if shown[key] is None:
                del shown[key]
    if look.include is None and not look.exclude:
        return shown
    return _chosen(shown, look)


def _unset_properties(behaviour: Behaviour, rules: Rules) -> Json:
    return dict.fromkeys(rules.checks) if behaviour.unset_property == "null" else {}


def _unset_relations(behaviour: Behaviour, rules: Rules) -> Json:
    values: Json = {}
    for key, relation in rules.relations.items():
        unset = behaviour.unset_many_relation if relation.many else behaviour.unset_relation
        if unset != "absent":
            values[key] = [] if unset == "empty" else None
    return values


def derived(store: Store, entity: Entity) -> Json:
    """The mirrored, aggregated and calculated properties; a calculation sees the others."""
    rules = store.blueprints[entity.blueprint].rules
    if not rules.mirrors and not rules.calculations and not aggregations_of(store, entity.blueprint):
        return {}
    values: Json = {key: _mirrored(store, [entity], steps) for key, steps in rules.mirrors.items()}
    values |= _aggregated(store, entity)
    if store.behaviour.calculations == "stored":
        kept = _kept(store, entity)
        return {**values, **{key: kept.get(key) for key in rules.calculations}}
    return {**values, **calculated(store, entity)}


def calculated(store: Store, entity: Entity) -> Json:
    """The calculated properties as they would be computed now."""
    rules = store.blueprints[entity.blueprint].rules
    if not rules.calculations:
        return {}
    seen = entity_json(store, entity, PLAIN)
    mirrored = {key: _mirrored(store, [entity], steps) for key, steps in rules.mirrors.items()}
    seen["properties"] = {**entity.properties, **mirrored, **_aggregated(store, entity)}
    seen["relations"] = dict(entity.relations)
    return {key: program(seen) for key, program in rules.calculations.items()}


def recalculated(store: Store, entity: Entity, held: Entity | None) -> Entity:
    """The entity as it is stored: with its calculated values where they are kept, which follow after a while."""
    if store.behaviour.calculations != "stored" or not store.blueprints[entity.blueprint].rules.calculations:
        return entity
    before = {} if held is None else _kept(store, held)
    due = store.clock() + store.behaviour.calculations_delay
    return replace(entity, calculated=Calculated(calculated(store, entity), due, before))


def _kept(store: Store, entity: Entity) -> Mapping[str, Any]:
    return {} if entity.calculated is None else entity.calculated.at(store.clock())


def property_value(store: Store, entity: Entity, name: str) -> Any:
    """The value of a property, written or derived; None for one that the blueprint does not have."""
    if name in entity.properties:
        return entity.properties[name]
    rules = store.blueprints[entity.blueprint].rules
    if name in rules.mirrors or name in rules.calculations or name in aggregations_of(store, entity.blueprint):
        return derived(store, entity)[name]
    return None


def _aggregated(store: Store, entity: Entity) -> Json:
    # A search looks at derived values, and these need a search.
    from coderport.emulators.port.search import predicate

    values: Json = {}
    for key, each in aggregations_of(store, entity.blueprint).items():
        fits = predicate(store, each["query"], "query") if each.get("query") else lambda _: True
        values[key] = aggregated(store, entity, each, fits, partial(property_value, store))
    return values


def meta_value(store: Store, entity: Entity, name: str) -> Any:
    """The value of ``$identifier`` and its like; KeyError for a name that is none."""
    value = teams_of(store, entity) if META[name] == "team" else getattr(entity, META[name])
    return list(value) if isinstance(value, tuple) else value


def _mirrored(store: Store, entities: Sequence[Entity], steps: Sequence[str]) -> Any:
    """The value at the end of the path; a list of them where a relation of the path is many."""
    many = False
    for at, step in enumerate(steps):
        rules = store.blueprints[entities[0].blueprint].rules
        relation = rules.relations.get(step)
        if relation is None or at == len(steps) - 1:
            values = [_value(store, entity, step) for entity in entities]
            return values if many else values[0]
        many = many or relation.many
        found = [
            store.blueprints[relation.target].rows.by_identifier[name]
            for entity in entities
            for name in targets(entity.relations.get(step))
        ]
        if not found:
            return [] if many else None
        entities = found
    return None


def _value(store: Store, entity: Entity, name: str) -> Any:
    if name in META:
        return meta_value(store, entity, name)
    if name in entity.relations:
        return entity.relations[name]
    return entity.properties.get(name)


def _titled(store: Store, entity: Entity) -> Json:
    rules = store.blueprints[entity.blueprint].rules
    shown: Json = {}
    for key, value in entity.relations.items():
        rows = store.blueprints[rules.relations[key].target].rows.by_identifier
        pairs = [{"identifier": name, "title": rows[name].title} for name in targets(value)]
        shown[key] = pairs if isinstance(value, list) else pairs[0] if pairs else None
    return shown


def _chosen(shown: Json, look: Look) -> Json:
    chosen: Json = {}
    for key, value in shown.items():
        if key in look.exclude:
            continue
        whole = look.include is None or key in look.include
        if key not in ("properties", "relations"):
            if whole:
                chosen[key] = value
            continue
        kept = {name: each for name, each in value.items() if _is_chosen(f"{key}.{name}", whole, look)}
        if whole or kept:
            chosen[key] = kept
    return chosen


def _is_chosen(path: str, whole: bool, look: Look) -> bool:
    return path not in look.exclude and (whole or path in (look.include or ()))


def entities_json(store: Store, entities: Iterable[Entity], look: Look) -> list[Json]:
    """One after the other."""
    return [entity_json(store, entity, look) for entity in entities]
