"""What a run may do, from what was read: map and guard. Values in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from coderport.catalog.actions.declared import declared, form_of
from coderport.catalog.actions.values import Action
from coderport.catalog.answers.values import Answer
from coderport.catalog.blueprint import Blueprint
from coderport.catalog.digest import digest
from coderport.catalog.identifiers import PORT_USERS, USERS
from coderport.catalog.values import Context, Entity, OrganizationNames, Ref
from coderport.coder.models import Template
from coderport.coder.parameters import TemplateForm
from coderport.coder.reading.snapshot import Snapshot
from coderport.errors import Refusal
from coderport.guard.allowance import UNTOLD, spent_after, spent_lately
from coderport.guard.definitions import Claim, actions_verdict, answers_verdict, blueprints_verdict, demands_verdict
from coderport.guard.deletions import ACTION, ANSWER, Disappearances, Evidence, deletions_verdict
from coderport.guard.leaving import leaving_actions
from coderport.guard.ownership import DEPLOYMENT, MANAGED_BY, Mark, Owner
from coderport.guard.verdict import Verdict, combined, identity_verdict, ownership_verdict
from coderport.kinds.all import KINDS, blueprints_of, kinds_asked
from coderport.kinds.desired import Desired, desired
from coderport.kinds.filters import filters_of
from coderport.kinds.inventory import Inventory
from coderport.kinds.refused import notes as notes_of_refused
from coderport.kinds.template import TEMPLATE
from coderport.kinds.unread import notes as notes_of_unread
from coderport.planning.answers import answers_of, reasons_of
from coderport.planning.former import former_verdict, keepers_of
from coderport.planning.holdings import Holdings
from coderport.planning.memory import Memory
from coderport.planning.notes import (
    narrowed_by,
    notes_of_skipped,
    notes_on,
    notes_on_idle,
    notes_on_leaving,
    notes_on_staying,
    notes_on_taking_over,
    notes_on_unkept,
)
from coderport.planning.owning_teams import notes_on_ownership, owned_by_teams
from coderport.planning.past import Past, known_of
from coderport.planning.required import notes_on_required, with_required
from coderport.planning.siblings import unkept_templates
from coderport.port.integrations import Integration
from coderport.settings import Releases, Settings


@dataclass(frozen=True)
class Plan:
    """What this run declares, and what it leaves to be remembered.

    `leaving` are blueprints that this stack is to manage no longer. They stay in Port: this run registers them once
    more, marked as to be kept, and the next takes them out of the state; those that it takes out are `released`.
    `orphans` are entities of ours in Port that go and that no state holds, by blueprint: the engine cannot delete
    those. `held` is what Port held when this was planned; `disappearing` what of each kind goes, and why. `living` are
    those of what goes that the run counts for the day: they live in Coder and go without a release. `owner` is this
    state as the owner of entities.
    """

    owner: Owner
    held: Holdings
    disappearing: Mapping[str, Disappearances]
    blueprints: tuple[Blueprint, ...]
    actions: tuple[Action, ...]
    answers: tuple[Answer, ...]
    entities: tuple[Entity, ...]
    orphans: Mapping[str, frozenset[str]]
    memory: Memory
    notes: tuple[str, ...]
    leaving: tuple[Blueprint, ...] = ()
    released: frozenset[str] = frozenset()
    living: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def creations(self) -> int:
        """How many entities Port does not hold yet."""
        return sum(each.identifier not in self.held.entities.get(each.blueprint, {}) for each in self.entities)


def declares_actions(settings: Settings) -> bool:
    """One stack of an organization declares the actions: the one that declares the blueprints they are for."""
    return settings.blueprints == "manage" and settings.actions.backend != "off"


def context_of(settings: Settings, past: Past, snapshot: Snapshot) -> Context:
    """What all entities of this stack have in common."""
    return Context(
        deployment_id=snapshot.deployment.deployment_id,
        dashboard_url=snapshot.deployment.dashboard_url or settings.coder_api_base_url,
        managed_by=str(past.mark),
        emails=snapshot.emails or {},
        organizations={
            each.id: OrganizationNames(each.name, each.display_name or each.name) for each in snapshot.organizations
        },
        people=past.held.people,
    )


def wanted_of(settings: Settings, past: Past, read: Inventory, now: datetime) -> Desired:
    """What this stack wants Port to hold of what was read, and what it leaves out."""
    memory, held = past.memory, past.held
    context = context_of(settings, past, read.snapshot)
    wanted = desired(
        read,
        filters_of(settings),
        context,
        held.entities,
        now,
        settings.volatile_refresh,
        memory.refused if memory.fit == settings.fingerprint else {},
        held.blueprints,
        known_of(past, settings),
        (frozenset() if settings.take_over else _of_siblings(read, past))
        | _not_read(settings, read, past)
        | {Ref(PORT_USERS, each) for each in held.people.values()},
    )
    return with_required(wanted, past, read, context)


def _not_read(settings: Settings, read: Inventory, past: Past) -> frozenset[Ref]:
    """This stack's own in Port of kinds that it has and that were not asked for in this read: they stay."""
    names = {each.name for each in kinds_asked(settings)} - {each.name for each in read.kinds}
    return frozenset(Ref(name, each) for name, ids in known_of(past, settings).items() if name in names for each in ids)


def _of_siblings(read: Inventory, past: Past) -> frozenset[Ref]:
    """What sibling stacks keep in Port of the optional kinds, of this Coder deployment."""
    deployment = read.snapshot.deployment.deployment_id
    return frozenset(
        Ref(kind.name, identifier)
        for kind in read.kinds
        if not kind.always
        for identifier, each in past.held.entities.get(kind.name, {}).items()
        if past.mark.is_sibling(Mark.read(each.properties.get(MANAGED_BY)))
        and each.properties.get(DEPLOYMENT) == deployment
    )


def judge(
    settings: Settings,
    releases: Releases,
    past: Past,
    read: Inventory,
    forms: Mapping[str, TemplateForm],
    now: datetime,
    of_siblings: Sequence[Template] = (),
) -> tuple[Plan, Verdict]:
    """The plan for what was read, and the guard's verdict on it.

    `of_siblings` are templates whose forms are declared beside those of this stack's own, and nothing else of them.
    Raises Refusal where the stack belongs to another Coder or Port: then there is nothing to report either, because
    everything differs. Whatever else is refused is in the verdict, so that those who only report can tell the rest.
    """
    past = replace(past, memory=past.memory.settled(past.held.entities))
    memory, held, mark = past.memory, past.held, past.mark
    snapshot = read.snapshot
    deployment = snapshot.deployment.deployment_id
    wanted = wanted_of(settings, past, read, now)
    same = identity_verdict(
        deployment,
        held.organization.id,
        deployment_before=memory.deployment,
        port_organization_before=memory.port_organization,
    )
    if same.refused:  # everything below would only say the same in more words
        raise refusal(same)
    own = replace(past.owner(deployment), called=settings.of_stack)
    owner = replace(own, takes_over=settings.take_over)
    owned = ownership_verdict(wanted.entities, held.entities, owner=owner, take_over=settings.take_over)
    unkept = unkept_templates(past, settings) if declares_actions(settings) else frozenset()
    of_unkept = [each for each in memory.actions if (form := form_of(each)) and form.template_id in unkept]
    if len(of_unkept) <= releases.forget_unproven:
        of_siblings = [each for each in of_siblings if each.id not in unkept]
    with_users = any(each.name == USERS for each in read.kinds)
    actions = _actions(settings, snapshot, wanted, forms, of_siblings, held.installation, with_users=with_users)
    answers = answers_of(settings, snapshot)
    idle = tuple(notes_on_idle(settings, snapshot, of_siblings if declares_actions(settings) else None))
    going = deletions_verdict(
        replace(_evidence(settings, past, read, wanted, actions, answers, owner, now, of_siblings, forms), idle=idle),
        allow_deletions=releases.allow_deletions,
        forget_unproven=releases.forget_unproven,
    )
    asked = {each.name for each in read.kinds}
    keepers = keepers_of(settings, memory, held, asked, going, actions, answers)
    several = blueprints_of(each for each in KINDS if each.name in asked | keepers.keys())
    blueprints = owned_by_teams(several, settings, held.blueprints)
    verdict = combined(
        *_definitions(settings, past, blueprints, wanted, actions, answers),
        former_verdict(settings, held, asked, going),
        owned,
        going,
    )
    managed = blueprints if settings.blueprints == "manage" else ()
    # A stack that manages the blueprints keeps those in its state that cannot go: it knows them for its own later.
    staying = memory.blueprints if settings.blueprints == "use" else frozenset()
    known = staying | {each.identifier for each in blueprints}
    declared_before = blueprints_of(each for each in KINDS if each.name in known)
    leaving = tuple(each for each in declared_before if each.identifier in staying - memory.leaving)
    plan = Plan(
        owner=owner,
        held=held,
        disappearing=going.kinds,
        blueprints=managed,
        actions=actions,
        answers=answers,
        entities=wanted.entities,
        orphans={
            each.name: (going.ids(each.name) & held.entities.get(each.name, {}).keys())
            - owner.record.get(each.name, frozenset())
            for each in KINDS
        },
        memory=Memory(
            state=mark.state,
            stack=mark.stack,
            deployment=deployment,
            port_organization=held.organization.id,
            blueprints=frozenset(each.identifier for each in (*managed, *leaving)),
            actions=frozenset(action.identifier for action in actions),
            answers=frozenset(each.key for each in answers),
            declared=wanted.ids(),
            digests=digests_of(wanted.entities, actions, answers),
            fit=settings.fingerprint,
            spent=spent_after(memory.spent, {UNTOLD: 1} if memory.untold else going.spent(), now),
            refused=wanted.refused,
            leaving=frozenset(each.identifier for each in leaving),
        ),
        notes=(
            *(() if going.refused else idle),
            *notes_on(snapshot, memory, mark, held, going.kinds, narrowed_by(settings)),
            *(
                notes_on_taking_over(wanted.entities, held.entities, own, settings.path("takeOver"))
                if settings.take_over
                else ()
            ),
            *notes_of_skipped(read),
            *notes_of_refused(wanted.refused),
            *notes_of_unread(wanted.kept),
            *notes_on_required(past, wanted),
            *notes_on_leaving(leaving),
            *notes_on_ownership(blueprints, settings, held.blueprints),
            *notes_on_unkept([each for each in actions if each.identifier in of_unkept], settings.of_stack),
            *(notes_on_staying(keepers) if managed and not going.refused else ()),
        ),
        leaving=leaving,
        released=staying & memory.leaving,
        living=going.living(),
    )
    return plan, verdict


def digests_of(
    entities: Iterable[Entity], actions: Iterable[Action], answers: Iterable[Answer] = ()
) -> dict[Ref, bytes]:
    """What the stack remembers of each of them; actions are of the kind `ACTION`, answers of `ANSWER`."""
    found = {each.ref: digest((each.title, each.properties, each.relations)) for each in entities}
    found |= {Ref(ACTION, each.identifier): digest(asdict(each)) for each in actions}
    found |= {Ref(ANSWER, each.key): digest((each.blueprint, each.body)) for each in answers}
    return found


def _evidence(
    settings: Settings,
    past: Past,
    read: Inventory,
    wanted: Desired,
    actions: tuple[Action, ...],
    answers: tuple[Answer, ...],
    owner: Owner,
    now: datetime,
    of_siblings: Iterable[Template],
    forms: Mapping[str, TemplateForm],
) -> Evidence:
    memory, held = past.memory, past.held
    snapshot, gone = read.snapshot, read.gone
    desired = {
        **wanted.ids(),
        ACTION: frozenset(each.identifier for each in actions),
        ANSWER: frozenset(each.key for each in answers),
    }
    leaving = leaving_actions(
        past.actions - desired[ACTION],
        settings.actions if declares_actions(settings) else None,
        {**{each.id: each for each in of_siblings}, **snapshot.templates},
        forms,
        gone={each.identifier for each in gone if each.blueprint == TEMPLATE.identifier},
        left_out={
            each.identifier: why for each, why in wanted.left_out.items() if each.blueprint == TEMPLATE.identifier
        },
        unkept=unkept_templates(past, settings),
    )
    return Evidence(
        desired=desired,
        owner=owner,
        held=held.entities,
        gone=gone | {Ref(ACTION, each) for each in leaving.gone},
        left_out={
            **wanted.left_out,
            **{Ref(ACTION, each): why for each, why in leaving.left_out.items()},
            **reasons_of(settings, snapshot, past.answers - desired[ANSWER]),
        },
        seen=read.seen(),
        actions=past.actions,
        answers=past.answers,
        spent=Counter(spent_lately(memory.spent, now)) + Counter(past.spent_beside),
        limits=settings.guard,
        weakness=_weakness(snapshot),
        narrowed_by=narrowed_by(settings),
        proven=read.proven,
        blank=read.blank,
        pointed=frozenset(past.pointed),
    )


def _weakness(snapshot: Snapshot) -> str:
    """Why what Coder says, or does not say, of a deletion is no proof in this read."""
    if snapshot.disbelieved:
        return (
            f"Coder calls {snapshot.disbelieved} of these workspaces deleted, and counts more than it shows: they may "
            "be the same, so nothing of it is believed."
        )
    return "" if snapshot.deletions_provable else snapshot.breadth.text


def _definitions(
    settings: Settings,
    past: Past,
    blueprints: tuple[Blueprint, ...],
    wanted: Desired,
    actions: tuple[Action, ...],
    answers: tuple[Answer, ...],
) -> tuple[Verdict, ...]:
    """Whether Port's blueprints, actions and answers may be as this run wants them, and take its entities."""
    memory, held = past.memory, past.held

    def claim(ours: frozenset[str]) -> Claim:
        return Claim(ours, settings.take_over, settings.of_stack)

    only_used = settings.blueprints == "use"
    return (
        blueprints_verdict(
            blueprints, held.blueprints, claim(memory.blueprints), only_used=only_used, there=held.kinds
        ),
        demands_verdict(blueprints, held.blueprints, wanted.entities, held.entities),
        actions_verdict(actions, held.actions, claim(memory.actions)),
        answers_verdict(answers, held.blueprints, held.answers, claim(memory.answers)),
    )


def _actions(
    settings: Settings,
    snapshot: Snapshot,
    wanted: Desired,
    forms: Mapping[str, TemplateForm],
    of_siblings: Iterable[Template],
    installation: Integration | None,
    *,
    with_users: bool,
) -> tuple[Action, ...]:
    if not declares_actions(settings):
        return ()
    left_out = {each.identifier for each in wanted.left_out if each.blueprint == TEMPLATE.identifier}
    shown = wanted.ids()[TEMPLATE.identifier] - left_out
    templates = {each.id: each for each in of_siblings}
    templates |= {each.id: each for each in snapshot.templates.values() if each.id in shown}
    chosen = settings.actions
    if installation is not None:
        chosen = chosen.model_copy(update={"installation_id": installation.installation_id})
    deployment_id = snapshot.deployment.deployment_id
    return declared(chosen, templates.values(), forms, deployment_id=deployment_id, with_users=with_users)


def refusal(verdict: Verdict) -> Refusal:
    """The verdict as the error that ends a run before it begins."""
    return Refusal(f"Refused, nothing was applied.\n\n{verdict.text()}")
