"""What Port did not take of a run, from Port's own mouth, as the stack remembers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from coderport.catalog.digest import digest
from coderport.catalog.values import Entity, Ref
from coderport.kinds.refused import Place, Refused, definition_of, without
from coderport.planning.memory import Memory
from coderport.planning.plan import digests_of
from coderport.report.account import Account
from coderport.servers import opened_port
from coderport.settings import Settings

_LONGEST_WHY = 200


async def reasons(refused: Mapping[Place, list[Entity]], settings: Settings, account: Account) -> dict[Place, Refused]:
    """Why Port refuses the values, asked of one entity for each property; nothing is written.

    A property whose value Port would take is left out: another program wrote the entity without it.
    """
    found: dict[Place, Refused] = {}
    async with opened_port(settings, account) as client:
        for (blueprint, name), entities in sorted(refused.items(), key=lambda each: each[0]):
            example = entities[0]
            body = {
                "identifier": example.identifier,
                "title": example.title,
                "properties": {name: example.properties[name]},
            }
            (outcome,) = await client.upsert(blueprint, [body], validate_only=True)
            if outcome.error is None:
                continue
            why = getattr(outcome.error, "message", "") or str(outcome.error)
            live = await client.blueprint(blueprint)
            found[blueprint, name] = Refused(
                why=f"{why[:_LONGEST_WHY].rstrip('.')}.",
                definition=definition_of(live, name),
                values={each.identifier: digest(each.properties[name]) for each in entities},
            )
    return found


def remembered(memory: Memory, learned: Mapping[Place, Refused], refused: Mapping[Place, list[Entity]]) -> Memory:
    """The memory with what was learned: the entities were declared without those values."""
    kept = dict(memory.refused)
    left_out: dict[Ref, tuple[Entity, list[str]]] = {}
    for place, each in learned.items():
        values = {**(kept[place].values if place in kept else {}), **each.values}
        kept[place] = replace(each, values=values)
        for entity in refused[place]:
            left_out.setdefault(entity.ref, (entity, []))[1].append(place[1])
    shown = [without(entity, names) for entity, names in left_out.values()]
    return replace(memory, refused=kept, digests={**memory.digests, **digests_of(shown, ())})
