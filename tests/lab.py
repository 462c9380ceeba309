"""A laboratory: both emulators over sockets and a stack of the project's own `__main__.py` on the real engine."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
import yaml

from coderport.commands.demo import settings_for
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.guard.ownership import new_state_id
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.planning.memory import Memory
from coderport.report.change import Change
from coderport.report.outcome import Counts, Outcome, Tally
from coderport.stack.project_file import project_copy
from coderport.stack.stack import Stack

Json = dict[str, Any]


class LabStack(Stack):
    """A stack whose state and history are read where the engine wrote them, in its folder, and not through the CLI.

    That took half of the processor time of a test that compares. The CLI reads the same files; what it makes of them
    is seen by the tests of the commands as typed, and by those that ask for a laboratory with `through_cli`.
    """

    def __init__(self, name: str, cli: CliInfo, *, directory: Path, local_state: Path) -> None:
        super().__init__(name, cli, directory=directory, local_state=local_state)
        self._pulumi = local_state / "state" / ".pulumi"

    def _asked(self, what: str, *command: str) -> str:
        state = self._pulumi / "stacks" / self.project / f"{self.name}.json"
        if command[:2] == ("stack", "history"):
            runs = sorted((self._pulumi / "history" / self.project / self.name).glob("*.history.json"))
            if runs:
                return json.dumps([json.loads(runs[-1].read_text(encoding="utf-8"))])
        elif command[0] == "stack" and state.is_file():
            deployment = json.loads(state.read_text(encoding="utf-8"))["checkpoint"].get("latest") or {}
            if command[1] == "export":
                return json.dumps({"deployment": deployment})
            of_stack = (each for each in deployment.get("resources") or () if each["type"] == "pulumi:pulumi:Stack")
            return json.dumps(next((each.get("outputs") or {} for each in of_stack), {}))
        return super()._asked(what, *command)


class Lab:
    """One pair of emulators and one stack. `up` must succeed; what it wrote to Port is in the outcome."""

    def __init__(self, folder: Path, cli: CliInfo, pair: Pair, *, through_cli: bool = False) -> None:
        self.folder, self.cli, self.pair = folder, cli, pair
        self.coder, self.port = pair.coder, pair.port
        self._kind = Stack if through_cli else LabStack
        self.stack = self._copied()

    def _copied(self) -> Stack:
        """The stack `lab` as the very first pass of a run leaves it, from the copy that this process made once."""
        begun, config = _begun(self.cli), self.folder / "Pulumi.lab.yaml"
        for name in ("state", "pulumi"):
            shutil.copytree(begun / name, self.folder / name, dirs_exist_ok=True)
        settings = {f"coderport:{key}": value for key, value in settings_for(self.pair).items()}
        head = yaml.safe_load((begun / config.name).read_text(encoding="utf-8"))
        config.write_text(yaml.safe_dump({**head, "config": settings}), encoding="utf-8")
        return self._kind("lab", self.cli, directory=project_copy(self.folder), local_state=self.folder)

    def opened(self, name: str = "lab", folder: Path | None = None) -> Stack:
        """A stack on the emulators; another folder is another state."""
        folder = folder or self.folder
        stack = self._kind(name, self.cli, directory=project_copy(folder), local_state=folder)
        stack.configure(settings_for(self.pair))
        return stack

    def up(self) -> tuple[Outcome, Tally]:
        outcome, tally = self.stack.up()
        assert outcome.exit_code == 0, outcome.message
        return outcome, tally

    def pulumi(self, *arguments: str) -> str:
        """What the Pulumi CLI prints in the stack's project and with its state."""
        workspace = self.stack._stack.workspace
        run = workspace.pulumi_command.run([*arguments, "--non-interactive"], workspace.work_dir, workspace.env_vars)
        return str(run.stdout)

    def mark(self) -> str:
        """What the stack's entities have in `managed_by`."""
        return f"coderport/lab#{self.stack.memory().state}"

    def changes(self) -> list[Change]:
        """What one more `up` does, its steps one by one."""
        return self.up()[1].changes

    def refused(self, act: Callable[[], tuple[Outcome, Tally]] | None = None) -> Outcome:
        """The outcome of a run that must be refused, with proof that nothing was written to Port."""
        outcome, tally = (act or self.stack.up)()
        assert (outcome.result, outcome.exit_code) == ("refused", 3), outcome
        assert outcome.port_writes == 0
        assert tally.changes == []
        return outcome

    def workspace(self, identifier: str) -> Json:
        found: Json | None = self.port.entity(WORKSPACE.identifier, identifier)
        assert found is not None, f"no workspace {identifier} in Port"
        return found

    def template(self, identifier: str) -> Json:
        found: Json | None = self.port.entity(TEMPLATE.identifier, identifier)
        assert found is not None, f"no template {identifier} in Port"
        return found

    def blueprint(self, identifier: str) -> Json:
        found: Json | None = self.port.blueprint(identifier)
        assert found is not None, f"no blueprint {identifier} in Port"
        return found

    def ids(self, blueprint: str = WORKSPACE.identifier) -> set[str]:
        return {entity["identifier"] for entity in self.port.entities(blueprint)}

    def assert_converged(self) -> None:
        """Port has exactly Coder's objects, and a further run finds nothing to do and writes nothing."""
        assert self.ids() == self.coder.workspace_ids()
        assert self.ids(TEMPLATE.identifier) == self.coder.template_ids()
        outcome, tally = self.up()
        assert (outcome.result, outcome.port_writes) == ("unchanged", 0), tally.changes


def counts(**given: int) -> Counts:
    return Counts(**given)


def in_state(lab: Lab) -> dict[str, Any]:
    """The resources of the state by URN, without what a refresh, the moment of a write or the engine's mood alters."""
    return {
        each["urn"]: {
            "dependencies": set(each.get("dependencies", ())),
            "by_property": {key: set(on) for key, on in each.get("propertyDependencies", {}).items() if on},
            "inputs": _without_secrets(each.get("inputs")),
            **{key: each.get(key) for key in ("provider", "parent", "protect")},
        }
        for each in lab.stack.state()["resources"]
    }


def _without_secrets(value: Any) -> Any:
    """The same with a word for each secret, which is encrypted anew whenever a state is written by another run."""
    if isinstance(value, dict):
        hidden = "ciphertext" in value
        return "a secret" if hidden else {key: _without_secrets(each) for key, each in value.items()}
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value


@functools.cache
def _begun(cli: CliInfo) -> Path:
    """A folder with the stack `lab` after the very first pass of a run, which gives its state an id and no more.

    Made once for each process: five starts of the CLI that no lab has to repeat.
    """
    folder = tempfile.TemporaryDirectory(prefix="begun-")
    atexit.register(folder.cleanup)
    made = Path(folder.name)

    def program() -> None:
        for key, value in Memory(state=new_state_id()).outputs().items():
            pulumi.export(key, value)

    Stack("lab", cli, directory=project_copy(made), local_state=made, program=program).up()
    return made


@contextmanager
def laboratory(folder: Path, cli: CliInfo, **settings: Any) -> Iterator[Lab]:
    """A lab whose emulators end with the block. Settings are `through_cli` and those of the Coder emulator."""
    through_cli = settings.pop("through_cli", False)
    with Pair(**{"seed": 11, "workspaces": 14, "templates": 4, **settings}) as pair:
        yield Lab(folder, cli, pair, through_cli=through_cli)
