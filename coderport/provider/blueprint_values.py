"""A blueprint's Pulumi inputs, Port's body for it, and how the two differ by meaning."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from coderport.catalog.meaning import same_value
from coderport.port.errors import PortError
from coderport.provider.protocol import UNKNOWN, Kind, Problem, Properties

Json = dict[str, Any]

_TYPES = {
    "stringProps": "string",
    "numberProps": "number",
    "booleanProps": "boolean",
    "objectProps": "object",
    "arrayProps": "array",
}
_BAGS = {type_: bag for bag, type_ in _TYPES.items()}
_ITEMS = {
    "stringItems": "string",
    "numberItems": "number",
    "booleanItems": "boolean",
    "objectItems": "object",
}
_COMMON = ("title", "description", "icon", "default")
_KEYWORDS = {
    "string": (
        *_COMMON,
        "format",
        "dateFormat",
        "enum",
        "enumColors",
        "maxLength",
        "minLength",
        "pattern",
        "spec",
        "specAuthentication",
    ),
    "number": (*_COMMON, "enum", "enumColors", "maximum", "minimum"),
    "boolean": _COMMON,
    "object": (*_COMMON, "format", "spec"),
    "array": ("title", "description", "icon", "maxItems", "minItems"),
}
_ITEM_KEYWORDS = ("format", "pattern", "enum", "enumColors")
_SAME_NAME = (
    "identifier",
    "title",
    "icon",
    "description",
    "includeInGlobalSearch",
    "ownership",
    "teamInheritance",
)
_MAPS = ("mirrorProperties", "calculationProperties", "relations")
_STAMPS = ("createdAt", "createdBy", "updatedAt", "updatedBy", "id")

# Values, not collections: somebody else's part of one is never kept beside ours.
_WHOLE = ("default", "ownership", "teamInheritance", "changelogDestination")


class TypeConflict(PortError):
    """A property exists at Port with another type, which Port treats as permanent."""


def problems(inputs: Properties) -> list[Problem]:
    """What of the inputs cannot be accepted."""
    found = [
        Problem(key, f"a blueprint needs a {key}")
        for key in ("identifier", "title")
        if inputs.get(key) is None or inputs.get(key) == ""
    ]
    if inputs.get("forceDeleteEntities") is True:
        found.append(
            Problem(
                "forceDeleteEntities",
                "this provider never deletes entities that the stack does not manage; delete them in Port",
            )
        )
    if not found:
        try:
            body(inputs)
        except ValueError as error:
            found.append(Problem("properties", str(error)))
    return found


def body(inputs: Properties) -> Json:
    """The blueprint as Port's API takes it."""
    result: Json = {key: inputs[key] for key in _SAME_NAME if inputs.get(key) is not None}
    properties: Json = {}
    required: list[str] = []
    for bag, type_ in _TYPES.items():
        for key, given in _known(_known(inputs.get("properties")).get(bag)).items():
            if given == UNKNOWN:
                properties[key] = given
                continue
            properties[key] = _property(type_, _known(given))
            if _known(given).get("required") is True:
                required.append(key)
    result["schema"] = {"properties": properties, **({"required": required} if required else {})}
    for name in _MAPS:
        result[name] = {
            key: given if given == UNKNOWN else _known(given) for key, given in _known(inputs.get(name)).items()
        }
    result["relations"] = {
        key: given if given == UNKNOWN else {"required": False, "many": False, **given}
        for key, given in result["relations"].items()
    }
    webhook = inputs.get("webhookChangelogDestination")
    if webhook is not None:
        result["changelogDestination"] = {"type": "WEBHOOK", **_known(webhook)}
    elif inputs.get("kafkaChangelogDestination") is not None:
        result["changelogDestination"] = {"type": "KAFKA"}
    return result


def _known(mapping: Any) -> Json:
    """A mapping without its nulls; one that is not there, or not known before the update, as an empty one."""
    if not isinstance(mapping, Mapping):
        return {}
    return {key: value for key, value in mapping.items() if value is not None}


def _property(type_: str, given: Json) -> Json:
    result: Json = {"type": type_}
    for key, value in given.items():
        if key in _ITEMS:
            result["items"] = {"type": _ITEMS[key]}
            for name, item in _known(value).items():
                if name == "defaults":
                    result["default"] = [_parsed(text) for text in item] if key == "objectItems" else item
                else:
                    result["items"]["enum" if name == "enums" else name] = item
        elif key == "enums":
            result["enum"] = value
        elif key == "default" and type_ == "object":
            result["default"] = _parsed(value)
        elif key != "required":
            result[key] = value
    return result


def _parsed(text: Any) -> Any:
    if text == UNKNOWN:
        return text
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        raise ValueError("a default of an object property is not JSON text") from None


def refuse_conflicts(live: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """TypeConflict if a property is live with another type than the wished one."""
    live_types = _types(live)
    for key, type_ in _types(new).items():
        if live_types.get(key, type_) != type_:
            raise TypeConflict(
                f"property {key} of blueprint {live.get('identifier')} is of type {live_types[key]} at Port "
                f"and {type_} in the program, and Port never changes the type of a property. Nothing was "
                "written: give the new property another identifier, or delete the old one in Port."
            )


def merged(live: Mapping[str, Any], new: Mapping[str, Any], old: Mapping[str, Any]) -> Json:
    """The blueprint to put: what is live, ours over it, without what was ours and is no longer wanted.

    Whatever others added to it stays, and so do its aggregation properties.
    """
    result = _over(_declarable(live), new, old)
    result["schema"]["required"] = _required(live, new, old)
    return result


def _declarable(live: Mapping[str, Any]) -> Json:
    return {key: value for key, value in live.items() if key not in _STAMPS and value is not None}


def _types(blueprint: Mapping[str, Any]) -> dict[str, str]:
    properties = (blueprint.get("schema") or {}).get("properties") or {}
    return {key: value["type"] for key, value in properties.items() if isinstance(value, Mapping)}


def _over(live: Any, new: Mapping[str, Any], old: Mapping[str, Any]) -> Json:
    result: Json = dict(live) if isinstance(live, Mapping) else {}
    for key in old.keys() - new.keys():
        result.pop(key, None)
    for key, value in new.items():
        if isinstance(value, Mapping) and key not in _WHOLE:
            before = old.get(key)
            result[key] = _over(result.get(key), value, before if isinstance(before, Mapping) else {})
        else:
            result[key] = value
    return result


def _required(live: Mapping[str, Any], new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    ours = {*_types(new), *_types(old)}
    others = [key for key in _required_list(live) if key not in ours]
    return others + [key for key in _required_list(new) if key not in others]


def _required_list(blueprint: Mapping[str, Any]) -> list[str]:
    listed = (blueprint.get("schema") or {}).get("required")
    return list(listed) if isinstance(listed, list) else []


def differences(live: Mapping[str, Any], new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Kind]:
    """Where the live blueprint is not what is wished for, by property path of the inputs."""
    wish = merged(live, new, old)
    found: dict[str, Kind] = {}
    for key in wish.keys() | {key for key in old if key in live}:
        if key == "schema" or key in _MAPS:
            continue
        _compare(found, _INPUT_NAMES.get(key, key), live.get(key), wish.get(key))
    for name in _MAPS:
        _compare_each(found, live.get(name), wish.get(name), lambda key, _, name=name: f"{name}.{key}")
    _compare_each(
        found,
        (live.get("schema") or {}).get("properties"),
        wish["schema"]["properties"],
        lambda key, value: f"properties.{_BAGS.get(_type(value), 'stringProps')}.{key}",
    )
    before, after = set(_required_list(live)), set(_required_list(wish))
    for key in before ^ after:
        bag = _BAGS[_types(wish).get(key) or _types(live).get(key) or "string"]
        found.setdefault(f"properties.{bag}.{key}", Kind.UPDATE)
    return found


_INPUT_NAMES = {"changelogDestination": "webhookChangelogDestination"}


def _type(value: Any) -> str:
    return str(value.get("type")) if isinstance(value, Mapping) else "string"


def _compare(found: dict[str, Kind], path: str, live: Any, wish: Any) -> None:
    if not same_value(live, wish):
        found[path] = Kind.ADD if live is None else Kind.DELETE if wish is None else Kind.UPDATE


def _compare_each(found: dict[str, Kind], live: Any, wish: Any, path: Any) -> None:
    lives, wishes = live or {}, wish or {}
    for key in lives.keys() | wishes.keys():
        have, want = lives.get(key), wishes.get(key)
        _compare(found, path(key, have if want is None else want), have, want)


def restricted(live: Mapping[str, Any], ours: Mapping[str, Any]) -> Json:
    """What is live of the things that `ours` names; one that is gone is left out."""
    result = _restricted(live, ours)
    result.setdefault("schema", {})["required"] = _required_list(live)
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


def declared(live: Mapping[str, Any], properties: frozenset[str], relations: frozenset[str]) -> Json:
    """What is live without the properties and relations that others added."""
    schema = live.get("schema") or {}
    kept = {key: value for key, value in (schema.get("properties") or {}).items() if key in properties}
    related = {key: value for key, value in (live.get("relations") or {}).items() if key in relations}
    return {**live, "schema": {**schema, "properties": kept}, "relations": related}


def inputs(blueprint: Mapping[str, Any]) -> Json:
    """The inputs that make a blueprint of Port's JSON."""
    result: Json = {key: copy.deepcopy(blueprint[key]) for key in _SAME_NAME if blueprint.get(key) is not None}
    required = _required_list(blueprint)
    bags: Json = {}
    for key, live in ((blueprint.get("schema") or {}).get("properties") or {}).items():
        bag = _BAGS.get(live.get("type"))
        if bag is not None:
            given = _given(live)
            if key in required:
                given["required"] = True
            bags.setdefault(bag, {})[key] = given
    if bags:
        result["properties"] = bags
    for name in _MAPS:
        if blueprint.get(name):
            result[name] = {key: _known(value) for key, value in blueprint[name].items()}
    destination = blueprint.get("changelogDestination")
    if isinstance(destination, Mapping) and destination.get("type") == "KAFKA":
        result["kafkaChangelogDestination"] = {}
    elif isinstance(destination, Mapping):
        result["webhookChangelogDestination"] = {
            key: destination[key] for key in ("url", "agent") if destination.get(key) is not None
        }
    return result


def _given(live: Mapping[str, Any]) -> Json:
    type_ = live["type"]
    result: Json = {}
    for key in _KEYWORDS[type_]:
        value = live.get(key)
        if value is None:
            continue
        if key == "default" and type_ == "object":
            value = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        result["enums" if key == "enum" else key] = copy.deepcopy(value)
    items = live.get("items")
    if type_ == "array" and isinstance(items, Mapping):
        kind = items.get("type") or "string"
        given: Json = {
            "enums" if key == "enum" else key: items[key] for key in _ITEM_KEYWORDS if items.get(key) is not None
        }
        if isinstance(live.get("default"), list):
            given["defaults"] = (
                [json.dumps(item, separators=(",", ":"), ensure_ascii=False) for item in live["default"]]
                if kind == "object"
                else live["default"]
            )
        result[f"{kind}Items"] = given
    return result


def outputs(given: Properties, stamps: Mapping[str, Any]) -> Json:
    """The outputs as the stock provider shapes them: the inputs, the id, defaults and the four stamps."""
    result: Json = {key: copy.deepcopy(value) for key, value in given.items() if value is not None}
    bags = result.get("properties")
    if isinstance(bags, dict):
        for bag in bags.values():
            for prop in bag.values() if isinstance(bag, dict) else ():
                if isinstance(prop, dict):
                    prop.setdefault("required", False)
    return {
        **result,
        "id": given["identifier"],
        "createCatalogPage": given.get("createCatalogPage") is not False,
        "forceDeleteEntities": False,
        **stamps,
    }


def item_types(live: Mapping[str, Any] | None) -> dict[str, str]:
    """Of what the lists of each array property are."""
    properties = ((live or {}).get("schema") or {}).get("properties") or {}
    return {
        key: value["items"].get("type") or "string"
        for key, value in properties.items()
        if value.get("type") == "array" and isinstance(value.get("items"), Mapping)
    }
