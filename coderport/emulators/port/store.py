"""Everything that the emulated Port organization holds, and the index of who relates to whom."""

from __future__ import annotations

import random
import string
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from coderport.emulators.kit import Clock
from coderport.emulators.port.behaviour import Behaviour
from coderport.emulators.port.blueprints import Blueprint
from coderport.emulators.port.people import User
from coderport.emulators.port.problems import Problem, has_dependents, no_entity, not_found
from coderport.emulators.port.records import Entity, Json, Key, Source, port_time, targets

if TYPE_CHECKING:
    from coderport.emulators.port.runs import Run  # its functions take a store

_ID_LETTERS = string.ascii_letters + string.digits


@dataclass
class ItemFault:
    """A refusal of chosen entities of bulk writes: the item fails with it, the others of its call do not."""

    identifiers: frozenset[str]
    problem: Problem
    times: int | None = None


@dataclass
class Store:
    """The state. Hold `lock` around every use; the methods do not take it."""

    clock: Clock
    random: random.Random
    organization_id: str
    strict_destinations: bool = False
    """Refuse webhooks to private hosts, as Port's cloud does, in place of allowing only loopback."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    lock: threading.RLock = field(default_factory=threading.RLock)
    changed: threading.Condition = field(init=False)
    """Notified, with the lock held, whenever a run has changed."""
    outbox: Callable[[str], None] = field(init=False)
    """Takes the id of a run whose webhook or workflow is to be invoked; it does not wait for it."""
    users: dict[str, User] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    dispatches: list[Json] = field(default_factory=list)
    item_faults: list[ItemFault] = field(default_factory=list)
    blueprints: dict[str, Blueprint] = field(default_factory=dict)
    actions: dict[str, Json] = field(default_factory=dict)
    action_permissions: dict[str, Json] = field(default_factory=dict)
    permissions_from: dict[str, float] = field(default_factory=dict)
    """When the permissions of a new action are there to be read, in seconds of the emulator's clock."""
    integrations: dict[str, Json] = field(default_factory=dict)
    default_branches: dict[str, str] = field(default_factory=dict)
    """By organization/repository; `main` where there is none."""
    workflow_runs: dict[str, str] = field(default_factory=dict)
    """The external id of each dispatched workflow by the run it is for, as GitHub would know it."""
    teams: dict[str, Json] = field(default_factory=dict)
    pages: dict[str, Json] = field(default_factory=dict)
    page_permissions: dict[str, Json] = field(default_factory=dict)
    migrations: dict[str, Json] = field(default_factory=dict)
    _incoming: dict[Key, dict[Source, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.changed = threading.Condition(self.lock)

    def now(self) -> str:
        """The time as Port writes it."""
        return port_time(self.clock())

    def new_id(self, prefix: str) -> str:
        """An identifier of Port's making: the prefix and 16 letters."""
        return prefix + "".join(self.random.choices(_ID_LETTERS, k=16))

    def blueprint(self, identifier: str) -> Blueprint:
        """The blueprint, or 404."""
        found = self.blueprints.get(identifier)
        if found is None:
            raise not_found("Blueprint", identifier)
        return found

    def entity(self, blueprint: str, identifier: str) -> Entity:
        """The entity, or 404 for it or for its blueprint."""
        found = self.blueprint(blueprint).rows.by_identifier.get(identifier)
        if found is None:
            raise no_entity(blueprint, identifier)
        return found

    def find(self, key: Key) -> Entity | None:
        """The entity if it exists."""
        held = self.blueprints.get(key[0])
        return None if held is None else held.rows.by_identifier.get(key[1])

    def rename_blueprint(self, old: str, new: str) -> None:
        """Let its entities, and the index of who relates to whom, know it by another identifier."""
        self.blueprints = {new if name == old else name: held for name, held in self.blueprints.items()}
        rows = self.blueprints[new].rows
        rows.by_identifier = {name: replace(each, blueprint=new) for name, each in rows.by_identifier.items()}
        self._incoming = {
            (new if place[0] == old else place[0], place[1]): {
                (new if source[0] == old else source[0], source[1], source[2]): None for source in sources
            }
            for place, sources in self._incoming.items()
        }

    def sources(self, key: Key) -> Iterator[tuple[Entity, str]]:
        """Entities that relate to this one, each with the relation."""
        for blueprint, identifier, relation in tuple(self._incoming.get(key, ())):
            yield self.blueprints[blueprint].rows.by_identifier[identifier], relation

    def put(self, entity: Entity, previous: Entity | None) -> None:
        """Store a valid entity; after a rename those that relate to it follow."""
        if previous is not None:
            self._forget_relations(previous)
        self.blueprints[entity.blueprint].rows.put(entity, previous)
        rules = self.blueprints[entity.blueprint].rules
        for relation, value in entity.relations.items():
            for identifier in set(targets(value)):
                place = (rules.relations[relation].target, identifier)
                self._incoming.setdefault(place, {})[entity.source(relation)] = None
        if previous is not None and previous.identifier != entity.identifier:
            for source, relation in list(self.sources(previous.key)):
                self._point(source.key, relation, previous.identifier, entity.identifier)

    def delete(self, entities: Mapping[Key, Entity], *, dependents: bool) -> None:
        """Delete them all, or nothing and 403 `has_dependents` where another entity requires one of them.

        With `dependents` those go too. Relations that are not required lose their value.
        """
        doomed = dict(entities)
        for entity in entities.values():
            self._add_dependents(entity, doomed, dependents)
        for entity in doomed.values():
            self._forget_relations(entity)
        for entity in doomed.values():
            for source, relation in list(self.sources(entity.key)):
                self._point(source.key, relation, entity.identifier, None)
            self.blueprints[entity.blueprint].rows.remove(entity.identifier)

    def _add_dependents(self, entity: Entity, doomed: dict[Key, Entity], dependents: bool) -> None:
        waiting = [entity]
        while waiting:
            entity = waiting.pop()
            for source, relation in self.sources(entity.key):
                required = self.blueprints[source.blueprint].rules.relations[relation].required
                if not required or source.key in doomed:
                    continue
                if not dependents:
                    why = f'"{source.identifier}" of "{source.blueprint}" requires it; use delete_dependents=true'
                    raise has_dependents("Entity", entity.identifier, why)
                doomed[source.key] = source
                waiting.append(source)

    def _forget_relations(self, entity: Entity) -> None:
        rules = self.blueprints[entity.blueprint].rules
        for relation, value in entity.relations.items():
            for identifier in set(targets(value)):
                place = (rules.relations[relation].target, identifier)
                known = self._incoming[place]
                del known[entity.source(relation)]
                if not known:
                    del self._incoming[place]

    def _point(self, place: Key, relation: str, old: str, new: str | None) -> None:
        """Let a relation of the entity name `new` where it named `old`; the entity's own times do not move."""
        source = self.entity(*place)
        value: Any = source.relations[relation]
        if isinstance(value, list):
            value = [new if each == old else each for each in value if each != old or new is not None]
        else:
            value = new
        self.put(replace(source, relations={**source.relations, relation: value}), source)

    def forget_values(self, blueprint: Blueprint, kept: Mapping[str, Any], relations: Mapping[str, Any]) -> None:
        """Drop the values of properties and relations that the blueprint is about to lose."""
        lost = set(blueprint.rules.checks) - set(kept)
        loose = set(blueprint.rules.relations) - set(relations)
        if not lost and not loose:
            return
        for entity in list(blueprint.rows.by_identifier.values()):
            properties = {key: value for key, value in entity.properties.items() if key not in lost}
            remaining = {key: value for key, value in entity.relations.items() if key not in loose}
            self.put(replace(entity, properties=properties, relations=remaining), entity)
