"""Which part of a live blueprint is ours: the one rule for the judge and for the provider.

Ours is what the declaration states, keyword by keyword. Whatever else a blueprint of Port holds is somebody else's,
also inside a property, relation or calculation of ours: a description, colours, an enum, limits, a default. It is kept
by every write and is no difference. Both sides are Port's JSON here. Whether a property of ours is mandatory is always
stated: an optional one is absent from `required`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coderport.catalog.meaning import same_value

Json = dict[str, Any]

WAY_OUT = (
    "Port's own way: add a second property with another identifier, copy the values into it with a migration "
    "(POST /v1/migrations) where they are to be kept, and delete the first. The next run makes that one anew."
)
"""What a person can do about a property that is `permanent` in another way (source: Port's API, Migrations)."""

MAPS = ("mirrorProperties", "calculationProperties", "relations")
_NAMED = (*MAPS, "properties")
_STAMPS = ("createdAt", "createdBy", "updatedAt", "updatedBy", "id")

# Values, not collections: somebody else's part of one is never kept beside ours.
_WHOLE = ("default", "ownership", "teamInheritance", "changelogDestination")


@dataclass(frozen=True)
class Deviation:
    """One thing that is stated and that the live blueprint holds otherwise.

    `path` leads to it through Port's JSON; under `schema.required` its last step is a property and the values are
    whether it is mandatory. `want` None is what was stated once and no longer is.
    """

    path: tuple[str, ...]
    have: Any
    want: Any


def deviations(live: Mapping[str, Any], wish: Mapping[str, Any], once: Mapping[str, Any]) -> Iterator[Deviation]:
    """Where `live` is not what `wish` states. `once` is what was stated before, and goes where it no longer is."""
    yield from _deviations(live, _stated(wish), _stated(once), ())
    ours = {**types(once), **types(wish)}
    before, after = required(live), required(wish)
    for key in ours:
        if (key in before) != (key in after):
            yield Deviation(("schema", "required", key), key in before, key in after)


def declarable(live: Mapping[str, Any]) -> Json:
    """What a blueprint of Port's can be put as: without its own stamps, and without members that have no value.

    A property of the blueprint may well be called like a stamp, and stays.
    """
    return {key: value for key, value in live.items() if key not in _STAMPS and value is not None}


def merged(live: Mapping[str, Any], wish: Mapping[str, Any], once: Mapping[str, Any]) -> Json:
    """The blueprint to put: what is live, ours over it, without what was ours once and is no longer wished for.

    Whatever others added to it stays, and so do its aggregation properties.
    """
    result = _over(declarable(live), _stated(wish), _stated(once))
    ours = {*types(wish), *types(once)}
    others = [key for key in required(live) if key not in ours]
    schema = result.setdefault("schema", {})
    schema.setdefault("properties", {})
    schema["required"] = others + [key for key in required(wish) if key not in others]
    return result


def restricted(live: Mapping[str, Any], ours: Mapping[str, Any]) -> Json:
    """What is live of the things that `ours` names; one that is gone is left out."""
    result = _restricted(live, ours)
    result.setdefault("schema", {})["required"] = required(live)
    return result


def permanent(live: Mapping[str, Any], wish: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(property, what is wrong) of each property that is live in a way that Port never changes: its type, its format.

    Port answers `forbidden_format_change` also where there was no format (source: its own CLI, 0.3.7, and its tests).
    """
    held = _mapping(live, "schema", "properties")
    for key, want in _mapping(wish, "schema", "properties").items():
        have = held.get(key)
        if not isinstance(have, Mapping) or not isinstance(want, Mapping):
            continue
        if have.get("type") != want.get("type"):
            yield key, f"type {have.get('type')} in Port, {want.get('type')} here"
            continue
        items, wished = _mapping(have, "items").get("type"), _mapping(want, "items").get("type")
        # An array without `items` takes strings too.
        if items is not None and wished is not None and items != wished:
            yield key, f"items of type {items} in Port, {wished} here"
        elif "format" in want and (have.get("format") or None) != want["format"]:
            yield key, f"format {have.get('format') or 'none'} in Port, {want['format']} here"


def types(blueprint: Mapping[str, Any]) -> dict[str, str]:
    """The type of each property of the schema."""
    properties = _mapping(blueprint, "schema", "properties")
    return {key: value["type"] for key, value in properties.items() if isinstance(value, Mapping) and "type" in value}


def required(blueprint: Mapping[str, Any]) -> list[str]:
    """The properties that must have a value."""
    listed = _mapping(blueprint, "schema").get("required")
    return list(listed) if isinstance(listed, list) else []


def _stated(blueprint: Mapping[str, Any]) -> Json:
    """Without the list of mandatory properties, which is merged by member."""
    schema = {key: value for key, value in _mapping(blueprint, "schema").items() if key != "required"}
    return {**blueprint, "schema": schema} if "schema" in blueprint else dict(blueprint)


def _deviations(
    live: Mapping[str, Any], wish: Mapping[str, Any], once: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[Deviation]:
    for key, want in wish.items():
        have, before = live.get(key), once.get(key)
        if isinstance(want, Mapping) and key not in _WHOLE:
            if not isinstance(have, Mapping) and path and path[-1] in _NAMED:
                yield Deviation((*path, key), None, want)  # all of it is missing: one deviation, not one per keyword
                continue
            inner = have if isinstance(have, Mapping) else {}
            yield from _deviations(inner, want, before if isinstance(before, Mapping) else {}, (*path, key))
        elif not same_value(have if have != "" else None, want if want != "" else None):
            yield Deviation((*path, key), have, want)
    for key in once.keys() - wish.keys():
        if live.get(key) is not None:
            yield Deviation((*path, key), live[key], None)


def _over(live: Any, wish: Mapping[str, Any], once: Mapping[str, Any]) -> Json:
    result: Json = dict(live) if isinstance(live, Mapping) else {}
    for key in once.keys() - wish.keys():
        result.pop(key, None)
    for key, value in wish.items():
        if isinstance(value, Mapping) and key not in _WHOLE:
            before = once.get(key)
            result[key] = _over(result.get(key), value, before if isinstance(before, Mapping) else {})
        else:
            result[key] = value
    return result


def _restricted(live: Mapping[str, Any], ours: Mapping[str, Any]) -> Json:
    result: Json = {}
    for key, value in ours.items():
        have = live.get(key)
        if isinstance(value, Mapping) and isinstance(have, Mapping) and key not in _WHOLE:
            result[key] = _restricted(have, value)
        elif have is not None:
            result[key] = have
    return result


def _mapping(parent: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    value: Any = parent
    for key in keys:
        value = value.get(key)
        if not isinstance(value, Mapping):
            return {}
    return value if isinstance(value, Mapping) else {}
