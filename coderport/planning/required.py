"""What would go and entities of others may not be without: Port refuses to delete it, so it stays, and is told.

Port answers 403 `has_dependents` to the deletion of an entity that a required relation of another one leads to. A run
that tried would fail at that each time, with all that comes after it undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from coderport.catalog.values import Context
from coderport.guard.verdict import SHOWN
from coderport.kinds.all import KIND_OF, RANK
from coderport.kinds.desired import Desired
from coderport.kinds.inventory import Inventory
from coderport.kinds.mapping import kept_entity, related
from coderport.planning.past import Past
from coderport.terminal.text import counted, first_of, short


def with_required(wanted: Desired, past: Past, read: Inventory, context: Context) -> Desired:
    """The same with what is required of the kinds that were read, as Port has it.

    A kind that is asked for no longer goes as a whole or not at all (`coderport.guard.dependents`). Why something is
    left out stays known: the form of such a template goes.
    """
    kinds = {each.name for each in read.kinds}
    there = {each.ref for each in wanted.entities}
    staying = {each for each in past.required if each.blueprint in kinds and each not in there}
    if not staying:
        return wanted
    entities = list(wanted.entities)
    for ref in staying:
        held = past.held.entities.get(ref.blueprint, {}).get(ref.identifier)
        if held is not None:
            blueprint = KIND_OF[ref.blueprint].blueprint
            kept = kept_entity(blueprint, held, context, kinds)
            entities.append(replace(kept, relations=related(blueprint, kept.relations, there | staying, kinds)))
    entities.sort(key=lambda entity: (RANK[entity.blueprint], entity.identifier))
    return replace(wanted, entities=tuple(entities))


def notes_on_required(past: Past, wanted: Desired) -> Iterator[str]:
    """What to tell of each kind: what stays, who requires it, and what the person can do."""
    there = {each.ref: each for each in wanted.entities}
    kept = sorted(ref for ref in past.required if ref in there)
    for name, refs in groupby(kept, key=lambda ref: ref.blueprint):
        staying = list(refs)
        requiring = first_of(sorted({short(each) for ref in staying for each in past.required[ref]}), SHOWN)
        names = first_of([short(there[ref].title) for ref in staying], SHOWN)
        stay = "stays in Port as it is" if len(staying) == 1 else "stay in Port as they are"
        them = "it" if len(staying) == 1 else "them"
        yield (
            f"{counted(len(staying), KIND_OF[name].words[1])} {stay}, though Coder shows {them} no longer or the "
            f"settings leave {them} out: {names}. Port deletes nothing that another entity requires, and these require "
            f"{them}: {requiring}. Make their relation optional in Port, or let it lead elsewhere; then a run deletes "
            "what is to go."
        )
