"""What Port holds before a run: the organization, our two blueprints, every entity in them, and the actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coderport.catalog.blueprints import BLUEPRINTS, Blueprint
from coderport.port.client import PortClient
from coderport.port.models import Organization, PortEntity


@dataclass(frozen=True)
class Holdings:
    """`blueprints` and `entities` are by blueprint identifier; a blueprint that Port does not have is absent.

    `actions` are all of the organization's by identifier, and none where they were not asked for.
    """

    organization: Organization
    blueprints: Mapping[str, Mapping[str, Any]]
    entities: Mapping[str, Mapping[str, PortEntity]]
    actions: Mapping[str, Mapping[str, Any]]

    def managed_by(self, stack: str) -> dict[str, frozenset[str]]:
        """The ids of the entities that say that this stack manages them, by blueprint."""
        return {
            blueprint: frozenset(
                identifier for identifier, each in held.items() if each.properties.get("managed_by") == stack
            )
            for blueprint, held in self.entities.items()
        }


async def holdings(
    client: PortClient, declared: tuple[Blueprint, ...] = BLUEPRINTS, *, with_actions: bool = False
) -> Holdings:
    """Reads them: two requests, for each blueprint one and one per 1,000 entities, and one for the actions."""
    organization = await client.organization()
    blueprints: dict[str, Mapping[str, Any]] = {}
    entities: dict[str, Mapping[str, PortEntity]] = {}
    for blueprint in declared:
        live = await client.blueprint(blueprint.identifier)
        if live is None:
            continue
        blueprints[blueprint.identifier] = live
        entities[blueprint.identifier] = {
            entity.identifier: entity async for entity in client.entities(blueprint.identifier)
        }
    actions = await client.actions() if with_actions else {}
    return Holdings(organization, blueprints, entities, actions)
