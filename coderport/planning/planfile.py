"""A plan that was looked at, as a file: what it changes in Port, and whether that is still what a run would do.

The file names each change and has a digest of what was read of it and is to be written. No value is in it, and so no
secret. Properties that change by themselves (`Kind.volatile`) have no part in it: nobody decides them, and Coder moves
them each minute. Pulumi has plan files of its own (`preview --save-plan`): they are experimental, they hold the whole
of every resource, and they compare with the state, where this project compares with Port.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from coderport.catalog.actions.values import permissions_to_port
from coderport.catalog.actions.values import to_port as action_to_port
from coderport.catalog.answers.agreement import live_of
from coderport.catalog.answers.values import TYPES
from coderport.catalog.blueprint import to_port as blueprint_to_port
from coderport.catalog.meaning import unstamped
from coderport.catalog.resource_types import ACTION, BLUEPRINT, ENTITY
from coderport.catalog.resource_types import ACTION_PERMISSIONS as PERMISSIONS
from coderport.catalog.values import resource_name
from coderport.errors import SettingsError
from coderport.guard.ownership import MANAGED_BY, Mark
from coderport.guard.verdict import SHOWN, Verdict
from coderport.kinds.all import KIND_OF, KINDS
from coderport.planning.plan import Plan
from coderport.report.change import Change, Operation, ordered
from coderport.settings import Releases
from coderport.terminal.placeholder import NO_STACK
from coderport.terminal.remedy import COMMAND
from coderport.terminal.text import first_lines, short

PLAN: Final = "CODERPORT_PLAN"
"""The environment variable that names the file which a run has to keep to."""

_VOLATILE: Final = {each.words[0]: each.volatile for each in KINDS if each.volatile}
"""The properties that change by themselves, by what people call one of the kind."""


class Planned(BaseModel):
    """One change of a plan. `stamp` is a digest of what was read of the thing and is to be written."""

    model_config = ConfigDict(frozen=True)

    operation: Operation
    kind: str
    title: str
    stamp: str


class PlanFile(BaseModel):
    """What a preview left for `up --plan`. `stack` is project/stack, `changes` are by `type::name` of the resource.

    The releases are those that the preview was judged with: they are a part of what was looked at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    stack: str
    made_at: datetime
    allow_deletions: int = 0
    forget_unproven: int = 0
    changes: Mapping[str, Planned]

    @property
    def releases(self) -> Releases:
        """Those that go with it."""
        return Releases(allow_deletions=self.allow_deletions, forget_unproven=self.forget_unproven)


def loaded(file: Path, stack: str = NO_STACK) -> PlanFile:
    """The plan in the file, of that stack; SettingsError where it cannot be read or is none."""
    try:
        return PlanFile.model_validate_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The plan {file} cannot be read: {error.strerror or error}") from None
    except (ValidationError, UnicodeDecodeError):
        raise SettingsError(
            f"{file} is no plan that this version of coderport can apply. Make it anew, by:\n"
            f"  {COMMAND} preview --stack {stack} --out {shlex.quote(str(file))}"
        ) from None


def planned(changes: Mapping[str, Change], stamps: Mapping[str, str]) -> dict[str, Planned]:
    """The changes as a plan file has them: without those of nothing but what changes by itself."""
    return {
        key: Planned(operation=each.operation, kind=each.kind, title=each.title, stamp=stamps[key])
        for key, each in sorted(changes.items())
        if each.operation != "updated" or not each.values or _decided(each)
    }


def stamps_of(
    plan: Plan, changes: Mapping[str, Change], permissions: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, str]:
    """By `type::name` a digest of each of the plan's changes: what Port held, where it differs, and what is desired.

    Of an action, its permissions (`permissions`, by action) and an answer it is all that Port held: they are replaced.
    The id of the state is in none of them: a stack has it from its first run on, and a plan may be older.
    """
    desired, replaced = dict(_desired(plan)), dict(_replaced(plan, permissions or {}))
    return {key: stamp_of(each, desired.get(key), replaced.get(key)) for key, each in changes.items()}


def _replaced(plan: Plan, permissions: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for action in plan.actions:
        yield f"{ACTION}::{action.identifier}", unstamped(plan.held.actions.get(action.identifier))
        yield f"{PERMISSIONS}::{action.identifier}", permissions.get(action.identifier)
    for answer in plan.answers:
        live = live_of(answer, plan.held.blueprints, plan.held.answers)
        yield f"{TYPES[answer.kind]}::{answer.identifier}", unstamped(live)


def _desired(plan: Plan) -> Iterator[tuple[str, Any]]:
    for blueprint in plan.blueprints:
        yield f"{BLUEPRINT}::{blueprint.identifier}", blueprint_to_port(blueprint)
    for action in plan.actions:
        yield f"{ACTION}::{action.identifier}", action_to_port(action)
        yield f"{PERMISSIONS}::{action.identifier}", permissions_to_port(action.permissions)
    for answer in plan.answers:
        yield f"{TYPES[answer.kind]}::{answer.identifier}", asdict(answer)
    for entity in plan.entities:
        volatile = KIND_OF[entity.blueprint].volatile
        properties = {key: value for key, value in entity.properties.items() if key not in volatile}
        body = (entity.title, _unmarked(properties), entity.relations)
        yield f"{ENTITY}::{resource_name(entity.blueprint, entity.identifier)}", body


def stamp_of(change: Change, desired: Any, replaced: Any = None) -> str:
    """A digest of the change: what was read, and what is to be written; `replaced` is what Port holds as a whole."""
    values = {key: (held, _unmarked({key: wanted})[key]) for key, (held, wanted) in _decided(change).items()}
    told = (change.operation, values, change.findings, change.why, desired, replaced)
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=list).encode()).hexdigest()


def _decided(change: Change) -> dict[str, tuple[Any, Any]]:
    """The values that are different, without those that change by themselves."""
    volatile = _VOLATILE.get(change.kind, frozenset())
    return {key: pair for key, pair in change.values.items() if key not in volatile}


def _unmarked(properties: Mapping[str, Any]) -> dict[str, Any]:
    mark = Mark.read(properties.get(MANAGED_BY))
    return {**properties, MANAGED_BY: mark.stack} if mark is not None else {**properties}


def kept_to(
    plan: PlanFile, file: Path, changes: Mapping[str, Change], stamps: Mapping[str, str], *, stack: str = NO_STACK
) -> Verdict:
    """Whether a run of `stack` would do now exactly what is in the plan; if not, what is different, and what to do."""
    now = planned(changes, stamps)
    found = (
        ("that the plan does not have", [now[key] for key in now.keys() - plan.changes.keys()]),
        ("of the plan, no longer to be made", [plan.changes[key] for key in plan.changes.keys() - now.keys()]),
        (
            "of the plan with other values",
            [now[key] for key in now.keys() & plan.changes.keys() if now[key].stamp != plan.changes[key].stamp],
        ),
    )
    if not any(several for _, several in found):
        return Verdict()
    lines = [f"Coder or Port is not as it was when this plan was made, at {plan.made_at:%Y-%m-%d %H:%M:%S %Z}:"]
    for words, several in found:
        if several:
            lines.append(f"{len(several):,} {'change' if len(several) == 1 else 'changes'} {words}:")
            named = ordered(Change(each.operation, each.kind, each.title) for each in several)
            lines += first_lines([f"  {each.operation} {short(each.name)}" for each in named], SHOWN)
    command = f"{COMMAND} preview --stack {stack} --all --out {shlex.quote(str(file))}{plan.releases.options}"
    lines += ["Make it anew and look at it:", f"  {command}"]
    return Verdict(("\n".join(lines),))
