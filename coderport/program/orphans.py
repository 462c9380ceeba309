"""Entities of this stack in Port that no state holds: the engine cannot delete those, so the run does it itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

from coderport.guard.ownership import Owner, Whose
from coderport.kinds.all import BLUEPRINTS
from coderport.planning.plan import Plan
from coderport.port.bulk import DELETES_PER_CALL
from coderport.port.client import PortClient
from coderport.port.models import PortEntity
from coderport.report.account import Account
from coderport.servers import opened_port
from coderport.settings import Settings

_ASKED_ONE_BY_ONE = 20


async def delete_orphans(plan: Plan, settings: Settings, account: Account) -> None:
    """Deletes the plan's orphans from Port; the guard has judged them with all other deletions.

    To be called under the stack's lock. Each is looked at once more: one that is gone, or that somebody else has signed
    since it was read, is left. The account names what is gone, also where the rest fails.
    """
    total, done = sum(map(len, plan.orphans.values())), 0
    account.orphans = {name: [] for name in plan.orphans}
    with account.phase("delete") as progress:
        async with opened_port(settings, account) as client:
            for blueprint in reversed(BLUEPRINTS):  # workspaces before their templates
                name = blueprint.identifier
                ids = sorted(await _still_ours(client, name, plan.orphans.get(name, frozenset()), plan.owner))
                for start in range(0, len(ids), DELETES_PER_CALL):
                    batch = ids[start : start + DELETES_PER_CALL]
                    await client.delete(name, batch)
                    done += len(batch)
                    account.orphans[name] += batch
                    progress("entities", done, total)


async def _still_ours(client: PortClient, blueprint: str, ids: Collection[str], owner: Owner) -> list[str]:
    return [
        each.identifier
        async for each in _seen_again(client, blueprint, ids)
        if owner.whose(each) in (Whose.OURS, Whose.OURS_BY_NAME)
    ]


async def _seen_again(client: PortClient, blueprint: str, ids: Collection[str]) -> AsyncIterator[PortEntity]:
    """Those of `ids` that Port still has: one by one, or from one more read of all where they are many."""
    if len(ids) > _ASKED_ONE_BY_ONE:
        async for entity in client.entities(blueprint):
            if entity.identifier in ids:
                yield entity
        return
    for identifier in sorted(ids):
        entity_or_none = await client.entity(blueprint, identifier)
        if entity_or_none is not None:
            yield entity_or_none
