"""What coming over does to an older catalog, as values: read in, decided here, applied elsewhere.

The original integration wrote a template under `<organization id>-<template id>-<active version id>`, so there is one
entity for each version that was ever active. One of them becomes the template's entity, under the template's own id, so
that relations of other blueprints to it stay. The others are its siblings, and go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from coderport.catalog.blueprint import BLUEPRINTS, DECLARED_RELATIONS, TEMPLATE, WORKSPACE
from coderport.catalog.meaning import instant
from coderport.catalog.values import LeftOut, Ref
from coderport.coder.models import Template
from coderport.guard.ownership import DEPLOYMENT, MANAGED_BY, Mark, Owner, Whose, is_id
from coderport.port.models import PortEntity

T, W = TEMPLATE.identifier, WORKSPACE.identifier

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OLD = re.compile(f"({_UUID})-({_UUID})-({_UUID})")
_DECLARED = {each.identifier: frozenset(prop.identifier for prop in each.properties) for each in BLUEPRINTS}


@dataclass(frozen=True)
class OldName:
    """The three ids that the original integration joined into the identifier of a template's entity."""

    organization: str
    template: str
    version: str

    @classmethod
    def read(cls, identifier: str) -> OldName | None:
        """The ids in an identifier of that form; None for any other."""
        found = _OLD.fullmatch(identifier)
        return cls(*found.groups()) if found else None


@dataclass(frozen=True)
class Source:
    """A blueprint with relations to ours: `targets` has the blueprint that each relation leads to, `rows` its entities.

    `required` are the relations of which Port lets no entity be without.
    """

    blueprint: str
    targets: Mapping[str, str]
    rows: Mapping[str, PortEntity]
    required: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Seen:
    """What Coder shows: the templates by id, what this stack wants of it by blueprint, and what became of the rest."""

    templates: Mapping[str, Template]
    desired: Mapping[str, frozenset[str]]
    left_out: Mapping[Ref, LeftOut]
    gone: frozenset[Ref]


@dataclass(frozen=True)
class Family:
    """The entities of one template: `keeper` stays and gets the template's id, unless it has it already.

    `why` says for people what made it the keeper. `properties` and `relations` are values of others that only siblings
    have: the keeper takes them over.
    """

    template: str
    keeper: PortEntity
    siblings: tuple[PortEntity, ...]
    why: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    relations: Mapping[str, Any] = field(default_factory=dict)

    @property
    def renamed(self) -> bool:
        """Whether the keeper gets another identifier."""
        return self.keeper.identifier != self.template

    @property
    def nothing(self) -> bool:
        """Whether all of it is as it should be."""
        return not (self.renamed or self.siblings or self.properties or self.relations)


@dataclass(frozen=True)
class Move:
    """Relations of an entity that lead to siblings, and then lead to the keeper: (before, after) by relation.

    `identifier` is the one that the entity has after all renames.
    """

    entity: PortEntity
    identifier: str
    relations: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Left:
    """An entity that stays as it is, and why."""

    entity: PortEntity
    why: str


@dataclass(frozen=True)
class Adoption:
    """All of it.

    gone        entities without a mark whose objects Coder has deleted: they go, under the guard
    taken_over  entities without a mark that have the right identifier: the next `up` makes them this stack's
    foreign     entities that would be taken over, and that somebody else has signed: they refuse the whole
    held        how many entities of each blueprint are this stack's, or come to be
    """

    families: tuple[Family, ...] = ()
    moves: tuple[Move, ...] = ()
    gone: tuple[PortEntity, ...] = ()
    left: tuple[Left, ...] = ()
    taken_over: tuple[PortEntity, ...] = ()
    foreign: tuple[PortEntity, ...] = ()
    held: Mapping[str, int] = field(default_factory=dict)

    @property
    def siblings(self) -> tuple[PortEntity, ...]:
        """Those of all families."""
        return tuple(chain.from_iterable(each.siblings for each in self.families))

    @property
    def going(self) -> dict[str, frozenset[str]]:
        """The identifiers of all entities that are deleted, by blueprint."""
        return ids_of((*self.siblings, *self.gone))

    @property
    def nothing(self) -> bool:
        """Whether nothing would be written."""
        return not (self.families or self.moves or self.gone)

    @property
    def successors(self) -> dict[str, str]:
        """By identifier of a template's entity the one that takes its place."""
        return {
            each.identifier: family.template
            for family in self.families
            for each in (family.keeper, *family.siblings)
            if each.identifier != family.template
        }


def ids_of(entities: Iterable[PortEntity]) -> dict[str, frozenset[str]]:
    """The identifiers by blueprint."""
    found: dict[str, set[str]] = {}
    for entity in entities:
        found.setdefault(entity.blueprint, set()).add(entity.identifier)
    return {blueprint: frozenset(ids) for blueprint, ids in found.items()}


def adoption_of(
    entities: Mapping[str, Mapping[str, PortEntity]], sources: Iterable[Source], seen: Seen, owner: Owner
) -> Adoption:
    """What is to be done. `entities` are those of our two blueprints, `sources` all that relate to them.

    Only what Coder shows is renamed, only what it shows or calls deleted takes others along: the rest is left.
    """
    sorted_out = _Sorted(entities, seen, owner)
    sorted_out.sort()
    rows = list(sources)
    families, pinned = _without_pinned(sorted_out.families(), rows, owner)
    gone, needed = _without_needed(sorted_out.gone, rows)
    draft = Adoption(families=tuple(each for each in families if not each.nothing), gone=tuple(gone))
    return replace(
        draft,
        moves=tuple(_moves(draft, rows)),
        left=(*sorted_out.left, *pinned, *needed),
        taken_over=tuple(sorted_out.taken_over),
        foreign=tuple(sorted_out.foreign),
        held=sorted_out.held,
    )


def after(adoption: Adoption, entities: Mapping[str, Mapping[str, PortEntity]]) -> dict[str, dict[str, PortEntity]]:
    """What Port holds of our blueprints when all of it is done."""
    successors, going = adoption.successors, adoption.going
    carried = {each.keeper.identifier: each for each in adoption.families}
    found: dict[str, dict[str, PortEntity]] = {}
    for blueprint, rows in entities.items():
        related = DECLARED_RELATIONS[blueprint]
        new = found.setdefault(blueprint, {})
        for identifier, entity in rows.items():
            if identifier in going.get(blueprint, ()):
                continue
            family = carried.get(identifier) if blueprint == T else None
            relations = {
                name: successors.get(value, value) if name in related and isinstance(value, str) else value
                for name, value in entity.relations.items()
            }
            entity = replace(
                entity,
                identifier=successors.get(identifier, identifier) if blueprint == T else identifier,
                properties={**entity.properties, **(family.properties if family else {})},
                relations={**relations, **(family.relations if family else {})},
            )
            new[entity.identifier] = entity
    return found


class _Sorted:
    """Our two blueprints' entities, each put where it belongs."""

    def __init__(self, entities: Mapping[str, Mapping[str, PortEntity]], seen: Seen, owner: Owner) -> None:
        self._entities, self._seen, self._owner = entities, seen, owner
        self._old: dict[str, list[tuple[OldName, PortEntity]]] = {}
        self.gone: list[PortEntity] = []
        self.left: list[Left] = []
        self.taken_over: list[PortEntity] = []
        self.foreign: list[PortEntity] = []
        self.held: dict[str, int] = {}

    def sort(self) -> None:
        """Goes through all of them once, in the order of their identifiers."""
        for blueprint in (T, W):
            for _, entity in sorted(self._entities.get(blueprint, {}).items()):
                name = OldName.read(entity.identifier) if blueprint == T else None
                if name is not None:
                    self._sort_old(name, entity)
                else:
                    self._sort_plain(entity)

    def _sort_old(self, name: OldName, entity: PortEntity) -> None:
        template = self._seen.templates.get(name.template)
        wanted = name.template in self._seen.desired.get(T, frozenset())
        if Mark.read(entity.properties.get(MANAGED_BY)) is not None:
            if wanted and self._owner.whose(entity) is not Whose.COPY:
                self.foreign.append(entity)
            else:
                self._leave(entity, "it has a mark: a copy that somebody made, or another stack's")
        elif template is None:
            self._settle_unseen(name.template, entity)
        elif not wanted:
            self._leave_out(name.template, entity)
        elif template.organization_id != name.organization:
            self._leave(entity, "the organization in its identifier is not that of the template")
        elif self._elsewhere(entity):
            self._leave(entity, "it is of another Coder deployment")
        else:
            self._old.setdefault(name.template, []).append((name, entity))
            self._count(T)

    def _sort_plain(self, entity: PortEntity) -> None:
        whose = self._owner.whose(entity)
        if entity.identifier in self._seen.desired.get(entity.blueprint, frozenset()):
            if whose in (Whose.OURS, Whose.OURS_BY_NAME):
                self._count(entity.blueprint)
            elif whose is Whose.NOBODYS:
                self._count(entity.blueprint)
                self.taken_over.append(entity)
            else:
                self.foreign.append(entity)
        elif whose is not Whose.NOBODYS:
            return  # this stack's own are judged by every run, and those of others are theirs
        elif not is_id(entity.identifier):
            self._leave(entity, "its identifier is no id of Coder's")
        elif Ref(entity.blueprint, entity.identifier) in self._seen.left_out:
            self._leave_out(entity.identifier, entity)
        else:
            self._settle_unseen(entity.identifier, entity)

    def _settle_unseen(self, identifier: str, entity: PortEntity) -> None:
        if Ref(entity.blueprint, identifier) not in self._seen.gone:
            self._leave(entity, "Coder does not show it, and does not say either that it was deleted")
        elif self._elsewhere(entity):
            self._leave(entity, "it is of another Coder deployment")
        else:
            self.gone.append(entity)
            self._count(entity.blueprint)

    def _leave_out(self, identifier: str, entity: PortEntity) -> None:
        reason = self._seen.left_out.get(Ref(entity.blueprint, identifier))
        self._leave(
            entity, f"alive in Coder, {reason.value}" if reason else "Coder shows it, this stack does not want it"
        )

    def _leave(self, entity: PortEntity, why: str) -> None:
        self.left.append(Left(entity, why))

    def _count(self, blueprint: str) -> None:
        self.held[blueprint] = self.held.get(blueprint, 0) + 1

    def _elsewhere(self, entity: PortEntity) -> bool:
        its = entity.properties.get(DEPLOYMENT)
        return bool(its and self._owner.deployment) and str(its) != self._owner.deployment

    def families(self) -> Iterator[Family]:
        """One for each template that has entities of the old form, in the order of the ids."""
        plain = self._entities.get(T, {})
        for template_id, members in sorted(self._old.items()):
            template = self._seen.templates[template_id]
            newest_first = sorted(members, key=lambda each: _age(each[1]), reverse=True)
            active = [entity for name, entity in newest_first if name.version == template.active_version_id]
            if template_id in plain:
                keeper, why = plain[template_id], "it has the template's id already"
            elif active:
                keeper, why = active[0], "of the active version"
            else:
                keeper, why = newest_first[0][1], "the newest"
            siblings = tuple(entity for _, entity in newest_first if entity is not keeper)
            yield Family(template_id, keeper, siblings, why)


def _age(entity: PortEntity) -> tuple[float, str]:
    moment = instant(entity.updated_at)
    return (moment.timestamp() if moment else 0.0, entity.identifier)


def _without_pinned(families: Iterator[Family], sources: list[Source], owner: Owner) -> tuple[list[Family], list[Left]]:
    """The families without siblings at which an entity of another stack points: that relation is not ours to move."""
    found = list(families)
    siblings = {each.identifier for family in found for each in family.siblings}
    pinned: dict[str, str] = {}
    for source, row, relation, value in _relations(sources, {T: siblings}):
        if source.blueprint in _DECLARED and owner.whose(row) is Whose.OTHERS:
            mark = Mark.read(row.properties.get(MANAGED_BY))
            why = f"{relation} of {source.blueprint} {row.title or row.identifier} leads to it, and that is kept by "
            pinned |= {each: f"{why}{mark.stack if mark else 'others'}" for each in named_in(value) if each in siblings}
    going = siblings - pinned.keys()
    left = [
        Left(each, pinned[each.identifier]) for family in found for each in family.siblings if each.identifier in pinned
    ]
    trimmed = [
        replace(family, siblings=tuple(each for each in family.siblings if each.identifier in going))
        for family in found
    ]
    successors = Adoption(families=tuple(trimmed)).successors
    return [_with_carried(family, successors) for family in trimmed], left


def _with_carried(family: Family, successors: Mapping[str, str]) -> Family:
    """The family with what others have set on siblings and the keeper lacks; the newest sibling's word counts."""
    properties: dict[str, Any] = {}
    relations: dict[str, Any] = {}
    for sibling in family.siblings:
        for key, value in sibling.properties.items():
            if key not in _DECLARED[T] and not _empty(value) and _empty(family.keeper.properties.get(key)):
                properties.setdefault(key, value)
        for key, value in sibling.relations.items():
            if not _empty(value) and _empty(family.keeper.relations.get(key)):
                relations.setdefault(key, _moved(value, successors))
    return replace(family, properties=properties, relations=relations)


def _without_needed(gone: list[PortEntity], sources: list[Source]) -> tuple[list[PortEntity], list[Left]]:
    """Those without the ones that a mandatory relation leads to: Port would not delete them."""
    ids = ids_of(gone)
    needed: dict[tuple[str, str], str] = {}
    for source, row, relation, value in _relations(sources, ids):
        if relation in source.required and row.identifier not in ids.get(source.blueprint, ()):
            why = f"{source.blueprint} {row.title or row.identifier} needs it, in its mandatory relation {relation}"
            needed |= {(source.targets[relation], each): why for each in named_in(value)}
    places = [((each.blueprint, each.identifier), each) for each in gone]
    left = [Left(each, needed[place]) for place, each in places if place in needed]
    return [each for place, each in places if place not in needed], left


def _moves(draft: Adoption, sources: list[Source]) -> Iterator[Move]:
    successors, going = draft.successors, draft.going
    siblings = {each.identifier for each in draft.siblings}
    moved: dict[tuple[str, str], tuple[PortEntity, dict[str, tuple[Any, Any]]]] = {}
    for source, row, relation, value in _relations(sources, {T: siblings}):
        if row.identifier not in going.get(source.blueprint, ()):
            _, relations = moved.setdefault((source.blueprint, row.identifier), (row, {}))
            relations[relation] = (value, _moved(value, successors))
    for (blueprint, identifier), (row, relations) in sorted(moved.items(), key=lambda each: each[0]):
        yield Move(row, successors.get(identifier, identifier) if blueprint == T else identifier, relations)


def _relations(
    sources: Iterable[Source], wanted: Mapping[str, Iterable[str]]
) -> Iterator[tuple[Source, PortEntity, str, Any]]:
    """Every relation that leads to one of the wanted, by blueprint."""
    sets = {blueprint: frozenset(ids) for blueprint, ids in wanted.items()}
    for source in sources:
        for row in source.rows.values():
            for relation, target in source.targets.items():
                value = row.relations.get(relation)
                if not sets.get(target, frozenset()).isdisjoint(named_in(value)):
                    yield source, row, relation, value


def named_in(value: Any) -> list[str]:
    """The identifiers in a relation's value, which is one of them, a list, or nothing."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def _moved(value: Any, successors: Mapping[str, str]) -> Any:
    """The value of a relation with what takes the place of each entity, each once."""
    if isinstance(value, list):
        return list(dict.fromkeys(successors.get(each, each) for each in value))
    return successors.get(value, value)


def _empty(value: Any) -> bool:
    return value is None or value in ("", [])
