"""What `live` knows of both sides, and the judgement between them: what was read becomes orders to Port.

This is where the mapping, the ownership and the guard of `up` are used: nothing else in this room knows them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from coderport.catalog.blueprint import Blueprint
from coderport.catalog.digest import digest
from coderport.catalog.values import Entity, LeftOut, Ref
from coderport.coder.models import Organization, Template, Workspace
from coderport.coder.reading.snapshot import Snapshot
from coderport.guard.ownership import Owner, Whose
from coderport.kinds.all import BLUEPRINTS, DECLARED_PROPERTIES, difference
from coderport.kinds.desired import Desired
from coderport.kinds.inventory import inventory_of
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.live.deleting import Deletions
from coderport.live.refused import DELETION, Refused
from coderport.live.values import KEPT, Order, Reading
from coderport.planning.past import Past
from coderport.planning.plan import wanted_of
from coderport.port.models import PortEntity
from coderport.settings import Settings


@dataclass(frozen=True)
class Ground:
    """What a judgement stands on: the settings, what the stack remembers and Port holds, and a whole read of Coder."""

    settings: Settings
    past: Past
    snapshot: Snapshot

    @property
    def owner(self) -> Owner:
        """This state as the owner of entities."""
        owner = self.past.owner(self.snapshot.deployment.deployment_id)
        return replace(owner, takes_over=self.settings.take_over)


class Catalog:
    """Port as it is, or will be once all orders are carried out, beside what was last read of Coder."""

    def __init__(self, ground: Ground, deletions: Deletions) -> None:
        self.deletions = deletions
        self.foreign: set[Ref] = set()
        self.builds: dict[str, int] = {}
        self._accepted: dict[Ref, float] = {}
        self.refused = Refused()
        self.held: dict[str, dict[str, PortEntity]] = {}
        self.stand_on(ground)

    def stand_on(self, ground: Ground) -> None:
        """Takes a new ground; what Port holds is what that says."""
        self.ground, self.owner = ground, ground.owner
        self.templates: dict[str, Template] = dict(ground.snapshot.templates)
        self.emails: dict[str, str] | None = None if ground.snapshot.emails is None else dict(ground.snapshot.emails)
        self.held = {each.identifier: dict(ground.past.held.entities.get(each.identifier, {})) for each in BLUEPRINTS}
        self.deletions.begin_anew(ground.settings.guard, ground.past.memory.spent)

    @property
    def organizations(self) -> frozenset[str] | None:
        """The ids of the organizations in scope; None where that is all of them."""
        if not self.ground.settings.coder_organizations:
            return None
        return frozenset(each.id for each in self.ground.snapshot.organizations)

    @property
    def organization_ids(self) -> frozenset[str]:
        """The organizations of the read that this began with."""
        return frozenset(each.id for each in self.ground.snapshot.organizations)

    def renew(self, organizations: tuple[Organization, ...], emails: Mapping[str, str] | None) -> bool:
        """Takes what the organizations in scope are called now, and the users' addresses; whether any is another."""
        before, other = self.ground.snapshot.organizations, False
        if emails is not None:
            known = self.emails
            other = known is None or any(known.get(each, address) != address for each, address in emails.items())
            self.emails = {**(known or {}), **emails}
        self.ground = replace(self.ground, snapshot=replace(self.ground.snapshot, organizations=organizations))
        return other or set(organizations) != set(before)

    def has(self, key: Ref) -> PortEntity | None:
        """What Port holds of it."""
        return self.held.get(key.blueprint, {}).get(key.identifier)

    def ours(self, blueprint: str) -> Iterator[str]:
        """The identifiers of our entities of that blueprint."""
        return (identifier for identifier, held in self.held[blueprint].items() if self.is_ours(held))

    def is_ours(self, held: PortEntity) -> bool:
        """Whether this state keeps the entity."""
        return self.owner.whose(held) in (Whose.OURS, Whose.OURS_BY_NAME)

    def judged(self, reading: Reading, now: datetime) -> tuple[Order, ...]:
        """The orders that follow from a reading. What an older question was answered with changes nothing.

        `now` is aware. The orders count as carried out from here on: `revoke` takes back what was not.
        """
        asked = reading.asked
        templates = {each: row for each, row in reading.templates.items() if self._newest(TEMPLATE, each, asked)}
        rows = {each: row for each, row in reading.workspaces.items() if self._newest(WORKSPACE, each, asked)}
        self.templates.update(templates)
        self.builds.update({each: row.latest_build.build_number for each, row in rows.items()})
        wanted = self._desired(templates, rows, now)
        orders = list(self._writes(wanted, templates.keys() | rows.keys(), reading, now))
        orders += self._deletions(wanted, reading, now)
        return tuple(orders)

    def _newest(self, blueprint: Blueprint, identifier: str, asked: float) -> bool:
        """Whether nothing that was asked for later has been taken in already."""
        key = Ref(blueprint.identifier, identifier)
        if asked <= self._accepted.get(key, -1.0):
            return False
        self._accepted[key] = asked
        return True

    def _desired(self, templates: Mapping[str, Template], rows: Mapping[str, Workspace], now: datetime) -> Desired:
        """Those objects as `up` would declare them, with the templates that they refer to."""
        inside, ground = self.organizations, self.ground
        needed = {row.template_id for row in rows.values()} & self.templates.keys() | templates.keys()
        known = {each: self.templates[each] for each in sorted(needed)}

        def in_scope(one: Template | Workspace) -> bool:
            return inside is None or one.organization_id in inside

        part = replace(
            ground.snapshot,
            emails=self.emails,
            templates={key: row for key, row in known.items() if in_scope(row)},
            workspaces={key: row for key, row in rows.items() if in_scope(row)},
            outside_templates={key: row for key, row in known.items() if not in_scope(row)},
            outside_workspaces={key: row for key, row in rows.items() if not in_scope(row)},
        )
        past = replace(ground.past, held=replace(ground.past.held, entities=self.held))
        return wanted_of(ground.settings, past, inventory_of(part), now)

    def _writes(self, wanted: Desired, asked_for: Iterable[str], reading: Reading, now: datetime) -> Iterator[Order]:
        ids = set(asked_for)
        for entity in wanted.entities:
            if entity.identifier not in ids:
                continue
            key = Ref(entity.blueprint, entity.identifier)
            held = self.has(key)
            if held is not None and not self._may_write(held):
                self.foreign.add(key)
                continue
            self.foreign.discard(key)
            self.deletions.release([key])
            changed = ("$title",) if held is None else tuple(sorted(difference(entity, held)))
            if not changed or self.refused.waits(key, now, _digest(entity)):
                continue
            yield Order(key, entity, reading.asked, changed, reading.events.get(key, ()), created=held is None)
            self.expect(entity)

    def _may_write(self, held: PortEntity) -> bool:
        return self.ground.settings.take_over or self.is_ours(held)

    def _deletions(self, wanted: Desired, reading: Reading, now: datetime) -> Iterator[Order]:
        for blueprint in reversed(KEPT):
            name = blueprint.identifier
            found: dict[Ref, LeftOut | None] = {**wanted.left_out, **dict.fromkeys(reading.gone)}
            found = {key: why for key, why in found.items() if key.blueprint == name and self._may_delete(key, now)}
            if not found and not self.deletions.held:
                continue
            for key in self.deletions.permitted(name, found, self.owner, self.held, now):
                del self.held[name][key.identifier]
                if blueprint is TEMPLATE:
                    self.templates.pop(key.identifier, None)
                yield Order(key, None, reading.asked, (), reading.events.get(key, ()))

    def _may_delete(self, key: Ref, now: datetime) -> bool:
        """Whether the entity is ours, and Port has not just refused to delete it; the guard judges the rest."""
        held = self.has(key)
        return held is not None and self.is_ours(held) and not self.refused.waits(key, now, DELETION)

    def expect(self, entity: Entity) -> None:
        """Port is about to hold that; what others added to the entity stays."""
        held = self.held[entity.blueprint].get(entity.identifier)
        before = held or PortEntity(entity.identifier, entity.blueprint)
        theirs = {
            key: value for key, value in before.properties.items() if key not in DECLARED_PROPERTIES[entity.blueprint]
        }
        self.held[entity.blueprint][entity.identifier] = replace(
            before,
            title=entity.title,
            properties={**theirs, **entity.properties},
            relations={**dict.fromkeys(before.relations), **entity.relations},
        )

    def seen(self, held: PortEntity) -> bool:
        """Takes what Port was found to hold; whether that is another than was expected of an entity of ours."""
        expected = self.held[held.blueprint].get(held.identifier)
        self.held[held.blueprint][held.identifier] = held
        if expected is None:
            return self.is_ours(held)
        return (self.is_ours(expected) or self.is_ours(held)) and bool(difference(_entity(expected), held))

    def forget(self, key: Ref) -> None:
        """What was expected of the entity does not hold: it is judged anew, whatever was read of it before."""
        self.held[key.blueprint].pop(key.identifier, None)
        self._accepted.pop(key, None)

    def written(self, key: Ref) -> None:
        """Port has carried out a write."""
        self.refused.written(key)

    def refused_in_part(self, entity: Entity, names: Collection[str]) -> None:
        """Port holds the entity without these properties: they wait for a while, unless the entity changes."""
        self.refused.note(entity.ref, _digest(entity), datetime.now(timezone.utc))
        if (held := self.has(entity.ref)) is not None:
            properties = {name: value for name, value in held.properties.items() if name not in names}
            self.held[entity.blueprint][entity.identifier] = replace(held, properties=properties)

    def refused_whole(self, entity: Entity, held: PortEntity | None, lacks: Collection[Ref] = ()) -> None:
        """Port takes nothing of the entity, perhaps because it `lacks` what that refers to; it holds `held`."""
        self.refused.note(entity.ref, _digest(entity), datetime.now(timezone.utc), lacks=lacks)
        self._holds(entity.ref, held)

    def refused_to_delete(self, held: PortEntity) -> None:
        """Port keeps the entity, though it was to go."""
        self.refused.note(Ref(held.blueprint, held.identifier), DELETION, datetime.now(timezone.utc))
        self._holds(Ref(held.blueprint, held.identifier), held)

    def _holds(self, key: Ref, held: PortEntity | None) -> None:
        if held is None:
            self.held[key.blueprint].pop(key.identifier, None)
        else:
            self.held[key.blueprint][key.identifier] = held


def _digest(entity: Entity) -> bytes:
    return digest((entity.title, dict(entity.properties), dict(entity.relations)))


def _entity(held: PortEntity) -> Entity:
    return Entity(held.blueprint, held.identifier, held.title, held.properties, held.relations)
