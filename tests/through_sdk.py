"""Entities registered through Pulumi's SDK: what the short way of `coderport.program.entities` is held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import port_pulumi as port
import pulumi

from coderport.catalog.values import Entity, Ref, Related
from coderport.kinds.all import BY_IDENTIFIER
from coderport.program.entities import Refusals
from coderport.program.registrations import Registrations


class ThroughSdk:
    """Stands in for `coderport.program.entities.Entities`."""

    def __init__(
        self, registrations: Registrations, provider: port.Provider, blueprints: Mapping[str, pulumi.Input[str]]
    ) -> None:
        self.refused: Refusals = {}
        self._registrations, self._blueprints = registrations, blueprints
        self._options = pulumi.ResourceOptions(provider=provider)
        self._identifiers: dict[Ref, pulumi.Input[str]] = {}

    async def begin(self, entity: Entity) -> None:
        resource = await self._registrations.begin(lambda: self._resource(entity))
        self._identifiers[entity.ref] = resource.identifier
        if not pulumi.runtime.is_dry_run():
            await self._registrations.send(lambda: self._look_for_refused(entity, resource))

    def _resource(self, entity: Entity) -> port.Entity:
        bags: dict[type, dict[str, Any]] = {str: {}, bool: {}, float: {}, list: {}}
        for key, value in entity.properties.items():
            bags[float if type(value) is int else type(value)][key] = float(value) if type(value) is int else value
        return port.Entity(
            f"{entity.blueprint}-{entity.identifier}",
            identifier=entity.identifier,
            blueprint=self._blueprints.get(entity.blueprint, entity.blueprint),
            title=entity.title,
            properties=port.EntityPropertiesArgs(
                string_props=bags[str] or None,
                number_props=bags[float] or None,
                boolean_props=bags[bool] or None,
                array_props=port.EntityPropertiesArrayPropsArgs(string_items=bags[list]) if bags[list] else None,
            ),
            relations=self._relations(entity),
            opts=self._options,
        )

    def _relations(self, entity: Entity) -> port.EntityRelationsArgs | None:
        def related(target: str, value: Related) -> Any:
            if isinstance(value, str):
                return self._identifiers.get(Ref(target, value), value)
            return [self._identifiers.get(Ref(target, each), each) for each in value]

        leads_to = {each.identifier: each.target for each in BY_IDENTIFIER[entity.blueprint].relations}
        found = {key: related(leads_to[key], value) for key, value in entity.relations.items()}
        single = {key: value for key, value in found.items() if not isinstance(value, list)}
        many = {key: value for key, value in found.items() if isinstance(value, list)}
        if not found:
            return None
        return port.EntityRelationsArgs(single_relations=single or None, many_relations=many or None)

    async def _look_for_refused(self, entity: Entity, resource: port.Entity) -> None:
        if not await resource.id.is_known():
            return
        written = await resource.properties.future()
        if written is None:
            return
        bags = (written.string_props, written.number_props, written.boolean_props)
        lists = written.array_props.string_items if written.array_props is not None else None
        taken = set().union(*(bag or () for bag in (*bags, lists)))
        for name in entity.properties:
            if name not in taken:
                self.refused.setdefault((entity.blueprint, name), []).append(entity)
