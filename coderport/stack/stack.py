"""One stack of the project and the real engine on it, through Pulumi's Automation API.

The program is served inline, so no language host is needed; what runs is the project's own `__main__.py`, exactly as
with plain `pulumi up`.
"""

from __future__ import annotations

import functools
import json
import os
import runpy
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackAlreadyExistsError, StackNotFoundError

from coderport.engine import CliInfo, engine_environment
from coderport.engine.backend import folder_of, is_cloud
from coderport.engine.channels import keep_apart
from coderport.engine.errors import EngineError
from coderport.engine.holding import held
from coderport.engine.lock import StackLocked, explained, this_machine, unlock
from coderport.engine.refusals import known_refusal
from coderport.engine.resources import Resources, outputs_by_urn
from coderport.engine.stack import EngineStack, EngineWorkspace
from coderport.engine.start import EngineCommand
from coderport.engine.torn import COMPLAINT, mend
from coderport.engine.trace import trace_of
from coderport.errors import CoderportError, SettingsError
from coderport.guard.foreign import state_verdict
from coderport.guard.ownership import stack_mark
from coderport.planning.difference import Resource
from coderport.planning.memory import Memory, MemoryUnreadableError, completed, recalled, unreadable
from coderport.planning.plan import refusal
from coderport.project import CHECKOUT, description_of, program_of, project_folder
from coderport.report.account import Account
from coderport.report.outcome import Outcome, Result, Tally
from coderport.settings import Releases, Settings, load_releases, settings_of, wrong_types
from coderport.stack.engine_run import outcome_of_run
from coderport.stack.names import stack_named
from coderport.stack.project_file import project_name
from coderport.stack.result import words_of
from coderport.stack.schema import Printed, mistyped, values_of
from coderport.stack.stack_file import check_stack_file, stack_file
from coderport.terminal.remedy import CLI, COMMAND

SUCCEEDED = "succeeded"
PARALLEL = 128
"""Operations in flight: six bulk writes. The engine's default of 4 × cores would cap one at 8 entities on 2 cores."""

_MAKING_SECONDS = 30.0
"""How long another command may take to make the stack that this one was about to make."""
_LOOK_SECONDS = 0.2


class StackMissing(SettingsError):
    """The project has no stack of that name in the backend, which is named by its URL."""

    def __init__(self, project: str, name: str, backend: str) -> None:
        super().__init__(
            f"The project {project} has no stack {name} in {backend}.\n"
            f"To see those that it has:\n  {CLI} stack ls\n"
            f"To make it with its first run:\n  {COMMAND} up --stack {name}\n"
            f"To make it empty:\n  {CLI} stack init {name}"
        )
        self.backend = backend


class Stack:
    """A stack of the project in `directory`, or in that of the command (see `coderport.project`).

    Where there is none, the first call of the CLI on it makes it, or with `create=False` raises StackMissing. To look
    for it before would cost another call.

    `variables` are what the command line says to the program (releases, a plan); they go before the environment.
    `healed` is what to tell of things that a killed run left, and that are as they should be by now.
    With `local_state` the engine lives in that folder: backend, passphrase and home are its own. `environ` is what the
    CLI finds in its environment in place of what is there. `program` stands in for the project's `__main__.py`.
    """

    def __init__(
        self,
        name: str,
        cli: CliInfo,
        *,
        directory: Path | None = None,
        local_state: Path | None = None,
        program: Callable[[], Any] | None = None,
        create: bool = True,
        variables: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.variables = dict(variables or {})
        self.directory = directory = directory or project_folder()
        self.project = project_name(directory)
        self.name = stack_named(name, self.project)
        check_stack_file(stack_file(directory, name))
        self.healed: list[str] = []
        self._create = create
        self._made = ""
        self._has_opened_secrets = False
        keep_apart()
        workspace = EngineWorkspace(
            work_dir=str(directory),
            env_vars=engine_environment({**os.environ, **(environ or {})}, cli=cli.path, local_state=local_state),
            pulumi_command=EngineCommand(cli, name, self._amended),
            program=program or partial(_main, directory),
        )
        self._stack = EngineStack(name, workspace)

    def find(self) -> None:
        """Raises StackMissing where there is no such stack, and what else is in the way of it as an error of ours."""
        self._asked("cannot be opened", "stack", "--show-name")

    def _amended(self, error: CommandError) -> bool:
        """Whether what was in the way of a call on the stack is gone: none is there yet, or a killed run left it so.

        Raises StackMissing where none is there and none is to be made.
        """
        if isinstance(error, StackNotFoundError):
            if not self._create:
                raise self._missing()
            self._make()
            return True
        if COMPLAINT not in str(error) or not mend(self.backend, self.directory):
            return False
        self.healed.append("A run that was killed left its state without a checksum; the state is whole.")
        return True

    def _missing(self) -> CoderportError:
        """What to tell where there is no such stack. Asking the backend for its name may fail, too."""
        try:
            return StackMissing(self.project, self.name, self.backend or "the backend")
        except CommandError as error:
            return self._refused("cannot be opened", error)

    def _make(self) -> None:
        """Makes the stack. Its lock is then of a run that died while it made it, or of one that makes it now."""
        deadline = time.monotonic() + _MAKING_SECONDS
        had_file = stack_file(self.directory, self.name).exists()
        while True:
            try:
                self._stack.workspace.create_stack(self.name)
            except StackAlreadyExistsError:  # another command was the first to make it, a moment ago
                return
            except ConcurrentUpdateError as locked:
                try:
                    self.healed.append(unlock(self.name, str(locked)))
                except StackLocked:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(_LOOK_SECONDS)
            else:
                self._made = (
                    f"The stack {self.name} was not there, and is made now. If its name is a typing error, remove it:\n"
                    f"  {CLI} stack rm {self.name} --yes{' --preserve-config' if had_file else ''}"
                )
                return

    def made(self) -> list[str]:
        """What to tell of a look that has made the stack, because there was none; nothing where it was there."""
        return [self._made] if self._made else []

    def configure(self, values: Mapping[str, str | Sequence[str] | Mapping[str, str]]) -> None:
        """Sets plain config values in the namespace of the project; a list or an object replaces the whole one."""
        given: dict[str, automation.ConfigValue] = {}
        for key, value in values.items():
            if isinstance(value, str):
                given[key] = automation.ConfigValue(value)
                continue
            self._stack.remove_config(key)
            if isinstance(value, Mapping):
                given.update({f"{key}.{name}": automation.ConfigValue(each) for name, each in value.items()})
            else:
                given.update({f"{key}[{index}]": automation.ConfigValue(each) for index, each in enumerate(value)})
        if given:
            self._stack.set_all_config(given, path=True)

    def configure_secret(self, key: str, value: str) -> None:
        """Sets one encrypted config value in the namespace of the project."""
        self._stack.set_config(key, automation.ConfigValue(value, secret=True))

    def preview(
        self, *, on_line: Callable[[str], None] | None = None, account: Account | None = None
    ) -> tuple[Outcome, Tally]:
        """What `up` would do now, judged by the same guard; never raises for a refusal or a failed read.

        `account` takes in what was found.
        """

        def run(**options: Any) -> None:
            self._stack.preview(parallel=PARALLEL, suppress_outputs=True, **options)

        return self._outcome(run, Tally(preview=True), account or Account(), changed="changes", on_line=on_line)

    def up(
        self,
        *,
        debug: bool = False,
        on_line: Callable[[str], None] | None = None,
        account: Account | None = None,
        before: Tally | None = None,
    ) -> tuple[Outcome, Tally]:
        """Makes Port match Coder; never raises for a refusal, a failed read or a failed resource.

        `account` and `before` are what the command did until now; the outcome has all of it.
        """

        return self._up(account or Account(), on_line, before, debug=debug or None)

    def up_part(
        self, program: Callable[[], Any], targets: Sequence[Resource], account: Account
    ) -> tuple[Outcome, Tally]:
        """Runs `program`, which declares a part of the stack, over just the targets.

        A refresh of them is not needed and cost a second: the provider holds each against Port before it changes it.
        `account` is what the command did until now, and takes in what this does. Never raises, as `up`.
        """
        return self._up(account, None, None, program=program, target=[self._urn(each) for each in targets])

    def _up(
        self, account: Account, on_line: Callable[[str], None] | None, before: Tally | None, **named: Any
    ) -> tuple[Outcome, Tally]:
        def run(**options: Any) -> None:
            self._stack.up(parallel=PARALLEL, show_secrets=False, suppress_outputs=True, **named, **options)

        tally = Tally(preview=False, before=before)
        return self._outcome(run, tally, account, changed="converged", on_line=on_line)

    def _urn(self, resource: Resource) -> str:
        kind, name = resource
        return f"urn:pulumi:{self.bare_name}::{self.project}::{kind}::{name}"

    @property
    def bare_name(self) -> str:
        """The name without the organization that Pulumi Cloud puts before it."""
        return self.name.rsplit("/", 1)[-1]

    def mark(self) -> str:
        """What its entities have in `managed_by`: project/stack, and the id of the state once it has one."""
        memory = self.memory()
        return str(memory.mark(self.managed_by)) if memory.state else self.managed_by

    @property
    def managed_by(self) -> str:
        """How entities of this stack name it: project/stack."""
        return stack_mark(self.project, self.name)

    @functools.cached_property
    def backend(self) -> str:
        """Where the state is kept, as a URL; the CLI is asked once."""
        return self._stack.workspace.who_am_i().url or ""

    def config(self) -> dict[str, str]:
        """The stack's config as it is, decrypted, by key with namespace."""
        return {key: value for key, (value, _) in values_of(self.printed()).items()}

    def settings(self) -> Settings:
        """The settings that a run would have: the stack's config, decrypted, and the environment."""
        printed = self.printed()
        settings = settings_of(values_of(printed), self.project, os.environ, stack=self.name)
        if wrong := mistyped(description_of(self.directory), printed):
            raise SettingsError(self.wrong_types(wrong, printed))
        return settings

    def printed(self) -> Printed:
        """The config as the CLI prints it, decrypted."""
        try:
            printed: Printed = json.loads(self._said("config", "--show-secrets", "--json"))
        except CommandError as error:
            raise self._refused("has a config that cannot be read", error, SettingsError) from None
        self._has_opened_secrets |= any(each.get("secret") for each in printed.values())
        return printed

    def wrong_types(self, keys: Iterable[tuple[str, str]], printed: Printed) -> str:
        """What to say of keys whose values are not of the types that `Pulumi.yaml` declares."""
        parts = ((key.rpartition(":"), kind, printed.get(key, {}).get("value")) for key, kind in keys)
        return wrong_types(((bare, kind, value, namespace) for (namespace, _, bare), kind, value in parts), self.name)

    def releases(self) -> Releases:
        """What a person allowed for one run, on the command line or in the environment."""
        return load_releases({**os.environ, **self.variables})

    def memory(self) -> Memory:
        """What the stack remembers of its last run, by one call of the CLI (`outputs` of the Automation API makes two).

        Raises Refusal where outputs are there that cannot be read.
        """
        try:
            memory = recalled(json.loads(self._asked("has outputs that cannot be read", "stack", "output", "--json")))
        except MemoryUnreadableError as error:
            raise unreadable(self.name, error) from None
        return memory if memory.stack else completed(memory, self.resources())

    def resources(self) -> Resources:
        """The outputs of the state's resources by URN. Refusal where the state is not one of coderport's."""
        found = outputs_by_urn(self.state())
        if (verdict := state_verdict(found, self.name)).refused:
            raise refusal(verdict)
        return found

    def last_result(self) -> str:
        """How the stack's last run ended, in Pulumi's words (`SUCCEEDED`, "failed", …); a refusal is a failure.

        Where no secret of the config was read yet, it is asked for with secrets shown: the CLI then tries the
        passphrase, as it does for an `up`.
        """
        asked = ("has a history that cannot be read", "stack", "history", "--page-size", "1", "--json")
        try:
            answer = self._asked(*asked, *(() if self._has_opened_secrets else ("--show-secrets",)))
        except EngineError:  # the secrets of that time, from before another key was taken: they do not matter
            answer = self._asked(*asked)
        entries: list[dict[str, Any]] = json.loads(answer or "[]")
        return str(entries[0].get("result")) if entries else "none"

    def _asked(self, failed: str, *command: str) -> str:
        """The CLI's answer about the stack; EngineError, with `failed` of the stack, where it has none."""
        try:
            return self._said(*command)
        except CommandError as error:
            raise self._refused(failed, error) from None

    def _said(self, *command: str) -> str:
        workspace = self._stack.workspace
        arguments = [*command, "--stack", self.name]
        return workspace.pulumi_command.run(arguments, workspace.work_dir, dict(workspace.env_vars)).stdout

    def _refused(self, what: str, error: CommandError, otherwise: type[CoderportError] = EngineError) -> CoderportError:
        """The CLI's error as ours: of a known kind, or else as `otherwise` with its own words."""
        known = known_refusal(self.name, str(error))
        return known or otherwise(f"The stack {self.name} {what}: {words_of(error)}")

    def refresh(self) -> None:
        """Takes what Port holds into the state, without the program."""
        self._stack.refresh(parallel=PARALLEL, show_secrets=False)

    def destroy(self) -> None:
        """Pulumi's own destroy: everything that the state holds is deleted, without the guard."""
        self._stack.destroy(parallel=PARALLEL, show_secrets=False)

    @contextmanager
    def held(self, *, for_writing: bool) -> Iterator[list[str]]:
        """Keeps other runs of the stack away from what the block writes to Port; notes on locks that were cleared.

        Does nothing unless it is `for_writing`. Raises StackLocked where another run is under way. Only a folder's lock
        can be held without the engine. Pulumi Cloud is asked once whether a run is under way; a bucket cannot be
        asked.
        """
        if not for_writing:
            yield []
            return
        workspace = self._stack.workspace
        backend = self._chosen_backend()
        folder = folder_of(backend, Path(workspace.work_dir))
        if folder is not None:
            with held(folder, self.project, self.bare_name) as notes:
                yield notes
            return
        if is_cloud(backend):
            stacks: list[dict[str, Any]] = json.loads(
                self._asked("has a list that cannot be read", "stack", "ls", "--json")
            )
            name = self._stack.name
            if any(each.get("updateInProgress") for each in stacks if each.get("name") in (name, self.bare_name)):
                raise StackLocked(explained(self.name, (), this_machine()))
        yield []

    def trace(self) -> str:
        """Another text once a run of the stack begins or ends; empty where no folder keeps it, and none can tell."""
        try:
            folder = folder_of(self._chosen_backend(), self.directory)
        except CommandError as error:
            raise self._refused("has a backend that cannot be reached", error) from None
        return "" if folder is None else trace_of(folder, self.project, self.bare_name)

    def cancel(self) -> None:
        """Takes away the lock that a killed run left on the state."""
        self._stack.cancel()

    def outputs(self) -> dict[str, Any]:
        """The outputs of the last run."""
        return {name: output.value for name, output in self._stack.workspace.stack_outputs(self.name).items()}

    def state(self) -> dict[str, Any]:
        """The whole state, as `pulumi stack export` gives it. Secrets stay encrypted: that takes half the time."""
        return dict(
            json.loads(self._asked("has a state that cannot be read", "stack", "export")).get("deployment") or {}
        )

    @functools.cached_property
    def checkpoints(self) -> dict[str, str]:
        """No checkpoints where each would rewrite the whole state (any backend but Pulumi Cloud); found out once."""
        return {} if is_cloud(self._chosen_backend()) else {"PULUMI_SKIP_CHECKPOINTS": "true"}

    def _chosen_backend(self) -> str:
        """The backend as it was chosen: `PULUMI_BACKEND_URL`, or what the CLI says of the project and the login.

        The variable goes before both (`GetCurrentCloudURL` of the CLI), so where it is set the CLI is not asked.
        """
        return self._stack.workspace.env_vars.get("PULUMI_BACKEND_URL") or self.backend

    def _outcome(
        self,
        run: Callable[..., None],
        tally: Tally,
        account: Account,
        *,
        changed: Result,
        on_line: Callable[[str], None] | None,
    ) -> tuple[Outcome, Tally]:
        return outcome_of_run(self, run, tally, account, changed=changed, on_line=on_line)


def _main(directory: Path) -> None:
    """The project's `__main__.py`, as plain `pulumi up` runs it."""
    if CHECKOUT is not None and str(CHECKOUT) not in sys.path:
        sys.path.insert(0, str(CHECKOUT))
    runpy.run_path(str(program_of(directory)), run_name="__main__")
