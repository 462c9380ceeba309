"""Ocean's own client upserts a catalog: runs in a virtual environment with `port-ocean`, apart from the project's.

    python in_ocean.py CATALOG [changed | again]

The client's pieces are put together as the framework does it, with the defaults of the installed version, and called as
its applier of entities calls them: blueprint by blueprint, all batches at once. (Before its upserts a resync of Ocean
also asks Port what exists; that is not done here.) Prints seconds, entities, version and whether it writes in bulk.
With `again` it does so once more for each line of standard input, from the file as it is by then, in one process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

from loguru import logger
from port_ocean.clients.port.client import PortClient
from port_ocean.clients.port.types import UserAgentType
from port_ocean.config.settings import IntegrationConfiguration, SslSettings
from port_ocean.context.ocean import initialize_port_ocean_context
from port_ocean.core.handlers.port_app_config.models import PortAppConfig
from port_ocean.core.models import Entity


def _client() -> Any:
    """Ocean's client in the context that it expects: the defaults of its configuration, and metrics that go nowhere."""
    names = ("upsert_entities_batch_max_length", "upsert_entities_batch_max_size_in_bytes")
    config = SimpleNamespace(
        **{name: IntegrationConfiguration.model_fields[name].default for name in names},
        ssl=SslSettings(),
        disable_ip_outbound_blocker=True,  # the default of an integration that people host themselves
    )
    metrics = SimpleNamespace(inc_metric=lambda **_: None, current_resource_kind=lambda: "bench")
    initialize_port_ocean_context(SimpleNamespace(config=config, metrics=metrics))
    address, client_id = os.environ["PORT_BASE_URL"], os.environ["PORT_CLIENT_ID"]
    return PortClient(address, client_id, os.environ["PORT_CLIENT_SECRET"], "bench", "coder", "0.0.0")


async def _upsert(client: Any, entities: list[Any]) -> tuple[float, bool]:
    """Seconds, and whether it wrote in bulk."""
    options = PortAppConfig().get_port_request_options()
    in_bulk = hasattr(client, "upsert_entities_in_batches")
    begun = perf_counter()
    for blueprint in dict.fromkeys(each.blueprint for each in entities):
        group = [each for each in entities if each.blueprint == blueprint]
        if in_bulk:
            ended = await client.upsert_entities_in_batches(group, options, UserAgentType.exporter, should_raise=True)
            done = sum(bool(well) for well, _ in ended)
        else:
            calls = (client.upsert_entity(each, options, UserAgentType.exporter, should_raise=True) for each in group)
            done = sum(bool(each) for each in await asyncio.gather(*calls))
        if done != len(group):
            raise SystemExit(f"Ocean upserted {done} of {len(group)} entities of {blueprint}")
    return perf_counter() - begun, in_bulk


async def _told(client: Any, *, changed: bool) -> None:
    """Upserts the entities of the catalog's file, or those that changed, and prints what came of it."""
    catalog = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    names = set(catalog["changed"]) if changed else None
    chosen = [each for each in catalog["entities"] if names is None or each["identifier"] in names]
    seconds, in_bulk = await _upsert(client, [Entity.parse_obj(each) for each in chosen])
    told = {"seconds": seconds, "entities": len(chosen), "version": version("port-ocean"), "in_bulk": in_bulk}
    print(json.dumps(told), flush=True)


async def main() -> None:
    """Once, or for each line of standard input."""
    logger.remove()
    client, how = _client(), sys.argv[2:]
    if "again" not in how:
        await _told(client, changed="changed" in how)
        return
    for _ in iter(sys.stdin.readline, ""):
        await _told(client, changed=False)


if __name__ == "__main__":
    asyncio.run(main())
