"""Keeps what a run is about to change or delete, before it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from coderport.catalog.actions.agreement import differences as action_differences
from coderport.catalog.actions.agreement import permission_differences
from coderport.catalog.actions.values import permissions_to_port, to_port
from coderport.catalog.agreement import differences as blueprint_differences
from coderport.catalog.answers.values import PART_OF, split
from coderport.catalog.blueprint import to_port as blueprint_to_port
from coderport.history.answers import answer_images
from coderport.history.images import DefinitionImage, entity_images, targets_of
from coderport.history.pointing import pointers_to
from coderport.history.record import How, Record, run_name
from coderport.history.store import Store
from coderport.planning.holdings import live_answers
from coderport.planning.memory import Memory
from coderport.planning.plan import Plan
from coderport.report.account import Account
from coderport.servers import opened_port
from coderport.settings import Settings
from coderport.tasks import together


async def keep(
    plan: Plan,
    memory: Memory,
    deleted: Mapping[str, frozenset[str]],
    settings: Settings,
    account: Account,
    *,
    how: How,
    stack: str,
    store: Store,
    now: datetime,
    leaving_actions: frozenset[str] | None = None,
    leaving_answers: frozenset[str] | None = None,
    leaving_blueprints: frozenset[str] | None = None,
    permissions: Mapping[str, Mapping[str, Any]] | None = None,
) -> Record | None:
    """Keeps the images of a run of the plan that deletes `deleted`, by blueprint; None where it would write nothing.

    `leaving_actions`, `leaving_answers` and `leaving_blueprints` are those that it deletes: all that the memory has and
    the plan has not, if not given.
    Reads from Port only what the plan does not hold: who points at what goes, actions and answers that the settings ask
    for no longer, and the permissions of actions, as far as `permissions` does not have them by action.
    Raises HistoryError where the record cannot be kept: then nothing may be written.
    """
    if not settings.keep_runs:
        return None
    leaving = memory.actions - plan.memory.actions if leaving_actions is None else leaving_actions
    answers = memory.answers - plan.memory.answers if leaving_answers is None else leaving_answers
    blueprints = memory.blueprints - plan.memory.blueprints if leaving_blueprints is None else leaving_blueprints
    also = await _unread(answers, plan, settings, account)
    entities = tuple(entity_images(plan, deleted))
    rights = dict(permissions or {})
    async with opened_port(settings, account) as client:
        actions = plan.held.actions if leaving <= plan.held.actions.keys() else await client.actions()
        concerned = {*leaving, *(each.identifier for each in plan.actions)} & actions.keys()
        names = sorted(concerned - rights.keys())
        read = await together(client.action_permissions(each) for each in names)
        rights |= {name: each for name, each in zip(names, read, strict=True) if each is not None}
        definitions = tuple(
            definition_images(plan, leaving, answers, blueprints - plan.released, also, actions, rights)
        )
        if not entities and not definitions:
            return None
        pointers = await pointers_to(client, deleted, plan.held.entities)
    record = Record(
        run=run_name(now),
        how=how,
        stack=stack,
        deployment=plan.memory.deployment or "",
        port_organization=plan.memory.port_organization or "",
        started=now,
        entities=entities,
        pointers=tuple(pointers),
        definitions=definitions,
    )
    store.keep(record, settings.keep_runs)
    return record


def definition_images(
    plan: Plan,
    leaving: frozenset[str],
    leaving_answers: frozenset[str],
    leaving_blueprints: frozenset[str],
    also: Mapping[str, Mapping[str, Any]],
    held: Mapping[str, Mapping[str, Any]],
    permissions: Mapping[str, Mapping[str, Any]],
) -> Iterator[DefinitionImage]:
    """The images of all that a run of the plan changes and deletes beside entities.

    `leaving` are the actions, `leaving_answers` the answers and `leaving_blueprints` the blueprints that it deletes,
    `also` scorecards and pages that the plan does not hold. `held` are the actions and `permissions` those of actions
    that Port has now.
    """
    yield from _blueprints(plan, leaving_blueprints)
    yield from _actions(plan, leaving, held)
    yield from answer_images(plan, leaving_answers, also)
    yield from _permissions(plan, leaving, permissions)


async def _unread(
    leaving: frozenset[str], plan: Plan, settings: Settings, account: Account
) -> Mapping[str, Mapping[str, Any]]:
    """The scorecards and pages that go and that the plan does not hold, because their part is asked for no longer."""
    parts = {PART_OF[split(key)[0]] for key in leaving - plan.held.answers.keys()}
    if not parts:
        return {}
    async with opened_port(settings, account) as client:
        return await live_answers(client, parts, plan.held.blueprints)


def _blueprints(plan: Plan, leaving: frozenset[str]) -> Iterator[DefinitionImage]:
    """Those that the run changes, also by taking out what leads to one that goes, and those that go."""
    for blueprint in plan.blueprints:
        live = plan.held.blueprints.get(blueprint.identifier)
        ours = {each.identifier for each in blueprint.relations}
        if (
            live is None
            or list(blueprint_differences(blueprint, live))
            or any(target in leaving for name, target in targets_of(live).items() if name not in ours)
        ):
            aggregations = {
                key: each
                for answer in plan.answers
                if answer.kind == "aggregations" and answer.identifier == blueprint.identifier
                for key, each in answer.body.items()
            }
            after = {**blueprint_to_port(blueprint), "aggregationProperties": aggregations}
            yield DefinitionImage("blueprint", blueprint.identifier, live, after)
    for identifier in sorted(leaving):
        if live := plan.held.blueprints.get(identifier):
            yield DefinitionImage("blueprint", identifier, live, None)


def _actions(plan: Plan, leaving: frozenset[str], held: Mapping[str, Mapping[str, Any]]) -> Iterator[DefinitionImage]:
    for action in plan.actions:
        live = plan.held.actions.get(action.identifier)
        if live is None or action_differences(action, live):
            yield DefinitionImage("action", action.identifier, live, to_port(action))
    for identifier in sorted(leaving & held.keys()):
        yield DefinitionImage("action", identifier, held[identifier], None)


def _permissions(
    plan: Plan, leaving: frozenset[str], held: Mapping[str, Mapping[str, Any]]
) -> Iterator[DefinitionImage]:
    """Those that the run gives to an action that it creates, that it changes, and that go with an action."""
    for action in plan.actions:
        identifier, ours = action.identifier, permissions_to_port(action.permissions)
        if identifier not in plan.held.actions:
            yield DefinitionImage("permissions", identifier, None, ours)
        elif identifier in held and permission_differences(identifier, action.permissions, held[identifier]):
            yield DefinitionImage("permissions", identifier, held[identifier], ours)
    for identifier in sorted(leaving & held.keys()):
        yield DefinitionImage("permissions", identifier, held[identifier], None)
