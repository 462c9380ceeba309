"""Opens `live` with clients of Coder and Port of its own, which keep to its budgets."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from coderport.coder.client import CoderClient
from coderport.live.beginning import LiveStack
from coderport.live.budget import Budget
from coderport.live.service import Live
from coderport.port.client import PortClient
from coderport.settings import Settings
from coderport.transport.patience import Patience

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def opened_live(
    stack: LiveStack, settings: Settings, say: Callable[[str], None] = _LOG.warning
) -> AsyncIterator[Live]:
    """`live` with clients of its own, which keep to its budgets: ours of Coder's requests, half of Port's buckets."""
    budget = Budget(settings.live.requests_per_minute)
    patience = Patience.of().without_end()
    # Each loop tries again by itself, and tells that it does: a request is not held on to for long.
    patience = replace(patience, answer=min(patience.answer, 60.0), outage=min(patience.outage, 10.0), limited=90.0)
    coder = CoderClient(
        settings.coder_api_base_url,
        settings.coder_session_token.get_secret_value(),
        patience=patience,
        say=say,
        headers=settings.coder_header_values,
        gate=budget,
    )
    port = PortClient(
        settings.port_base_url,
        settings.port_client_id,
        settings.port_client_secret.get_secret_value(),
        patience=patience,
        say=say,
        share=0.5,
    )
    async with coder, port:
        yield Live(stack, settings, coder, port, budget)
