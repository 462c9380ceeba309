"""How a declared blueprint stands to the one that Port holds."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coderport.catalog.blueprint import Blueprint, to_port
from coderport.catalog.overlay import MAPS, Deviation, Json, deviations, permanent, required
from coderport.catalog.values import Held
from coderport.terminal.text import short


class Agreement(enum.Enum):
    """How a live blueprint stands to the declared one, over everything that we declare."""

    SAME = "same"
    EXTENDABLE = "extendable"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Difference:
    """One thing that the declared blueprint says and the live one does not.

    `conflict` marks what Port cannot change in place: type and format of a property, what a relation points at.
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
    """What of `blueprint` is missing or different in Port's JSON `live`, in the order of the declaration.

    Whatever `live` has beyond it is no difference (see `overlay`, by which the provider goes as well).
    """
    declared = to_port(blueprint)
    conflicts = dict(_conflicts(blueprint, declared, live))
    found: dict[str, list[Difference]] = {}
    for deviation in deviations(live, declared, {}):
        name, text = _in_words(deviation)
        if name not in conflicts:
            path = f"{blueprint.identifier}.{name}" if name else blueprint.identifier
            found.setdefault(name, []).append(Difference(path, text))
    for name, text in conflicts.items():
        found[name] = [Difference(f"{blueprint.identifier}.{name}", text, conflict=True)]
    order = {name: at for at, name in enumerate(("", *_members(blueprint)))}
    return [each for name in sorted(found, key=lambda name: order[name]) for each in found[name]]


@dataclass(frozen=True)
class Demand:
    """A property or relation of somebody else without whose value Port takes no entity of a blueprint of ours."""

    identifier: str
    title: str
    relation: bool
    has_default: bool = False
    """Port gives an entity the default as it is created (docs.port.io, setup-blueprint/properties), and not later."""

    def met_by(self, held: Held | None) -> bool:
        """Whether the entity that Port holds has the value already, so that a merging write keeps it.

        None stands for an entity that is to be created.
        """
        if held is None:
            return self.has_default
        return (held.relations if self.relation else held.properties).get(self.identifier) is not None

    def __str__(self) -> str:
        named = short(f"{self.identifier} ({self.title})" if self.title else self.identifier)
        return f"{'relation' if self.relation else 'property'} {named}"


def demands(blueprint: Blueprint, live: Mapping[str, Any]) -> list[Demand]:
    """What others made mandatory on the blueprint."""
    ours = set(_members(blueprint))
    properties = _mapping(_mapping(live, "schema"), "properties")
    found = []
    for name in required(live):
        body = _mapping(properties, name)
        if name not in ours:
            has_default = body.get("default") is not None
            found.append(Demand(name, str(body.get("title") or ""), relation=False, has_default=has_default))
    for name, body in _mapping(live, "relations").items():
        if name not in ours and isinstance(body, Mapping) and body.get("required") is True:
            found.append(Demand(name, str(body.get("title") or ""), relation=True))
    return found


def _conflicts(blueprint: Blueprint, declared: Json, live: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What Port cannot change in place, by property or relation.

    Of the target and the number of a relation Port does not say whether they can change: they are taken for permanent.
    """
    yield from permanent(live, declared)
    for prop in blueprint.properties:
        if (kind := _kind_of(live, prop.identifier)) not in (None, "ordinary"):
            yield prop.identifier, f"{kind} property in Port, an ordinary one here"
    for calculation in blueprint.calculations:
        held = _mapping(live, "calculationProperties").get(calculation.identifier)
        if (kind := _kind_of(live, calculation.identifier)) not in (None, "calculation"):
            yield calculation.identifier, f"{kind} property in Port, a calculated one here"
        elif isinstance(held, Mapping) and held.get("type") != calculation.type:
            yield calculation.identifier, f"type {held.get('type')} in Port, {calculation.type} here"
    for relation in blueprint.relations:
        held = _mapping(live, "relations").get(relation.identifier)
        if not isinstance(held, Mapping):
            continue
        if held.get("target") != relation.target:
            yield relation.identifier, f"relation to {held.get('target')} in Port, to {relation.target} here"
        elif bool(held.get("many")) != relation.many:
            number, here = _number(held.get("many")), _number(relation.many)
            yield relation.identifier, f"relation to {number} in Port, to {here} here"


def _members(blueprint: Blueprint) -> Iterator[str]:
    """The identifiers of all that the blueprint declares, in its order."""
    for kind in (blueprint.properties, blueprint.calculations, blueprint.relations):
        yield from (each.identifier for each in kind)


def _in_words(deviation: Deviation) -> tuple[str, str]:
    """The property, relation or calculation that it is about (empty for the blueprint itself), and what to say."""
    path, have, want = deviation.path, deviation.have, deviation.want
    if path[:2] == ("schema", "required"):
        return path[2], f"{_need(have)} in Port, {_need(want)} here"
    steps = path[2:] if path[0] == "schema" else path[1:] if path[0] in MAPS else ("", *path)
    name, *keyword = steps
    relation = path[0] == "relations"
    if not keyword:
        return name, "relation missing in Port" if relation else "missing in Port"
    if relation and keyword == ["required"]:
        return name, f"{_need(have)} relation in Port, {_need(want)} here"
    return name, f"{'.'.join(keyword)} {_quoted(have)} in Port, {_quoted(want)} here"


def _kind_of(live: Mapping[str, Any], identifier: str) -> str | None:
    """What kind of property has the identifier in Port; None for none."""
    if identifier in _mapping(_mapping(live, "schema"), "properties"):
        return "ordinary"
    for kind in ("mirror", "calculation", "aggregation"):
        if identifier in _mapping(live, f"{kind}Properties"):
            return kind
    return None


def _mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, Mapping) else {}


def _number(many: object) -> str:
    return "many" if many else "one"


def _need(required: object) -> str:
    return "required" if required else "optional"


def _quoted(value: object) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {each}" for key, each in value.items() if each is not None)
    return "none" if value in (None, "") else f'"{value}"'
