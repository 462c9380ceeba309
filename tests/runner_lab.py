"""A laboratory of the runner: both emulators over sockets, the catalog and the actions in Port, and runs of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from coderport.catalog.actions.declared import declared, wants_form
from coderport.catalog.actions.values import to_port
from coderport.catalog.blueprint import Blueprint
from coderport.catalog.values import Context, Entity, OrganizationNames
from coderport.coder.client import CoderClient
from coderport.coder.parameters import read_forms
from coderport.coder.reading.snapshot import read_snapshot
from coderport.emulators.coder.records import Build, Workspace
from coderport.emulators.pair import Pair
from coderport.emulators.port.behaviour import Behaviour
from coderport.kinds.all import BLUEPRINTS, difference
from coderport.kinds.desired import desired
from coderport.kinds.filters import Filters
from coderport.kinds.inventory import inventory_of
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.port.client import PortClient
from coderport.port.models import PortEntity
from coderport.runner.execution import Ended, RunContext, execute
from coderport.runner.values import Clock, Journal
from coderport.settings import Actions
from coderport.transport.patience import Patience

Json = dict[str, Any]
T = TypeVar("T")

STACK = "coderport/lab"
ALICE, BOB = "alice@example.com", "bob@example.com"
SETTINGS = Actions(backend="github", repository="acme/platform", extra=("dormancy", "presets"))
QUICK = Patience(
    pause=0.01,
    poll_first=0.01,
    poll_most=0.02,
    coder_away=20,
    no_provisioner=0.1,
    agents=20,
    next_build=2,
    unknown_run=0.05,
    log_seconds=0.05,
)


@dataclass(frozen=True)
class Seen:
    """How a run came back, and what Port has of it."""

    ended: Ended
    run: Json
    log: str
    entities: list[Json]

    @property
    def summary(self) -> str:
        return str(self.run["summary"])


class Beats:
    """A clock whose seconds pass at once, and that does something whenever the runner waits.

    `at` has what to do by the number of the wait; `then` is done once, at the first wait at which it is time.
    """

    def __init__(
        self,
        at: Mapping[int, Callable[[], object]] | None = None,
        then: Callable[[], object] | None = None,
        when: Callable[[], bool] = lambda: True,
    ) -> None:
        self.waits, self.seconds = 0, 0.0
        self._at, self._then, self._when = at or {}, then, when

    def clock(self) -> Clock:
        return Clock(sleep=self._sleep, monotonic=lambda: self.seconds)

    async def _sleep(self, seconds: float) -> None:
        self.waits += 1
        self.seconds += seconds
        if self.waits in self._at:
            self._at[self.waits]()
        if self._then is not None and self._when():
            act, self._then = self._then, None
            act()
        await asyncio.sleep(0.003)


class Time:
    """The time of a lab: it passes only while a runner waits, so that no build ends before it is looked at.

    Those who wait at once wait for the same seconds.
    """

    def __init__(self) -> None:
        self._begun, self.seconds = time.time(), 0.0

    def now(self) -> float:
        """As `time.time`."""
        return self._begun + self.seconds

    def pass_until(self, seconds: float) -> None:
        self.seconds = max(self.seconds, seconds)

    async def sleep(self, seconds: float) -> None:
        end = self.seconds + seconds
        await asyncio.sleep(0.003)
        self.pass_until(end)

    def of(self, clock: Clock | None) -> Clock:
        """A runner's clock by which this time passes too; its own where there is none."""
        if clock is None:
            return Clock(sleep=self.sleep, monotonic=lambda: self.seconds, now=self._moment)

        async def sleep(seconds: float) -> None:
            end = self.seconds + seconds
            await clock.sleep(seconds)
            self.pass_until(end)

        return replace(clock, sleep=sleep, now=self._moment)

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.now(), timezone.utc)


class RunnerLab:
    """Alice and Bob have Coder users with their own e-mails; every template of Coder has its form in Port.

    With a `time`, Coder's builds go on by it, and it passes while a run is carried out here.
    """

    def __init__(self, pair: Pair, time: Time | None = None) -> None:
        self.pair, self.coder, self.port, self.time = pair, pair.coder, pair.port, time
        for name in ("alice", "bob"):
            self.coder.create_user(name)
        for email in (ALICE, BOB, "nobody@example.com"):
            self.port.add_user(email)
        for blueprint in BLUEPRINTS:
            self.port.put_blueprint(_body(blueprint))
        self.patience = QUICK
        self.settings = SETTINGS

    def pass_seconds(self, seconds: float) -> None:
        """So much of the lab's own time passes."""
        assert self.time is not None, "this lab has the time of its host"
        self.time.pass_until(self.time.seconds + seconds)

    # ------------------------------------------------------------ Coder

    def workspace(self, owner: str = "alice", name: str = "dev", template: str | None = None, **fields: Any) -> str:
        """A new workspace that Port knows; running unless told otherwise."""
        created = self.coder.create_workspace(owner, template or self.any_template(), name, **fields)
        self.mirror()
        return created

    def any_template(self) -> str:
        with self.coder.state.lock:
            return next(each.id for each in self.coder.state.templates.values() if not each.deprecated)

    def held(self, workspace: str) -> Workspace:
        return self.coder.workspace(workspace)

    def builds(self, workspace: str) -> list[tuple[str, str]]:
        """Transition and job status of each build, oldest first."""
        self.coder.advance()
        return [(build.transition, build.job_status) for build in self.held(workspace).builds]

    def build(self, workspace: str) -> Build:
        return self.held(workspace).build

    def leave_nothing(self) -> None:
        """No workspaces and no faults, and builds that run as they did: for a lab that several tests share."""
        for faults in (self.coder.faults, self.port.faults):
            faults.clear()
        self.port.clear_item_faults()
        self.coder.set_build_log()
        self.coder.set_provisioners(3)
        for workspace in self.coder.workspace_ids(prebuilds=True):
            self.coder.delete_workspace(workspace)
        for entity in self.port.entities(WORKSPACE.identifier):
            self.port.delete_entity(WORKSPACE.identifier, entity["identifier"])

    # ------------------------------------------------------------ Port

    def mirror(self, managed_by: str = STACK) -> None:
        """Port's catalog as an `up` leaves it."""

        async def work(coder: CoderClient, port: PortClient) -> None:
            for entity in await self._wanted(coder, managed_by):
                body = {
                    "identifier": entity.identifier,
                    "title": entity.title,
                    "properties": dict(entity.properties),
                    "relations": dict(entity.relations),
                }
                outcomes = await port.upsert(entity.blueprint, [body])
                assert outcomes[0].error is None

        self.talk(work)

    async def _wanted(self, coder: CoderClient, managed_by: str) -> tuple[Entity, ...]:
        """What the program would declare now, with no volatile value carried forward."""
        snapshot = await read_snapshot(coder)
        context = Context(
            deployment_id=snapshot.deployment.deployment_id,
            dashboard_url=snapshot.deployment.dashboard_url,
            managed_by=managed_by,
            emails=snapshot.emails or {},
            organizations={
                each.id: OrganizationNames(each.name, each.display_name or each.name) for each in snapshot.organizations
            },
        )
        return desired(
            inventory_of(snapshot), Filters(), context, {}, datetime.now(timezone.utc), timedelta(0)
        ).entities

    def assert_port_is_as_the_program_would_have_it(self, workspace: str) -> None:
        """An `up` would change no value of the workspace's entity; without one, Port has none either."""

        async def wanted(coder: CoderClient, port: PortClient) -> tuple[list[Entity], PortEntity | None]:
            entities = [each for each in await self._wanted(coder, STACK) if each.identifier == workspace]
            return entities, await port.entity(WORKSPACE.identifier, workspace)

        entities, held = self.talk(wanted)
        if not entities:
            assert held is None
        else:
            assert held is not None and difference(entities[0], held) == {}

    def declare_actions(self, *, with_users: bool = False) -> None:
        async def work(coder: CoderClient, port: PortClient) -> None:
            deployment = await coder.build_info()
            templates = [each for each in await coder.templates() if not each.deprecated]
            forms = await read_forms(coder, [each for each in templates if wants_form(self.settings, each)])
            made = declared(
                self.settings, templates, forms, deployment_id=deployment.deployment_id, with_users=with_users
            )
            for action in made:
                body = to_port(action)
                if await port.action(action.identifier) is None:
                    await port.create_action(body)
                else:
                    await port.replace_action(action.identifier, body)

        self.talk(work)

    def open_to_everybody(self, action: str) -> None:
        """Port lets every member run the action, whatever its policy said."""
        permissions = {"execute": {"roles": ["Member"], "policy": None}}
        self.talk(lambda _, port: port.patch_action_permissions(action, permissions))

    # ------------------------------------------------------------ runs

    def ask(self, action: str, *, by: str = ALICE, entity: str | None = None, **inputs: Any) -> str:
        """The id of a new run, as the person starts it in Port."""
        run_id: str = self.port.run_action(action, by=by, inputs=inputs, entity=entity)["id"]
        return run_id

    def ask_past_the_form(self, action: str, *, by: str = ALICE, entity: str | None = None, **inputs: Any) -> str:
        """The id of a run whose inputs no form has judged: of an action whose form takes everything."""

        async def opened(_: CoderClient, port: PortClient) -> Json:
            held = await port.action(action)
            assert held is not None
            trigger = {key: value for key, value in held["trigger"].items() if key != "condition"}
            trigger["userInputs"] = {"properties": {key: _open_input(value) for key, value in inputs.items()}}
            kept = {key: held[key] for key in ("identifier", "title", "invocationMethod")}
            await port.replace_action(action, {**kept, "trigger": trigger})
            return held

        held = self.talk(opened)
        try:
            return self.ask(action, by=by, entity=entity, **inputs)
        finally:
            body = {key: value for key, value in held.items() if key in _OF_ACTIONS}
            self.talk(lambda _, port: port.replace_action(action, body))

    def execute(self, run_id: str, *, journal: Journal | None = None, **context: Any) -> Seen:
        """The run, worked to its end by the runner as it would be in a process of its own."""

        async def work(coder: CoderClient, port: PortClient) -> Ended:
            given = RunContext(port, coder, self.settings, STACK, patience=self.patience)
            if self.time is not None:
                context["clock"] = self.time.of(context.get("clock"))
            return await execute(run_id, replace(given, **context), journal=journal)

        return self.seen(run_id, self.talk(work))

    def seen(self, run_id: str, ended: Ended) -> Seen:
        self.port.settle()  # what the integration writes to the run is there
        log = "\n".join(line["message"] for line in self.port.run_logs(run_id))
        return Seen(ended, self.port.run(run_id), log, self.port.run_entities(run_id))

    def do(self, action: str, *, by: str = ALICE, entity: str | None = None, **inputs: Any) -> Seen:
        """Asked and executed."""
        return self.execute(self.ask(action, by=by, entity=entity, **inputs))

    def talk(self, work: Callable[[CoderClient, PortClient], Awaitable[T]]) -> T:
        async def run() -> T:
            async with (
                CoderClient(self.pair.coder_url, self.coder.token) as coder,
                PortClient(self.pair.port_url, self.port.client_id, self.port.client_secret) as port,
            ):
                return await work(coder, port)

        return asyncio.run(run())


@contextmanager
def runner_lab(own: Time | None = None, **settings: Any) -> Iterator[RunnerLab]:
    """A lab whose emulators end with the block, by the host's time or by its own.

    Settings are those of the Coder emulator.
    """
    given: dict[str, Any] = {
        "seed": 5,
        "workspaces": 0,
        "templates": 2,
        "pending_seconds": 0.01,
        "running_seconds": 0.03,
        # Port makes the permissions of an action at once: requests are not repeated in most of these tests.
        "port_behaviour": Behaviour(),
    }
    if own is not None:
        given["clock"] = own.now
    with Pair(**{**given, **settings}) as pair:
        lab = RunnerLab(pair, own)
        lab.mirror()
        lab.declare_actions()
        yield lab


def timed_lab(**settings: Any) -> AbstractContextManager[RunnerLab]:
    """A lab with a time of its own: in it runs are carried out by `execute` and `do` alone."""
    return runner_lab(Time(), **settings)


_OF_ACTIONS = (
    "identifier",
    "title",
    "icon",
    "description",
    "trigger",
    "invocationMethod",
    "requiredApproval",
    "publish",
)


def _open_input(value: Any) -> Json:
    kinds = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
    return {"type": kinds[type(value)], "title": "Input"}


def _body(blueprint: Blueprint) -> Json:
    return {
        "identifier": blueprint.identifier,
        "title": blueprint.title,
        "icon": blueprint.icon,
        "schema": {"properties": {each.identifier: each.to_port() for each in blueprint.properties}, "required": []},
        "relations": {each.identifier: each.to_port() for each in blueprint.relations},
        "calculationProperties": {},
    }


__all__ = [
    "ALICE",
    "BOB",
    "QUICK",
    "STACK",
    "TEMPLATE",
    "WORKSPACE",
    "Beats",
    "RunnerLab",
    "Seen",
    "Time",
    "runner_lab",
]
