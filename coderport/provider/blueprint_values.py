"""A blueprint's Pulumi inputs, Port's body for it, and how the two differ by meaning."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from coderport.catalog.overlay import MAPS, WAY_OUT, deviations, permanent, required, types
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


class TypeConflict(PortError):
    """A property exists at Port with another type or format, which Port treats as permanent."""


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
    mandatory: list[str] = []
    for bag, type_ in _TYPES.items():
        for key, given in _known(_known(inputs.get("properties")).get(bag)).items():
            if given == UNKNOWN:
                properties[key] = given
                continue
            properties[key] = _property(type_, _known(given))
            if _known(given).get("required") is True:
                mandatory.append(key)
    result["schema"] = {"properties": properties, **({"required": mandatory} if mandatory else {})}
    for name in MAPS:
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
    """TypeConflict if a property is live with another type or format than the wished one."""
    for key, why in permanent(live, new):
        if UNKNOWN in why:  # a preview does not know yet what it will be
            continue
        raise TypeConflict(
            f"property {key} of blueprint {live.get('identifier')}: {why}. Port never changes the type or the format "
            f"of a property. Nothing was written. {WAY_OUT}"
        )


def differences(live: Mapping[str, Any], new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Kind]:
    """Where the live blueprint is not what is wished for, by property path of the inputs."""
    found: dict[str, Kind] = {}
    for deviation in deviations(live, new, old):
        first, *rest = deviation.path
        if first == "schema":
            key = rest[1]
            named = [_properties(blueprint) for blueprint in (live, new)]
            bag = _BAGS.get(types(new).get(key) or types(live).get(key) or "string", "stringProps")
            found[f"properties.{bag}.{key}"] = _kind(*(each.get(key) for each in named))
        elif first in MAPS:
            found[f"{first}.{rest[0]}"] = _kind(*((each.get(first) or {}).get(rest[0]) for each in (live, new)))
        else:
            found[_INPUT_NAMES.get(first, first)] = _kind(live.get(first), new.get(first))
    return found


_INPUT_NAMES = {"changelogDestination": "webhookChangelogDestination"}


def _kind(live: Any, wish: Any) -> Kind:
    return Kind.ADD if live is None else Kind.DELETE if wish is None else Kind.UPDATE


def _properties(blueprint: Mapping[str, Any]) -> Mapping[str, Any]:
    return (blueprint.get("schema") or {}).get("properties") or {}


def declared(live: Mapping[str, Any], properties: frozenset[str], relations: frozenset[str]) -> Json:
    """What is live without the properties and relations that others added."""
    schema = live.get("schema") or {}
    kept = {key: value for key, value in (schema.get("properties") or {}).items() if key in properties}
    related = {key: value for key, value in (live.get("relations") or {}).items() if key in relations}
    return {**live, "schema": {**schema, "properties": kept}, "relations": related}


def inputs(blueprint: Mapping[str, Any]) -> Json:
    """The inputs that make a blueprint of Port's JSON."""
    result: Json = {key: copy.deepcopy(blueprint[key]) for key in _SAME_NAME if blueprint.get(key) is not None}
    mandatory = required(blueprint)
    bags: Json = {}
    for key, live in ((blueprint.get("schema") or {}).get("properties") or {}).items():
        bag = _BAGS.get(live.get("type"))
        if bag is not None:
            given = _given(live)
            if key in mandatory:
                given["required"] = True
            bags.setdefault(bag, {})[key] = given
    if bags:
        result["properties"] = bags
    for name in MAPS:
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
