"""Entities of this stack in Port that no state holds: the engine cannot delete those, so the run does it itself."""

from __future__ import annotations

from coderport.account import Account
from coderport.catalog.blueprints import BLUEPRINTS
from coderport.plan import Plan
from coderport.port.bulk import DELETES_PER_CALL
from coderport.servers import opened_port
from coderport.settings import Settings


async def delete_orphans(plan: Plan, settings: Settings, account: Account) -> None:
    """Deletes the plan's orphans from Port; the guard has judged them with all other deletions.

    The account counts what is gone, also where the rest fails.
    """
    total, done = sum(map(len, plan.orphans.values())), 0
    with account.phase("delete") as progress:
        async with opened_port(settings, account) as client:
            for blueprint in reversed(BLUEPRINTS):  # workspaces before their templates
                ids = sorted(plan.orphans[blueprint.identifier])
                for start in range(0, len(ids), DELETES_PER_CALL):
                    batch = ids[start : start + DELETES_PER_CALL]
                    await client.delete(blueprint.identifier, batch)
                    gone = account.orphans.get(blueprint.identifier, 0)
                    account.orphans[blueprint.identifier] = gone + len(batch)
                    done += len(batch)
                    progress("entities", done, total)
