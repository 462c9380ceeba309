"""The runner as the service takes it, with clients that live as long as the service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from coderport.runner.context import opened
from coderport.runner.execution import execute, workspace_key
from coderport.runner.service.queue import Runner
from coderport.runner.values import Ended, Journal, Patience
from coderport.settings import Settings


@asynccontextmanager
async def service_runner(
    settings: Settings, managed_by: str, *, patience: Patience | None = None
) -> AsyncIterator[Runner]:
    """Works the runs of the stack `managed_by` (project/stack); to be entered in the service's event loop."""
    async with opened(settings, managed_by, patience=patience) as context:

        async def work(run_id: str, journal: Journal) -> Ended:
            return await execute(run_id, context, journal=journal)

        async def key(run_id: str) -> str | None:
            return await workspace_key(run_id, context)

        yield Runner(work, key)
