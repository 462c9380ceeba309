"""The runner as the service takes it, with clients that live as long as the service."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from coderport.runner.context import opened
from coderport.runner.execution import claim_of, execute, open_runs
from coderport.runner.service.queue import Runner
from coderport.runner.values import Claim, Ended, Journal
from coderport.settings import Settings
from coderport.transport.patience import Patience

IN_FLIGHT = 32
"""Requests to Coder at once: a few that hang hold up nobody else's."""

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def service_runner(
    settings: Settings, managed_by: str, *, patience: Patience | None = None
) -> AsyncIterator[Runner]:
    """Works the runs of the stack `managed_by` (project/stack); to be entered in the service's event loop."""
    patience = (patience or Patience.of()).without_end()
    async with opened(settings, managed_by, patience=patience, say=_LOG.warning, in_flight=IN_FLIGHT) as context:

        async def work(run_id: str, journal: Journal, sleep: Callable[[float], Awaitable[None]]) -> Ended:
            resting = replace(context, clock=replace(context.clock, sleep=sleep))
            return await execute(run_id, resting, journal=journal)

        async def claim(run_id: str) -> Claim | None:
            return await claim_of(run_id, context)

        async def open_ones() -> list[str]:
            return await open_runs(context) if settings.actions.backend == "webhook" else []

        yield Runner(work, claim, open_ones)
