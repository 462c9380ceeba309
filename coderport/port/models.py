"""What Port sends, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coderport.port.errors import PortError
from coderport.terminal.text import short


@dataclass(frozen=True)
class Organization:
    """The Port organization that the credentials belong to; `name` may be empty."""

    id: str
    name: str


@dataclass(frozen=True)
class PortEntity:
    """One entity as Port holds it.

    Times are the ISO texts that Port sent (system times have milliseconds and `Z`), or None where an
    answer had none. A property that is null at Port is in `properties` with the value None.
    """

    identifier: str
    blueprint: str
    title: str = ""
    icon: str | None = None
    team: tuple[str, ...] = ()
    properties: Mapping[str, Any] = field(default_factory=dict)
    relations: Mapping[str, Any] = field(default_factory=dict)
    created_at: str | None = None
    created_by: str | None = None
    updated_at: str | None = None
    updated_by: str | None = None

    @classmethod
    def from_json(cls, blueprint: str, row: Any) -> PortEntity:
        """An entity of an answer of Port.

        An answer without an identifier is an error, everything else may be absent.
        """
        if not isinstance(row, dict) or not isinstance(row.get("identifier"), str):
            raise PortError(f"Port sent an entity of blueprint {blueprint} without an identifier")
        properties, relations = row.get("properties") or {}, row.get("relations") or {}
        team = row.get("team") or ()
        if not isinstance(properties, dict) or not isinstance(relations, dict):
            raise PortError(f"Port sent properties that are no object ({blueprint}:{short(row['identifier'])})")
        return cls(
            identifier=row["identifier"],
            blueprint=blueprint,
            title=row.get("title") or "",
            icon=row.get("icon") or None,
            team=(team,) if isinstance(team, str) else tuple(team),
            properties=properties,
            relations=relations,
            created_at=row.get("createdAt"),
            created_by=row.get("createdBy"),
            updated_at=row.get("updatedAt"),
            updated_by=row.get("updatedBy"),
        )


@dataclass(frozen=True)
class ItemOutcome:
    """What became of one entity of a bulk upsert, at its position in the request."""

    index: int
    identifier: str
    created: bool = False
    error: PortError | None = None


@dataclass(frozen=True)
class DeleteResult:
    """The identifiers that a bulk delete says it deleted; one that it does not name was not there."""

    deleted: frozenset[str]
