"""How Port and the stack's state still differ from a plan: the size of a sync, and what a drift report shows.

Values in, values out. What is compared, and when two values mean the same, is what the provider goes by as well, so
that a run over just this difference ends where a full `up` would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from coderport.catalog.actions.agreement import differences as action_differences
from coderport.catalog.actions.agreement import permission_differences
from coderport.catalog.actions.values import Action
from coderport.catalog.agreement import Difference as Finding
from coderport.catalog.agreement import differences as blueprint_differences
from coderport.catalog.answers.agreement import differences as answer_differences
from coderport.catalog.answers.agreement import live_of
from coderport.catalog.answers.values import TYPES, Answer, split
from coderport.catalog.blueprint import Blueprint, targets
from coderport.catalog.resource_types import ACTION, BLUEPRINT, ENTITY
from coderport.catalog.resource_types import ACTION_PERMISSIONS as PERMISSIONS
from coderport.catalog.values import Entity, Ref, resource_name
from coderport.guard.deletions import ACTION as ACTIONS
from coderport.guard.deletions import ANSWER
from coderport.kinds.all import BLUEPRINTS, BY_IDENTIFIER, RANK, difference
from coderport.planning.holdings import Holdings
from coderport.planning.memory import Memory
from coderport.planning.plan import Plan
from coderport.port.models import PortEntity

Resource = tuple[str, str]
"""A resource's type and name."""

Permissions = Mapping[str, Mapping[str, Any]]
"""Who may run and approve an action, as Port holds it, by action identifier."""


@dataclass(frozen=True)
class ChangedEntity:
    """An entity that differs in Port: `values` is {property or relation: (held, desired)}, a title as `$title`."""

    entity: Entity
    held: PortEntity
    values: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class ChangedAction:
    """An action that is missing in Port, or that differs (itself or its permissions), in Port or in the state."""

    action: Action
    missing: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class ChangedAnswer:
    """An answer that is missing in Port, or that differs, in Port or in the state."""

    answer: Answer
    missing: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Difference:
    """All of it; mappings are by blueprint.

    `unrecorded` is as desired in Port, but different or missing in the state: a run that was killed, or an
    action's run, wrote it. `leaving`, `leaving_actions`, `leaving_answers` and `leaving_blueprints` are in the state
    and desired no longer: the engine deletes them. `orphans` are ours in Port, in no state and desired no longer: the
    engine cannot. `blueprints` holds what of ours is missing or different in Port.
    """

    missing: tuple[Entity, ...] = ()
    changed: tuple[ChangedEntity, ...] = ()
    unrecorded: tuple[Entity, ...] = ()
    leaving: Mapping[str, frozenset[str]] = field(default_factory=dict)
    orphans: Mapping[str, frozenset[str]] = field(default_factory=dict)
    actions: tuple[ChangedAction, ...] = ()
    leaving_actions: frozenset[str] = frozenset()
    answers: tuple[ChangedAnswer, ...] = ()
    leaving_answers: frozenset[str] = frozenset()
    blueprints: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    leaving_blueprints: frozenset[str] = frozenset()

    @property
    def entities(self) -> tuple[Entity, ...]:
        """The entities that a run over this difference has to declare, in the order of the plan."""
        several = chain(self.missing, (each.entity for each in self.changed), self.unrecorded)
        return tuple(sorted(several, key=lambda each: (RANK[each.blueprint], each.identifier)))

    @property
    def for_engine(self) -> int:
        """How many resources the engine has to see to; 0 means that it need not be started."""
        leaving = sum(map(len, self.leaving.values()))
        declared = (self.actions, self.leaving_actions, self.answers, self.leaving_answers, self.blueprints)
        return len(self.entities) + leaving + sum(map(len, declared)) + len(self.leaving_blueprints)

    @property
    def going(self) -> bool:
        """Whether the state holds anything that is desired no longer."""
        return any(self.leaving.values()) or bool(self.leaving_actions) or bool(self.leaving_answers)

    @property
    def nothing(self) -> bool:
        """Whether Port and the state are as the plan wants them."""
        return not self.for_engine and not any(self.orphans.values())

    def drift(self) -> Difference:
        """Only where Port is not as desired. What Coder deleted is left to the next run, which deletes it.

        What the state lacks stays in if it refers to something that has drifted, or that to it: one cannot be declared
        without the other.
        """
        actions = tuple(each for each in self.actions if each.missing or each.findings)
        answers = tuple(each for each in self.answers if each.missing or each.findings)
        drifted = (*self.missing, *(each.entity for each in self.changed))
        links = _Links((*drifted, *self.unrecorded))
        touched = links.below(links.above({each.ref for each in drifted}))
        unrecorded = tuple(each for each in self.unrecorded if each.ref in touched)
        return replace(
            self,
            unrecorded=unrecorded,
            leaving={},
            actions=actions,
            leaving_actions=frozenset(),
            answers=answers,
            leaving_answers=frozenset(),
            leaving_blueprints=frozenset(),
        )


def difference_of(plan: Plan, memory: Memory, permissions: Permissions) -> Difference:
    """What Port, as the plan's holdings show it, and the state, as the stack remembers it, are not yet of the plan."""
    missing: list[Entity] = []
    changed: list[ChangedEntity] = []
    unrecorded: list[Entity] = []
    for entity in plan.entities:
        held = plan.held.entities.get(entity.blueprint, {}).get(entity.identifier)
        if held is None:
            missing.append(entity)
        elif values := difference(entity, held):
            changed.append(ChangedEntity(entity, held, values))
        elif memory.digests.get(entity.ref) != plan.memory.digests[entity.ref]:
            unrecorded.append(entity)
    desired = plan.memory.declared
    return Difference(
        missing=tuple(missing),
        changed=tuple(changed),
        unrecorded=tuple(unrecorded),
        leaving={name: ids - desired.get(name, frozenset()) for name, ids in memory.declared.items()},
        orphans=plan.orphans,
        actions=tuple(_changed_actions(plan, memory, permissions)),
        leaving_actions=memory.actions - plan.memory.actions,
        answers=tuple(_changed_answers(plan, memory)),
        leaving_answers=memory.answers - plan.memory.answers,
        blueprints={each.identifier: found for each in plan.blueprints if (found := _findings(each, plan.held))},
        leaving_blueprints=memory.blueprints - plan.memory.blueprints,
    )


def _findings(blueprint: Blueprint, held: Holdings) -> tuple[Finding, ...]:
    live = held.blueprints.get(blueprint.identifier)
    if live is None:
        return (Finding(blueprint.identifier, "missing in Port"),)
    return tuple(blueprint_differences(blueprint, live))


def _changed_actions(plan: Plan, memory: Memory, permissions: Permissions) -> Iterator[ChangedAction]:
    for action in plan.actions:
        live = plan.held.actions.get(action.identifier)
        if live is None:
            yield ChangedAction(action, True, ())
            continue
        who = permissions.get(action.identifier, {})
        findings = (
            *action_differences(action, live),
            *permission_differences(action.identifier, action.permissions, who),
        )
        mark = Ref(ACTIONS, action.identifier)
        if findings or memory.digests.get(mark) != plan.memory.digests[mark]:
            yield ChangedAction(action, False, findings)


def _changed_answers(plan: Plan, memory: Memory) -> Iterator[ChangedAnswer]:
    for answer in plan.answers:
        live = live_of(answer, plan.held.blueprints, plan.held.answers)
        if live is None:
            yield ChangedAnswer(answer, True, ())
            continue
        findings = tuple(answer_differences(answer, live))
        mark = Ref(ANSWER, answer.key)
        if findings or memory.digests.get(mark) != plan.memory.digests[mark]:
            yield ChangedAnswer(answer, False, findings)


def part_of(plan: Plan, found: Difference) -> Plan:
    """The plan with only what the difference touches, what refers to that, and what all of these refer to.

    The engine takes what depends on a target, and is not registered, for something to be deleted. On a blueprint
    everything depends.
    """
    if found.blueprints:
        return plan
    links = _Links(plan.entities)
    needed = links.below(links.above({each.ref for each in found.entities}))
    touched = {each.action.identifier for each in found.actions}
    return replace(
        plan,
        entities=tuple(each for each in plan.entities if each.ref in needed),
        actions=tuple(each for each in plan.actions if each.identifier in touched),
        answers=_answers_of(plan, found),
    )


def _answers_of(plan: Plan, found: Difference) -> tuple[Answer, ...]:
    """The answers of the part: those that differ, what they depend on, and what depends on that. See `declaration`."""
    changed = {each.answer.key for each in found.answers}
    if any(split(key)[0] == "aggregations" for key in changed):
        return plan.answers
    return tuple(each for each in plan.answers if changed and (each.kind == "aggregations" or each.key in changed))


class _Links:
    """Who refers to whom among some entities."""

    def __init__(self, entities: Iterable[Entity]) -> None:
        self._to = {each.ref: tuple(targets(each, BY_IDENTIFIER)) for each in entities}
        self._from: dict[Ref, list[Ref]] = {}
        for each, several in self._to.items():
            for target in several:
                self._from.setdefault(target, []).append(each)

    def below(self, refs: Iterable[Ref]) -> set[Ref]:
        """These, and all that they refer to, over any number of relations."""
        return _closure(refs, self._to)

    def above(self, refs: Iterable[Ref]) -> set[Ref]:
        """These, and all that refers to them, over any number of relations."""
        return _closure(refs, self._from)


def _closure(refs: Iterable[Ref], links: Mapping[Ref, Iterable[Ref]]) -> set[Ref]:
    found: set[Ref] = set()
    open_ends = list(refs)
    while open_ends:
        if (one := open_ends.pop()) not in found:
            found.add(one)
            open_ends.extend(links.get(one, ()))
    return found


def targets_of(found: Difference) -> tuple[Resource, ...]:
    """What the engine has to be pointed at. The provider and the stack itself always count as pointed at."""
    targets: list[Resource] = [(BLUEPRINT, name) for name in found.blueprints]
    targets += [(ENTITY, resource_name(each.blueprint, each.identifier)) for each in found.entities]
    for identifier in (*(each.action.identifier for each in found.actions), *sorted(found.leaving_actions)):
        targets += [(ACTION, identifier), (PERMISSIONS, identifier)]
    keys = (*(each.answer.key for each in found.answers), *sorted(found.leaving_answers))
    targets += [(TYPES[kind], identifier) for kind, identifier in map(split, keys)]
    for blueprint in BLUEPRINTS:
        ids = sorted(found.leaving.get(blueprint.identifier, ()))
        targets += [(ENTITY, resource_name(blueprint.identifier, identifier)) for identifier in ids]
    return tuple(targets)
