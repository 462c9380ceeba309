"""An entity as the body of a write that merges: what every writer but the provider sends to Port."""

from __future__ import annotations

from typing import Any

from coderport.catalog.values import Entity
from coderport.kinds.all import BY_IDENTIFIER, DECLARED_RELATIONS


def entity_body(entity: Entity) -> dict[str, Any]:
    """The entity for a merging write: null clears each property and relation without a value that is always ours."""
    declared = BY_IDENTIFIER[entity.blueprint]
    return {
        "identifier": entity.identifier,
        "title": entity.title,
        "properties": {each.identifier: entity.properties.get(each.identifier) for each in declared.properties},
        "relations": {**dict.fromkeys(sorted(DECLARED_RELATIONS[entity.blueprint])), **entity.relations},
    }
