"""May a run write the blueprints, actions and answers that Port has under our identifiers? Values in, a verdict out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coderport.catalog.actions.agreement import differences as action_differences
from coderport.catalog.actions.agreement import migrated
from coderport.catalog.actions.values import Action
from coderport.catalog.agreement import Agreement, agreement, demands, differences
from coderport.catalog.answers.agreement import MISSING, live_of
from coderport.catalog.answers.agreement import differences as answer_differences
from coderport.catalog.answers.values import Answer
from coderport.catalog.blueprint import Blueprint, Relation
from coderport.catalog.overlay import WAY_OUT
from coderport.catalog.values import Entity, Held
from coderport.guard.verdict import SHOWN, Verdict, listed
from coderport.kinds.all import KIND_OF, KINDS, difference
from coderport.kinds.kind import Kind
from coderport.settings import NAMESPACE
from coderport.terminal.placeholder import NO_STACK
from coderport.terminal.remedy import CLI, COMMAND, set_text
from coderport.terminal.text import first_of, short


def kinds_command(stack: str, kinds: Iterable[Kind[Any]]) -> str:
    """What a person types to have that stack ask for exactly these kinds; those that are always there need no word."""
    names = [each.words[1] for each in kinds if not each.always]
    return set_text(stack, f"{NAMESPACE}:kinds", ",".join(dict.fromkeys(names)) or "default")


Live = Mapping[str, Mapping[str, Any]]
"""What Port holds, as its JSON, by identifier."""


@dataclass(frozen=True)
class Claim:
    """Which identifiers of one sort are this stack's already, and whether it may take over others.

    `stack` is named in remedies.
    """

    ours: Collection[str]
    take_over: bool
    stack: str

    def permits(self, identifier: str) -> bool:
        """Whether what Port has under the identifier may be made as ours."""
        return self.take_over or identifier in self.ours

    @property
    def take_over_command(self) -> str:
        """What a person types to take over what is there."""
        return f"{CLI} config set --stack {self.stack} coderport:takeOver true"


def lacking_kinds(blueprints: Iterable[Blueprint], in_port: Live) -> frozenset[str]:
    """The optional kinds of these blueprints that the stack that manages them does not have, by what Port holds.

    It has declared neither their blueprints nor the relations that lead there. None while it has not run at all.
    """
    several = tuple(blueprints)
    missing = {each.identifier for each in several} - in_port.keys()
    if any(name not in KIND_OF or KIND_OF[name].always for name in missing):
        return frozenset()
    there = (each for each in several if each.identifier in in_port)
    targets = {each.target for one in there for each in _unrelated(one, in_port[one.identifier])}
    return frozenset(missing | targets)


def _unrelated(blueprint: Blueprint, live: Mapping[str, Any]) -> tuple[Relation, ...]:
    """The relations to optional kinds that the live blueprint does not have."""
    there = live.get("relations") or {}
    optional = (each for each in blueprint.relations if each.with_target and not KIND_OF[each.target].always)
    return tuple(each for each in optional if each.identifier not in there)


def _on_kinds(lacking: Collection[str], blueprints: Sequence[Blueprint], there: Collection[str], stack: str) -> str:
    """What to do where the stack that manages the blueprints has fewer kinds; Port has the blueprints of `there`."""
    names = ", ".join(each.words[1] for each in KINDS if each.name in lacking)
    together = [each for each in KINDS if each.name in {*lacking, *there}]
    less = [KIND_OF[each.identifier] for each in blueprints if each.identifier not in lacking]
    return (
        f"This stack asks for {names} (coderport:kinds) and only uses blueprints (coderport:blueprints is use). By "
        "what Port has, coderport:kinds of the stack that manages the blueprints does not name them. Add them there, "
        f"and run that stack first, with this version of coderport; {NO_STACK} stands for its name:"
        f"\n  {kinds_command(NO_STACK, together)}\n  {COMMAND} up --stack {NO_STACK}"
        f"\nOr have this stack do without:\n  {kinds_command(stack, less)}"
    )


def blueprints_verdict(
    blueprints: Iterable[Blueprint], in_port: Live, claim: Claim, *, only_used: bool, there: Collection[str] = ()
) -> Verdict:
    """Whether the blueprints that Port has are ours, mean the same, or may be taken over; conflicts never may.

    `there` are all of the kinds' blueprints in Port, for a stack that only uses them and lacks some.
    """
    reasons: list[str] = []
    several = tuple(blueprints)
    lacking = lacking_kinds(several, in_port) if only_used else frozenset()
    if lacking:
        reasons.append(_on_kinds(lacking, several, there or in_port, claim.stack))
    for declared in several:
        blueprint, live = declared, in_port.get(declared.identifier)
        if lacking and live is not None:
            unrelated = _unrelated(declared, live)
            blueprint = replace(declared, relations=tuple(each for each in declared.relations if each not in unrelated))
        if live is None:
            if only_used and not lacking:
                reasons.append(
                    f"Port has no blueprint {blueprint.identifier}, and this stack only uses blueprints "
                    "(coderport:blueprints is use). Run the stack that manages them first."
                )
            continue
        found = differences(blueprint, live)
        ours = claim.permits(blueprint.identifier)
        if agreement(found) is Agreement.CONFLICT:
            conflicts = [each for each in found if each.conflict]
            reasons.append(
                listed(f"Port's blueprint {blueprint.identifier} contradicts ours:", conflicts)
                + f"\nPort never changes these in place. {WAY_OUT}\nOr use another organization of Port."
            )
        elif found and only_used:
            reasons.append(
                listed(f"Port's blueprint {blueprint.identifier} is not what this version expects:", found)
                + "\nRun the stack that manages the blueprints with this version of coderport first."
            )
        elif found and not ours:
            reasons.append(
                listed(f"Port already has a blueprint {blueprint.identifier}, and it differs from ours:", found)
                + "\nTo extend it to ours, keeping all that is there (properties of others, every entity and value):"
                + f"\n  {claim.take_over_command}"
            )
    return Verdict(tuple(reasons))


def demands_verdict(
    blueprints: Iterable[Blueprint], in_port: Live, wanted: Sequence[Entity], held: Mapping[str, Mapping[str, Held]]
) -> Verdict:
    """Whether Port takes what is to be written: it does not while somebody's mandatory property has no value."""
    reasons: list[str] = []
    for blueprint in blueprints:
        live = in_port.get(blueprint.identifier)
        found = demands(blueprint, live) if live is not None else []
        if live is None or not found:
            continue
        there = held.get(blueprint.identifier, {})
        unwritten = [
            entity
            for entity in wanted
            if entity.blueprint == blueprint.identifier
            and not all(each.met_by(there.get(entity.identifier)) for each in found)
            and (entity.identifier not in there or difference(entity, there[entity.identifier]))
        ]
        if not unwritten:
            continue
        waiting = [short(entity.title) for entity in unwritten]
        found = [each for each in found if not all(each.met_by(there.get(one.identifier)) for one in unwritten)]
        is_held = any(entity.identifier in there for entity in unwritten)
        remedy = "give those that are in Port a value (a default is for new ones)" if is_held else "give it a default"
        by, at = short(live.get("updatedBy") or "somebody unknown"), live.get("updatedAt") or "an unknown time"
        reasons.append(
            listed(f"Port's blueprint {blueprint.identifier} demands what coderport has no value for:", found)
            + f"\nSo Port would refuse {len(waiting):,} of its entities: {first_of(waiting, SHOWN)}."
            + f"\nThe blueprint was last changed by {by} at {at}. Make that optional in Port, or {remedy}."
        )
    return Verdict(tuple(reasons))


def actions_verdict(actions: Iterable[Action], in_port: Live, claim: Claim) -> Verdict:
    """Whether the actions that Port has under our identifiers are ours, mean the same, or may be taken over."""
    reasons: list[str] = []
    for action in actions:
        live = in_port.get(action.identifier)
        if live is None or claim.permits(action.identifier):
            continue
        if found := action_differences(action, migrated(action, live)):
            reasons.append(
                listed(f"Port already has an action {action.identifier}, and it differs from ours:", found)
                + f"\nTo replace it by ours:\n  {claim.take_over_command}"
            )
    return Verdict(tuple(reasons))


def answers_verdict(answers: Iterable[Answer], blueprints: Live, in_port: Live, claim: Claim) -> Verdict:
    """Whether what Port has under the identifiers of our answers is ours, means the same, or may be taken over."""
    reasons: list[str] = []
    for answer in answers:
        live = live_of(answer, blueprints, in_port)
        if live is None or claim.permits(answer.key):
            continue
        found = answer_differences(answer, live)
        if answer.kind == "aggregations":  # one that is not there is added, and replaces nothing
            found = [each for each in found if each.text != MISSING]
        if found:
            reasons.append(
                listed(f"Port already has {answer.words}, which differs from ours:", found)
                + f"\nTo replace that by ours:\n  {claim.take_over_command}"
            )
    return Verdict(tuple(reasons))
