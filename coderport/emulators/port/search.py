"""Search queries: from a body's rules to a predicate over entities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from coderport.emulators.port.blueprints import Blueprint
from coderport.emulators.port.comparing import OPERATORS, Comparison, comparison
from coderport.emulators.port.problems import Problem, invalid
from coderport.emulators.port.records import META, Entity, Json, port_time
from coderport.emulators.port.relating import match_any, related_to
from coderport.emulators.port.shapes import member, one_of, text, typed
from coderport.emulators.port.store import Store
from coderport.emulators.port.views import meta_value, property_value

Predicate = Callable[[Entity], bool]

_DEEPEST: Final = 20
_NAMING: Final = frozenset({"=", "in", "contains", "containsAny"})


def predicate(store: Store, query: Any, path: str) -> Predicate:
    """Whether an entity matches ``{combinator, rules}``; 422 that names the place where that is malformed."""
    return _group(store, query, path, 0)


def matches(store: Store, query: Any, path: str) -> list[Entity]:
    """The entities of all blueprints that match, in the order of creation; 422 for a malformed query."""
    fits = predicate(store, query, path)
    names = _named(query, "$blueprint")
    asked = [held for held in store.blueprints.values() if names is None or held.identifier in names]
    return [entity for held in asked for entity in candidates(store, held, query) if fits(entity)]


def candidates(store: Store, blueprint: Blueprint, query: Any, start: int = 0) -> Iterator[Entity]:
    """The entities of the blueprint that could match a checked query, from row number `start` on, in their order.

    Those that the query names by identifier, where it does so at its top, are looked up and not searched for. One that
    is too young for the search to have noticed is none.
    """
    found = _rows(blueprint, query, start)
    delay = store.behaviour.search_delay
    if delay <= 0:
        return found
    known = port_time(store.clock() - delay)
    return (entity for entity in found if entity.created_at <= known)


def _rows(blueprint: Blueprint, query: Any, start: int) -> Iterator[Entity]:
    names = None if query is None else _named(query, "$identifier")
    if names is None:
        yield from blueprint.rows.since(start)
        return
    rows = blueprint.rows.by_identifier
    found = (rows[name] for name in names if name in rows)
    yield from sorted((entity for entity in found if entity.number >= start), key=lambda entity: entity.number)


def named_by_search(store: Store, query: Any, blueprint: str, path: str) -> list[str]:
    """The identifiers in that blueprint that a search in the place of an identifier finds; 404 if it finds none."""
    for at, rule in enumerate(member(typed(query, dict, path), "rules", list, path, required=True)):
        typed(rule, dict, f"{path}.rules[{at}]")
        one_of(rule.get("operator"), _NAMING, f"{path}.rules[{at}].operator")
    fits = predicate(store, query, path)
    found = [entity.identifier for entity in candidates(store, store.blueprint(blueprint), query) if fits(entity)]
    if not found:
        raise Problem(404, "not_found", f'{path}: no entity of "{blueprint}" matches the search')
    return found


def _named(query: Mapping[str, Any], meta: str) -> frozenset[str] | None:
    """The values that a rule at the top of an `and` allows for ``$blueprint`` or ``$identifier``; None: any."""
    if query["combinator"] == "and":
        for rule in query["rules"]:
            if "propertySchema" in rule or "relation" in rule:
                continue
            if rule.get("property") == meta and rule.get("operator") in ("=", "in"):
                value = rule["value"]
                several = value if isinstance(value, list) and rule["operator"] == "in" else [value]
                return frozenset(each for each in several if isinstance(each, str))
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
        return related_to(store, rule, path)
    if operator == "matchAny":
        return match_any(store, rule, path)
    one_of(operator, OPERATORS, f"{path}.operator")
    compare = comparison(operator, rule, store.clock, path)
    if "propertySchema" in rule:
        return _any_of_schema(store, compare, member(rule, "propertySchema", dict, path))
    if "relation" in rule:
        relation = text(rule["relation"], f"{path}.relation")
        return lambda entity: compare(entity.relations.get(relation))
    name = member(rule, "property", str, path, required=True)
    if name.startswith("$"):
        one_of(name, META, f"{path}.property")
        return lambda entity: compare(meta_value(store, entity, name))
    return lambda entity: compare(property_value(store, entity, name))


def _any_of_schema(store: Store, compare: Comparison, schema: Json) -> Predicate:
    """Whether the rule holds for any property of that type (and format)."""

    def fits(entity: Entity) -> bool:
        properties = store.blueprints[entity.blueprint].body["schema"]["properties"]
        return any(
            compare(entity.properties.get(name))
            for name, held in properties.items()
            if all(held.get(key) == value for key, value in schema.items())
        )

    return fits
