"""What coming over does to an older catalog, decided from what was read; applied elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from coderport.adoption.sorting import Sorted
from coderport.adoption.values import Adoption, Family, Left, Move, Seen, Source, T, ids_of, named_in
from coderport.guard.ownership import MANAGED_BY, Mark, Owner, Whose
from coderport.kinds.all import BLUEPRINTS, DECLARED_RELATIONS
from coderport.port.models import PortEntity

_DECLARED = {each.identifier: frozenset(prop.identifier for prop in each.properties) for each in BLUEPRINTS}


def adoption_of(
    entities: Mapping[str, Mapping[str, PortEntity]], sources: Iterable[Source], seen: Seen, owner: Owner
) -> Adoption:
    """What is to be done. `entities` are those of our two blueprints, `sources` all that relate to them.

    Only what Coder shows is renamed, only what it shows or calls deleted takes others along: the rest is left.
    """
    sorted_out = Sorted(entities, seen, owner)
    sorted_out.sort()
    rows = list(sources)
    gone, needed = _without_needed(sorted_out.gone, rows)
    families, pinned = _without_pinned(sorted_out.families(), rows, owner)
    families, unlike = _without_unlike(families)
    families = [replace(each, properties=_carried_properties(each)) for each in families]
    draft = Adoption(families=tuple(each for each in families if not each.nothing), gone=tuple(gone))
    return replace(
        draft,
        moves=tuple(_moves(draft, rows)),
        left=(*sorted_out.left, *pinned, *unlike, *needed),
        taken_over=tuple(sorted_out.taken_over),
        foreign=tuple(sorted_out.foreign),
        held=sorted_out.held,
    )


def after(adoption: Adoption, entities: Mapping[str, Mapping[str, PortEntity]]) -> dict[str, dict[str, PortEntity]]:
    """What Port holds of our blueprints when all of it is done."""
    successors, going = adoption.successors, adoption.going
    carried = {each.keeper.identifier: each.properties for each in adoption.families}
    moves = {(each.entity.blueprint, each.entity.identifier): each.relations for each in adoption.moves}
    found: dict[str, dict[str, PortEntity]] = {}
    for blueprint, rows in entities.items():
        new = found.setdefault(blueprint, {})
        for identifier, entity in rows.items():
            if identifier in going.get(blueprint, ()):
                continue
            ours = {
                name: with_successors(value, successors)
                for name, value in entity.relations.items()
                if name in DECLARED_RELATIONS[blueprint]
            }
            moved = {name: value for name, (_, value) in moves.get((blueprint, identifier), {}).items()}
            entity = replace(
                entity,
                identifier=successors.get(identifier, identifier) if blueprint == T else identifier,
                properties={**entity.properties, **(carried.get(identifier, {}) if blueprint == T else {})},
                relations={**entity.relations, **ours, **moved},
            )
            new[entity.identifier] = entity
    return found


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
    return trimmed, left


def _without_unlike(families: Iterable[Family]) -> tuple[list[Family], list[Left]]:
    """The families without siblings that have an owning team or an icon where the one that stays has none."""
    found, left = list[Family](), list[Left]()
    for family in families:
        keeper, going = family.keeper, list[PortEntity]()
        for each in family.siblings:
            lacks = [f"team {', '.join(each.team)}"] if each.team and not keeper.team else []
            lacks += [f"icon {each.icon}"] if each.icon and not keeper.icon else []
            if lacks:
                why = f"{keeper.title or keeper.identifier}, which is to stay, has not its {' and '.join(lacks)}"
                left.append(Left(each, f"{why}: set it there, or take it away here"))
            else:
                going.append(each)
        found.append(replace(family, siblings=tuple(going)))
    return found, left


def _carried_properties(family: Family) -> dict[str, Any]:
    """What others have set on siblings and the keeper lacks; the newest sibling's word counts."""
    properties: dict[str, Any] = {}
    for sibling in family.siblings:
        for key, value in sibling.properties.items():
            if key not in _DECLARED[T] and not _empty(value) and _empty(family.keeper.properties.get(key)):
                properties.setdefault(key, value)
    return properties


def _carried_relations(family: Family, gone: frozenset[str]) -> dict[str, Any]:
    """The same for relations. One to what is `gone` is empty soon."""
    relations: dict[str, Any] = {}
    for sibling in family.siblings:
        for key, value in sibling.relations.items():
            rest = without(value, gone)
            if not _empty(rest) and _empty(without(family.keeper.relations.get(key), gone)):
                relations.setdefault(key, rest)
    return relations


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
    gone = frozenset(each.identifier for each in draft.gone)
    moved: dict[tuple[str, str], tuple[PortEntity, dict[str, tuple[Any, Any]]]] = {}

    def move(row: PortEntity, relation: str, value: Any) -> None:
        _, relations = moved.setdefault((row.blueprint, row.identifier), (row, {}))
        relations[relation] = (row.relations.get(relation), with_successors(without(value, gone), successors))

    for source, row, relation, value in _relations(sources, {T: siblings}):
        if row.identifier not in going.get(source.blueprint, ()):
            move(row, relation, value)
    for family in draft.families:
        for relation, value in _carried_relations(family, gone).items():
            move(family.keeper, relation, value)
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


def with_successors(value: Any, successors: Mapping[str, str]) -> Any:
    """The value of a relation with what takes the place of each entity, each once."""
    if isinstance(value, list):
        return list(dict.fromkeys(successors.get(each, each) for each in value))
    return successors.get(value, value)


def without(value: Any, gone: frozenset[str]) -> Any:
    """The value of a relation without those."""
    if isinstance(value, list):
        return [each for each in value if each not in gone]
    return None if value in gone else value


def _empty(value: Any) -> bool:
    return value is None or value in ("", [])
