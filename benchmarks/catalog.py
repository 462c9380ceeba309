"""What Port holds after a run of this project, kept in a file, so that others can be given the same to write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.checkout import FOLDER
from benchmarks.errors import BenchError
from benchmarks.servers import Servers
from coderport.kinds.all import BLUEPRINTS
from coderport.port.client import PortClient

Json = dict[str, Any]

_SYSTEM = ("createdAt", "createdBy", "updatedAt", "updatedBy", "id")


@dataclass(frozen=True)
class Catalog:
    """Blueprints and entities as bodies for Port, templates before workspaces; `changed` names those of the 1 %."""

    blueprints: tuple[Json, ...]
    entities: tuple[Json, ...]
    changed: tuple[str, ...] = ()

    def changed_since(self, before: Catalog) -> Catalog:
        """This catalog, with the identifiers of what is not as it was before."""
        held = {each["identifier"]: each for each in before.entities}
        changed = (each["identifier"] for each in self.entities if held.get(each["identifier"]) != each)
        return Catalog(self.blueprints, self.entities, tuple(changed))

    def put_blueprints(self, servers: Servers) -> None:
        """Gives an empty Port the blueprints."""
        for body in self.blueprints:
            servers.put_blueprint(body["identifier"], body)


def held(servers: Servers) -> Catalog:
    """What Port holds now."""

    async def read() -> Catalog:
        async with PortClient(servers.port_url, servers.port_client_id, servers.port_client_secret) as port:
            found = [await port.blueprint(each.identifier) for each in BLUEPRINTS]
            blueprints = [each for each in found if each is not None]
            entities = [
                {
                    "identifier": entity.identifier,
                    "blueprint": entity.blueprint,
                    "title": entity.title,
                    "properties": _given(entity.properties),
                    "relations": _given(entity.relations),
                }
                for each in blueprints
                async for entity in port.entities(each["identifier"])
            ]
        return Catalog(tuple(map(_declared, blueprints)), tuple(entities))

    return asyncio.run(read())


def path(workspaces: int) -> Path:
    """Where the catalog of that size is kept."""
    return FOLDER / f"catalog-{workspaces}.json"


def keep(catalog: Catalog, workspaces: int) -> None:
    """Writes the catalog's file."""
    path(workspaces).write_text(json.dumps(asdict(catalog)))


def kept(workspaces: int) -> Catalog:
    """The catalog's file; BenchError where the project was not measured at that size before."""
    if not path(workspaces).exists():
        raise BenchError(f"measure the project itself first: --only project --sizes {workspaces}")
    content = json.loads(path(workspaces).read_text())
    return Catalog(*(tuple(content[name]) for name in ("blueprints", "entities", "changed")))


def _declared(body: Json) -> Json:
    return {key: value for key, value in body.items() if key not in _SYSTEM}


def _given(values: Mapping[str, Any]) -> Json:
    """Without nulls, which a writer to an empty Port need not send."""
    return {key: value for key, value in values.items() if value is not None}
