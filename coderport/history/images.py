"""What a run is about to change or delete in Port, as it is now: the images that an undo goes back to. Values only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from coderport.catalog.values import Entity
from coderport.kinds.all import BY_IDENTIFIER, difference
from coderport.planning.plan import Plan
from coderport.port.models import PortEntity

Step = Literal["created", "changed", "deleted"]


@dataclass(frozen=True)
class EntityImage:
    """One entity before a run.

    before     what Port held, values of others included; None where the run creates it
    created    what the run writes where it creates: its identifier, title, properties and relations
    values     {property: (before, after)} of what the run changes; the title is `$title`, the identifier `$identifier`:
               then `identifier` is the new one, and `before` has the old
    relations  the same for relations
    """

    blueprint: str
    identifier: str
    before: PortEntity | None = None
    created: PortEntity | None = None
    values: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    relations: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def step(self) -> Step:
        """What the run does to it."""
        if self.created is not None:
            return "created"
        return "changed" if self.values or self.relations else "deleted"

    @property
    def title(self) -> str:
        """The entity's title, for people."""
        if self.created is not None:
            return self.created.title
        return (self.before.title if self.before else "") or self.identifier


@dataclass(frozen=True)
class Pointer:
    """A relation of an entity that stays to some that go: Port empties it when they do."""

    blueprint: str
    identifier: str
    relation: str
    value: Any
    """One identifier, or a list of them where the relation is to many."""
    target: str = ""
    """The blueprint that the relation leads to; empty in records of earlier versions."""
    required: bool = False
    """Whether the entity may not be without: then Port deletes none that it leads to (403 `has_dependents`)."""

    @property
    def identifiers(self) -> list[str]:
        """Those that the relation leads to."""
        return [str(each) for each in (self.value if isinstance(self.value, list) else [self.value])]


@dataclass(frozen=True)
class DefinitionImage:
    """A blueprint, an action, its permissions or an answer before a run: Port's JSON; None where there was none.

    An answer is known by its key, and a scorecard says in which `blueprint` it is. `after` is the JSON that the run
    writes; None where it deletes.
    """

    kind: Literal["blueprint", "action", "permissions", "answer"]
    identifier: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def deleted_of(plan: Plan) -> dict[str, frozenset[str]]:
    """The identifiers, by blueprint, of the entities that Port holds and that a run of this plan deletes."""
    return {
        name: frozenset(
            (kind.gone | kind.unproven | frozenset(kind.left_out)) & plan.held.entities.get(name, {}).keys()
        )
        for name, kind in plan.disappearing.items()
    }


def entity_images(plan: Plan, deleted: Mapping[str, frozenset[str]]) -> Iterator[EntityImage]:
    """The images of all entities that a run of the plan creates or changes, and of those that it deletes."""
    for entity in plan.entities:
        held = plan.held.entities.get(entity.blueprint, {}).get(entity.identifier)
        if held is None:
            yield EntityImage(entity.blueprint, entity.identifier, created=_written(entity))
        elif found := difference(entity, held):
            related = {each.identifier for each in BY_IDENTIFIER[entity.blueprint].relations}
            yield EntityImage(
                entity.blueprint,
                entity.identifier,
                before=held,
                values={key: pair for key, pair in found.items() if key not in related},
                relations={key: pair for key, pair in found.items() if key in related},
            )
    for blueprint, ids in deleted.items():
        for identifier in sorted(ids):
            yield EntityImage(blueprint, identifier, before=plan.held.entities[blueprint][identifier])


def _written(entity: Entity) -> PortEntity:
    return PortEntity(
        entity.identifier,
        entity.blueprint,
        title=entity.title,
        properties=entity.properties,
        relations=entity.relations,
    )


def pointers_among(
    rows: Mapping[str, PortEntity],
    targets: Mapping[str, str],
    deleted: Mapping[str, frozenset[str]],
    required: Collection[str] = (),
) -> Iterator[Pointer]:
    """The relations of `rows` that lose a value when `deleted` go; `targets` has the blueprint that each leads to.

    `required` are those of the relations that an entity may not be without.
    """
    for entity in rows.values():
        if entity.identifier in deleted.get(entity.blueprint, ()):
            continue
        for relation, target in targets.items():
            value = entity.relations.get(relation)
            named = value if isinstance(value, list) else [value]
            if deleted.get(target, frozenset()).intersection(named):
                yield Pointer(entity.blueprint, entity.identifier, relation, value, target, relation in required)


def required_of(blueprint: Mapping[str, Any]) -> frozenset[str]:
    """The relations of a blueprint (Port's JSON) that its entities may not be without."""
    relations = blueprint.get("relations") or {}
    return frozenset(key for key in targets_of(blueprint) if relations[key].get("required") is True)


def targets_of(blueprint: Mapping[str, Any]) -> dict[str, str]:
    """The relations of a blueprint (Port's JSON), each with the blueprint that it leads to."""
    return {
        name: str(each.get("target") or "")
        for name, each in (blueprint.get("relations") or {}).items()
        if isinstance(each, Mapping)
    }
