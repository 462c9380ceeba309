"""How a declared blueprint stands to the one that Port holds."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coderport.catalog.blueprints import Blueprint, Calculation, Property, Relation

# Keywords by which Port refuses values. We declare none, so one that Port holds could refuse a true value.
_CONSTRAINTS = (
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "uniqueItems",
)


class Agreement(enum.Enum):
    """How a live blueprint stands to the declared one, over everything that we declare."""

    SAME = "same"
    EXTENDABLE = "extendable"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Difference:
    """One thing that the declared blueprint says and the live one does not.

    `conflict` marks what Port cannot change in place: the type of a property, what a relation points at.
    """

    path: str
    text: str
    conflict: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def agreement(found: Iterable[Difference]) -> Agreement:
    """The worst of the differences: SAME without any, CONFLICT with one that Port cannot change in place."""
    verdict = Agreement.SAME
    for difference in found:
        if difference.conflict:
            return Agreement.CONFLICT
        verdict = Agreement.EXTENDABLE
    return verdict


def differences(blueprint: Blueprint, live: Mapping[str, Any]) -> list[Difference]:
    """What of `blueprint` Port's JSON `live` lacks or holds otherwise.

    Whatever `live` has beyond it is no difference; absent, null and empty texts are the same.
    """
    found = list(
        _texts(
            blueprint.identifier,
            {
                "title": blueprint.title,
                "icon": blueprint.icon,
                "description": blueprint.description,
            },
            live,
        )
    )
    required = _mapping(live, "schema").get("required")
    needed = required if isinstance(required, list) else []
    for declared in blueprint.properties:
        found.extend(_property_differences(blueprint.identifier, declared, live, declared.identifier in needed))
    for calculation in blueprint.calculations:
        found.extend(_calculation_differences(blueprint.identifier, calculation, live))
    for relation in blueprint.relations:
        found.extend(_relation_differences(blueprint.identifier, relation, _mapping(live, "relations")))
    return found


def _property_differences(
    blueprint: str, declared: Property, live: Mapping[str, Any], required: bool
) -> Iterator[Difference]:
    path = f"{blueprint}.{declared.identifier}"
    held = _mapping(_mapping(live, "schema"), "properties").get(declared.identifier)
    if not isinstance(held, Mapping):
        computed = _computed_as(live, declared.identifier)
        if computed is None:
            yield Difference(path, "missing in Port")
        else:
            yield Difference(path, f"{computed} property in Port, an ordinary one here", conflict=True)
        return
    if held.get("type") != declared.type:
        yield Difference(path, f"type {held.get('type')} in Port, {declared.type} here", conflict=True)
        return
    if declared.items is not None:
        items = _mapping(held, "items").get("type")
        # An array without `items` takes strings too.
        if items is not None and items != declared.items:
            yield Difference(path, f"items of type {items} in Port, {declared.items} here", conflict=True)
            return
    yield from _texts(
        path,
        {
            "title": declared.title,
            "format": declared.format,
            "description": declared.description,
        },
        held,
    )
    for keyword in _CONSTRAINTS:
        if held.get(keyword) not in (None, [], False):
            yield Difference(path, f"{keyword} {held[keyword]!r} in Port, no limit here")
    if required:
        yield Difference(path, "required in Port, optional here")


def _calculation_differences(blueprint: str, declared: Calculation, live: Mapping[str, Any]) -> Iterator[Difference]:
    path = f"{blueprint}.{declared.identifier}"
    held = _mapping(live, "calculationProperties").get(declared.identifier)
    if not isinstance(held, Mapping):
        other = (
            "ordinary"
            if declared.identifier in _mapping(_mapping(live, "schema"), "properties")
            else _computed_as(live, declared.identifier)
        )
        if other is None:
            yield Difference(path, "missing in Port")
        else:
            yield Difference(path, f"{other} property in Port, a calculated one here", conflict=True)
        return
    if held.get("type") != declared.type:
        yield Difference(path, f"type {held.get('type')} in Port, {declared.type} here", conflict=True)
        return
    yield from _texts(
        path,
        {
            "title": declared.title,
            "calculation": declared.jq,
            "description": declared.description,
        },
        held,
    )


def _relation_differences(blueprint: str, declared: Relation, stored: Mapping[str, Any]) -> Iterator[Difference]:
    path = f"{blueprint}.{declared.identifier}"
    held = stored.get(declared.identifier)
    if not isinstance(held, Mapping):
        yield Difference(path, "relation missing in Port")
        return
    if held.get("target") != declared.target:
        yield Difference(path, f"relation to {held.get('target')} in Port, to {declared.target} here", conflict=True)
        return
    if bool(held.get("many")) != declared.many:
        stored_number, number = _number(held.get("many")), _number(declared.many)
        yield Difference(path, f"relation to {stored_number} in Port, to {number} here", conflict=True)
        return
    yield from _texts(path, {"title": declared.title, "description": declared.description}, held)
    if bool(held.get("required")) != declared.required:
        stored_need, need = _need(held.get("required")), _need(declared.required)
        yield Difference(path, f"{stored_need} relation in Port, {need} here")


def _texts(path: str, declared: Mapping[str, str | None], held: Mapping[str, Any]) -> Iterator[Difference]:
    for keyword, text in declared.items():
        stored = held.get(keyword) or None
        if stored != text:
            yield Difference(path, f"{keyword} {_quoted(stored)} in Port, {_quoted(text)} here")


def _mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, Mapping) else {}


def _computed_as(live: Mapping[str, Any], identifier: str) -> str | None:
    for kind in ("mirror", "calculation", "aggregation"):
        if identifier in _mapping(live, f"{kind}Properties"):
            return kind
    return None


def _number(many: object) -> str:
    return "many" if many else "one"


def _need(required: object) -> str:
    return "required" if required else "optional"


def _quoted(value: object) -> str:
    return "none" if value is None else f'"{value}"'
