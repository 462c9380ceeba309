"""A stack of the world: the project's own program and provider, under an engine that follows the real one's rules.

The rules are those that `tests/test_engine_sync.py` and `tests/test_engine_recovery.py` show of CLI 3.250: what is in
the state and not registered is deleted, but not in a targeted run; a run that fails keeps the steps that it has done;
one that is killed keeps none, because checkpoints are skipped; outputs that a failing run does not export are wiped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf import json_format
from pulumi.automation.errors import CommandError
from pulumi.runtime.proto import provider_pb2

from coderport.catalog.actions.agreement import differences as action_differences
from coderport.catalog.actions.values import permissions_to_port, to_port
from coderport.catalog.blueprint import to_port as blueprint_to_port
from coderport.catalog.resource_types import ACTION, BLUEPRINT, ENTITY
from coderport.catalog.values import Entity, resource_name
from coderport.errors import CoderportError
from coderport.kinds.all import BLUEPRINTS, DECLARED_PROPERTIES, DECLARED_RELATIONS
from coderport.planning.difference import Resource
from coderport.planning.memory import Memory, MemoryUnreadableError, completed, recalled, unreadable
from coderport.planning.plan import Plan
from coderport.port.client import PortClient
from coderport.program.main import program
from coderport.provider.protocol import struct_of
from coderport.provider.server import PortProvider
from coderport.report.account import Account
from coderport.report.outcome import Outcome, Tally
from coderport.settings import Releases, Settings
from coderport.stack.result import outcome_of
from simulation.process import CURRENT, Process, wait

PROJECT = "coderport"

Work = Callable[[], Coroutine[Any, Any, dict[str, Any]]]
"""A program: it declares, and returns the stack's outputs."""


class FailedError(Exception):
    """A step of the engine failed; what was done before it stands."""


class _Context:
    async def abort(self, code: grpc.StatusCode, text: str) -> None:
        raise FailedError(f"{code.name}: {text}")


class State:
    """What the backend keeps of a stack. `resources` has (inputs, outputs, id) by type and name, in order."""

    def __init__(self) -> None:
        self.resources: dict[Resource, tuple[Mapping[str, Any], Mapping[str, Any], str]] = {}
        self.outputs: dict[str, Any] = {}
        self.last_result = "none"
        self.locked_by: Process | None = None
        self.runs = 0
        """How many have ended."""

    def copied(self) -> State:
        """Another one with the same content, for a restore."""
        other = State()
        other.resources, other.outputs = dict(self.resources), dict(self.outputs)
        other.last_result = self.last_result
        return other


class WorldStack:
    """What the commands take for `coderport.stack.stack.Stack`."""

    def __init__(self, name: str, state: State, settings: Callable[[], Settings], folder: Path) -> None:
        self.name, self.state_kept, self._settings = name, state, settings
        self.project, self.bare_name, self.directory = PROJECT, name, folder
        self.running: tuple[Mapping[Resource, Any], list[str]] | None = None
        self.leaves_traces = True
        """As a folder does; in a bucket or Pulumi Cloud only the CLI tells of runs."""

    @property
    def named(self) -> str:
        return f"{PROJECT}/{self.name}"

    managed_by = named

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self.state_kept.locked_by is not None and self.state_kept.locked_by.running

    def settings(self) -> Settings:
        """The settings that a run has now."""
        return self._settings()

    def releases(self) -> Releases:
        """What the command line allows."""
        process = CURRENT.get()
        assert process is not None
        return process.releases

    def memory(self) -> Memory:
        """What the stack remembers; where its outputs are lost, as the real one, what its resources tell."""
        try:
            memory = recalled(self.state_kept.outputs)
        except MemoryUnreadableError as error:
            raise unreadable(self.name, error) from None
        return memory if memory.stack else completed(memory, self.resources())

    def trace(self) -> str:
        """Another text once a run begins or ends, where it leaves traces."""
        return f"{self.busy} {id(self.state_kept)} {self.state_kept.runs}" if self.leaves_traces else ""

    def last_result(self) -> str:
        """How the last run ended."""
        return self.state_kept.last_result

    def resources(self) -> dict[str, Mapping[str, Any]]:
        """The outputs of each resource by URN."""
        return {
            f"urn:pulumi:{self.name}::{PROJECT}::{kind}::{name}": outputs
            for (kind, name), (_, outputs, _) in self.state_kept.resources.items()
        }

    @contextmanager
    def held(self, *, for_writing: bool) -> Iterator[list[str]]:
        """Keeps other runs away from what the block writes."""
        state, process = self.state_kept, CURRENT.get()
        if for_writing:
            assert not self.busy, "nobody else works with the stack"
            state.locked_by = process
        yield []
        state.locked_by = None

    def up(self, *, account: Account | None = None, before: Tally | None = None, **_: Any) -> tuple[Outcome, Tally]:
        """A full run."""
        return wait(self._run(program, None, account or Account(), before or Tally(preview=False)))

    def up_part(self, part: Callable[[], Any], targets: Sequence[Resource], account: Account) -> tuple[Outcome, Tally]:
        """A targeted run of `part`."""
        return wait(self._run(part, frozenset(targets), account, Tally(preview=False)))

    async def _run(
        self, work: Work, targets: frozenset[Resource] | None, account: Account, tally: Tally
    ) -> tuple[Outcome, Tally]:
        state, process = self.state_kept, CURRENT.get()
        assert process is not None
        if state.locked_by is not None and state.locked_by.running:
            return self._failed("the stack is locked by another run", account, tally)
        state.locked_by = process
        try:
            for _ in range(2):  # the very first pass only gives the state an id
                run = Run(self, targets)
                process.run = run
                outputs = await run.performed(work)
                account.add(run.account)
                if run.account.again:
                    state.outputs = outputs
                    continue
                break
        finally:
            state.runs += 1
            if not process.dead:
                state.locked_by = None
        if run.errors:
            tally.errors.extend(run.errors)
            return self._failed("; ".join(run.errors), account, tally)
        return outcome_of(tally, account, None, "converged"), tally

    def _failed(self, why: str, account: Account, tally: Tally) -> tuple[Outcome, Tally]:
        error = CommandError(SimpleNamespace(stdout="", stderr=why, code=1, __str__=lambda _: why))  # type: ignore[arg-type]
        return outcome_of(tally, account, error, "converged"), tally


class Run:
    """One run of the engine over the stack's state."""

    def __init__(self, stack: WorldStack, targets: frozenset[Resource] | None) -> None:
        self.stack, self.targets = stack, targets
        self.account = Account()
        self.exported: dict[str, Any] = {}
        self.errors: list[str] = []
        self._resources = dict(stack.state_kept.resources)
        self._registered: set[Resource] = set()
        self._provider: PortProvider | None = None

    async def performed(self, work: Work) -> dict[str, Any]:
        """Runs the program and what follows from it; what is done stands in the state at the end, and not before."""
        state = self.stack.state_kept
        outputs: dict[str, Any] = {}
        try:
            outputs = {**self.exported, **await work()}
            if not self.account.again:
                await self._delete_the_rest()
        except (FailedError, CoderportError) as error:
            self.errors.append(str(error))
        finally:
            if self._provider is not None:
                await self._provider.close()
        state.resources = self._resources
        state.outputs = outputs if outputs and not self.errors else dict(self.exported)
        if not self.account.again:
            state.last_result = "failed" if self.errors else "succeeded"
        return outputs

    async def declared(self, plan: Plan, settings: Settings) -> None:
        """Registers the plan, in place of `coderport.program.declaration.declare`."""
        await self._definitions(plan, settings)
        present = {each for each in self._resources if each[0] == ENTITY}
        for blueprint in BLUEPRINTS:
            steps = [self._entity(each) for each in plan.entities if each.blueprint == blueprint.identifier]
            results = await asyncio.gather(*steps, return_exceptions=True)
            failed = [each for each in results if isinstance(each, BaseException)]
            for each in failed:
                if not isinstance(each, (FailedError, CoderportError)):
                    raise each
            if failed:
                raise FailedError("; ".join(sorted({str(each) for each in failed})))
        if self.targets is not None:
            self._insist_that_targets_fit(present)

    def _insist_that_targets_fit(self, present: set[Resource]) -> None:
        assert self.targets is not None
        for resource in self.targets:
            if resource[0] == ENTITY and resource not in present and resource not in self._registered:
                raise FailedError(f"Target {resource[1]} could not be found in the stack")

    async def _definitions(self, plan: Plan, settings: Settings) -> None:
        secret = settings.port_client_secret.get_secret_value()
        async with PortClient(settings.port_base_url, settings.port_client_id, secret) as client:
            for blueprint in plan.blueprints:
                if not self._register((BLUEPRINT, blueprint.identifier)):
                    continue
                held, wanted = plan.held.blueprints.get(blueprint.identifier), blueprint_to_port(blueprint)
                if held is None:
                    await client.create_blueprint(wanted)
                elif not _within(wanted, held):
                    await client.replace_blueprint(blueprint.identifier, _over(held, wanted))
                self._resources[BLUEPRINT, blueprint.identifier] = (
                    {},
                    {"identifier": blueprint.identifier},
                    blueprint.identifier,
                )
            for action in plan.actions:
                if not self._register((ACTION, action.identifier)):
                    continue
                live = plan.held.actions.get(action.identifier)
                if live is None:
                    await client.create_action(to_port(action))
                    await client.patch_action_permissions(action.identifier, permissions_to_port(action.permissions))
                elif action_differences(action, live):
                    await client.replace_action(action.identifier, to_port(action))
                self._done((ACTION, action.identifier))

    def _done(self, resource: Resource) -> None:
        self._resources[resource] = ({}, {"identifier": resource[1]}, resource[1])

    def _register(self, resource: Resource) -> bool:
        """Whether the resource, registered now, is to be seen to."""
        self._registered.add(resource)
        return self.targets is None or resource in self.targets or resource not in self._resources

    async def _entity(self, entity: Entity) -> None:
        resource = (ENTITY, resource_name(entity.blueprint, entity.identifier))
        inputs = inputs_of(entity)
        if not self._register(resource):
            return
        held = self._resources.get(resource)
        if held is None:
            answer = await self._asked("Create", resource, properties=inputs)
            self._resources[resource] = (inputs, answer["properties"], answer["id"])
            return
        old_inputs, outputs, identifier = held
        about = {"id": identifier, "olds": outputs, "old_inputs": old_inputs, "news": inputs}
        answer = await self._asked("Diff", resource, **about)
        if answer.get("changes") == "DIFF_SOME":
            answer = await self._asked("Update", resource, **about)
            self._resources[resource] = (inputs, answer["properties"], identifier)

    async def _delete_the_rest(self) -> None:
        """What is in the state and was not registered; with targets only those. What points at others goes first."""
        leaving = [
            each
            for each in self._resources
            if each not in self._registered and (self.targets is None or each in self.targets)
        ]
        for blueprint in reversed(BLUEPRINTS):
            prefix = resource_name(blueprint.identifier, "")
            several = [each for each in leaving if each[0] == ENTITY and each[1].startswith(prefix)]
            await asyncio.gather(*(self._delete_entity(each) for each in several))
        settings = self.stack.settings()
        secret = settings.port_client_secret.get_secret_value()
        async with PortClient(settings.port_base_url, settings.port_client_id, secret) as client:
            for resource in leaving:
                if resource[0] == ACTION:
                    await client.delete_action(resource[1])
                    del self._resources[resource]

    async def _delete_entity(self, resource: Resource) -> None:
        inputs, outputs, identifier = self._resources[resource]
        await self._asked("Delete", resource, id=identifier, properties=outputs, old_inputs=inputs)
        del self._resources[resource]

    async def _asked(self, method: str, resource: Resource, **fields: Any) -> dict[str, Any]:
        """The provider's answer; FailedError with its words where it has none."""
        provider = await self._configured()
        request = _REQUESTS[method]()
        request.urn = f"urn:pulumi:{self.stack.name}::{PROJECT}::{resource[0]}::{resource[1]}"
        for key, value in fields.items():
            if isinstance(value, Mapping):
                getattr(request, key).CopyFrom(struct_of(value))
            else:
                setattr(request, key, value)
        answer = await getattr(provider, method)(request, _Context())
        found: dict[str, Any] = json_format.MessageToDict(answer)
        return found

    async def _configured(self) -> PortProvider:
        if self._provider is None:
            settings = self.stack.settings()
            self._provider = PortProvider(
                properties={name: frozenset(each) for name, each in DECLARED_PROPERTIES.items()},
                relations={name: frozenset(each) for name, each in DECLARED_RELATIONS.items()},
                environ={
                    "PORT_CLIENT_ID": settings.port_client_id,
                    "PORT_CLIENT_SECRET": settings.port_client_secret.get_secret_value(),
                    "PORT_BASE_URL": settings.port_base_url,
                },
            )
            await self._provider.Configure(provider_pb2.ConfigureRequest(), _Context())
        return self._provider


_REQUESTS = {
    "Create": provider_pb2.CreateRequest,
    "Diff": provider_pb2.DiffRequest,
    "Update": provider_pb2.UpdateRequest,
    "Delete": provider_pb2.DeleteRequest,
}


def inputs_of(entity: Entity) -> dict[str, Any]:
    """The entity as the program registers it."""
    bags: dict[str, dict[str, Any]] = {"stringProps": {}, "numberProps": {}, "booleanProps": {}}
    lists: dict[str, Any] = {}
    for key, value in entity.properties.items():
        if isinstance(value, bool):
            bags["booleanProps"][key] = value
        elif isinstance(value, (int, float)):
            bags["numberProps"][key] = float(value)
        elif isinstance(value, list):
            lists[key] = value
        else:
            bags["stringProps"][key] = value
    properties: dict[str, Any] = {name: bag for name, bag in bags.items() if bag}
    if lists:
        properties["arrayProps"] = {"stringItems": lists}
    inputs = {
        "blueprint": entity.blueprint,
        "identifier": entity.identifier,
        "title": entity.title,
        "properties": properties,
    }
    single = {key: each for key, each in entity.relations.items() if isinstance(each, str)}
    many = {key: list(each) for key, each in entity.relations.items() if not isinstance(each, str)}
    if relations := {name: each for name, each in (("singleRelations", single), ("manyRelations", many)) if each}:
        inputs["relations"] = relations
    return inputs


def _within(mine: Any, its: Any) -> bool:
    if isinstance(mine, Mapping) and isinstance(its, Mapping):
        return all(_within(value, its.get(key)) for key, value in mine.items())
    return bool(mine == its or (not mine and not its))


def _over(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    result = {key: value for key, value in live.items() if not key.startswith(("created", "updated")) and key != "id"}
    for key, value in wanted.items():
        result[key] = _over(live.get(key) or {}, value) if isinstance(value, Mapping) else value
    return result
