"""The values of coming over: what is read, and what is to be done.

The original integration wrote a template under `<organization id>-<template id>-<active version id>`, so there is one
entity for each version that was ever active. One of them becomes the template's entity, under the template's own id, so
that relations of other blueprints to it stay. The others are its siblings, and go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from coderport.catalog.values import UUID, LeftOut, Ref
from coderport.coder.models import Template
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.port.models import PortEntity

T, W = TEMPLATE.identifier, WORKSPACE.identifier

_OLD = re.compile(f"({UUID})-({UUID})-({UUID})")


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

    `why` says for people what made it the keeper. `properties` are values of others that only siblings have: the keeper
    takes them over. Its relations of that kind are among the moves.
    """

    template: str
    keeper: PortEntity
    siblings: tuple[PortEntity, ...]
    why: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def renamed(self) -> bool:
        """Whether the keeper gets another identifier."""
        return self.keeper.identifier != self.template

    @property
    def nothing(self) -> bool:
        """Whether all of it is as it should be."""
        return not (self.changed or self.siblings)

    @property
    def changed(self) -> bool:
        """Whether the keeper is written to, moves left aside."""
        return self.renamed or bool(self.properties)


@dataclass(frozen=True)
class Move:
    """Relations of an entity that lead to siblings, and then lead to the keeper: (before, after) by relation.

    Those that others have set on a sibling alone become the keeper's.

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


def named_in(value: Any) -> list[str]:
    """The identifiers in a relation's value, which is one of them, a list, or nothing."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
