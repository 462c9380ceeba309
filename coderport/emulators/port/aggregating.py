"""Aggregation properties: counted, added up and compared over the entities that an entity is related to.

Port computes them some time after a change; here they are computed at each read. An average over hours, days, weeks or
months is null here: how Port divides the time is not published.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from coderport.emulators.port.records import Entity, Json
from coderport.emulators.port.relating import along, reached
from coderport.emulators.port.store import Store

Fits = Callable[[Entity], bool]

_OVER: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "median": statistics.median,
    "average": statistics.fmean,
}


def aggregations_of(store: Store, blueprint: str) -> Mapping[str, Json]:
    """The aggregation properties of a blueprint."""
    return store.blueprints[blueprint].body.get("aggregationProperties") or {}


def aggregated(
    store: Store, entity: Entity, aggregation: Mapping[str, Any], fits: Fits, value: Callable[[Entity, str], Any]
) -> Any:
    """The value of one aggregation of the entity; null where the way to the target is not one (so port-skills say).

    `fits` says which of the related entities count, `value` what one has under a property.
    """
    found = _related(store, entity, aggregation)
    if found is None:
        return None
    several = [each for each in found if fits(each)]
    spec = aggregation["calculationSpec"]
    if spec.get("averageOf") not in (None, "total"):
        return None
    if spec["calculationBy"] == "entities":
        return len(several)
    numbers = [each for each in (value(one, spec["property"]) for one in several) if _is_number(each)]
    if not numbers:
        return 0 if spec["func"] == "sum" else None
    return _OVER[spec["func"]](numbers)


def _related(store: Store, entity: Entity, aggregation: Mapping[str, Any]) -> list[Entity] | None:
    target = aggregation["target"]
    if target not in store.blueprints:
        return None
    if paths := aggregation.get("pathFilter"):
        return _by_path(store, entity, target, paths[0])
    down = [key for key, each in _relations(store, target) if each.target == entity.blueprint]
    up = [key for key, each in _relations(store, entity.blueprint) if each.target == target]
    if len(down) + len(up) > 1:
        return None
    if down:
        sources = store.sources(entity.key)
        return _once(source for source, relation in sources if source.blueprint == target and relation == down[0])
    if up:
        return _once(along(store, entity, up[0]))
    keys = reached(store, [entity], "downstream", None) | reached(store, [entity], "upstream", None)
    return _once(each for key in sorted(keys) if key[0] == target and (each := store.find(key)) is not None)


def _by_path(store: Store, entity: Entity, target: str, path: Mapping[str, Any]) -> list[Entity]:
    """Along the path from this entity, or of those of `fromBlueprint` from which the path leads to this one."""
    start = path.get("fromBlueprint")
    if start is None or start == entity.blueprint:
        return [each for each in _walked(store, [entity], path["path"]) if each.blueprint == target]
    rows = store.blueprints[start].rows.by_identifier.values() if start in store.blueprints else ()
    return [each for each in rows if each.blueprint == target and entity in _walked(store, [each], path["path"])]


def _walked(store: Store, start: Iterable[Entity], steps: Sequence[str]) -> list[Entity]:
    found = list(start)
    for step in steps:
        found = _once(near for each in found for near in along(store, each, step))
    return found


def _relations(store: Store, blueprint: str) -> Iterable[tuple[str, Any]]:
    return store.blueprints[blueprint].rules.relations.items()


def _once(entities: Iterable[Entity]) -> list[Entity]:
    return list({each.key: each for each in entities}.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
