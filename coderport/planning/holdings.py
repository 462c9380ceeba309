"""What Port holds before a run: the organization, our blueprints, every entity in them, and the actions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from coderport.catalog.answers.values import Part
from coderport.catalog.identifiers import PORT_USERS, USERS
from coderport.coder.mail import folded
from coderport.guard.definitions import lacking_kinds
from coderport.guard.dependents import Surroundings, requiring
from coderport.kinds.all import KIND_OF, blueprints_of
from coderport.kinds.kind import Kind
from coderport.planning.installation import installation_of
from coderport.planning.roles import unproven_roles
from coderport.port.client import ROWS_PER_PAGE, PortClient
from coderport.port.definitions import Definitions
from coderport.port.errors import PortRejected
from coderport.port.integrations import Integration, Integrations
from coderport.port.models import Organization, PortEntity
from coderport.port.sweep import swept
from coderport.settings import Settings
from coderport.terminal.progress import Advance


@dataclass(frozen=True)
class Holdings:
    """`blueprints` and `entities` are by blueprint identifier; a blueprint that Port does not have is absent.

    `actions` are all of the organization's by identifier, and none where they were not asked for. `installation` is the
    GitHub integration that dispatches workflows, None where the actions need none. `answers` are the scorecards and
    pages by key, as far as they were asked for.
    """

    organization: Organization
    blueprints: Mapping[str, Mapping[str, Any]]
    entities: Mapping[str, Mapping[str, PortEntity]]
    actions: Mapping[str, Mapping[str, Any]]
    installation: Integration | None = None
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    """Identifiers of Port's own users by their address in small letters, where the stack shows Coder's."""
    unproven_roles: tuple[str, ...] = ()
    """Roles of the actions that Port may lack: this client may not read which there are."""
    kinds: frozenset[str] = frozenset()
    """All blueprints of ours in Port, where a stack that only uses them asks for kinds that are not among them."""
    around: Surroundings | None = None
    """What of others may refer to blueprints of kinds that are asked for no longer, where there are such."""


async def holdings(
    client: PortClient,
    kinds: Collection[Kind[Any]],
    *,
    declaring: Settings | None = None,
    answers: Collection[Part] = (),
    progress: Advance | None = None,
    uses: bool = False,
) -> Holdings:
    """Reads them: two requests, for each blueprint two and one per 1,000 entities, and one or two for the actions.

    Where Coder's users are among the kinds, Port's own are read as well, as one blueprint more.

    `declaring` are the settings of a stack that declares actions, None where none are. `answers` cost a request for the
    pages, and one for the scorecards of each blueprint. SettingsError where the integration that the actions need, or
    a role that they name, is not there.
    `uses`: the stack only uses blueprints; where Port lacks some, a request tells which kinds it has.
    `progress` is told (what, done, total or None) page by page; the total of more than a page costs a request.
    """
    organization = await client.organization()
    installation = None
    roles = await unproven_roles(client, declaring) if declaring is not None else ()
    if declaring is not None and declaring.actions.backend == "github":
        installation = await installation_of(declaring, Integrations(client))
    blueprints: dict[str, Mapping[str, Any]] = {}
    entities: dict[str, Mapping[str, PortEntity]] = {}
    for kind in kinds:
        live = await client.blueprint(kind.name)
        if live is None:
            continue
        blueprints[kind.name] = live
        entities[kind.name] = await _entities(client, kind, progress)
    live_actions = await client.actions() if declaring is not None else {}
    several = await live_answers(client, answers, blueprints)
    people = await _people(client) if USERS in {each.name for each in kinds} else {}
    lacks = uses and lacking_kinds(blueprints_of(kinds), blueprints)
    there = frozenset(str(each["identifier"]) for each in await client.blueprints()) if lacks else frozenset()
    ours = there.intersection(KIND_OF)
    return Holdings(organization, blueprints, entities, live_actions, installation, several, people, roles, ours)


async def surroundings(client: PortClient, names: Collection[str]) -> Surroundings:
    """What may refer to these blueprints: two requests, one for each of them, and one for each that requires them."""
    blueprints, actions = await client.blueprints(), await client.actions()
    asked = sorted({each for name in names for each in requiring(name, blueprints)})
    scorecards = {name: sorted(await Definitions.scorecards(client, name).all()) for name in sorted(names)}
    populated = frozenset([name for name in asked if await client.count(name)])
    return Surroundings(tuple(blueprints), actions, scorecards, populated)


async def live_answers(
    client: PortClient, parts: Collection[Part], blueprints: Iterable[str]
) -> dict[str, Mapping[str, Any]]:
    """The scorecards and pages by key. Aggregations are in their blueprints."""
    found: dict[str, Mapping[str, Any]] = {}
    if "scorecards" in parts:
        for blueprint in blueprints:
            several = await Definitions.scorecards(client, blueprint).all()
            found |= {f"scorecard/{name}": {**body, "blueprint": blueprint} for name, body in several.items()}
    if "pages" in parts:
        found |= {f"page/{name}": body for name, body in (await Definitions.pages(client).all()).items()}
    return found


async def _people(client: PortClient) -> dict[str, str]:
    """Port's own users: an entity's identifier is the person's e-mail address (source: port-labs' script that maps
    GitHub's users to Port's)."""
    everybody = sorted(await swept(client, PORT_USERS))
    return {key: identifier for identifier in everybody if (key := folded(identifier)) is not None}


async def _entities(client: PortClient, kind: Kind[Any], progress: Advance | None) -> dict[str, PortEntity]:
    what, total = kind.words[1], None

    async def told(done: int) -> None:
        nonlocal total
        if progress is not None and done % ROWS_PER_PAGE == 0:
            total = total or await _counted(client, kind)
            progress(what, done, total)

    found = await swept(client, kind.name, told)
    if progress is not None:
        progress(what, len(found), len(found))
    return found


async def _counted(client: PortClient, kind: Kind[Any]) -> int | None:
    """How many there are to read; a Port that does not say fails no run."""
    try:
        return await client.count(kind.name)
    except PortRejected:
        return None
