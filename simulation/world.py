"""One world: Coder, Port, a stack between them, people and a network."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from coderport.catalog.values import Ref, is_id
from coderport.commands import drift, sync
from coderport.emulators.coder.emulator import CoderEmulator
from coderport.emulators.port.emulator import PortEmulator
from coderport.guard.ownership import MANAGED_BY, Mark
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.report.outcome import Outcome
from coderport.settings import Releases, Settings
from coderport.why.gathering import gathered
from coderport.why.knowledge import Knowledge
from simulation import process, program
from simulation.clock import VirtualTime
from simulation.engine import State, WorldStack
from simulation.network import CODER, PORT, Network, Weather
from simulation.people import People
from simulation.process import Process
from simulation.questions import (
    Said,
    Shown,
    Truth,
    effect,
    said_of_everything,
    unlike_the_history,
    unlike_the_run,
    untrue,
)
from simulation.service import ServiceOfRuns
from simulation.watch import OTHER, Watch

W = WORKSPACE.identifier
SECRET = "emulator-secret-that-nobody-may-see"
GENEROUS = Releases(allow_deletions=1000, forget_unproven=1000)
QUIET_SECONDS = 7200
LONGEST = 3600.0
"""Seconds that no command takes: a quarter of an hour for servers that fail, the rest for those that are slow."""
ACTIONS = {"backend": "webhook", "url": "http://127.0.0.1:17003/runs"}


class BrokenError(Exception):
    """An invariant does not hold; the text says which, and what broke it."""


class World:
    """All of it, made from one seed. Use inside of `entered`. `options` are settings beside those of the servers."""

    def __init__(self, seed: int, loop: VirtualTime, folder: Path, *, with_actions: bool) -> None:
        chance = random.Random(f"world {seed}")
        self.coder = CoderEmulator(
            seed,
            workspaces=chance.randint(1, 12),
            templates=chance.randint(1, 5),
            organizations=chance.choice((1, 1, 2)),
            users=3,
            clock=loop.clock,
        )
        self.port = PortEmulator(seed, client_secret=SECRET, clock=loop.clock)
        forms = chance.choice(("none", "all"))
        self.options: dict[str, Any] = {"actions": {**ACTIONS, "templates": forms}} if with_actions else {}
        self.watch = Watch(self.coder, self.port, self.settings, loop.time)
        self._folder = folder
        self.network = Network({CODER: self.coder.app, PORT: self.watch.at(self.port.app)}, chance)
        self.state = State()
        self.older: State | None = None
        self.stack = WorldStack("prod", self.state, self.settings, folder)
        self.service = ServiceOfRuns(folder, self.settings, self.stack.managed_by, loop.clock)
        self.people = People(self.coder, self.port, self.service.delivered)
        self.theirs: dict[str, str] = {}
        """A colleague's values, by the workspace that has them."""
        self.their_actions: set[str] = set()
        """Actions that a colleague has made."""
        self.asks = seed % 20 == 0
        """Whether `why` is asked about everything at the end."""
        self._clock = loop.clock
        self._processes: list[Process] = []
        self._settings: tuple[dict[str, Any], Settings] | None = None

    def settings(self) -> Settings:
        """The stack's settings at this moment."""
        if self._settings is None or self._settings[0] != self.options:
            named = {
                "coderApiBaseUrl": CODER,
                "coderSessionToken": self.coder.token,
                "portBaseUrl": PORT,
                "portClientId": self.port.client_id,
                "portClientSecret": SECRET,
                **self.options,
            }
            self._settings = (dict(self.options), Settings.model_validate(named))
        return self._settings[1]

    # --- commands ---------------------------------------------------------------------------------------------

    def command(self, name: str, releases: Releases | None = None) -> Process:
        """Starts `up`, `sync` or `repair`; it runs while the world goes on."""
        stack: Any = self.stack
        acts: dict[str, Callable[[], Any]] = {
            "up": stack.up,
            "sync": lambda: sync.sync(stack),
            "repair": lambda: drift.drift(stack, repair=True),
        }
        found = Process(name, releases, self.settings())
        found.remembers = bool(self.state.outputs) or not self.state.resources
        found.start(acts[name])
        self._processes.append(found)
        return found

    async def finished(self, found: Process) -> Outcome | None:
        """The outcome of a command that has ended; None where it was killed."""
        await found.ended()
        if found.seconds > LONGEST:
            self.watch.broken.append(f"{found.name} takes {found.seconds:.0f} s")
        if found.dead:
            return None
        if found.error is not None:
            raise found.error
        outcome: Outcome = found.result[0]
        self._keeps_secrets(outcome)
        return outcome

    async def killed(self) -> None:
        """Nothing of the world goes on."""
        await self.service.kill()
        for found in self._processes:
            found.kill()
            await found.ended()

    def _keeps_secrets(self, outcome: Outcome) -> None:
        state = json.dumps([str(self.state.resources), self.state.outputs])
        self.hear("an outcome", outcome.model_dump_json())
        self.hear("the state", state)

    def hear(self, where: str, text: str) -> None:
        """Notes where a secret stands in a text that somebody may read."""
        if SECRET in text or self.coder.token in text:
            self.watch.broken.append(f"a secret is in {where}")

    def look(self) -> None:
        """BrokenError where an invariant has been broken so far."""
        if self.service.error is not None:
            raise BrokenError(f"the service ends with {type(self.service.error).__name__}: {self.service.error}")
        self._insist(*self.watch.broken, *self.network.hurried)

    # --- the end ----------------------------------------------------------------------------------------------

    async def settled(self) -> None:
        """After the last quiet run all invariants hold, and Port is as Coder is; BrokenError where not."""
        await self._calm()
        if self.people.pressed:
            await self.service.kill()
            self.service.start()
            await asyncio.sleep(QUIET_SECONDS)
            await self.service.kill()
            self.look()
            self._insist(self.people.broken())
        if self.asks:
            await self._asked()
        last: Outcome | None = None
        for name in ("up", "up", "sync"):  # what a take-over leaves to it goes with the second
            outcome = await self.finished(self.command(name, GENEROUS))
            assert outcome is not None
            if outcome.exit_code:
                raise BrokenError(f"the last quiet {name} ends with {outcome.exit_code}: {outcome.message}")
            last = outcome
        if last is not None and last.result != "unchanged":
            raise BrokenError(f"a sync after the last up is {last.result}: {last.kinds}")
        self._insist(self.unlike_coder())
        self._insist(self._lost_values())
        for file in self._folder.rglob("*"):
            if file.is_file():
                self.hear(f"the file {file.name}", file.read_bytes().decode("utf-8", "replace"))
        for each in self.port.runs():
            self.hear(f"the run {each['id']}", json.dumps([each, self.port.run_logs(each["id"])]))
        self.look()

    async def _asked(self) -> None:
        """What `why` says of everything is so, is what a run without a release does, and names that run afterwards."""
        knowledge = await self._knowledge()
        said, before = said_of_everything(knowledge), self._shown()
        truth = self._truth(said)
        hour = self._hour()
        outcome = await self.finished(self.command("up"))
        assert outcome is not None
        after = self._shown()
        if hour == self._hour():  # what is volatile goes by the full hour
            refused = outcome.exit_code != 0
            self._insist(*untrue(said, truth, before))
            self._insist(*unlike_the_run(said, before, after, refused=refused))
            if refused is not knowledge.verdict.refused:
                raise BrokenError(
                    f"why calls the run refused: {knowledge.verdict.refused}; it ended: {outcome.message}"
                )
            run = {} if refused else {ref: effect(ref, before, after) for ref in {*before, *after}}
            self._insist(*unlike_the_history(said_of_everything(await self._knowledge()), run))

    async def _knowledge(self) -> Knowledge:
        stack: Any = self.stack
        asking = Process("why", None, self.settings())
        asking.start(lambda: gathered(stack))
        self._processes.append(asking)
        await asking.ended()
        if asking.error is not None:
            raise asking.error
        found: Knowledge = asking.result
        return found

    def _hour(self) -> int:
        return int(self._clock() // 3600)

    def _shown(self) -> Shown:
        def some(values: dict[str, Any]) -> dict[str, Any]:
            return {key: value for key, value in values.items() if value is not None}

        kinds = (each for each in (W, TEMPLATE.identifier) if self.port.blueprint(each) is not None)
        return {
            Ref(kind, each["identifier"]): (each["title"], some(each["properties"]), some(each["relations"]))
            for kind in kinds
            for each in self.port.entities(kind)
        }

    def _truth(self, said: Said) -> Truth:
        shown = {Ref(W, each) for each in self.coder.workspace_ids(prebuilds=True)}
        shown |= {Ref(TEMPLATE.identifier, each) for each in self.coder.template_ids()}
        settings = self.settings()
        prebuilds = {Ref(W, each) for each in self.coder.workspace_ids(prebuilds=True) - self.coder.workspace_ids()}
        theirs = {ref for ref, (_, properties, _) in self._shown().items() if properties.get(MANAGED_BY) == str(OTHER)}
        return Truth(
            shown=frozenset(shown),
            left_out=frozenset(each for each in shown if each in prebuilds or self.watch.is_left_out(*each, settings)),
            gone=frozenset(said.keys() - shown),
            theirs=frozenset(theirs),
        )

    async def _calm(self) -> None:
        self.network.weather = Weather()
        self.coder.clear_list_faults()
        self.coder.faults.clear()
        self.port.clear_item_faults()
        self.options["takeOver"] = "true"
        for found in self._processes:
            await found.ended()

    def _insist(self, *broken: str) -> None:
        for what in broken:
            if what:
                raise BrokenError(what)

    def unlike_coder(self) -> str:
        """What Port has otherwise than Coder, if anything."""
        settings, state = self.settings(), self.stack.memory().state
        in_scope = {each for each in self.coder.workspace_ids() if not self.watch.is_left_out(W, each, settings)}
        held = {
            each["identifier"]
            for each in self.port.entities(W)
            if _state_of(each) == state and is_id(each["identifier"])  # others are somebody's copies
        }
        if held != in_scope:
            return f"Port has {sorted(held - in_scope)} too many, lacks {sorted(in_scope - held)}"
        return next(filter(None, map(self._unlike, sorted(held))), "")

    def _unlike(self, identifier: str) -> str:
        """What an entity says otherwise than Coder, whatever coderport takes for the same."""
        workspace, entity = self.coder.workspace(identifier), self.port.entity(W, identifier)
        assert entity is not None
        has = (entity["properties"].get("name"), entity["properties"].get("owner_email"), entity["relations"])
        owner, template = self.coder.user(workspace.owner_id).email, workspace.template_id
        wanted = (workspace.name, owner, {**entity["relations"], "template_id": template})
        return "" if has == wanted else f"Port has {has} of {identifier}, Coder {wanted}"

    def _lost_values(self) -> str:
        if gone := self.their_actions - set(self.port.objects()["actions"]):
            return f"actions of a colleague are gone: {sorted(gone)}"
        for identifier, value in self.theirs.items():
            entity = self.port.entity(W, identifier)
            there = entity is not None and identifier not in self.watch.deleted
            if there and entity is not None and entity["properties"].get("cost_center") != value:
                return f"the value of a colleague on {identifier} is gone"
        return ""


def _state_of(entity: dict[str, Any]) -> str:
    mark = Mark.read(entity["properties"].get(MANAGED_BY))
    return mark.state if mark else ""


@contextmanager
def entered(loop: VirtualTime, world: World) -> Iterator[None]:
    """Inside, all of coderport lives in the world."""
    with ExitStack() as patches:
        patches.enter_context(world.network.everywhere())
        patches.enter_context(process.everywhere())
        patches.enter_context(program.everywhere())
        patches.enter_context(loop.everywhere())
        yield
