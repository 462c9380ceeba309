"""Writes an adoption to Port. Each step can be repeated: a run that was killed is finished by the next one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from coderport.adoption.plan import with_successors, without
from coderport.adoption.reading import Reading, read_sources
from coderport.adoption.values import Adoption, Family, Move, Source, T, ids_of, named_in
from coderport.catalog.meaning import IDENTIFIER
from coderport.errors import CoderportError
from coderport.guard.ownership import Owner, Whose
from coderport.history.images import EntityImage, Pointer, pointers_among
from coderport.history.record import Record, run_name
from coderport.history.store import Store
from coderport.kinds.all import BLUEPRINTS
from coderport.port.bulk import DELETES_PER_CALL, UPSERTS_PER_CALL
from coderport.port.client import PortClient
from coderport.port.errors import PortRejected
from coderport.port.models import PortEntity
from coderport.port.sweep import swept
from coderport.report.account import Account
from coderport.servers import opened_port
from coderport.settings import Settings
from coderport.tasks import together


def record_of(reading: Reading, *, stack: str, now: datetime) -> Record:
    """All that the adoption is about to change or delete, as Port holds it."""
    return Record(
        run=run_name(now),
        how="adopt",
        stack=stack,
        deployment=reading.inventory.snapshot.deployment.deployment_id,
        port_organization=reading.past.held.organization.id,
        started=now,
        entities=tuple(images_of(reading.adoption)),
        pointers=tuple(pointers_of(reading.adoption, reading.sources)),
    )


def images_of(adoption: Adoption) -> Iterator[EntityImage]:
    """An image of each entity that is renamed, changed or deleted."""
    moves = {(each.entity.blueprint, each.identifier): each for each in adoption.moves}
    for family in adoption.families:
        keeper, move = family.keeper, moves.pop((T, family.template), None)
        values: dict[str, tuple[Any, Any]] = {key: (None, value) for key, value in family.properties.items()}
        if family.renamed:
            values[IDENTIFIER] = (keeper.identifier, family.template)
        if values or move:
            relations = move.relations if move else {}
            yield EntityImage(T, family.template, before=keeper, values=values, relations=relations)
    for move in moves.values():
        yield EntityImage(move.entity.blueprint, move.identifier, before=move.entity, relations=move.relations)
    for entity in (*adoption.siblings, *adoption.gone):
        yield EntityImage(entity.blueprint, entity.identifier, before=entity)


def pointers_of(adoption: Adoption, sources: Iterable[Source]) -> Iterator[Pointer]:
    """The relations that Port empties, to entities of what Coder has deleted, by the names of after all renames.

    Those to siblings are moved, and so in the images.
    """
    gone, going, successors = ids_of(adoption.gone), adoption.going, adoption.successors
    moved = {
        (each.entity.blueprint, each.entity.identifier, name) for each in adoption.moves for name in each.relations
    }
    for source in sources:
        rows = {name: row for name, row in source.rows.items() if name not in going.get(source.blueprint, ())}
        for each in pointers_among(rows, source.targets, gone):
            if (each.blueprint, each.identifier, each.relation) not in moved:
                renamed = successors.get(each.identifier) if each.blueprint == T else None
                yield replace(each, identifier=renamed or each.identifier)


@dataclass
class Done:
    """What has been written so far, also where the rest failed: places in Port, and what stayed though it was to go."""

    run: str = ""
    settled: list[Family] = field(default_factory=list)
    moved: list[Move] = field(default_factory=list)
    deleted: list[PortEntity] = field(default_factory=list)
    stayed: list[PortEntity] = field(default_factory=list)


async def apply(
    reading: Reading, settings: Settings, account: Account, done: Done, *, store: Store, stack: str, now: datetime
) -> None:
    """Keeps what goes and changes, and does it: renames, then relations, then deletions. `done` takes it in.

    All is looked at once more before a relation is moved or something is deleted: what somebody has signed, changed or
    related to meanwhile stays, for the next run to judge.
    """
    record = record_of(reading, stack=stack, now=now)
    if settings.keep_runs:
        store.keep(record, settings.keep_runs)
        done.run = record.run
    adoption = reading.adoption
    with account.phase("adopt") as progress:
        async with opened_port(settings, account) as client:
            for batch in _batches(adoption.families, UPSERTS_PER_CALL):
                await together(_settle(client, each, done) for each in batch)
                progress("templates", len(done.settled), len(adoption.families))
            await _move(client, adoption, done)
            await _delete(client, adoption, reading.owner, done)


async def _settle(client: PortClient, family: Family, done: Done) -> None:
    if not family.changed:
        return
    values = {"properties": dict(family.properties)} if family.properties else {}
    if family.renamed:
        try:
            there = await client.rename_entity(T, family.keeper.identifier, family.template, values)
        except PortRejected as error:
            if error.code != "identifier_taken":
                raise
            raise CoderportError(
                f"Port has got an entity {T}:{family.template} while this command was at work."
            ) from None
        if not there:
            raise CoderportError(f"Port's entity {T}:{family.keeper.identifier} went away while it was to be renamed.")
    else:
        (outcome,) = await client.upsert(T, [{"identifier": family.template, **values}])
        if outcome.error is not None:
            raise outcome.error
    done.settled.append(family)


async def _move(client: PortClient, adoption: Adoption, done: Done) -> None:
    by_blueprint: dict[str, list[Move]] = {}
    for move in adoption.moves:
        by_blueprint.setdefault(move.entity.blueprint, []).append(move)
    renamed = {each.keeper.identifier: each.template for each in adoption.families if each.renamed}
    for blueprint, moves in by_blueprint.items():
        held = await swept(client, blueprint)
        as_read: list[Move] = []
        for move in moves:
            if (entity := held.get(move.identifier)) is None:
                continue  # deleted meanwhile: a write would make it anew
            if _as_read(move, entity, renamed):
                as_read.append(move)
            else:
                done.stayed.append(entity)
        for batch in _batches(as_read, UPSERTS_PER_CALL):
            outcomes = await client.upsert(blueprint, [_moved(each) for each in batch])
            done.moved += [batch[each.index] for each in outcomes if each.error is None]
            for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error


def _as_read(move: Move, held: PortEntity, renamed: Mapping[str, str]) -> bool:
    """Whether the relations are as they were read, but for what this command has renamed or moved already.

    Port's search may show a relation by a name of before the rename for a while.
    """
    return all(
        (held.relations.get(name) or None) in [each or None for each in (old, with_successors(old, renamed), new)]
        for name, (old, new) in move.relations.items()
    )


def _moved(move: Move) -> Mapping[str, Any]:
    return {"identifier": move.identifier, "relations": {name: new for name, (_, new) in move.relations.items()}}


async def _delete(client: PortClient, adoption: Adoption, owner: Owner, done: Done) -> None:
    planned = {(each.blueprint, each.identifier): each for each in (*adoption.siblings, *adoption.gone)}
    if not planned:
        return
    pointed = {
        (source.targets[relation], each)
        for source in await read_sources(client, adoption)
        for row in source.rows.values()
        for relation in source.targets
        for each in named_in(row.relations.get(relation))
        if row.identifier not in adoption.going.get(source.blueprint, ())
    }
    siblings = {each.identifier for each in adoption.siblings}
    doomed = frozenset(each for ids in adoption.going.values() for each in ids)

    def may_go(held: PortEntity) -> bool:
        place = (held.blueprint, held.identifier)
        as_planned = owner.whose(held) is Whose.NOBODYS and _is_as_planned(planned[place], held, adoption, doomed)
        return as_planned and not (held.identifier in siblings and place in pointed)

    for blueprint in reversed([each.identifier for each in BLUEPRINTS]):  # workspaces before their templates
        if wanted := adoption.going.get(blueprint, frozenset()):
            now = await swept(client, blueprint)
            going = [now[identifier] for identifier in sorted(wanted & now.keys()) if may_go(now[identifier])]
            done.stayed += [
                now[identifier] for identifier in sorted(wanted & now.keys()) if not may_go(now[identifier])
            ]
            for batch in _batches(going, DELETES_PER_CALL):
                await client.delete(blueprint, [each.identifier for each in batch])
                done.deleted += batch


def _is_as_planned(planned: PortEntity, held: PortEntity, adoption: Adoption, going: frozenset[str]) -> bool:
    """Whether nobody has changed the entity; its relations follow what this command has renamed or deleted already."""

    def told(entity: PortEntity) -> tuple[Any, ...]:
        return entity.title, entity.team, entity.icon, entity.properties

    def may_be(relation: str) -> list[Any]:
        old = planned.relations.get(relation)
        return [old, with_successors(old, adoption.successors), without(old, going)]

    names = planned.relations.keys() | held.relations.keys()
    return told(held) == told(planned) and all(
        (held.relations.get(each) or None) in [value or None for value in may_be(each)] for each in names
    )


V = TypeVar("V")


def _batches(values: Sequence[V], size: int) -> Iterator[Sequence[V]]:
    return (values[start : start + size] for start in range(0, len(values), size))
