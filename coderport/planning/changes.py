"""What a plan changes in Port, one by one, by what Port held when it was planned. Values in, values out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from coderport.catalog.actions.agreement import differences as action_differences
from coderport.catalog.actions.agreement import permission_differences
from coderport.catalog.actions.values import permissions_to_port
from coderport.catalog.actions.values import to_port as action_to_port
from coderport.catalog.agreement import Difference as Finding
from coderport.catalog.agreement import differences as blueprint_differences
from coderport.catalog.answers.agreement import differences as answer_differences
from coderport.catalog.answers.agreement import live_of
from coderport.catalog.answers.values import TYPES, split
from coderport.catalog.blueprint import to_port as blueprint_to_port
from coderport.catalog.resource_types import ACTION, BLUEPRINT, ENTITY
from coderport.catalog.resource_types import ACTION_PERMISSIONS as PERMISSIONS
from coderport.catalog.values import Entity, resource_name
from coderport.guard.deletions import ACTION as ACTIONS
from coderport.guard.deletions import ANSWER
from coderport.guard.ownership import MANAGED_BY
from coderport.kinds.all import KIND_OF, difference, end_of
from coderport.planning.difference import Permissions
from coderport.planning.plan import Plan
from coderport.report.account import Account, Standing
from coderport.report.change import PERMISSIONS_OF, Change, Operation
from coderport.report.outcome import kind_of


class Outlook(NamedTuple):
    """By `type::name` of the resource: how it stood in Port before, and what the plan changes of it there.

    Permissions that were not read stand as their action does: the same is then said to be held. What another stack has
    taken over is released. What Port lacks has no standing.
    """

    standing: dict[str, Standing]
    changes: dict[str, Change]

    def leave_in(self, account: Account) -> None:
        """Puts it where the command that started this run finds it."""
        account.standing, account.changes = self.standing, self.changes


def outlook(plan: Plan, permissions: Permissions | None = None, *, whole: bool = False) -> Outlook:
    """What the plan will change in Port. What only enters the state, or leaves it, changes nothing there.

    `permissions` are those that Port holds, where they were read. With `whole` what is created comes with its values,
    for people who look before, and for the plan that they leave; another run has no use for them.
    """
    found = Outlook({}, {})
    _declared(plan, permissions, found, whole=whole)
    for entity in plan.entities:
        key = f"{ENTITY}::{resource_name(entity.blueprint, entity.identifier)}"
        kind, held = kind_of(entity.blueprint), plan.held.entities.get(entity.blueprint, {}).get(entity.identifier)
        if held is None:
            made = values_of(entity) if whole else {}
            found.changes[key] = Change("created", kind, entity.title, identifier=entity.identifier, values=made)
            continue
        values = difference(entity, held)
        found.standing[key] = _standing(values)
        if values:
            names = tuple(sorted(each.removeprefix("$") for each in values))
            found.changes[key] = Change("updated", kind, entity.title, names, entity.identifier, values)
    for name, its in plan.disappearing.items():
        if name in KIND_OF:
            released = {f"{ENTITY}::{resource_name(name, identifier)}" for identifier in its.handed_over}
            found.standing.update(dict.fromkeys(released, "released"))
            found.changes.update(_going(plan, name))
    return found


def values_of(entity: Entity) -> dict[str, tuple[None, Any]]:
    """What Port gets of an entity that it lacks, as values of a change; whose it is, is no news."""
    return _made({**entity.properties, **entity.relations})


def _made(body: Mapping[str, Any]) -> dict[str, tuple[None, Any]]:
    return {
        key: (None, value) for key, value in body.items() if value not in (None, "", (), [], {}) and key != MANAGED_BY
    }


def _declared(plan: Plan, permissions: Permissions | None, found: Outlook, *, whole: bool) -> None:
    """Blueprints, actions with their permissions, and answers."""

    def add(
        key: str, kind: str, title: str, identifier: str, differing: Collection[Finding] | None, body: Mapping[str, Any]
    ) -> None:
        if differing is None:
            made = _made(body) if whole else {}
            found.changes[key] = Change("created", kind, title, identifier=identifier, values=made)
            return
        found.standing[key] = _standing(differing)
        if differing:
            texts = tuple(map(str, differing))
            found.changes[key] = Change("updated", kind, title, _names_of(differing), identifier, findings=texts)

    for blueprint in plan.blueprints:
        name, live = blueprint.identifier, plan.held.blueprints.get(blueprint.identifier)
        add(
            f"{BLUEPRINT}::{name}",
            "blueprint",
            blueprint.title,
            name,
            None if live is None else blueprint_differences(blueprint, live),
            blueprint_to_port(blueprint),
        )
    found.standing.update({f"{BLUEPRINT}::{identifier}": "released" for identifier in plan.released})
    for action in plan.actions:
        name, key = action.identifier, f"{ACTION}::{action.identifier}"
        its, of_them = plan.held.actions.get(name), f"{PERMISSIONS}::{name}"
        differing = None if its is None else action_differences(action, its)
        add(key, "action", action.title, name, differing, action_to_port(action))
        if its is None or permissions is not None:
            who = (permissions or {}).get(name, {})
            of_whom = None if its is None else permission_differences(name, action.permissions, who)
            add(of_them, PERMISSIONS_OF, name, name, of_whom, permissions_to_port(action.permissions))
        else:
            found.standing[of_them] = "held" if found.standing[key] == "same" else "different"
    for answer in plan.answers:
        shown = live_of(answer, plan.held.blueprints, plan.held.answers)
        findings = None if shown is None else answer_differences(answer, shown)
        key = f"{TYPES[answer.kind]}::{answer.identifier}"
        add(key, answer.kind, answer.title, answer.identifier, findings, answer.body)
    for identifier in going_of(plan, ACTIONS):
        why = why_of(plan, ACTIONS, identifier)
        found.changes[f"{ACTION}::{identifier}"] = Change("deleted", "action", identifier, (), identifier, why=why)
        found.changes[f"{PERMISSIONS}::{identifier}"] = Change("deleted", PERMISSIONS_OF, identifier, (), identifier)
    for each in going_of(plan, ANSWER):
        kind, identifier = split(each)
        why = why_of(plan, ANSWER, each)
        found.changes[f"{TYPES[kind]}::{identifier}"] = Change("deleted", kind, identifier, (), identifier, why=why)


def _going(plan: Plan, blueprint: str) -> Iterator[tuple[str, Change]]:
    """The entities of the blueprint that Port holds and that go, or that are released, by `type::name`."""
    held, kind = plan.held.entities.get(blueprint, {}), plan.disappearing[blueprint]
    for identifier in sorted(going_of(plan, blueprint) | kind.handed_over):
        if identifier in held:
            operation: Operation = "released" if identifier in kind.handed_over else "deleted"
            title, why = held[identifier].title or identifier, why_of(plan, blueprint, identifier)
            change = Change(operation, kind_of(blueprint), title, (), identifier, why=why)
            yield f"{ENTITY}::{resource_name(blueprint, identifier)}", change


def going_of(plan: Plan, kind: str) -> frozenset[str]:
    """What of the kind the plan, if the guard permits it, takes from Port: proven gone, left out, or unproven."""
    its = plan.disappearing.get(kind)
    return its.gone | its.unproven | frozenset(its.left_out) if its is not None else frozenset()


def why_of(plan: Plan, kind: str, identifier: str) -> str:
    """Why something goes, in words; empty for what does not."""
    its = plan.disappearing.get(kind)
    if its is None:
        return ""
    if identifier in its.handed_over:
        return "another stack has it now"
    if identifier in its.gone:
        return end_of(kind)
    if left_out := its.left_out.get(identifier):
        return left_out.told
    if identifier in its.unproven:
        return "not shown by Coder, which does not say that it was deleted either"
    return ""


def _names_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """What differs of something that is declared, by name."""
    return tuple(dict.fromkeys(each.path.split(".", 1)[-1] for each in findings))


def _standing(differences: Collection[object]) -> Standing:
    return "different" if differences else "same"
