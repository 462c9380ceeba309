"""Both servers, read side by side, and the plan that follows: all that happens before anything is registered."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from coderport.catalog.actions.declared import wants_form
from coderport.catalog.values import Ref
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderUnreachable
from coderport.coder.models import Template
from coderport.coder.parameters import TemplateForm, read_forms
from coderport.coder.people import People
from coderport.coder.reading.snapshot import Advance
from coderport.errors import CoderportError
from coderport.guard.allowance import spent_lately
from coderport.guard.verdict import Verdict
from coderport.history.images import deleted_of
from coderport.history.pointing import pointers_to
from coderport.history.spending import spent_by_live, spent_by_undos
from coderport.history.store import Store
from coderport.kinds.all import KIND_OF, KINDS, kinds_asked
from coderport.kinds.filters import filters_of
from coderport.kinds.inventory import HeldByKind, Inventory, KnownIds, read_inventory
from coderport.planning.answers import declared_parts
from coderport.planning.holdings import Holdings, holdings, surroundings
from coderport.planning.memory import Memory
from coderport.planning.past import Past
from coderport.planning.plan import Plan, declares_actions, judge
from coderport.planning.siblings import ids_to_prove, read_templates, templates_offered
from coderport.port.errors import PortUnreachable, catalog_of
from coderport.report.account import Account
from coderport.servers import opened_coder, opened_port
from coderport.settings import Releases, Settings
from coderport.tasks import together
from coderport.terminal.text import short
from coderport.transport.address import is_loopback

ReadOfCoder = tuple[Inventory, tuple[Template, ...], Mapping[str, TemplateForm]]
"""What Coder holds, the templates of sibling stacks, and the forms by the id of the template."""


async def survey(
    settings: Settings,
    releases: Releases,
    past: Coroutine[Any, Any, Past],
    *,
    now: datetime,
    account: Account,
    project: Path | None = None,
) -> tuple[Past, Plan, Verdict]:
    """Reads Coder beside the past; the plan, and the guard's verdict on it. `now` is aware. Writes nothing.

    `project` is the folder of `Pulumi.yaml`, for the history: what undos and `live` deleted counts with what this run
    would.

    Raises a typed error when a read failed, and Refusal where the stack belongs to another Coder or Port, because then
    everything would differ.
    """
    with account.phase("read"):
        before, (read, of_siblings, forms) = await read_both(
            settings, past, partial(ids_to_prove, settings=settings), account
        )
    lacking = await _notes_on_fallback(settings, account)
    with account.phase("judge"):
        plan, verdict = judge(settings, releases, before, read, forms, now, of_siblings)
    more = await with_pointers(before, plan, settings, account)
    if project is not None and any(kind.left_out for kind in plan.disappearing.values()):
        more = replace(more, spent_beside=await asyncio.to_thread(_spent_beside, settings, before, project, now))
    if more != before:
        with account.phase("judge"):
            plan, verdict = judge(settings, releases, more, read, forms, now, of_siblings)
    return more, replace(plan, notes=(*plan.notes, *lacking)), verdict


async def with_pointers(past: Past, plan: Plan, settings: Settings, account: Account) -> Past:
    """The same with which entities point at what would go by the plan. Asks Port for nothing where nothing would."""
    going = {name: ids for name, ids in deleted_of(plan).items() if ids}
    if not going:
        return past
    with account.phase("read"), account.phase("read_port", shown="read_pointers"):
        async with opened_port(settings, account) as client:
            pointers = await pointers_to(client, going, past.held.entities)
    pointed, required = defaultdict[Ref, list[str]](list), defaultdict[Ref, list[str]](list)
    for each in pointers:
        for ref in (Ref(each.target, one) for one in each.identifiers if one in going.get(each.target, ())):
            who = f"{each.blueprint}:{each.identifier}"
            if each.required:
                required[ref].append(who)
            if each.blueprint not in KIND_OF:
                pointed[ref].append(who)
    return replace(past, pointed=_frozen(pointed), required=_frozen(required))


def _frozen(found: Mapping[Ref, list[str]]) -> dict[Ref, tuple[str, ...]]:
    return {ref: tuple(who) for ref, who in found.items()}


def _spent_beside(settings: Settings, past: Past, project: Path, now: datetime) -> dict[str, int]:
    """By kind how many undos and `live` have deleted in the last day; no undo does where no runs are kept."""
    store = Store(settings.history, past.mark.stack, state=past.mark.state, project=project, called=settings.of_stack)
    undone = spent_by_undos(store, now) if settings.keep_runs else {}
    return dict(Counter(undone) + Counter(spent_lately(spent_by_live(store), now)))


async def _notes_on_fallback(settings: Settings, account: Account) -> tuple[str, ...]:
    """What to tell where Coder does not have the user whom the runner falls back to; asked only where one is set."""
    name = settings.actions.fallback_user
    if name is None or not declares_actions(settings):
        return ()
    async with opened_coder(settings, account) as client:
        if await People(client).present(name) is not None:
            return ()
    return (
        f"{settings.path('actions', 'fallbackUser')} names {short(name)}, and Coder has no such user, or does not "
        "show it to this token: a run of an action by somebody whom Coder does not know fails.",
    )


async def read_both(
    settings: Settings, past: Coroutine[Any, Any, Past], known_of: Callable[[Past], KnownIds], account: Account
) -> tuple[Past, ReadOfCoder]:
    """The past and Coder, read side by side; `known_of` says of which ids of the past Coder is asked."""
    remembering = asyncio.create_task(past)

    async def remembered() -> Past:
        return await remembering

    async def known() -> KnownIds:
        return known_of(await remembering)

    async def held() -> HeldByKind:
        return (await remembering).held.entities

    async def theirs(deployment: str) -> frozenset[str]:
        before = await remembering
        return templates_offered(before, settings, deployment)

    side_by_side: list[Coroutine[Any, Any, Any]] = [remembered(), read_coder(settings, known, theirs, account, held)]
    before, read = await together(side_by_side)
    return before, read


async def read_port(settings: Settings, account: Account) -> Holdings:
    """What Port holds of all that this stack could declare."""
    with account.phase("read_port") as progress, _emulators_in_mind(settings.port_base_url):
        async with opened_port(settings, account) as client:
            kinds, parts = kinds_asked(settings), declared_parts(settings)
            held = await holdings(
                client,
                kinds,
                declaring=settings if declares_actions(settings) else None,
                answers=parts,
                progress=progress,
                uses=settings.blueprints == "use",
            )
    account.read.port_entities = sum(map(len, held.entities.values()))
    account.catalog = catalog_of(settings.port_base_url)
    return held


async def with_former_kinds(held: Holdings, settings: Settings, memory: Memory, account: Account) -> Holdings:
    """The same with what Port holds of kinds that the stack has declared and that are asked for no longer."""
    former = {*memory.blueprints, *(name for name, ids in memory.declared.items() if ids)}
    asked = kinds_asked(settings)
    kinds = [each for each in KINDS if each.name in former and each not in asked]
    if not kinds:
        return held
    with account.phase("read_port") as progress:
        async with opened_port(settings, account) as client:
            more = await holdings(client, kinds, progress=progress)
            around = await surroundings(client, more.blueprints) if more.blueprints else None
    found = replace(
        held,
        blueprints={**held.blueprints, **more.blueprints},
        entities={**held.entities, **more.entities},
        around=around,
    )
    account.read.port_entities = sum(map(len, found.entities.values()))
    return found


async def read_permissions(settings: Settings, plan: Plan, account: Account) -> dict[str, Mapping[str, Any]]:
    """Who may run and approve each of the plan's actions that Port holds, as Port holds it. One request each."""
    names = [each.identifier for each in plan.actions if each.identifier in plan.held.actions]
    if not names:
        return {}
    with account.phase("read"), account.phase("read_port", shown="read_permissions") as progress:
        async with opened_port(settings, account) as client:
            answers = await together(client.action_permissions(name) for name in names)
            progress("actions", len(names), len(names))
    return {name: answer for name, answer in zip(names, answers, strict=True) if answer is not None}


async def read_coder(
    settings: Settings,
    known: Callable[[], Awaitable[KnownIds]],
    theirs: Callable[[str], Awaitable[Collection[str]]],
    account: Account,
    held: Callable[[], Awaitable[HeldByKind]] | None = None,
) -> ReadOfCoder:
    """What Coder holds, the templates of siblings, and the forms of all templates that get an action of their own.

    `theirs` gives the ids of the siblings' templates for a deployment; only a stack that declares actions asks.
    """
    with account.phase("read_coder") as progress, _emulators_in_mind(settings.coder_api_base_url):
        async with opened_coder(settings, account) as client:
            read = await inventory_asked(client, settings, known, progress, held)
            account.read.count(read.counts())
            account.unread = tuple(read.failures)
            snapshot = read.snapshot
            if not declares_actions(settings):
                return read, (), {}
            of_siblings = await read_templates(client, snapshot, await theirs(snapshot.deployment.deployment_id))
            filters = filters_of(settings)
            own = [each for each in snapshot.templates.values() if filters.takes(each.organization_name, each.name)]
            offered = {each.id: each for each in (*own, *of_siblings) if wants_form(settings.actions, each)}
            return read, of_siblings, await read_forms(client, offered.values(), progress)


async def inventory_asked(
    client: CoderClient,
    settings: Settings,
    known: Callable[[], Awaitable[KnownIds]],
    progress: Advance,
    held: Callable[[], Awaitable[HeldByKind]] | None = None,
) -> Inventory:
    """What Coder holds of the kinds and in the organizations that the settings ask for; `held` as `read_inventory`."""
    return await read_inventory(
        client,
        kinds_asked(settings),
        organizations=settings.coder_organizations,
        known=known,
        progress=progress,
        held=held,
    )


@contextmanager
def _emulators_in_mind(url: str) -> Iterator[None]:
    """Nobody listening on this machine most likely means that the emulators of the dev stack are not running."""
    try:
        yield
    except (CoderUnreachable, PortUnreachable) as error:
        if is_loopback(url) and not error.connected:
            raise CoderportError(
                f"{error}\nIf these are the emulators of the dev stack: `make emulate` starts them."
            ) from None
        raise
