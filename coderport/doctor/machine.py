"""This machine: the project, the Pulumi CLI, and the stack in its backend, with passphrase, last run and lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from coderport.doctor.check import Check, failed
from coderport.doctor.rehearsal import OnlyCloudKnows, first_settings
from coderport.engine import CliInfo, find_cli
from coderport.engine.backend import folder_of
from coderport.engine.lock import HolderState, Machine, explained, holder_state, locks_in, this_machine
from coderport.errors import CoderportError
from coderport.history.place import check_place
from coderport.kinds.all import kinds_asked
from coderport.project import project_folder
from coderport.settings import Releases, Settings, load_releases
from coderport.stack.stack import SUCCEEDED, Stack, StackMissing
from coderport.terminal.remedy import CLI, COMMAND
from coderport.transport.patience import Patience
from coderport.transport.route import route_to

SUBJECT = "this machine"


class Examined:
    """What the checks found for those after them; None where they did not."""

    stack: Stack | None = None
    settings: Settings | None = None
    releases: Releases | None = None


def project_checks() -> Iterator[Check]:
    """Whether there is a project to work on."""
    try:
        folder = project_folder()
    except CoderportError as error:
        yield failed(SUBJECT, "project", error)
        return
    yield Check(subject=SUBJECT, name="project", grade="pass", said=str(folder))


def cli_check(environ: Mapping[str, str]) -> tuple[CliInfo | None, Check]:
    """The Pulumi CLI that the commands would use. None is got here: that may take minutes."""
    passed_over: list[str] = []
    found = find_cli(environ, passed_over.append)
    if found is None:
        said = " ".join(["There is no Pulumi CLI that fits.", *passed_over])
        remedy = f"Get one:\n  {COMMAND} engine"
        return None, Check(subject=SUBJECT, name="cli", grade="fail", said=said, remedy=remedy)
    said = f"{found.version}, {found.path} ({found.origin})"
    return found, Check(subject=SUBJECT, name="cli", grade="pass", said=said)


def stack_checks(name: str, cli: CliInfo, environ: Mapping[str, str], examined: Examined) -> Iterator[Check]:
    """The backend, the stack, its secrets, its settings, its last run and its lock; into `examined` what was found."""
    try:
        stack = Stack(name, cli, create=False)
        if (unused := _unused(environ, stack)) is None:
            stack.find()
    except StackMissing as missing:
        unused = missing.backend
    except CoderportError as error:
        yield failed(SUBJECT, "stack", error)
        return
    if unused is not None:
        said = f"There is no stack {name} in {unused} yet. The first run makes it."
        remedy = f"  {COMMAND} preview --stack {name}"
        yield Check(subject=SUBJECT, name="stack", grade="warn", said=said, remedy=remedy)
        yield _settings(partial(first_settings, name, cli, unused), examined)
        return
    examined.stack = stack
    yield Check(subject=SUBJECT, name="stack", grade="pass", said=f"{stack.managed_by} in {stack.backend}")
    last_run = _last_run(stack)
    yield last_run
    if last_run.grade != "fail":
        yield _settings(stack.settings, examined)
    yield lock_check(stack.backend, stack, this_machine())


def _unused(environ: Mapping[str, str], stack: Stack) -> str | None:
    """The backend, where it is a folder that no CLI has used yet: to ask one for a stack would make it write there."""
    backend = environ.get("PULUMI_BACKEND_URL", "")
    root = folder_of(backend, stack.directory)
    if root is None or not root.is_dir() or (root / ".pulumi").exists() or not os.access(root, os.W_OK):
        return None
    return backend


def _settings(read: Callable[[], Settings], examined: Examined) -> Check:
    """The settings as a run reads them; into `examined` only where a run would go on with them."""
    try:
        settings = read()
        kinds_asked(settings)  # as a run does, before it reads anything
        check_place(settings, project_folder())
    except OnlyCloudKnows as error:
        remedy = "A run makes the stack, and opens them then."
        return Check(subject=SUBJECT, name="settings", grade="skip", said=str(error), remedy=remedy)
    except CoderportError as error:
        return failed(SUBJECT, "settings", error)
    examined.settings = settings
    said = f"Coder at {settings.coder_api_base_url}, Port at {settings.port_base_url}"
    return Check(subject=SUBJECT, name="settings", grade="pass", said=said)


def environment_checks(settings: Settings, environ: Mapping[str, str], examined: Examined) -> Iterator[Check]:
    """What the environment says beside the settings, where it is wrong: the network, the patience, the releases."""
    try:
        for address in (settings.coder_api_base_url, settings.port_base_url):
            route_to(address)
        Patience.of(environ)
    except CoderportError as error:
        yield failed(SUBJECT, "network", error)
    try:
        examined.releases = load_releases(environ)
    except CoderportError as error:
        yield failed(SUBJECT, "releases", error)


def _last_run(stack: Stack) -> Check:
    """How the last run ended. The CLI is asked with secrets shown, so a wrong passphrase is found by this as well."""
    try:
        result = stack.last_result()
    except CoderportError as error:
        return failed(SUBJECT, "secrets", error)
    if result in (SUCCEEDED, "none"):
        said = "It succeeded." if result == SUCCEEDED else "There was none yet."
        return Check(subject=SUBJECT, name="last run", grade="pass", said=said)
    said = f"It has not succeeded ({result}). The next run does what it left."
    remedy = f"  {COMMAND} up --stack {stack.name}"
    return Check(subject=SUBJECT, name="last run", grade="warn", said=said, remedy=remedy)


def lock_check(backend: str, stack: Stack, machine: Machine) -> Check:
    """Whether a run holds the stack, or a dead one left its lock. Only a folder can be looked at without taking one."""
    root = folder_of(backend, stack.directory)
    if root is None:
        said = f"Not looked at: only a folder shows its locks, and this backend is {backend}."
        return Check(subject=SUBJECT, name="lock", grade="skip", said=said)
    found = locks_in(root / ".pulumi" / "locks" / "organization" / stack.project / stack.bare_name)
    if not found:
        return Check(subject=SUBJECT, name="lock", grade="pass", said="Nobody holds the stack.")
    if all(holder_state(each, machine) is HolderState.DEAD for each in found):
        said = f"A run that died left a lock ({found[0]}). The next run clears it."
        return Check(
            subject=SUBJECT, name="lock", grade="warn", said=said, remedy=f"  {CLI} cancel --stack {stack.name}"
        )
    said, _, rest = explained(stack.name, found, machine).partition("\n")
    return Check(subject=SUBJECT, name="lock", grade="fail", said=said, remedy=rest)
