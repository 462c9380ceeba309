"""What `ls --json` says, as values. docs/listing.v1.schema.json is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from coderport.catalog.values import Entity, Related
from coderport.kinds.kind import Kind
from coderport.listing.reading import Catalog
from coderport.planning.notes import skipped_of

FORMAT: Literal[1] = 1
"""A field that goes or means something else gets the next number; what is added does not."""


class ListedEntity(BaseModel):
    """An entity as a run would write it. A property or relation that is absent has no value in Coder."""

    model_config = ConfigDict(frozen=True)

    identifier: str
    title: str
    properties: Mapping[str, Any]
    relations: Mapping[str, Related]


class Entities(BaseModel):
    """The entities of one kind that fit the conditions, by their titles.

    `of` is how many there are of the kind, `left_out` how many more Coder has that the settings leave out. Not `whole`
    where the read is known to have missed something, or Coder failed at a part of it.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = FORMAT
    stack: str
    kind: str
    blueprint: str
    whole: bool
    of: int
    left_out: int
    entities: tuple[ListedEntity, ...]
    warnings: tuple[str, ...] = ()


class ListedKind(BaseModel):
    """A kind that the stack asks for; `count` is null where Coder did not show it, and `skipped` says why."""

    model_config = ConfigDict(frozen=True)

    kind: str
    blueprint: str
    count: int | None
    left_out: int
    skipped: str = ""


class Kinds(BaseModel):
    """The kinds of the stack; `off` are those that it does not ask for."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = FORMAT
    stack: str
    whole: bool
    kinds: tuple[ListedKind, ...]
    off: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def listed_entities(catalog: Catalog, kind: Kind[Any], fitting: Iterable[Entity], stack: str) -> Entities:
    """The entities of `kind` among `fitting` as values."""
    return Entities(
        stack=stack,
        kind=kind.words[0],
        blueprint=kind.name,
        whole=catalog.whole,
        of=len(catalog.entities[kind.name]),
        left_out=catalog.left_out[kind.name],
        entities=tuple(
            ListedEntity(
                identifier=each.identifier,
                title=each.title,
                properties=dict(each.properties),
                relations=dict(each.relations),
            )
            for each in fitting
        ),
        warnings=_warnings(catalog),
    )


def listed_kinds(catalog: Catalog, every: Iterable[Kind[Any]], stack: str) -> Kinds:
    """The kinds as values; `every` are all that there are."""
    skipped = catalog.read.skipped
    return Kinds(
        stack=stack,
        whole=catalog.whole,
        kinds=tuple(
            ListedKind(
                kind=each.words[0],
                blueprint=each.name,
                count=None if each.name in skipped else len(catalog.entities[each.name]),
                left_out=catalog.left_out[each.name],
                skipped=skipped.get(each.name, ""),
            )
            for each in catalog.kinds
        ),
        off=tuple(each.words[0] for each in every if each not in catalog.kinds),
        warnings=_warnings(catalog),
    )


def _warnings(catalog: Catalog) -> tuple[str, ...]:
    return tuple(filter(None, (catalog.missed, *skipped_of(catalog.read))))
