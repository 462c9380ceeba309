"""Opens `live` with clients of Coder and Port of its own, which keep to its budgets."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from coderport.live.beginning import LiveStack
from coderport.live.servers import Servers
from coderport.live.service import Live
from coderport.settings import Settings

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def opened_live(
    stack: LiveStack, settings: Settings, say: Callable[[str], None] = _LOG.warning
) -> AsyncIterator[Live]:
    """`live` with clients of its own, which keep to its budgets: ours of Coder's requests, half of Port's buckets."""
    async with Servers(settings, say) as servers:
        yield Live(stack, settings, servers)
