"""Values that Port did not take in an earlier run: the entities are declared without them, so that nothing flaps.

A value is tried again when it changes, when Port's definition of the property changes, or the settings or the version.
All values of a property are tried again when Port holds one of those that it refused: then it takes them by now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from coderport.catalog.digest import digest
from coderport.catalog.values import Entity, Held
from coderport.kinds.all import KIND_OF

Place = tuple[str, str]
"""A blueprint and a property of it."""


@dataclass(frozen=True)
class Refused:
    """Values of one property that Port did not take: why (Port's words), of which entities, and what they were.

    `definition` is the digest of the property in Port's blueprint, `values` has those of the values by entity.
    """

    why: str
    definition: bytes
    values: Mapping[str, bytes]


def definition_of(live: Mapping[str, Any] | None, name: str) -> bytes:
    """A digest of what Port's blueprint says of the property."""
    return digest((((live or {}).get("schema") or {}).get("properties") or {}).get(name))


def withheld(
    entities: Iterable[Entity],
    refused: Mapping[Place, Refused],
    live: Mapping[str, Mapping[str, Any]],
    held: Mapping[str, Mapping[str, Held]],
) -> tuple[list[Entity], dict[Place, Refused]]:
    """The entities without the values that were refused and still would be, and what of `refused` that is.

    `live` are Port's blueprints by identifier, `held` is what Port holds by blueprint and identifier.
    """
    valid = {
        place: each
        for place, each in refused.items()
        if each.definition == definition_of(live.get(place[0]), place[1])
        and not _is_held(each, place[1], held.get(place[0], {}))
    }
    found: dict[Place, dict[str, bytes]] = {}
    shown: list[Entity] = []
    for entity in entities:
        names = [
            name
            for (blueprint, name), each in valid.items()
            if blueprint == entity.blueprint
            and name in entity.properties
            and each.values.get(entity.identifier) == digest(entity.properties[name])
        ]
        for name in names:
            values = found.setdefault((entity.blueprint, name), {})
            values[entity.identifier] = digest(entity.properties[name])
        shown.append(without(entity, names) if names else entity)
    return shown, {place: replace(valid[place], values=values) for place, values in found.items()}


def _is_held(refused: Refused, name: str, held: Mapping[str, Held]) -> bool:
    """Whether Port has one of the values: somebody wrote it later, and Port took it."""
    there = ((held[identifier], value) for identifier, value in refused.values.items() if identifier in held)
    return any(name in one.properties and digest(one.properties[name]) == value for one, value in there)


def without(entity: Entity, names: Iterable[str]) -> Entity:
    """The entity without those properties."""
    return replace(entity, properties={key: value for key, value in entity.properties.items() if key not in set(names)})


def notes(refused: Mapping[Place, Refused]) -> Iterator[str]:
    """What a run says of it: which property, of how many, and why."""
    for (blueprint, name), each in sorted(refused.items()):
        number = f"{len(each.values)} {KIND_OF[blueprint].words[len(each.values) > 1]}"
        yield (
            f"Port does not take the value of {name} of {number}, which are in Port without it: {each.why} It is tried "
            "again when the value, the property in Port, or the settings change."
        )
