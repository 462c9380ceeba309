"""What Port holds, read once per process and kept up to date by our own writes."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from coderport.port.client import PortClient
from coderport.port.definitions import BlueprintGrants, Definitions
from coderport.port.errors import PortRejected
from coderport.port.models import PortEntity
from coderport.port.sweep import swept

_SINGLE_CONFIRMATIONS = 10


class Holdings:
    """Entities by blueprint, from one paged sweep each, begun at the first question and good for all.

    A row may slip through between two pages, so an identifier that a sweep did not show is asked for by
    itself before it counts as absent; when many are missing, a second sweep answers for all of them.
    """

    def __init__(self, client: PortClient) -> None:
        self._client = client
        self._sweeps: dict[tuple[str, int], asyncio.Task[dict[str, PortEntity]]] = {}
        self._facts: defaultdict[str, dict[str, PortEntity | None]] = defaultdict(dict)
        self._empty: set[str] = set()
        self._confirmations: Counter[str] = Counter()
        self._blueprints: dict[str, Mapping[str, Any] | None] = {}
        self._actions: dict[str, Mapping[str, Any] | None] = {}
        self._permissions: dict[str, Mapping[str, Any] | None] = {}
        self._definitions: dict[tuple[str, str, str], Mapping[str, Any] | None] = {}
        self._grants: dict[str, Mapping[str, Any] | None] = {}
        self._reading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def entity(self, blueprint: str, identifier: str, *, confirm: bool = True) -> PortEntity | None:
        """The entity as Port holds it, or None; without `confirm` the sweep alone is believed."""
        facts = self._facts[blueprint]
        if identifier in facts:
            return facts[identifier]
        row = None
        if blueprint not in self._empty:
            row = (await self._sweep(blueprint, 1)).get(identifier)
            if row is None and confirm and blueprint not in self._empty:
                row = await self._confirmed(blueprint, identifier)
                facts.setdefault(identifier, row)
        return facts.get(identifier, row)

    async def _confirmed(self, blueprint: str, identifier: str) -> PortEntity | None:
        self._confirmations[blueprint] += 1
        if self._confirmations[blueprint] > _SINGLE_CONFIRMATIONS:
            return (await self._sweep(blueprint, 2)).get(identifier)
        return await self._client.entity(blueprint, identifier)

    async def _sweep(self, blueprint: str, number: int) -> dict[str, PortEntity]:
        task = self._sweeps.get((blueprint, number))
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.create_task(self._rows(blueprint))
            self._sweeps[blueprint, number] = task
        # One waiting call that is cancelled must not stop the sweep of all the others.
        return await asyncio.shield(task)

    async def _rows(self, blueprint: str) -> dict[str, PortEntity]:
        try:
            return await swept(self._client, blueprint)
        except PortRejected as error:
            # One 404 may be a gateway's, and would empty the state: only a blueprint that is gone has no entities.
            if error.status != 404 or await self._client.blueprint(blueprint) is not None:
                raise
            self._empty.add(blueprint)
            return {}

    def wrote(self, entity: PortEntity) -> None:
        """We wrote this entity, and this is what Port holds now."""
        self._facts[entity.blueprint][entity.identifier] = entity

    def deleted(self, blueprint: str, identifier: str) -> None:
        """We deleted this entity, or learned that it is gone."""
        self._facts[blueprint][identifier] = None

    async def blueprint(self, identifier: str) -> Mapping[str, Any] | None:
        """The blueprint as Port holds it, or None where it has none."""
        async with self._reading[f"blueprint {identifier}"]:
            if identifier not in self._blueprints:
                self._blueprints[identifier] = await self._client.blueprint(identifier)
            return self._blueprints[identifier]

    def wrote_blueprint(self, blueprint: Mapping[str, Any], *, created: bool = False) -> None:
        """We wrote this blueprint; one that we created has no entities but ours."""
        self._blueprints[blueprint["identifier"]] = blueprint
        if created:
            self._empty.add(blueprint["identifier"])

    def deleted_blueprint(self, identifier: str) -> None:
        """We deleted this blueprint, or learned that it is gone."""
        self._blueprints[identifier] = None
        self._empty.add(identifier)

    async def action(self, identifier: str) -> Mapping[str, Any] | None:
        """The action as Port holds it, or None where it has none."""
        async with self._reading[f"action {identifier}"]:
            if identifier not in self._actions:
                self._actions[identifier] = await self._client.action(identifier)
            return self._actions[identifier]

    def wrote_action(self, action: Mapping[str, Any], *, created: bool = False) -> None:
        """We wrote this action; one that we created has Port's own permissions, which are asked for again."""
        self._actions[action["identifier"]] = action
        if created:
            self._permissions.pop(action["identifier"], None)

    def deleted_action(self, identifier: str) -> None:
        """We deleted this action, or learned that it is gone, and its permissions with it."""
        self._actions[identifier] = None
        self._permissions[identifier] = None

    async def action_permissions(self, identifier: str) -> Mapping[str, Any] | None:
        """Who may run and approve an action, or None where Port has no such action."""
        async with self._reading[f"permissions of action {identifier}"]:
            if identifier not in self._permissions:
                self._permissions[identifier] = await self._client.action_permissions(identifier)
            return self._permissions[identifier]

    def wrote_action_permissions(self, identifier: str, permissions: Mapping[str, Any]) -> None:
        """We wrote these permissions."""
        self._permissions[identifier] = permissions

    async def definition(
        self, what: str, within: str, identifier: str, several: Definitions
    ) -> Mapping[str, Any] | None:
        """The scorecard (`within` is its blueprint) or page as Port holds it, or None where it has none."""
        key = (what, within, identifier)
        async with self._reading[" ".join(key)]:
            if key not in self._definitions:
                self._definitions[key] = await several.one(identifier)
            return self._definitions[key]

    def wrote_definition(self, what: str, within: str, definition: Mapping[str, Any]) -> None:
        """We wrote this scorecard or page."""
        self._definitions[what, within, definition["identifier"]] = definition

    def deleted_definition(self, what: str, within: str, identifier: str) -> None:
        """We deleted this scorecard or page, or learned that it is gone."""
        self._definitions[what, within, identifier] = None

    async def blueprint_permissions(self, identifier: str) -> Mapping[str, Any] | None:
        """Who may write the entities of a blueprint, or None where Port has no such blueprint."""
        async with self._reading[f"permissions of blueprint {identifier}"]:
            if identifier not in self._grants:
                self._grants[identifier] = await BlueprintGrants(self._client).of(identifier)
            return self._grants[identifier]

    def wrote_blueprint_permissions(self, identifier: str, permissions: Mapping[str, Any]) -> None:
        """We wrote these permissions."""
        self._grants[identifier] = permissions
