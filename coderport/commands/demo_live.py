"""`live` in the demo: what happens in Coder is in Port a moment later, without a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from rich.console import Console

from coderport.emulators.pair import Pair
from coderport.errors import CoderportError
from coderport.kinds.workspace import WORKSPACE
from coderport.live.opening import opened_live
from coderport.live.service import Live
from coderport.stack.stack import Stack
from coderport.tasks import ended
from coderport.terminal.ending import unless_asked

_PATIENCE = 60.0
_LOOK = 0.05
_GRACE = 10.0


def followed(stack: Stack, pair: Pair, console: Console, *, but: str) -> None:
    """`live` beside the emulators, and a workspace that is stopped in Coder, any `but` that one.

    CoderportError if Port does not follow.
    """
    asyncio.run(unless_asked(_followed(stack, pair, console, but)))


async def _followed(stack: Stack, pair: Pair, console: Console, but: str) -> None:
    settings = await asyncio.to_thread(stack.settings)
    async with opened_live(stack, settings) as live:
        work = asyncio.create_task(live.run())
        try:
            await _until(lambda: not live.why_not_ready(), work, live)
            console.print(f"  live is ready: it follows Coder by {', '.join(live.feeds)}")
            workspaces = [pair.coder.workspace(each) for each in sorted(pair.coder.workspace_ids() - {but})]
            one = next(each for each in workspaces if each.running)
            title = f"{pair.coder.user(one.owner_id).username}/{one.name}"
            pair.coder.stop(one.id)
            stopped = monotonic()
            console.print(f"  {title} is stopped in Coder, and in Port before you have read this", soft_wrap=True)
            await _until(lambda: _status(pair, one.id) == "stopped", work, live)
            console.print(f"  = workspace {title}, after {monotonic() - stopped:.1f} s and without a run")
        finally:
            await live.drained(_GRACE)
            await ended(work)


def _status(pair: Pair, workspace: str) -> object:
    return (pair.port.entity(WORKSPACE.identifier, workspace) or {"properties": {}})["properties"].get("status")


async def _until(true: Callable[[], bool], work: asyncio.Task[None], live: Live) -> None:
    deadline = monotonic() + _PATIENCE
    while not true():
        if work.done():
            work.result()
        if work.done() or monotonic() > deadline:
            raise CoderportError(f"live does not follow Coder: {live.why_not_ready() or 'Port is not as Coder'}.")
        await asyncio.sleep(_LOOK)
