"""Reads all that an adoption is decided on: what Port and Coder hold, and who in Port relates to our blueprints."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from coderport.adoption.plan import adoption_of
from coderport.adoption.values import Adoption, OldName, Seen, Source, T, W
from coderport.catalog.values import is_id
from coderport.coder.models import Template
from coderport.coder.parameters import TemplateForm
from coderport.guard.ownership import Owner, Whose
from coderport.history.images import targets_of
from coderport.kinds.desired import Desired
from coderport.kinds.inventory import Inventory, KnownIds
from coderport.planning.memory import rebuilt
from coderport.planning.past import Past, known_of
from coderport.planning.plan import wanted_of
from coderport.port.client import PortClient
from coderport.port.definitions import Definitions
from coderport.port.models import PortEntity
from coderport.port.sweep import swept
from coderport.program.survey import read_both, read_port, with_former_kinds
from coderport.report.account import Account
from coderport.servers import opened_port
from coderport.settings import Settings
from coderport.stack.stack import Stack
from coderport.tasks import together


@dataclass(frozen=True)
class Reading:
    """`actions` are all that Port has, `scorecards` those of our blueprints by identifier of the blueprint."""

    past: Past
    owner: Owner
    inventory: Inventory
    of_siblings: tuple[Template, ...]
    forms: Mapping[str, TemplateForm]
    wanted: Desired
    sources: tuple[Source, ...]
    actions: Mapping[str, Mapping[str, Any]]
    scorecards: Mapping[str, tuple[str, ...]]
    adoption: Adoption


async def read(stack: Stack, settings: Settings, account: Account, now: datetime) -> Reading:
    """Reads both servers side by side, then those that relate to what would go. Writes nothing."""
    with account.phase("read"):
        past, (inventory, of_siblings, forms) = await read_both(
            settings, _past(stack, settings, account), partial(_known, settings=settings), account
        )
        owner = replace(past.owner(inventory.snapshot.deployment.deployment_id), takes_over=settings.take_over)
        wanted = wanted_of(settings, past, inventory, now)
        seen = seen_of(inventory, wanted)
        draft = adoption_of(past.held.entities, (), seen, owner)
        with account.phase("read_port", shown="read_relations"):
            async with opened_port(settings, account) as client:
                names = sorted(past.held.blueprints)
                rows = await read_sources(client, draft, past.held.entities)
                actions = await client.actions()
                cards = await together(Definitions.scorecards(client, name).all() for name in names)
    return Reading(
        past=past,
        owner=owner,
        inventory=inventory,
        of_siblings=of_siblings,
        forms=forms,
        wanted=wanted,
        sources=rows,
        actions=actions,
        scorecards=dict(zip(names, map(tuple, cards), strict=True)),
        adoption=adoption_of(past.held.entities, rows, seen, owner),
    )


def seen_of(inventory: Inventory, wanted: Desired) -> Seen:
    """What Coder shows, as an adoption needs it."""
    snapshot = inventory.snapshot
    return Seen(
        templates={**snapshot.outside_templates, **snapshot.templates},
        desired=wanted.ids(),
        left_out=wanted.left_out,
        gone=inventory.gone,
    )


async def read_sources(
    client: PortClient, draft: Adoption, held: Mapping[str, Mapping[str, PortEntity]] | None = None
) -> tuple[Source, ...]:
    """Every blueprint with a relation to one of which the draft deletes entities, and all its rows.

    `held` are rows that are read already, by blueprint. Nothing is asked where nothing goes.
    """
    if not draft.going:
        return ()
    found: list[Source] = []
    for blueprint in await client.blueprints():
        name = str(blueprint.get("identifier") or "")
        targets = {relation: target for relation, target in targets_of(blueprint).items() if target in draft.going}
        if targets:
            relations: Mapping[str, Any] = blueprint["relations"]
            rows = held[name] if held and name in held else await swept(client, name)
            required = frozenset(relation for relation in targets if relations[relation].get("required"))
            found.append(Source(name, targets, rows, required))
    return tuple(found)


async def _past(stack: Stack, settings: Settings, account: Account) -> Past:
    side_by_side: list[Coroutine[Any, Any, Any]] = [asyncio.to_thread(stack.memory), read_port(settings, account)]
    memory, held = await together(side_by_side)
    held = await with_former_kinds(held, settings, memory, account)
    past = Past(memory, held, memory.mark(stack.managed_by))
    return past if past.is_complete else past.completed(rebuilt(await asyncio.to_thread(stack.resources)))


def _known(past: Past, settings: Settings) -> KnownIds:
    """What `up` asks Coder about, and what no stack has signed: the templates in old identifiers, and plain ids."""
    before = known_of(past, settings)
    owner = past.owner()

    def unsigned(blueprint: str) -> set[str]:
        held = past.held.entities.get(blueprint, {})
        return {each for each, entity in held.items() if is_id(each) and owner.whose(entity) is Whose.NOBODYS}

    old = {name.template for each in past.held.entities.get(T, {}) if (name := OldName.read(each)) is not None}
    return {**before, T: before[T] | unsigned(T) | old, W: before[W] | unsigned(W)}
