"""Search queries: from a body's rules to a predicate over entities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from coderport.emulators.portside.comparing import OPERATORS, comparison
from coderport.emulators.portside.problems import invalid
from coderport.emulators.portside.records import Entity, Json, Key, targets
from coderport.emulators.portside.shapes import member, one_of, text, typed
from coderport.emulators.portside.store import Store
from coderport.emulators.portside.views import META, derived, meta_value

Predicate = Callable[[Entity], bool]

_DEEPEST: Final = 20


def predicate(store: Store, query: Any, path: str) -> Predicate:
    """Whether an entity matches ``{combinator, rules}``; 422 that names the place where that is malformed."""
    return _group(store, query, path, 0)


def every_entity(store: Store, query: Mapping[str, Any]) -> Iterator[Entity]:
    """The entities that could match: those of one blueprint where the query is about one, else all."""
    names = _one_blueprint(query)
    for blueprint in list(store.blueprints.values()):
        if names is None or blueprint.identifier in names:
            yield from blueprint.rows.since(0)


def _one_blueprint(query: Mapping[str, Any]) -> tuple[str, ...] | None:
    if query["combinator"] == "and":
        for rule in query["rules"]:
            if rule.get("property") == "$blueprint" and rule.get("operator") == "=":
                return (rule["value"],)
            if rule.get("property") == "$blueprint" and rule.get("operator") == "in":
                return tuple(rule["value"])
    return None


def _group(store: Store, query: Any, path: str, depth: int) -> Predicate:
    typed(query, dict, path)
    if depth > _DEEPEST:
        raise invalid(path, f"must NOT be nested deeper than {_DEEPEST} levels")
    combinator = one_of(member(query, "combinator", str, path, required=True), {"and", "or"}, f"{path}.combinator")
    rules = member(query, "rules", list, path, required=True)
    holds = [_rule(store, rule, f"{path}.rules[{at}]", depth) for at, rule in enumerate(rules)]
    if combinator == "and":
        return lambda entity: all(each(entity) for each in holds)
    return lambda entity: not holds or any(each(entity) for each in holds)


def _rule(store: Store, rule: Any, path: str, depth: int) -> Predicate:
    typed(rule, dict, path)
    if "rules" in rule or "combinator" in rule:
        return _group(store, rule, path, depth + 1)
    operator = member(rule, "operator", str, path, required=True)
    if operator == "relatedTo":
        return _related(store, rule, path)
    one_of(operator, OPERATORS, f"{path}.operator")
    compare = comparison(operator, rule, store.clock, path)
    if "relation" in rule:
        relation = text(rule["relation"], f"{path}.relation")
        return lambda entity: compare(entity.relations.get(relation))
    name = member(rule, "property", str, path, required=True)
    if name.startswith("$"):
        one_of(name, META, f"{path}.property")
        return lambda entity: compare(meta_value(entity, name))
    return lambda entity: compare(_property(store, entity, name))


def _property(store: Store, entity: Entity, name: str) -> Any:
    if name in entity.properties:
        return entity.properties[name]
    rules = store.blueprints[entity.blueprint].rules
    if name in rules.mirrors or name in rules.calculations:
        return derived(store, entity)[name]
    return None


def _related(store: Store, rule: Json, path: str) -> Predicate:
    """Entities that a chain of relations connects with the named one.

    ``upstream`` (the default) follows the relations that point at it, ``downstream`` those that start from it.
    """
    value = rule.get("value")
    names = [value] if isinstance(value, str) else [text(each, f"{path}.value") for each in typed(value, list, path)]
    blueprint = member(rule, "blueprint", str, path, required=True)
    direction = one_of(rule.get("direction", "upstream"), {"upstream", "downstream"}, f"{path}.direction")
    required = bool(rule.get("required", False))
    reached: set[Key] = set()
    waiting = [entity for name in names if (entity := store.find((blueprint, name))) is not None]
    while waiting:
        for near in _neighbours(store, waiting.pop(), direction, required):
            if near.key not in reached:
                reached.add(near.key)
                waiting.append(near)
    return lambda entity: entity.key in reached


def _neighbours(store: Store, entity: Entity, direction: str, required: bool) -> Iterator[Entity]:
    if direction == "upstream":
        for source, relation in store.sources(entity.key):
            if not required or store.blueprints[source.blueprint].rules.relations[relation].required:
                yield source
        return
    for key, rule in store.blueprints[entity.blueprint].rules.relations.items():
        if rule.required or not required:
            for name in targets(entity.relations.get(key)):
                yield store.entity(rule.target, name)
