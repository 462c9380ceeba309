"""An entity as the body of a write that merges: what every writer but the provider sends to Port."""

from __future__ import annotations

from typing import Any

from coderport.catalog.blueprint import BLUEPRINTS
from coderport.catalog.values import Entity

_DECLARED = {each.identifier: each for each in BLUEPRINTS}


def entity_body(entity: Entity) -> dict[str, Any]:
    """The entity for a merging write: null clears each declared property and relation that has no value."""
    declared = _DECLARED[entity.blueprint]
    return {
        "identifier": entity.identifier,
        "title": entity.title,
        "properties": {each.identifier: entity.properties.get(each.identifier) for each in declared.properties},
        "relations": {each.identifier: entity.relations.get(each.identifier) for each in declared.relations},
    }
