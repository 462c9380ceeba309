"""What a stack would have to do, found out without the engine: settings, memory and both reads, and what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from coderport.guard.verdict import Verdict
from coderport.history.place import check_place
from coderport.kinds.all import kinds_asked
from coderport.planning.difference import Difference, Permissions, difference_of
from coderport.planning.holdings import Holdings
from coderport.planning.memory import Memory, rebuilt
from coderport.planning.past import Past
from coderport.planning.plan import Plan, refusal
from coderport.program.garbage import seldom_collected
from coderport.program.survey import read_permissions, read_port, survey, with_former_kinds
from coderport.report.account import Account
from coderport.settings import Releases, Settings
from coderport.stack.stack import SUCCEEDED, Stack
from coderport.tasks import together
from coderport.terminal import ending


@dataclass(frozen=True)
class Comparison:
    """The plan of this moment, how Port and the state differ from it, and what the guard says to that.

    `misfits` are the reasons for which only a full run will do; none where the difference can be corrected by itself.
    """

    settings: Settings
    memory: Memory
    plan: Plan
    verdict: Verdict
    found: Difference
    permissions: Permissions
    misfits: tuple[str, ...]

    def insist(self) -> None:
        """Raises Refusal where the guard does not permit what the difference would take."""
        if self.verdict.refused:
            raise refusal(self.verdict)


def comparison_of(stack: Stack, releases: Releases, account: Account, *, keeps: bool = True) -> Comparison:
    """What `compare` finds, for callers outside of an event loop."""
    found: list[Comparison] = []

    async def kept() -> None:
        found.append(await compare(stack, releases, account, keeps=keeps))

    # What a coroutine returns `asyncio.run` (3.11) also writes out as text: half a second for 10,000 entities.
    ending.run(kept())
    return found[0]


async def compare(stack: Stack, releases: Releases, account: Account, *, keeps: bool = True) -> Comparison:
    """Reads Coder, Port and the stack's memory (by the CLI, in a thread) side by side, and compares. Writes nothing.

    With `keeps` what it changes would be kept in the stack's history, which has to have a place.
    Raises a typed error when a read failed, and Refusal only where the stack belongs to another Coder or Port.
    """
    settings = await asyncio.to_thread(stack.settings)
    kinds_asked(settings)  # a name that is none is found before anything is read
    if keeps:
        check_place(settings, stack.directory)
    last_result = ""

    async def past() -> Past:
        nonlocal last_result
        side_by_side: list[Coroutine[Any, Any, Any]] = [
            asyncio.to_thread(stack.memory),
            asyncio.to_thread(stack.last_result),
            read_port(settings, account),
        ]
        memory, last_result, held = await together(side_by_side)
        return await past_of(stack, memory, held, settings, account)

    with seldom_collected():
        before, plan, verdict = await survey(
            settings, releases, past(), now=datetime.now(timezone.utc), account=account, project=stack.directory
        )
        permissions = await read_permissions(settings, plan, account)
        with account.phase("judge", shown="compare"):
            found = difference_of(plan, before.memory, permissions)
            reasons = tuple(misfits(settings, before, found, last_result))
    return Comparison(settings, before.memory, plan, verdict, found, permissions, reasons)


async def past_of(stack: Stack, memory: Memory, held: Holdings, settings: Settings, account: Account) -> Past:
    """What the stack remembers beside what Port holds; what the memory lacks is looked up in the state."""
    held = await with_former_kinds(held, settings, memory, account)
    found = Past(memory, held, memory.mark(stack.managed_by))
    return found if found.is_complete else found.completed(rebuilt(await asyncio.to_thread(stack.resources)))


def misfits(settings: Settings, past: Past, found: Difference, last_result: str) -> Iterable[str]:
    """Why the state or the settings do not fit a run over a part: one clause each, for a person.

    After a run that failed the state has some of what that declared, and the memory is of the run before it. One that
    was killed is not in the history, and with checkpoints skipped it left the state as it was.
    """
    memory = past.memory
    if memory.first_run:
        yield "this stack has declared nothing yet"
        return
    if memory.lost or not memory.stack:
        yield "the state has no outputs of this version of coderport"
    elif memory.stack != past.mark.stack:
        yield f"this stack was {memory.stack} until its last run"
    if memory.leaving:
        yield f"the blueprints {', '.join(sorted(memory.leaving))} are to leave its state"
    elif found.leaving_blueprints:
        yield f"the blueprints {', '.join(sorted(found.leaving_blueprints))} are to go"
    if past.unremembered:
        yield "the state holds more than its outputs tell"
    if last_result != SUCCEEDED:
        yield f"the last run of this stack has not succeeded ({last_result})"
    if memory.fit != settings.fingerprint:
        yield "the settings or the version of coderport are not those of the last full run"
    for identifier, findings in found.blueprints.items():
        yield f"Port's blueprint {identifier} is not as declared ({findings[0]})"
