"""Every entity of a blueprint, held against Port's own count of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from coderport.port.client import PortClient
from coderport.port.errors import PortError, PortRejected
from coderport.port.models import PortEntity

PAUSES = (0.0, 1.0, 3.0)
"""Seconds before each reading, as long as Port shows fewer than it counts."""


async def swept(
    client: PortClient, blueprint: str, told: Callable[[int], Awaitable[None]] | None = None
) -> dict[str, PortEntity]:
    """All of them by identifier; `told` is told how many so far.

    A row may slip through between two pages, so fewer rows than Port counts are read again. PortError where they stay
    fewer: what a search does not show would be taken for absent, and written over. 404 if there is no such blueprint.
    """
    found: dict[str, PortEntity] = {}
    count = 0
    for pause in PAUSES:
        await asyncio.sleep(pause)
        async for entity in client.entities(blueprint):
            found[entity.identifier] = entity
            if told is not None:
                await told(len(found))
        try:
            count = await client.count(blueprint)
        except PortRejected:  # a Port that does not say fails no run
            return found
        if len(found) >= count:
            return found
    raise PortError(
        f"Port counts {count:,} entities of blueprint {blueprint}, and its search shows {len(found):,} of them. What "
        "it does not show would be written over, so nothing more is done. Run again; if it stays so, Port has to "
        "mend it."
    )
