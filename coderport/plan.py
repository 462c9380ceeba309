"""From settings to a plan: read, prove, map, guard. All of it happens before the first resource is registered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from coderport.account import Account
from coderport.catalog.actions.agreement import differences as action_differences
from coderport.catalog.actions.declared import declared, wants_form
from coderport.catalog.actions.values import Action
from coderport.catalog.agreement import Agreement, Difference, agreement, differences
from coderport.catalog.blueprints import BLUEPRINTS, TEMPLATE, WORKSPACE, Blueprint
from coderport.catalog.desired import Desired, Filters, desired
from coderport.catalog.values import Context, Entity, OrganizationNames
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderUnreachable
from coderport.coder.models import Template
from coderport.coder.parameters import TemplateForm, read_forms
from coderport.coder.snapshot import Fate, Known, Snapshot, read_snapshot
from coderport.coder.together import together as all_of
from coderport.errors import CoderportError, Refusal
from coderport.guard import Disappearances, Evidence, Verdict, deletions, identity, ownership, together
from coderport.holdings import Holdings, holdings
from coderport.memory import Memory, digest
from coderport.port.client import DELETES_PER_CALL, PortClient
from coderport.port.errors import PortUnreachable
from coderport.settings import Releases, Settings, is_loopback
from coderport.siblings import read_templates, templates_of_siblings


@dataclass(frozen=True)
class Plan:
    """What this run declares, and what it leaves to be remembered.

    `orphans` are entities of ours in Port that go and that no state holds, by blueprint: the engine cannot delete
    those. `held` is what Port held when this was planned; `disappearing` what of each blueprint goes, and why.
    """

    held: Holdings
    disappearing: Mapping[str, Disappearances]
    blueprints: tuple[Blueprint, ...]
    actions: tuple[Action, ...]
    entities: tuple[Entity, ...]
    orphans: Mapping[str, frozenset[str]]
    memory: Memory
    notes: tuple[str, ...]

    @property
    def creations(self) -> int:
        """How many entities Port does not hold yet."""
        return sum(each.identifier not in self.held.entities.get(each.blueprint, {}) for each in self.entities)


@dataclass(frozen=True)
class Past:
    """What this stack has declared, and what Port holds: all that a read of Coder is held against."""

    memory: Memory
    held: Holdings


async def make_plan(
    settings: Settings,
    releases: Releases,
    past: Coroutine[Any, Any, Past],
    *,
    managed_by: str,
    now: datetime,
    account: Account,
) -> Plan:
    """Reads Coder beside the past and judges what may happen. `managed_by` is project/stack, `now` is aware.

    Raises Refusal with the verdict's text when a guard says no, and a typed error when a read failed. Writes nothing.
    """
    _, plan, verdict = await survey(settings, releases, past, managed_by=managed_by, now=now, account=account)
    if verdict.refused:
        raise refusal(verdict)
    return plan


async def survey(
    settings: Settings,
    releases: Releases,
    past: Coroutine[Any, Any, Past],
    *,
    managed_by: str,
    now: datetime,
    account: Account,
) -> tuple[Past, Plan, Verdict]:
    """The plan as `make_plan` makes it, and the guard's verdict on it: for those who only report.

    Raises Refusal where the stack belongs to another Coder or Port, because then everything would differ.
    """
    remembering = asyncio.create_task(past)

    async def remembered() -> Past:
        return await remembering

    async def known() -> Known:
        return _known(await remembering, managed_by)

    async def theirs(deployment: str) -> frozenset[str]:
        return templates_of_siblings((await remembering).held, managed_by, deployment)

    side_by_side: list[Coroutine[Any, Any, Any]] = [remembered(), _read_coder(settings, known, theirs, account)]
    with account.phase("read"):
        before, (snapshot, of_siblings, forms) = await all_of(side_by_side)
    with account.phase("judge"):
        plan, verdict = judge(settings, releases, before, snapshot, forms, managed_by, now, of_siblings)
    return before, plan, verdict


async def read_port(settings: Settings, account: Account) -> Holdings:
    """What Port holds of all that this stack could declare."""
    secret = settings.port_client_secret.get_secret_value()
    with account.phase("read_port") as progress, _emulators_in_mind(settings.port_base_url):
        async with PortClient(settings.port_base_url, settings.port_client_id, secret) as client:
            try:
                held = await holdings(client, with_actions=_declares_actions(settings), progress=progress)
            finally:
                account.port_requests += client.requests
                account.retries += client.retries
    account.read.port_entities = sum(map(len, held.entities.values()))
    return held


async def read_permissions(settings: Settings, plan: Plan, account: Account) -> dict[str, Mapping[str, Any]]:
    """Who may run and approve each of the plan's actions that Port holds, as Port holds it. One request each."""
    names = [each.identifier for each in plan.actions if each.identifier in plan.held.actions]
    if not names:
        return {}
    secret = settings.port_client_secret.get_secret_value()
    with account.phase("read"), account.phase("read_port", shown="read_permissions") as progress:
        async with PortClient(settings.port_base_url, settings.port_client_id, secret) as client:
            try:
                answers = await all_of(client.action_permissions(name) for name in names)
                progress("actions", len(names), len(names))
            finally:
                account.port_requests += client.requests
                account.retries += client.retries
    return {name: answer for name, answer in zip(names, answers, strict=True) if answer is not None}


async def delete_orphans(plan: Plan, settings: Settings, account: Account) -> None:
    """Deletes the plan's orphans from Port; the guard has judged them with all other deletions."""
    secret = settings.port_client_secret.get_secret_value()
    total, done = sum(map(len, plan.orphans.values())), 0
    with account.phase("delete") as progress:
        async with PortClient(settings.port_base_url, settings.port_client_id, secret) as client:
            try:
                for blueprint in reversed(BLUEPRINTS):  # workspaces before their templates
                    ids = sorted(plan.orphans[blueprint.identifier])
                    for start in range(0, len(ids), DELETES_PER_CALL):
                        batch = ids[start : start + DELETES_PER_CALL]
                        await client.delete(blueprint.identifier, batch)
                        done += len(batch)
                        progress("entities", done, total)
            finally:
                account.port_requests += client.requests
                account.port_writes += client.writes
                account.retries += client.retries


@contextmanager
def _emulators_in_mind(url: str) -> Iterator[None]:
    """Nobody listening on this machine most likely means that the emulators of the dev stack are not running."""
    try:
        yield
    except (CoderUnreachable, PortUnreachable) as error:
        if is_loopback(url):
            raise CoderportError(
                f"{error}\nIf these are the emulators of the dev stack: `make emulate` starts them."
            ) from None
        raise


async def _read_coder(
    settings: Settings,
    known: Callable[[], Awaitable[Known]],
    theirs: Callable[[str], Awaitable[Collection[str]]],
    account: Account,
) -> tuple[Snapshot, tuple[Template, ...], Mapping[str, TemplateForm]]:
    """The snapshot, the templates of siblings, and the forms of all templates that get an action of their own.

    `theirs` gives the ids of the siblings' templates for a deployment; only a stack that declares actions asks.
    """
    url, token = settings.coder_api_base_url, settings.coder_session_token.get_secret_value()
    with account.phase("read_coder") as progress, _emulators_in_mind(url):
        async with CoderClient(url, token) as client:
            try:
                snapshot = await read_snapshot(
                    client, organizations=settings.coder_organizations, known=known, progress=progress
                )
                account.read.coder_templates = len(snapshot.templates)
                account.read.coder_workspaces = len(snapshot.workspaces)
                if not _declares_actions(settings):
                    return snapshot, (), {}
                of_siblings = await read_templates(client, snapshot, await theirs(snapshot.deployment.deployment_id))
                filters = filters_of(settings)
                own = [each for each in snapshot.templates.values() if filters.takes(each.organization_name, each.name)]
                offered = {each.id: each for each in (*own, *of_siblings) if wants_form(settings.actions, each)}
                return snapshot, of_siblings, await read_forms(client, offered.values(), progress)
            finally:
                account.coder_requests += client.requests
                account.retries += client.retries


def filters_of(settings: Settings) -> Filters:
    """Which of the objects in scope belong into this stack's catalog."""
    return Filters(settings.include_prebuilds, settings.templates, settings.exclude_templates)


def _declares_actions(settings: Settings) -> bool:
    """One stack of an organization declares the actions: the one that declares the blueprints they are for."""
    return settings.blueprints == "manage" and settings.actions.backend != "off"


def _known(past: Past, managed_by: str) -> Known:
    """The ids whose disappearance would have to be proven: those of the state and those of ours in Port."""
    ours = past.held.managed_by(managed_by)

    def ids(blueprint: Blueprint) -> frozenset[str]:
        name = blueprint.identifier
        return past.memory.declared.get(name, frozenset()) | ours.get(name, frozenset())

    return Known(templates=ids(TEMPLATE), workspaces=ids(WORKSPACE))


def judge(
    settings: Settings,
    releases: Releases,
    past: Past,
    snapshot: Snapshot,
    forms: Mapping[str, TemplateForm],
    managed_by: str,
    now: datetime,
    of_siblings: Iterable[Template] = (),
) -> tuple[Plan, Verdict]:
    """The plan for what was read, and the guard's verdict on it; values in, values out.

    `of_siblings` are templates whose forms are declared beside those of this stack's own, and nothing else of them.
    Raises Refusal where the stack belongs to another Coder or Port.
    """
    memory, held = past.memory, past.held
    deployment = snapshot.deployment.deployment_id
    context = Context(
        deployment_id=deployment,
        dashboard_url=snapshot.deployment.dashboard_url or settings.coder_api_base_url,
        managed_by=managed_by,
        emails=snapshot.emails or {},
        organizations={
            each.id: OrganizationNames(each.name, each.display_name or each.name) for each in snapshot.organizations
        },
    )
    wanted = desired(snapshot, filters_of(settings), context, held.entities, now, settings.volatile_refresh)
    same = identity(
        deployment,
        held.organization.id,
        deployment_before=memory.deployment,
        port_organization_before=memory.port_organization,
    )
    if same.refused:  # everything below would only say the same in more words
        raise refusal(same)
    owned = ownership(
        wanted.entities,
        held.entities,
        managed_by=managed_by,
        declared_before=memory.declared,
        take_over=settings.take_over,
    )
    going = deletions(
        _evidence(memory, held, snapshot, wanted, managed_by),
        allow_deletions=releases.allow_deletions,
        forget_unproven=releases.forget_unproven,
    )
    actions = _actions(settings, snapshot, wanted, forms, of_siblings)
    verdict = together(
        _blueprints_verdict(settings, memory, held), _actions_verdict(actions, settings, memory, held), owned, going
    )
    plan = Plan(
        held=held,
        disappearing=going.kinds or {},
        blueprints=BLUEPRINTS if settings.blueprints == "manage" else (),
        actions=actions,
        entities=wanted.entities,
        orphans={
            each.identifier: (going.ids(each.identifier) & held.entities.get(each.identifier, {}).keys())
            - memory.declared.get(each.identifier, frozenset())
            for each in BLUEPRINTS
        },
        memory=Memory(
            deployment=deployment,
            port_organization=held.organization.id,
            blueprints=frozenset(each.identifier for each in BLUEPRINTS if settings.blueprints == "manage"),
            actions=frozenset(action.identifier for action in actions),
            declared=wanted.ids(),
            digests=digests_of(wanted.entities, actions),
            fit=settings.fingerprint,
        ),
        notes=(*_notes(snapshot), *_handed_over(going.kinds or {}, held)),
    )
    return plan, verdict


def digests_of(entities: Iterable[Entity], actions: Iterable[Action]) -> dict[str, bytes]:
    """What the stack remembers of each of them, by identifier."""
    found = {each.identifier: digest((each.title, each.properties, each.relations)) for each in entities}
    found |= {each.identifier: digest(asdict(each)) for each in actions}
    return found


def _evidence(memory: Memory, held: Holdings, snapshot: Snapshot, wanted: Desired, managed_by: str) -> Evidence:
    return Evidence(
        desired=wanted.ids(),
        declared_before=memory.declared,
        first_run=memory.first_run,
        held=held.entities,
        managed_by=managed_by,
        gone=frozenset(identifier for identifier, fate in snapshot.fates.items() if fate is Fate.GONE),
        left_out=wanted.left_out,
        seen={
            TEMPLATE.identifier: len(snapshot.templates) + len(snapshot.outside_templates),
            WORKSPACE.identifier: len(snapshot.workspaces) + len(snapshot.outside_workspaces),
        },
        weakness="" if snapshot.deletions_provable else snapshot.breadth.text,
    )


def _blueprints_verdict(settings: Settings, memory: Memory, held: Holdings) -> Verdict:
    """Whether the blueprints that Port has are ours, mean the same, or may be taken over; conflicts never may."""
    reasons: list[str] = []
    for blueprint in BLUEPRINTS:
        live = held.blueprints.get(blueprint.identifier)
        if live is None:
            if settings.blueprints == "use":
                reasons.append(
                    f"Port has no blueprint {blueprint.identifier}, and this stack only uses blueprints "
                    "(coderport:blueprints is use). Run the stack that manages them first."
                )
            continue
        found = differences(blueprint, live)
        ours = blueprint.identifier in memory.blueprints or settings.take_over
        if agreement(found) is Agreement.CONFLICT:
            conflicts = [each for each in found if each.conflict]
            reasons.append(
                _listed(f"Port's blueprint {blueprint.identifier} contradicts ours:", conflicts)
                + "\nPort never changes these in place. Rename or remove them in Port, or use another organization."
            )
        elif found and settings.blueprints == "use":
            reasons.append(
                _listed(f"Port's blueprint {blueprint.identifier} is not what this version expects:", found)
                + "\nRun the stack that manages the blueprints with this version of coderport first."
            )
        elif found and not ours:
            reasons.append(
                _listed(f"Port already has a blueprint {blueprint.identifier}, and it differs from ours:", found)
                + "\nTo extend it to ours, keeping all that is there (properties of others, every entity and value):"
                + "\n  pulumi config set coderport:takeOver true"
            )
    return Verdict(tuple(reasons))


def _actions(
    settings: Settings,
    snapshot: Snapshot,
    wanted: Desired,
    forms: Mapping[str, TemplateForm],
    of_siblings: Iterable[Template],
) -> tuple[Action, ...]:
    if not _declares_actions(settings):
        return ()
    shown = wanted.ids()[TEMPLATE.identifier]
    templates = {each.id: each for each in of_siblings}
    templates |= {each.id: each for each in snapshot.templates.values() if each.id in shown}
    return declared(settings.actions, templates.values(), forms, deployment_id=snapshot.deployment.deployment_id)


def _actions_verdict(actions: tuple[Action, ...], settings: Settings, memory: Memory, held: Holdings) -> Verdict:
    """Whether the actions that Port has under our identifiers are ours, mean the same, or may be taken over."""
    reasons: list[str] = []
    for action in actions:
        live = held.actions.get(action.identifier)
        if live is None or action.identifier in memory.actions or settings.take_over:
            continue
        if found := action_differences(action, live):
            reasons.append(
                _listed(f"Port already has an action {action.identifier}, and it differs from ours:", found)
                + "\nTo replace it by ours: pulumi config set coderport:takeOver true"
            )
    return Verdict(tuple(reasons))


def _listed(headline: str, found: Iterable[Difference], shown: int = 12) -> str:
    lines = [f"  {each}" for each in found]
    more = [f"  and {len(lines) - shown} more"] if len(lines) > shown else []
    return "\n".join((headline, *lines[:shown], *more))


def refusal(verdict: Verdict) -> Refusal:
    """The verdict as the error that ends a run before it begins."""
    return Refusal(f"Refused, nothing was applied.\n\n{verdict.text()}")


def _notes(snapshot: Snapshot) -> tuple[str, ...]:
    notes = []
    if not snapshot.deletions_provable:
        notes.append(f"Deletions cannot be proven with this token. {snapshot.breadth.text}")
    if not snapshot.whole:
        notes.append(
            f"The read was not whole: Coder counts {snapshot.count} workspaces, {snapshot.short} of them were seen by "
            "nobody yet. They endanger nothing, and the next run picks them up."
        )
    return tuple(notes)


def _handed_over(kinds: Mapping[str, Disappearances], held: Holdings) -> Iterator[str]:
    """Deletions of the engine that are none in Port, by the stack that took the entities over."""
    takers = Counter(
        str(held.entities[blueprint][identifier].properties["managed_by"])
        for blueprint, kind in kinds.items()
        for identifier in kind.handed_over
    )
    for taker, number in sorted(takers.items()):
        yield f"{number} of this stack's entities belong to {taker} now: they leave this stack and stay in Port."
