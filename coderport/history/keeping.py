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
from coderport.history.images import DefinitionImage, entity_images
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
) -> Record | None:
    """Keeps the images of a run of the plan that deletes `deleted`, by blueprint; None where it would write nothing.

    `leaving_actions` and `leaving_answers` are those that it deletes: all that the memory has and the plan has not, if
    not given.
    Reads from Port only what the plan does not hold: who points at what goes, and the permissions of actions.
    Raises HistoryError where the record cannot be kept: then nothing may be written.
    """
    if not settings.keep_runs:
        return None
    leaving = memory.actions - plan.memory.actions if leaving_actions is None else leaving_actions
    answers = memory.answers - plan.memory.answers if leaving_answers is None else leaving_answers
    also = await _unread(answers, plan, settings, account)
    definitions = [*_blueprints(plan), *_actions(plan, leaving), *answer_images(plan, answers, also)]
    entities = tuple(entity_images(plan, deleted))
    if not entities and not definitions:
        return None
    names = sorted({each.identifier for each in definitions if each.kind == "action" and each.before is not None})
    async with opened_port(settings, account) as client:
        permissions = dict(zip(names, await together(client.action_permissions(each) for each in names), strict=True))
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
        definitions=(*definitions, *_permissions(plan, permissions)),
    )
    store.keep(record, settings.keep_runs)
    return record


async def _unread(
    leaving: frozenset[str], plan: Plan, settings: Settings, account: Account
) -> Mapping[str, Mapping[str, Any]]:
    """The scorecards and pages that go and that the plan does not hold, because their part is asked for no longer."""
    parts = {PART_OF[split(key)[0]] for key in leaving - plan.held.answers.keys()}
    if not parts:
        return {}
    async with opened_port(settings, account) as client:
        return await live_answers(client, parts, plan.held.blueprints)


def _blueprints(plan: Plan) -> Iterator[DefinitionImage]:
    for blueprint in plan.blueprints:
        live = plan.held.blueprints.get(blueprint.identifier)
        if live is None or list(blueprint_differences(blueprint, live)):
            aggregations = {
                key: each
                for answer in plan.answers
                if answer.kind == "aggregations" and answer.identifier == blueprint.identifier
                for key, each in answer.body.items()
            }
            after = {**blueprint_to_port(blueprint), "aggregationProperties": aggregations}
            yield DefinitionImage("blueprint", blueprint.identifier, live, after)


def _actions(plan: Plan, leaving: frozenset[str]) -> Iterator[DefinitionImage]:
    for action in plan.actions:
        live = plan.held.actions.get(action.identifier)
        if live is None or action_differences(action, live):
            yield DefinitionImage("action", action.identifier, live, to_port(action))
    for identifier in sorted(leaving & plan.held.actions.keys()):
        yield DefinitionImage("action", identifier, plan.held.actions[identifier], None)


def _permissions(plan: Plan, held: Mapping[str, Mapping[str, Any] | None]) -> Iterator[DefinitionImage]:
    """The permissions of those actions that the run creates, changes or deletes: of a deleted one they go with it."""
    ours = {each.identifier: each.permissions for each in plan.actions}
    for identifier, permissions in ours.items():
        if identifier not in plan.held.actions:
            yield DefinitionImage("permissions", identifier, None, permissions_to_port(permissions))
    for identifier, live in held.items():
        if live is None:
            continue
        if identifier not in ours:
            yield DefinitionImage("permissions", identifier, live, None)
        elif permission_differences(identifier, ours[identifier], live):
            yield DefinitionImage("permissions", identifier, live, permissions_to_port(ours[identifier]))
