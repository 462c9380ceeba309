"""What a blueprint is, as a value; the declared ones are those of `coderport.kinds`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Literal

from coderport.catalog.values import Entity, Ref

PropertyType = Literal["string", "number", "boolean", "object", "array"]


@dataclass(frozen=True)
class Property:
    """One property of a blueprint: `format` is Port's keyword, `items` the type of an array's members."""

    identifier: str
    type: PropertyType
    title: str
    format: str | None = None
    description: str | None = None
    items: Literal["string", "number", "boolean"] | None = None

    def to_port(self) -> dict[str, Any]:
        """The property as it stands under `schema.properties` in Port's JSON."""
        body: dict[str, Any] = {"type": self.type, "title": self.title}
        if self.format is not None:
            body["format"] = self.format
        if self.description is not None:
            body["description"] = self.description
        if self.items is not None:
            body["items"] = {"type": self.items}
        return body


@dataclass(frozen=True)
class Calculation:
    """A property that Port computes by a jq expression from the entity's other properties."""

    identifier: str
    type: PropertyType
    title: str
    jq: str
    description: str | None = None

    def to_port(self) -> dict[str, Any]:
        """The calculation as it stands under `calculationProperties` in Port's JSON."""
        body = {"type": self.type, "title": self.title, "calculation": self.jq}
        if self.description is not None:
            body["description"] = self.description
        return body


@dataclass(frozen=True)
class Relation:
    """A link from an entity of this blueprint to one (or, with `many`, several) of the blueprint `target`.

    One `with_target` is declared only where its target is, too; elsewhere somebody else may have one of that name.
    """

    identifier: str
    title: str
    target: str
    description: str | None = None
    required: bool = False
    many: bool = False
    with_target: bool = False

    def to_port(self) -> dict[str, Any]:
        """The relation as it stands under `relations` in Port's JSON."""
        body: dict[str, Any] = {
            "title": self.title,
            "target": self.target,
            "required": self.required,
            "many": self.many,
        }
        if self.description is not None:
            body["description"] = self.description
        return body


@dataclass(frozen=True)
class Ownership:
    """That the teams which own an entity are inherited from the one at the end of `path`, relations with dots between.

    Its blueprint has the teams in its own entities (source: Port's docs, sso-rbac/rbac/as-blueprints).
    """

    path: str
    title: str

    def is_live(self, live: Mapping[str, Any]) -> bool:
        """Whether the blueprint that Port holds inherits along the same path, under whatever title."""
        held = live.get("ownership")
        return isinstance(held, Mapping) and (held.get("type"), held.get("path")) == ("Inherited", self.path)

    def to_port(self) -> dict[str, Any]:
        """The value of `ownership` in Port's JSON."""
        return {"type": "Inherited", "path": self.path, "title": self.title}


@dataclass(frozen=True)
class Blueprint:
    """A blueprint that we declare; properties stand in the order in which a reader should meet them."""

    identifier: str
    title: str
    icon: str
    description: str
    properties: tuple[Property, ...]
    calculations: tuple[Calculation, ...] = ()
    relations: tuple[Relation, ...] = ()
    ownership: Ownership | None = None

    def property(self, identifier: str) -> Property:
        """The declared property of that identifier; KeyError if there is none."""
        for declared in self.properties:
            if declared.identifier == identifier:
                return declared
        raise KeyError(identifier)


def ordered(blueprints: Iterable[Blueprint]) -> tuple[Blueprint, ...]:
    """The blueprints, what a relation leads to before what has it; else in the order given.

    A relation may lead to a blueprint that is not among them. graphlib.CycleError where relations run in a circle.
    """
    given = {each.identifier: each for each in blueprints}
    sorter = TopologicalSorter(
        {name: [each.target for each in one.relations if each.target in given] for name, one in given.items()}
    )
    return tuple(given[name] for name in sorter.static_order())


def targets(entity: Entity, blueprints: Mapping[str, Blueprint]) -> Iterator[Ref]:
    """The entities that this one has relations to; `blueprints` are the declared ones by identifier."""
    for relation in blueprints[entity.blueprint].relations:
        value = entity.relations.get(relation.identifier, ())
        for identifier in (value,) if isinstance(value, str) else value:
            yield Ref(relation.target, identifier)


def to_port(blueprint: Blueprint) -> dict[str, Any]:
    """The blueprint as the JSON body that Port's API takes."""
    ownership = {} if blueprint.ownership is None else {"ownership": blueprint.ownership.to_port()}
    return {
        "identifier": blueprint.identifier,
        "description": blueprint.description,
        "title": blueprint.title,
        "icon": blueprint.icon,
        "schema": {
            "properties": {each.identifier: each.to_port() for each in blueprint.properties},
            "required": [],
        },
        "mirrorProperties": {},
        "calculationProperties": {each.identifier: each.to_port() for each in blueprint.calculations},
        "aggregationProperties": {},
        "relations": {each.identifier: each.to_port() for each in blueprint.relations},
        **ownership,
    }
