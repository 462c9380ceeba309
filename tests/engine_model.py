"""What the engine and the provider make of a run, as values: a full run, a targeted one, and one that is cut off.

The engine's rules are those that experiments show of CLI 3.250 (`tests/test_engine_sync.py` repeats them on the real
one). Whether an entity has to be written, and what that leaves in Port, is decided by the provider's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

from catalog_samples import MARK, snapshot

from coderport.catalog.actions.values import Action, permissions_to_port, to_port
from coderport.catalog.answers.aggregations import AGGREGATIONS
from coderport.catalog.answers.values import TYPES, Answer
from coderport.catalog.blueprint import targets
from coderport.catalog.blueprint import to_port as blueprint_to_port
from coderport.catalog.digest import digest
from coderport.catalog.resource_types import ACTION, BLUEPRINT, ENTITY
from coderport.catalog.resource_types import ACTION_PERMISSIONS as PERMISSIONS
from coderport.catalog.values import Entity, resource_name
from coderport.coder.models import Template, Workspace
from coderport.coder.parameters import TemplateForm
from coderport.coder.reading.snapshot import Fate
from coderport.commands.drift import remembered
from coderport.engine.resources import Resources
from coderport.guard.verdict import Verdict
from coderport.history.definitions import NEW_ACTION
from coderport.kinds.all import BLUEPRINTS, BY_IDENTIFIER, DECLARED_PROPERTIES, DECLARED_RELATIONS
from coderport.kinds.inventory import inventory_of
from coderport.planning.difference import (
    Difference,
    Resource,
    difference_of,
    part_of,
    targets_of,
)
from coderport.planning.holdings import Holdings
from coderport.planning.memory import Memory, rebuilt
from coderport.planning.past import Past
from coderport.planning.plan import Plan, judge
from coderport.port.models import Organization, PortEntity
from coderport.provider import entity_values
from coderport.provider.entity_values import Owned, wanted
from coderport.settings import Releases, Settings
from coderport.stack.comparison import misfits
from coderport.stack.stack import SUCCEEDED
from simulation.engine import inputs_of

Json = dict[str, Any]

SETTINGS = Settings.model_validate(
    {
        "coderApiBaseUrl": "https://coder.example.com",
        "coderSessionToken": "token",
        "portClientId": "id",
        "portClientSecret": "secret",
        "actions": {"backend": "webhook", "url": "https://runner.example.com/runs"},
    }
)
STAMP = "2026-11-20T12:00:00.000Z"


def fates_of(gone: Iterable[str]) -> dict[str, dict[str, Fate]]:
    """Coder says of each of these ids, of whatever it was, that it was deleted."""
    fates = dict.fromkeys(gone, Fate.GONE)
    return {"template_fates": fates, "workspace_fates": fates}


class Misfit(Exception):
    """The engine refuses a targeted run, because the state does not hold what it is pointed at."""


@dataclass
class Port:
    """What Port holds."""

    entities: dict[tuple[str, str], PortEntity] = field(default_factory=dict)
    blueprints: dict[str, Json] = field(default_factory=dict)
    actions: dict[str, Json] = field(default_factory=dict)
    permissions: dict[str, Json] = field(default_factory=dict)
    answers: dict[str, Json] = field(default_factory=dict)
    """The scorecards and pages, by key; aggregations are in their blueprints."""

    def holdings(self) -> Holdings:
        by_blueprint: dict[str, dict[str, PortEntity]] = {name: {} for name in self.blueprints}
        for (blueprint, identifier), entity in self.entities.items():
            by_blueprint[blueprint][identifier] = entity
        return Holdings(
            Organization("org", ""),
            dict(self.blueprints),
            by_blueprint,
            dict(self.actions),
            answers=dict(self.answers),
        )


@dataclass
class World:
    """Coder, Port, and one stack between them.

    `gone` are the ids of which Coder says that they were deleted. `state` has by resource a digest of its inputs and
    what it refers to. `misfit` says why the last part that was run had to become a full run.
    """

    settings: Settings = SETTINGS
    releases: Releases = field(default_factory=lambda: Releases(allow_deletions=1000))
    templates: dict[str, Template] = field(default_factory=dict)
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    port: Port = field(default_factory=Port)
    state: dict[Resource, tuple[bytes, frozenset[Resource]]] = field(default_factory=dict)
    misfit: str = ""
    memory: Memory = field(default_factory=Memory)
    last_result: str = SUCCEEDED
    now: datetime = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)

    def copied(self) -> World:
        """Another one to run on; the values in it are shared, for none of them ever changes."""
        held = self.port
        port = Port(
            dict(held.entities),
            dict(held.blueprints),
            dict(held.actions),
            dict(held.permissions),
            dict(held.answers),
        )
        return replace(
            self,
            templates=dict(self.templates),
            workspaces=dict(self.workspaces),
            gone=set(self.gone),
            port=port,
            state=dict(self.state),
        )

    def past(self) -> Past:
        """What the stack has declared, as a run finds it out."""
        past = Past(self.memory, self.port.holdings(), MARK)
        return past if past.is_complete else past.completed(rebuilt(self.resources()))

    def resources(self) -> Resources:
        """The state as `pulumi stack export` gives it, as far as anything is made of it."""
        return {f"urn:pulumi:dev::coderport::{kind}::{name}": {} for kind, name in self.state}

    def judged(self) -> tuple[Plan, Verdict]:
        """What a run would plan now, and what the guard says."""
        return judge(
            self.settings,
            self.releases,
            self.past(),
            inventory_of(snapshot(*self.templates.values(), *self.workspaces.values(), **fates_of(self.gone))),
            {each.id: TemplateForm(each.id, each.active_version_id) for each in self.templates.values()},
            self.now,
        )

    # --- runs: each gives the number of steps that it took, or would have taken
    # ------------------------------------------------------------------------------------------------

    def up(self, *, until: int | None = None, killed: bool = False) -> int:
        """A full run; with `until` only so many steps, after which it fails or, if `killed`, leaves no state."""
        plan, verdict = self.judged()
        if verdict.refused:
            return 0
        return self._run(self._full(plan), plan.memory, until, killed)

    def sync(self, *, until: int | None = None, killed: bool = False) -> int:
        """An incremental run; cut off as `up`."""
        plan, verdict = self.judged()
        if verdict.refused:
            return 0
        found = self.difference(plan)
        if list(misfits(self.settings, self.past(), found, self.last_result)):
            return self._run(self._full(plan), plan.memory, until, killed)
        if not found.for_engine:
            steps = self._orphans(found.orphans)
            for step in steps[:until]:
                step()
            return len(steps)
        return self._run_part(plan, found, plan.memory, until, killed)

    def repair(self, *, until: int | None = None, killed: bool = False) -> int:
        """A `drift --repair`; cut off as `up`."""
        plan, verdict = self.judged()
        found = self.difference(plan).drift()
        if verdict.refused or not plan.memory.blueprints <= self.memory.blueprints:
            return 0
        return self._run_part(plan, found, remembered(self.memory, found), until, killed)

    def difference(self, plan: Plan) -> Difference:
        """What Port and the state are not yet of the plan."""
        return difference_of(plan, self.memory, self.port.permissions)

    def _run_part(self, plan: Plan, found: Difference, after: Memory, until: int | None, killed: bool) -> int:
        try:
            steps = self._targeted(part_of(plan, found), targets_of(found))
        except Misfit as misfit:
            self.misfit = str(misfit)
            return self._run(self._full(plan), plan.memory, until, killed)
        return self._run([*self._orphans(found.orphans), *steps], after, until, killed)

    def _run(self, steps: list[Callable[[], None]], after: Memory, until: int | None, killed: bool) -> int:
        state = dict(self.state)
        for step in steps[:until]:
            step()
        if killed:
            self.state = state  # checkpoints are skipped: a killed run wrote none
        elif until is None:
            self.memory, self.last_result = after, SUCCEEDED
        else:
            self.last_result = "failed"
        return len(steps)

    # --- the engine
    # ------------------------------------------------------------------------------------------------

    def _full(self, plan: Plan) -> list[Callable[[], None]]:
        registered = self._registered(plan)
        leaving = [partial(self._delete, each) for each in sorted(self.state.keys() - registered.keys())]
        return [*self._orphans(plan.orphans), *registered.values(), *leaving]

    def _targeted(self, part: Plan, targets: tuple[Resource, ...]) -> list[Callable[[], None]]:
        pointed_at = set(targets)
        registered = self._registered(part)
        if pointed_at - self.state.keys() - registered.keys():
            raise Misfit("a target is neither in the state nor registered")
        depending = {each for each in self.state if self._depends_on(each, pointed_at)}
        if depending - registered.keys() - pointed_at:
            raise Misfit("what depends on a target and is not registered would be deleted")
        if registered.keys() - pointed_at - self.state.keys():
            raise Misfit("a resource would be created that is no target")
        leaving = [partial(self._delete, each) for each in sorted(pointed_at & self.state.keys() - registered.keys())]
        return [*(step for each, step in registered.items() if each in pointed_at), *leaving]

    def _depends_on(self, resource: Resource, targets: set[Resource]) -> bool:
        """Whether a resource of the state refers to one of the targets, over any number of others."""
        on = self.state[resource][1] if resource in self.state else frozenset()
        return bool(on & targets) or any(self._depends_on(each, targets) for each in on)

    def _registered(self, plan: Plan) -> dict[Resource, Callable[[], None]]:
        """The step of each resource that the declaration registers, in its order."""
        steps: dict[Resource, Callable[[], None]] = {}
        for blueprint in plan.blueprints:
            steps[BLUEPRINT, blueprint.identifier] = partial(self._put_blueprint, blueprint.identifier)
        for action in plan.actions:
            steps[ACTION, action.identifier] = partial(self._put_action, action)
            steps[PERMISSIONS, action.identifier] = partial(self._put_permissions, action)
        for answer in plan.answers:
            steps[TYPES[answer.kind], answer.identifier] = partial(self._put_answer, answer)
        for entity in plan.entities:
            for target in _referred_to(entity):  # a relation is another resource's output
                assert target in steps, f"{target} is referred to and not registered"
            steps[ENTITY, f"{entity.blueprint}-{entity.identifier}"] = partial(self._put_entity, entity)
        return steps

    # --- the provider
    # ------------------------------------------------------------------------------------------------

    def _put_blueprint(self, identifier: str) -> None:
        declared = next(each for each in BLUEPRINTS if each.identifier == identifier)
        kept = {
            key: each
            for key, each in self.port.blueprints.get(identifier, {}).items()
            if key == "aggregationProperties"
        }
        self.port.blueprints[identifier] = {**kept, **blueprint_to_port(declared)}
        self.state[BLUEPRINT, identifier] = b"", frozenset()

    def _put_action(self, action: Action) -> None:
        self.port.actions[action.identifier] = to_port(action)
        self.port.permissions.setdefault(action.identifier, dict(NEW_ACTION))
        self.state[ACTION, action.identifier] = digest(to_port(action)), frozenset()

    def _put_permissions(self, action: Action) -> None:
        self.port.permissions[action.identifier] = permissions_to_port(action.permissions)
        self.state[PERMISSIONS, action.identifier] = digest(permissions_to_port(action.permissions)), frozenset()

    def _put_answer(self, answer: Answer) -> None:
        self.state[TYPES[answer.kind], answer.identifier] = digest(answer.body), frozenset()
        if answer.kind == "aggregations":
            live = self.port.blueprints[answer.identifier]
            aggregations = {**live.get("aggregationProperties", {}), **answer.body}
            self.port.blueprints[answer.identifier] = {**live, "aggregationProperties": aggregations}
        else:
            within = {"blueprint": answer.blueprint} if answer.kind == "scorecard" else {}
            self.port.answers[answer.key] = {**answer.body, **within}

    def _put_entity(self, entity: Entity) -> None:
        where = (entity.blueprint, entity.identifier)
        wish, held = wanted(inputs_of(entity)), self.port.entities.get(where)
        owned = Owned.by(wish).and_also(DECLARED_PROPERTIES[entity.blueprint], DECLARED_RELATIONS[entity.blueprint])
        if held is None or entity_values.differences(wish, owned, held):
            sent = entity_values.body(wish, entity.identifier, owned, held)
            written = entity_values.merged(held, entity.blueprint, sent)
            self.port.entities[where] = replace(written, updated_at=STAMP)
        self.state[ENTITY, f"{entity.blueprint}-{entity.identifier}"] = (
            digest(inputs_of(entity)),
            _referred_to(entity),
        )

    def _delete(self, resource: Resource) -> None:
        kind, name = resource
        if kind == ENTITY:
            blueprint, _, identifier = name.partition("-")
            held = self.port.entities.get((blueprint, identifier))
            if held is not None and held.properties.get("managed_by") in (None, str(MARK)):
                del self.port.entities[blueprint, identifier]
        elif kind == ACTION:
            self.port.actions.pop(name, None)
            self.port.permissions.pop(name, None)
        elif kind == TYPES["aggregations"] and name in self.port.blueprints:
            live = self.port.blueprints[name]
            theirs = {
                key: each
                for key, each in live.get("aggregationProperties", {}).items()
                if key not in AGGREGATIONS[name].body
            }
            self.port.blueprints[name] = {**live, "aggregationProperties": theirs}
        elif kind in (TYPES["scorecard"], TYPES["page"]):
            self.port.answers.pop(f"{'page' if kind == TYPES['page'] else 'scorecard'}/{name}", None)
        self.state.pop(resource, None)

    def _orphans(self, orphans: Mapping[str, frozenset[str]]) -> list[Callable[[], None]]:
        return [
            partial(self.port.entities.__delitem__, (blueprint, identifier))
            for blueprint, ids in orphans.items()
            for identifier in sorted(ids)
        ]

    def seen(self) -> Mapping[str, Any]:
        """All that two runs must agree on: Port without its stamps, the state, the memory."""
        return {
            "entities": {
                where: (each.title, _without_nothing(each.properties), _without_nothing(each.relations))
                for where, each in self.port.entities.items()
            },
            "actions": self.port.actions,
            "permissions": self.port.permissions,
            "answers": self.port.answers,
            "blueprints": self.port.blueprints,
            "state": self.state,
            "memory": self.memory,
        }


def _without_nothing(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _referred_to(entity: Entity) -> frozenset[Resource]:
    return frozenset((ENTITY, resource_name(*each)) for each in targets(entity, BY_IDENTIFIER))
