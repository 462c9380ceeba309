"""What Port holds before a run: the organization, our two blueprints, every entity in them, and the actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coderport.catalog.blueprint import BLUEPRINTS, Blueprint
from coderport.planning.installation import installation_of
from coderport.port.client import ROWS_PER_PAGE, PortClient
from coderport.port.errors import PortRejected
from coderport.port.integrations import Integration, Integrations
from coderport.port.models import Organization, PortEntity
from coderport.port.sweep import swept
from coderport.settings import Actions
from coderport.terminal.progress import Advance


@dataclass(frozen=True)
class Holdings:
    """`blueprints` and `entities` are by blueprint identifier; a blueprint that Port does not have is absent.

    `actions` are all of the organization's by identifier, and none where they were not asked for. `installation` is the
    GitHub integration that dispatches workflows, None where the actions need none.
    """

    organization: Organization
    blueprints: Mapping[str, Mapping[str, Any]]
    entities: Mapping[str, Mapping[str, PortEntity]]
    actions: Mapping[str, Mapping[str, Any]]
    installation: Integration | None = None


async def holdings(
    client: PortClient,
    declared: tuple[Blueprint, ...] = BLUEPRINTS,
    *,
    actions: Actions | None = None,
    progress: Advance | None = None,
) -> Holdings:
    """Reads them: two requests, for each blueprint two and one per 1,000 entities, and one or two for the actions.

    `actions` are the settings of those that are declared, None where none are. SettingsError where the integration that
    they need is not there.
    `progress` is told (what, done, total or None) page by page; the total of more than a page costs a request.
    """
    organization = await client.organization()
    installation = None
    if actions is not None and actions.backend == "github":
        installation = await installation_of(actions, Integrations(client))
    blueprints: dict[str, Mapping[str, Any]] = {}
    entities: dict[str, Mapping[str, PortEntity]] = {}
    for blueprint in declared:
        live = await client.blueprint(blueprint.identifier)
        if live is None:
            continue
        blueprints[blueprint.identifier] = live
        entities[blueprint.identifier] = await _entities(client, blueprint, progress)
    live_actions = await client.actions() if actions is not None else {}
    return Holdings(organization, blueprints, entities, live_actions, installation)


async def _entities(client: PortClient, blueprint: Blueprint, progress: Advance | None) -> dict[str, PortEntity]:
    what, total = f"{blueprint.identifier.removeprefix('coder_')}s", None

    async def told(done: int) -> None:
        nonlocal total
        if progress is not None and done % ROWS_PER_PAGE == 0:
            total = total or await _counted(client, blueprint)
            progress(what, done, total)

    found = await swept(client, blueprint.identifier, told)
    if progress is not None:
        progress(what, len(found), len(found))
    return found


async def _counted(client: PortClient, blueprint: Blueprint) -> int | None:
    """How many there are to read; a Port that does not say fails no run."""
    try:
        return await client.count(blueprint.identifier)
    except PortRejected:
        return None
