"""What Port should hold of a Coder deployment, and what was seen there but is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from coderport.catalog.blueprint import targets
from coderport.catalog.values import Context, Entity, Held, LeftOut, Ref
from coderport.catalog.volatile import carried_forward
from coderport.kinds.all import BY_IDENTIFIER, KIND_OF, KINDS, RANK, difference
from coderport.kinds.filters import Filters
from coderport.kinds.inventory import Inventory, KnownIds
from coderport.kinds.kind import NOTHING, Chosen, Kind
from coderport.kinds.mapping import kept_entity
from coderport.kinds.refused import Place, Refused, withheld
from coderport.kinds.unread import with_held, with_held_relations


@dataclass(frozen=True)
class Desired:
    """The entities, what they have relations to first, and those that were seen but left out.

    `refused` are the values that are not among them because Port does not take them.
    """

    entities: tuple[Entity, ...]
    left_out: Mapping[Ref, LeftOut]
    refused: Mapping[Place, Refused] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)
    """By property, how many entities keep Port's value because Coder did not show one (see `unread`)."""

    def ids(self) -> dict[str, frozenset[str]]:
        """The identifiers of the entities by blueprint: of every kind that is always there, and of those that are."""
        found: dict[str, set[str]] = {each.name: set() for each in KINDS if each.always}
        for entity in self.entities:
            found.setdefault(entity.blueprint, set()).add(entity.identifier)
        return {name: frozenset(found[name]) for name in sorted(found, key=lambda name: RANK[name])}


def desired(
    read: Inventory,
    filters: Filters,
    context: Context,
    held: Mapping[str, Mapping[str, Held]],
    now: datetime,
    volatile_refresh: timedelta,
    refused: Mapping[Place, Refused] | None = None,
    blueprints: Mapping[str, Mapping[str, Any]] | None = None,
    known: KnownIds = NOTHING,
    there: Collection[Ref] = (),
) -> Desired:
    """The entities that Port should hold after this run.

    `held` is what Port holds, by blueprint and identifier: it decides which volatile values are carried forward (see
    `volatile`), and stands in for what Coder did not show (see `unread`). A template that is left out takes its
    workspaces along. `refused` is what Port did not take before, `blueprints` are Port's now. `known` are this stack's
    own: those of a kind that could not be read stay as Port has them, those of one that is asked for no longer go.
    `there` are entities that Port has and that are not declared here: those that sibling stacks keep, and those of
    kinds that this read has left alone. Relations may lead there, and shared objects among them are left to siblings.
    """
    chosen = Chosen(shown=set(there), kinds=frozenset(each.name for each in read.kinds), others=_of_others(held, known))
    entities: list[Entity] = []
    kept: Counter[str] = Counter()
    for kind in read.kinds:
        of_it = held.get(kind.name, {})
        if kind.name in read.skipped:
            fresh = _as_held(kind, known.get(kind.name, frozenset()), of_it, context, chosen)
        else:
            fresh = _of_rows(kind, read, filters, context, chosen)
        if kind.shared:
            fresh = [each for each in fresh if each.ref not in there]
        fresh = [_with_unread(each, kind, of_it.get(each.identifier), context, chosen, kept) for each in fresh]
        entities += fresh
        chosen.add(kind.blueprint, fresh)
    asked = {each.name for each in read.kinds}
    for kind in KINDS:
        if kind.name not in asked:
            former = {Ref(kind.name, each) for each in known.get(kind.name, ())}.difference(there)
            chosen.left_out.update(dict.fromkeys(former, LeftOut.KIND))
    entities, still = withheld(entities, refused or {}, blueprints or {}, held)
    entities.sort(key=lambda entity: (RANK[entity.blueprint], entity.identifier))
    return Desired(
        entities=tuple(
            settled(entity, held.get(entity.blueprint, {}).get(entity.identifier), now, volatile_refresh)
            for entity in entities
        ),
        left_out=chosen.left_out,
        refused=still,
        kept=kept,
    )


def _with_unread(
    entity: Entity, kind: Kind[Any], held: Held | None, context: Context, chosen: Chosen, kept: Counter[str]
) -> Entity:
    """The entity with what Port holds in place of what Coder did not show; `kept` counts it by property."""
    named, keys = with_held(entity, held, context)
    found, more = with_held_relations(named, held, kind.blueprint, chosen)
    kept.update(keys | more)
    return found


def _of_rows(kind: Kind[Any], read: Inventory, filters: Filters, context: Context, chosen: Chosen) -> list[Entity]:
    listing = read.listings[kind.name]
    chosen.left_out.update({Ref(kind.name, each): LeftOut.ORGANIZATION for each in listing.outside})
    found: list[Entity] = []
    for identifier, row in listing.rows.items():
        reason = kind.left_out(row, filters, context, chosen)
        if reason is None:
            found.append(kind.entity(row, context, chosen))
        else:
            chosen.left_out[Ref(kind.name, identifier)] = reason
    return found


def _as_held(
    kind: Kind[Any], known: frozenset[str], held: Mapping[str, Held], context: Context, chosen: Chosen
) -> list[Entity]:
    """The stack's own of a kind that could not be read, as Port has them; one that Port lacks has nothing to keep."""
    chosen.left_out.update({Ref(kind.name, each): LeftOut.UNREAD for each in known - held.keys()})
    several = sorted(known & held.keys())
    entities = (kept_entity(kind.blueprint, held[each], context, chosen.kinds) for each in several)
    return [_with_relations(each, chosen) for each in entities]


def _of_others(held: Mapping[str, Mapping[str, Held]], known: KnownIds) -> frozenset[Ref]:
    """What Port has in our blueprints that is not this stack's: no run of ours takes it away."""
    return frozenset(Ref(name, each) for name, several in held.items() for each in several.keys() - known.get(name, ()))


def _with_relations(entity: Entity, chosen: Chosen) -> Entity:
    """Without relations to what goes."""
    gone = {each.identifier for each in targets(entity, BY_IDENTIFIER) if not chosen.stays(each)}
    if not gone:
        return entity
    relations = {
        key: value if isinstance(value, str) else tuple(each for each in value if each not in gone)
        for key, value in entity.relations.items()
        if value not in gone
    }
    return replace(entity, relations=relations)


def settled(entity: Entity, held: Held | None, now: datetime, refresh: timedelta) -> Entity:
    """The entity with the volatile values that this run should declare; see `coderport.catalog.volatile`."""
    kind = KIND_OF[entity.blueprint]
    if held is None or not refresh or not kind.volatile:
        return entity
    return carried_forward(
        entity, held, difference(entity, held), now, refresh, volatile=kind.volatile, last_used=kind.last_used
    )
