"""What a stack would have to do, found out without the engine: settings, memory and both reads, and what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from coderport.account import Account
from coderport.catalog.blueprints import BLUEPRINTS
from coderport.difference import Difference, blueprint_findings, difference_of
from coderport.errors import Refusal
from coderport.guard import Verdict
from coderport.holdings import Holdings
from coderport.memory import Memory
from coderport.plan import Plan, read_permissions, read_port, survey
from coderport.settings import Releases, Settings
from coderport.stack import Stack


@dataclass(frozen=True)
class Comparison:
    """The plan of this moment, how Port and the state differ from it, and what the guard says to that.

    `misfits` are the reasons for which only a full run will do; none where the difference can be put right by itself.
    """

    settings: Settings
    memory: Memory
    plan: Plan
    verdict: Verdict
    found: Difference
    misfits: tuple[str, ...]

    def insist(self) -> None:
        """Raises Refusal where the guard does not permit what the difference would take."""
        if self.verdict.refused:
            raise Refusal(f"Refused, nothing was applied.\n\n{self.verdict.text()}")


@dataclass(frozen=True)
class Beginning:
    """What is known before Coder was read."""

    settings: Settings
    memory: Memory
    held: Holdings
    misfits: tuple[str, ...]


async def begin(stack: Stack, account: Account) -> Beginning:
    """Settings, memory (by the CLI, in a thread) and Port's holdings, side by side. Writes nothing."""
    settings = await asyncio.to_thread(stack.settings)
    recalling = asyncio.create_task(asyncio.to_thread(stack.memory))
    try:
        held = await read_port(settings, account)
    except BaseException:
        await asyncio.wait([recalling])
        raise
    memory = await recalling
    return Beginning(settings, memory, held, tuple(misfits(settings, memory, held)))


async def compare(stack: Stack, beginning: Beginning, releases: Releases, account: Account) -> Comparison:
    """Reads Coder and compares. Raises Refusal only where the stack belongs to another Coder or Port."""
    settings, memory = beginning.settings, beginning.memory
    plan, verdict = await survey(
        settings,
        releases,
        memory,
        beginning.held,
        managed_by=stack.managed_by,
        now=datetime.now(timezone.utc),
        account=account,
    )
    permissions = await read_permissions(settings, plan, account)
    found = difference_of(plan, memory, permissions)
    return Comparison(settings, memory, plan, verdict, found, beginning.misfits)


def misfits(settings: Settings, memory: Memory, held: Holdings) -> Iterable[str]:
    """Why the state or the settings do not fit a run over a part: one clause each, for a person."""
    if memory.first_run:
        yield "this stack has declared nothing yet"
        return
    if not memory.whole:
        yield "the last run of this stack did not come to its end"
    if memory.fit != settings.fingerprint:
        yield "the settings or the version of coderport are not those of the last full run"
    managed = BLUEPRINTS if settings.blueprints == "manage" else ()
    for identifier, findings in blueprint_findings(managed, held).items():
        yield f"Port's blueprint {identifier} is not as declared ({findings[0]})"
