"""Reading Coder, then Port, each once and whole, and nothing else: what a sync cannot be cheaper than.

Prints the seconds of either as JSON. The servers are named by the environment, as for the commands.
"""

from __future__ import annotations

import asyncio
import json
import os
from time import perf_counter

from coderport.coder.client import CoderClient
from coderport.coder.reading.snapshot import read_snapshot
from coderport.kinds.all import kinds_asked
from coderport.planning.holdings import holdings
from coderport.port.client import PortClient
from coderport.settings import load_settings


async def both() -> dict[str, float]:
    """Seconds by server."""
    settings = load_settings({}, os.environ)
    begun = perf_counter()
    async with CoderClient(settings.coder_api_base_url, settings.coder_session_token.get_secret_value()) as coder:
        snapshot = await read_snapshot(coder)
    assert snapshot.whole
    between = perf_counter()
    secret = settings.port_client_secret.get_secret_value()
    async with PortClient(settings.port_base_url, settings.port_client_id, secret) as port:
        await holdings(port, kinds_asked(settings))
    return {"coder": between - begun, "port": perf_counter() - between}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(both())))
