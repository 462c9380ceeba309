"""Reads Coder whole and writes the entities that it makes into a file, once more for each line of standard input.

    python -m benchmarks.mapped FILE

For the benchmark of Ocean's way, whose framework leaves reading and mapping to the integration. Answers each line with
one of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from coderport.catalog.values import Context, OrganizationNames
from coderport.coder.client import CoderClient
from coderport.coder.reading.snapshot import Snapshot, read_snapshot
from coderport.kinds.all import KINDS
from coderport.kinds.kind import Chosen
from coderport.settings import load_settings


def entities_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Bodies for Port, templates before workspaces, with nobody's mark."""
    context = Context(
        deployment_id=snapshot.deployment.deployment_id,
        dashboard_url=snapshot.deployment.dashboard_url,
        managed_by="",
        emails=snapshot.emails or {},
        organizations={
            each.id: OrganizationNames(each.name, each.display_name or each.name) for each in snapshot.organizations
        },
    )
    kinds = [each for each in KINDS if each.always]
    chosen = Chosen(kinds=frozenset(each.name for each in kinds))
    bodies: list[dict[str, Any]] = []
    for kind in kinds:
        assert kind.part is not None
        found = [kind.entity(row, context, chosen) for row in kind.part(snapshot).rows.values()]
        chosen.add(kind.blueprint, found)
        bodies += [
            {
                "identifier": each.identifier,
                "blueprint": each.blueprint,
                "title": each.title,
                "properties": dict(each.properties),
                "relations": dict(each.relations),
            }
            for each in found
        ]
    return bodies


async def _answered(file: Path) -> None:
    settings = load_settings({}, os.environ)
    async with CoderClient(settings.coder_api_base_url, settings.coder_session_token.get_secret_value()) as coder:
        for _ in iter(sys.stdin.readline, ""):
            entities = entities_of(await read_snapshot(coder))
            file.write_text(json.dumps({"entities": entities}), encoding="utf-8")
            print(len(entities), flush=True)


if __name__ == "__main__":
    asyncio.run(_answered(Path(sys.argv[1])))
