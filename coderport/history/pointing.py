"""Who points at what is about to go: read from Port, for Port empties their relations."""

from __future__ import annotations

from collections.abc import Mapping

from coderport.history.images import Pointer, pointers_among, required_of, targets_of
from coderport.port.client import PortClient
from coderport.port.models import PortEntity
from coderport.port.sweep import swept


async def pointers_to(
    client: PortClient,
    going: Mapping[str, frozenset[str]],
    held: Mapping[str, Mapping[str, PortEntity]] | None = None,
) -> list[Pointer]:
    """The relations of entities that stay, whosever they are, to those of `going` (identifiers by blueprint).

    `held` has the rows of blueprints that were read already. Nothing is asked where nothing goes.
    """
    kinds = {name for name, ids in going.items() if ids}
    if not kinds:
        return []
    found: list[Pointer] = []
    known = held or {}
    for blueprint in await client.blueprints():
        name = str(blueprint.get("identifier") or "")
        targets = {key: target for key, target in targets_of(blueprint).items() if target in kinds}
        if not targets:
            continue
        rows = known[name] if name in known else await swept(client, name)
        found += pointers_among(rows, targets, going, required_of(blueprint))
    return found
