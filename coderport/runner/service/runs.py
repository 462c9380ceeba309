"""The runner as the service takes it, with clients that live as long as the service."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from coderport.patience import Patience
from coderport.runner.context import opened
from coderport.runner.execution import execute, workspace_key
from coderport.runner.service.queue import Runner
from coderport.runner.values import Ended, Journal
from coderport.settings import Settings

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def service_runner(
    settings: Settings, managed_by: str, *, patience: Patience | None = None
) -> AsyncIterator[Runner]:
    """Works the runs of the stack `managed_by` (project/stack); to be entered in the service's event loop."""
    patience = (patience or Patience.of()).without_end()
    async with opened(settings, managed_by, patience=patience, say=_LOG.warning) as context:

        async def work(run_id: str, journal: Journal) -> Ended:
            return await execute(run_id, context, journal=journal)

        async def key(run_id: str) -> str | None:
            return await workspace_key(run_id, context)

        yield Runner(work, key)
