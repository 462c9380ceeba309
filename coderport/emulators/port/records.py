"""What the emulated Port holds: entities and the rows of a blueprint in the order of creation."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Final

Json = dict[str, Any]
Key = tuple[str, str]
"""An entity's identity: blueprint, identifier."""
Source = tuple[str, str, str]
"""A place that relates to an entity: blueprint, identifier, relation."""

META: Final[Mapping[str, str]] = {
    "$identifier": "identifier",
    "$title": "title",
    "$icon": "icon",
    "$team": "team",
    "$blueprint": "blueprint",
    "$createdAt": "created_at",
    "$createdBy": "created_by",
    "$updatedAt": "updated_at",
    "$updatedBy": "updated_by",
    "$datasource": "datasource",
}
"""What every entity has, as searches and mirror properties call it, and where an `Entity` holds it."""

# Rows of deleted entities are swept out once there are more of them than of living ones, and not before this many.
_FEW_ROWS = 64


def port_time(seconds: float) -> str:
    """A system time as Port writes it: UTC, milliseconds, ``Z``."""
    moment = datetime.fromtimestamp(int(seconds * 1000) / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Writer:
    """Who writes: a client id, and the User-Agent, which Port remembers as the entity's ``$datasource``."""

    client_id: str
    datasource: str = ""


@dataclass(frozen=True)
class Calculated:
    """What background work made of an entity's calculated properties: `values` from the time `due` on (of the
    emulator's clock), `before` until then."""

    values: Mapping[str, Any]
    due: float
    before: Mapping[str, Any]

    def at(self, time: float) -> Mapping[str, Any]:
        """The values that are shown at that time."""
        return self.values if time >= self.due else self.before


@dataclass(frozen=True)
class Entity:
    """One stored entity. `number` counts creations in its blueprint and is what pages go by."""

    blueprint: str
    identifier: str
    number: int
    title: str | None
    icon: str | None
    team: tuple[str, ...]
    properties: Mapping[str, Any]
    relations: Mapping[str, Any]
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str
    datasource: str
    calculated: Calculated | None = None
    """The calculated properties where they are kept and not computed on each read."""

    @property
    def key(self) -> Key:
        return self.blueprint, self.identifier

    def source(self, relation: str) -> Source:
        """The place of one of its relations."""
        return self.blueprint, self.identifier, relation


def targets(value: Any) -> tuple[str, ...]:
    """The identifiers in a relation's value: none, one, or those of the list."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


@dataclass
class Rows:
    """The entities of one blueprint, by identifier, and by number for paging without a scan."""

    by_identifier: dict[str, Entity] = field(default_factory=dict)
    _numbers: list[int] = field(default_factory=list)
    _names: list[str | None] = field(default_factory=list)
    _last: int = 0

    def __len__(self) -> int:
        return len(self.by_identifier)

    def next_number(self) -> int:
        """A number that no entity of this blueprint has had."""
        self._last += 1
        return self._last

    def put(self, entity: Entity, previous: Entity | None) -> None:
        """Store it, in the place of `previous` where it had one (which may have had another identifier)."""
        if previous is None:
            self._numbers.append(entity.number)
            self._names.append(entity.identifier)
        elif previous.identifier != entity.identifier:
            del self.by_identifier[previous.identifier]
            self._names[bisect_left(self._numbers, entity.number)] = entity.identifier
        self.by_identifier[entity.identifier] = entity

    def remove(self, identifier: str) -> Entity:
        """Take it out."""
        entity = self.by_identifier.pop(identifier)
        self._names[bisect_left(self._numbers, entity.number)] = None
        if len(self._names) > max(_FEW_ROWS, 2 * len(self.by_identifier)):
            kept = [at for at, name in enumerate(self._names) if name is not None]
            self._numbers = [self._numbers[at] for at in kept]
            self._names = [self._names[at] for at in kept]
        return entity

    def since(self, number: int) -> Iterator[Entity]:
        """Those of this number and later, in the order of creation; do not change the rows meanwhile."""
        for at in range(bisect_left(self._numbers, number), len(self._names)):
            name = self._names[at]
            if name is not None:
                yield self.by_identifier[name]
