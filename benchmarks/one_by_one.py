"""The pattern of the stock Port provider: each entity by itself.

    python -m benchmarks.one_by_one CATALOG [LIMIT]

For each entity it asks for the blueprint and sends a single upsert, which is what the recordings of that provider show.
Its limiter lets 50 ms pass after a request before the next one, but requests that are in flight together slip through
(seen in its recordings): an operation of two requests begins every 50 ms here. (The real one took 42 ms for each of
1,000 on the engine.) The engine keeps 4 × cores of them in flight. Port's bucket for single upserts, 10,000 in 5
minutes, is above that pace. Prints the seconds and the number of entities as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx

APART = 0.05
IN_FLIGHT = 4 * (os.cpu_count() or 1)


async def upsert_all(entities: Sequence[dict[str, Any]]) -> float:
    """Seconds for all of them."""
    base = f"{os.environ['PORT_BASE_URL']}/v1"
    async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as client:
        credentials = {"clientId": os.environ["PORT_CLIENT_ID"], "clientSecret": os.environ["PORT_CLIENT_SECRET"]}
        token = (await client.post("/auth/access_token", json=credentials)).raise_for_status().json()["accessToken"]
        client.headers["Authorization"] = f"Bearer {token}"
        places = asyncio.Semaphore(IN_FLIGHT)

        async def upsert(entity: dict[str, Any]) -> None:
            try:
                blueprint = f"/blueprints/{entity['blueprint']}"
                (await client.get(blueprint)).raise_for_status()
                body = {key: value for key, value in entity.items() if key != "blueprint"}
                (await client.post(f"{blueprint}/entities", params={"upsert": "true"}, json=body)).raise_for_status()
            finally:
                places.release()

        begun = due = perf_counter()
        running = []
        for entity in entities:
            await asyncio.sleep(max(0.0, due - perf_counter()))
            await places.acquire()
            due = max(due, perf_counter() - APART) + APART  # time lost by a full house is not caught up
            running.append(asyncio.create_task(upsert(entity)))
        await asyncio.gather(*running)
        return perf_counter() - begun


def main() -> None:
    """Upserts the first LIMIT entities of the catalog's file."""
    catalog = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    entities = catalog["entities"][: int(sys.argv[2]) if len(sys.argv) > 2 else None]
    seconds = asyncio.run(upsert_all(entities))
    print(json.dumps({"seconds": seconds, "entities": len(entities)}))


if __name__ == "__main__":
    main()
