"""`init`, step by step. What is there already is kept, unless its owner says otherwise."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from coderport.engine import CliInfo, engine_environment
from coderport.engine.backend import is_cloud
from coderport.engine.errors import EngineError
from coderport.engine.refusals import DIY_ORGANIZATION, NO_ORGANIZATIONS, known_refusal, last_words
from coderport.errors import CoderportError
from coderport.project import (
    CHECKOUT,
    ForeignProject,
    description_of,
    folder_in_use,
    foreign,
    has_project,
    runs_ours,
    work_in,
)
from coderport.settings import CoderAccess, PortAccess, problems_of
from coderport.setup.disk import told, unfinished, write_whole
from coderport.setup.files import (
    ProjectFile,
    files_of,
    named,
    project_name_for,
    requirement,
    shared_files_of,
    workflow_of,
)
from coderport.setup.lines import Amended
from coderport.setup.missing import missing, unusable
from coderport.setup.values import (
    ALL,
    CODER_TOKEN,
    CODER_URL,
    PORT_ID,
    PORT_SECRET,
    PORT_URL,
    Found,
    found_values,
    region_url,
)
from coderport.stack.names import wrong_project_name, wrong_stack_name, wrong_stack_of
from coderport.stack.project_file import project_name
from coderport.stack.stack import Stack
from coderport.stack.stack_file import stack_file
from coderport.terminal import ending
from coderport.terminal.person import Person, is_terminal
from coderport.terminal.remedy import CLI

_NAMESPACE = "coderport"
_SECONDS = 120
_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"
_EXPORTED = f"""
The passphrase was kept nowhere, and each of the next commands needs it. In the shell where they run, first let it be
asked for there (it is not shown), or name a file that holds it in {_PASSPHRASE}_FILE:
  stty -echo; read -r {_PASSPHRASE}; stty echo; export {_PASSPHRASE}
"""


@dataclass(frozen=True)
class Choices:
    """What was said on the command line; `given` are values by their key in the config."""

    given: Mapping[str, str | None]
    stack: str | None = None
    name: str | None = None
    workflow: bool | None = None
    overwrite: bool = False
    yes: bool = False


class Beginning:
    """One `init`: the project, the values, the stack. Each step may be repeated by running it again."""

    def __init__(self, choices: Choices, console: Console) -> None:
        self._choices, self._console = choices, console
        self.person = Person(at_all=is_terminal() and not choices.yes)
        self.stack = ""
        self._written: list[str] = []
        self._asked_for_passphrase = False

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """Within the block whatever ends `init`, a signal among it, comes with what was written until then."""
        ending.says(lambda cause: f"{cause.told(0)} {told(self._written)}" if self._written else cause.told(0))
        try:
            yield
        except OSError as error:
            raise unfinished(error, told(self._written)) from error
        except CoderportError as error:
            if self._written:
                error.args = (f"{error}\n{told(self._written)}",)
            raise

    def folder(self) -> Path:
        """The folder of the project: the one in use, or the checkout that this is."""
        folder = folder_in_use()
        if CHECKOUT is not None and folder.resolve() == CHECKOUT:
            return CHECKOUT
        if has_project(folder):
            reason = foreign(folder)
        elif (folder / "__main__.py").exists() and not runs_ours(folder):
            reason = "its __main__.py is another program"
        else:
            reason = ""
        if reason:
            raise ForeignProject(
                f"{folder} has a project of its own, which is not one of coderport: {reason}. Nothing was written. "
                "Choose a folder of its own for it (it may be one below)."
            )
        return folder

    def check_names(self) -> None:
        """SettingsError where a name that was given can be none, before anything is written."""
        wrong = [
            f"{flag}: {reason}"
            for flag, name, reason_of in (
                ("--name", self._choices.name, wrong_project_name),
                ("--stack", self._choices.stack, wrong_stack_name),
            )
            if name and (reason := reason_of(name))
        ]
        if wrong:
            raise unusable(wrong)

    def values(self) -> dict[str, str]:
        """The four values and Port's region, checked, by key. Nothing is written before they are whole."""
        found = found_values(os.environ, self._choices.given)
        if PORT_URL.key not in found and not self.person.at_all:
            found[PORT_URL.key] = Found("eu", "the default")
        absent = [each for each in ALL if each.key not in found]
        if absent and not self.person.at_all:
            raise missing(absent)
        values: dict[str, str] = {}
        for wanted in ALL:
            if wanted.key in found:
                value, where = found[wanted.key].value, found[wanted.key].where
                shown = "it" if wanted.secret else value
                self._console.print(f"{wanted.question}: {shown}, from {where}")
            else:
                value = self.person.text(wanted.question, "eu" if wanted is PORT_URL else "", secret=wanted.secret)
            values[wanted.key] = region_url(value) if wanted is PORT_URL else value
        self._check(values)
        return values

    def _check(self, values: Mapping[str, str]) -> None:
        """Whether each has the form that the settings demand."""
        wrong: list[str] = []
        for kind, keys in ((CoderAccess, (CODER_URL, CODER_TOKEN)), (PortAccess, (PORT_ID, PORT_SECRET, PORT_URL))):
            try:
                kind.model_validate({each.key: values[each.key] for each in keys})
            except ValidationError as error:
                flags = {each.key: each.flag for each in keys}
                wrong += [f"{flags[key]} {reason}" for key, reason in problems_of(error)]
        if wrong:
            raise unusable(wrong)

    def project(self, folder: Path) -> None:
        """Writes what is missing of the project's files, and works in it from here on."""
        there = self._name_there(folder)
        if folder == CHECKOUT:
            self._check_stack(there)
            return
        name = self._choices.name or (there if not wrong_project_name(there) else "")
        name = name or self.person.text("The project's name", project_name_for(folder), wrong=wrong_project_name)
        self._check_stack(name)
        if there and wrong_project_name(there):
            self._rename(folder, there, name)
        self._write(files_of(folder, name))
        for file in shared_files_of(folder):
            self._amend(file)
        pins = folder / "requirements.txt"
        if " @ file:" in requirement() and requirement() in pins.read_text(encoding="utf-8", errors="replace"):
            self._console.print(
                f"{pins} names this checkout, which no CI can install. Before a workflow runs, name "
                "what it can install there: a version, or coderport @ git+https://…@COMMIT.",
                style="yellow",
            )
        if CHECKOUT is not None:  # what is installed finds the project by itself
            work_in(folder)

    def _check_stack(self, project: str) -> None:
        """SettingsError where the stack that was given can be none of the project, before anything is written."""
        name = self._choices.stack
        if name and (wrong := _wrong_stack(name, project)):
            raise unusable([f"--stack: {wrong}"])

    def workflow(self, folder: Path) -> None:
        """The workflow for GitHub, where it is wanted."""
        if folder == CHECKOUT:
            return
        wanted = self._choices.workflow
        if wanted is None:
            wanted = self.person.may("Write a workflow for GitHub Actions?", otherwise=self.person.at_all)
        if wanted:
            self._write([workflow_of(folder, self.stack)])

    def _name_there(self, folder: Path) -> str:
        return str(description_of(folder)["name"]) if has_project(folder) else ""

    def _rename(self, folder: Path, before: str, name: str) -> None:
        """Gives the project a name that Pulumi takes: under the one that it has, no stack can ever have been made."""
        file = folder / "Pulumi.yaml"
        write_whole(file, named(file.read_text(encoding="utf-8"), name).encode())
        self._written.append(str(file))
        self._console.print(f"renamed  {file}: {name} (Pulumi takes no project of the name {before!r})")

    def _amend(self, file: Amended) -> None:
        """Adds what the file lacks; what it has of ours in another form stays, unless that is to be replaced."""
        if file.advice:
            self._console.print(f"kept     {file.path}: {file.advice}", style="yellow")
        elif file.replaced and not (
            self._choices.overwrite
            or self.person.may(f"{file.path} has {file.replaced}. Put {file.added[0]} there?", otherwise=False)
        ):
            kept = f"kept     {file.path} (it has {file.replaced}; --overwrite puts {file.added[0]} there)"
            self._console.print(kept, style="yellow")
        elif file.added:
            done = "added to" if file.path.exists() else "written "
            file.write()
            self._written.append(str(file.path))
            self._console.print(f"{done} {file.path}: {', '.join(file.added)}")

    def _write(self, files: Iterable[ProjectFile]) -> None:
        for file in files:
            if file.is_there:
                continue
            question = f"{file.path} is there and differs. Overwrite it?"
            if file.differs and not self._choices.overwrite and not self.person.may(question, otherwise=False):
                self._console.print(f"kept     {file.path} (it differs; --overwrite replaces it)", style="yellow")
            else:
                file.write()
                self._written.append(str(file.path))
                self._console.print(f"written  {file.path}")

    def opened(self, cli: CliInfo, folder: Path) -> Stack:
        """The stack, which is made where it is not there; a passphrase is asked for where one is needed."""
        selected = _selected(cli, folder)
        self.stack = self._choices.stack or self.person.text(
            "The stack's name", selected or "dev", wrong=lambda name: _wrong_stack(name, project_name(folder))
        )
        if self.person.at_all and not _is_cloud() and not any(name.startswith(_PASSPHRASE) for name in os.environ):
            os.environ[_PASSPHRASE] = self.person.text("A passphrase for the stack's secrets (keep it)", secret=True)
            self._asked_for_passphrase = True
        return Stack(self.stack, cli, directory=folder)

    def configure(self, stack: Stack, cli: CliInfo, values: Mapping[str, str]) -> None:
        """Puts the values into the stack's file, secrets encrypted. Another that is there is kept, or asked about."""
        there = stack.config()
        for wanted in ALL:
            key, value = f"{_NAMESPACE}:{wanted.key}", values[wanted.key]
            before = there.get(key)
            if before == value:
                continue
            if before and not self._choices.overwrite:
                question = f"The stack {stack.name} has another {key}. Overwrite it?"
                if not self.person.may(question, otherwise=False):
                    self._console.print(f"kept     {key} (another is set; --overwrite replaces it)", style="yellow")
                    continue
            _set(stack, cli, key, value, secret=wanted.secret)
            if (file := str(stack_file(stack.directory, stack.name))) not in self._written:
                self._written.append(file)
            self._console.print(f"set      {key}{' (encrypted)' if wanted.secret else ''}")

    def shell_needs(self, stack: Stack) -> str:
        """What to do in a shell before the next commands work there; empty where nothing is.

        The passphrase that was asked for is in the environment of this process alone. A stack whose secrets it does
        not encrypt, as in Pulumi Cloud, has no salt in its file.
        """
        if not self._asked_for_passphrase:
            return ""
        file = stack_file(stack.directory, stack.name)
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        return _EXPORTED if re.search(r"^encryptionsalt:", text, re.MULTILINE) else ""


def _selected(cli: CliInfo, folder: Path) -> str:
    """The stack that Pulumi has selected for the project; empty where it has none, or no login."""
    done = _pulumi(cli, folder, "stack", "--show-name")
    return done.stdout.strip() if done.returncode == 0 else ""


def _wrong_stack(name: str, project: str) -> str:
    """Why the project can have no such stack, as far as that is known without the Pulumi CLI; empty where it can."""
    backend, organization = os.environ.get("PULUMI_BACKEND_URL", ""), name.rpartition("/")[0].partition("/")[0]
    if backend and not is_cloud(backend) and organization not in ("", DIY_ORGANIZATION):
        return f"{name!r} is no name of a stack here: {NO_ORGANIZATIONS}. The stack alone is enough."
    return wrong_stack_of(name, project)


def _is_cloud() -> bool:
    return is_cloud(os.environ.get("PULUMI_BACKEND_URL", "")) or "PULUMI_ACCESS_TOKEN" in os.environ


def _set(stack: Stack, cli: CliInfo, key: str, value: str, *, secret: bool) -> None:
    """By standard input, so that no value stands in the list of processes."""
    option = "--secret" if secret else "--plaintext"
    done = _pulumi(cli, stack.directory, "config", "set", option, key, "--stack", stack.name, given=value)
    if done.returncode:
        raise known_refusal(stack.name, done.stderr) or EngineError(
            f"The Pulumi CLI did not set {key}: {last_words(done.stderr)}"
        )


def _pulumi(cli: CliInfo, folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [cli.path, *arguments, "--non-interactive"],
            cwd=folder,
            env=engine_environment(os.environ, cli=cli.path, local_state=None),
            input=given,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"The Pulumi CLI did not answer `{' '.join(arguments)}` within {_SECONDS} seconds. Does the backend? "
            f"What init has written until then stays, and it may be run again:\n  {CLI} whoami -v"
        ) from None
