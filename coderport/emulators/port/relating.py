"""Search rules about relations: `relatedTo`, and `matchAny` along a path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from coderport.emulators.port.problems import invalid
from coderport.emulators.port.records import Entity, Json, Key, targets
from coderport.emulators.port.shapes import member, one_of, strings, text, typed
from coderport.emulators.port.store import Store

Predicate = Callable[[Entity], bool]

_DIRECTIONS: Final = ("upstream", "downstream")
_MOST_HOPS: Final = 15


def related_to(store: Store, rule: Json, path: str) -> Predicate:
    """Entities that a chain of relations connects with the named ones.

    ``upstream`` is what those depend on (their relations are followed), ``downstream`` what depends on them; both
    without a `direction`. `required` restricts the chain to required relations, or to those that are not.
    """
    names = _names(rule.get("value"), f"{path}.value")
    blueprint = member(rule, "blueprint", str, path, required=True)
    chosen = rule.get("direction")
    directions = _DIRECTIONS if chosen is None else (one_of(chosen, _DIRECTIONS, f"{path}.direction"),)
    required = typed(rule.get("required"), bool, f"{path}.required", nullable=True)
    start = [entity for name in names if (entity := store.find((blueprint, name))) is not None]
    related: set[Key] = set()
    for direction in directions:
        related |= reached(store, start, direction, required)
    return lambda entity: entity.key in related


def match_any(store: Store, rule: Json, path: str) -> Predicate:
    """Entities whose chain of relations ends at one of the values.

    With `fromBlueprint` it is the other way about: what the chains from the named entities of that blueprint reach.
    """
    names = frozenset(_names(rule.get("value"), f"{path}.value"))
    where = typed(rule.get("property"), dict, f"{path}.property")
    steps = _steps(member(where, "path", list, f"{path}.property", required=True), f"{path}.property.path")
    source = member(where, "fromBlueprint", str, f"{path}.property")
    if source is None:
        return lambda entity: any(end.identifier in names for end in _walked(store, [entity], steps))
    start = [entity for name in names if (entity := store.find((source, name))) is not None]
    reached = {entity.key for entity in _walked(store, start, steps)}
    return lambda entity: entity.key in reached


def _names(value: Any, path: str) -> list[str]:
    return [value] if isinstance(value, str) else strings(value, path)


def _steps(path: list[Any], where: str) -> list[tuple[str, int | None]]:
    """Relations to follow, each with its `maxHops`; None is exactly one."""
    steps: list[tuple[str, int | None]] = []
    for at, step in enumerate(path):
        if isinstance(step, str):
            steps.append((step, None))
            continue
        typed(step, dict, f"{where}[{at}]")
        hops = member(step, "maxHops", int, f"{where}[{at}]", required=True)
        if not 1 <= hops <= _MOST_HOPS:
            raise invalid(f"{where}[{at}].maxHops", f"must be between 1 and {_MOST_HOPS}")
        steps.append((text(step.get("relation"), f"{where}[{at}].relation"), hops))
    if not steps or sum(hops is not None for _, hops in steps) > 1:
        raise invalid(where, "must have at least one relation and at most one maxHops")
    return steps


def _walked(store: Store, start: Iterable[Entity], steps: list[tuple[str, int | None]]) -> Iterable[Entity]:
    here = {entity.key: entity for entity in start}
    for relation, hops in steps:
        ahead: dict[Key, Entity] = {}
        for _ in range(hops or 1):
            here = {near.key: near for entity in here.values() for near in along(store, entity, relation)}
            ahead |= here
        here = ahead
    return here.values()


def along(store: Store, entity: Entity, relation: str) -> Iterator[Entity]:
    """The entities that one relation leads to."""
    rule = store.blueprints[entity.blueprint].rules.relations.get(relation)
    if rule is not None:
        for name in targets(entity.relations.get(relation)):
            yield store.entity(rule.target, name)


def reached(store: Store, start: Iterable[Entity], direction: str, required: bool | None) -> set[Key]:
    """All that relations lead to (`upstream`) or come from (`downstream`), over any number of them."""
    found: set[Key] = set()
    waiting = list(start)
    while waiting:
        entity = waiting.pop()
        for near, needed in _neighbours(store, entity, direction):
            if near.key not in found and required in (None, needed):
                found.add(near.key)
                waiting.append(near)
    return found


def _neighbours(store: Store, entity: Entity, direction: str) -> Iterator[tuple[Entity, bool]]:
    """The entities one step away, each with whether the relation is required."""
    if direction == "upstream":
        for key, rule in store.blueprints[entity.blueprint].rules.relations.items():
            for near in along(store, entity, key):
                yield near, rule.required
        return
    for source, relation in store.sources(entity.key):
        yield source, store.blueprints[source.blueprint].rules.relations[relation].required
