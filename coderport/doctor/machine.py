"""This machine: the project, the Pulumi CLI, and the stack in its backend, with passphrase, last run and lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from coderport.doctor.check import Check, failed
from coderport.engine import CliInfo, find_cli
from coderport.engine.backend import folder_of
from coderport.engine.lock import HolderState, Machine, explained, holder_state, locks_in, this_machine
from coderport.errors import CoderportError
from coderport.project import project_folder
from coderport.settings import Settings, settings_of
from coderport.stack.stack import SUCCEEDED, Stack, StackMissing
from coderport.terminal.remedy import CLI, COMMAND

SUBJECT = "this machine"


class Examined:
    """What the checks found for those after them; None where they did not."""

    stack: Stack | None = None
    settings: Settings | None = None


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
        stack.find()
    except StackMissing as missing:
        yield Check(
            subject=SUBJECT,
            name="stack",
            grade="warn",
            said=f"There is no stack {name} in {missing.backend} yet. The first run makes it.",
            remedy=f"  {COMMAND} preview --stack {name}",
        )
        yield from _settings_of_file(name, environ, examined)
        return
    except CoderportError as error:
        yield failed(SUBJECT, "stack", error)
        return
    examined.stack = stack
    yield Check(subject=SUBJECT, name="stack", grade="pass", said=f"{stack.managed_by} in {stack.backend}")
    last_run = _last_run(stack)
    yield last_run
    if last_run.grade != "fail":
        try:
            examined.settings = stack.settings()
        except CoderportError as error:
            yield failed(SUBJECT, "settings", error)
        else:
            yield _whole(examined.settings)
    yield lock_check(stack.backend, stack, this_machine())


def _settings_of_file(name: str, environ: Mapping[str, str], examined: Examined) -> Iterator[Check]:
    """The settings that the first run of a stack would have: those of its file, where they are in clear."""
    file = project_folder() / f"Pulumi.{name.rsplit('/', 1)[-1]}.yaml"
    try:
        examined.settings = settings_of(_in_clear(file), "coderport", environ)
    except (CoderportError, yaml.YAMLError, OSError) as error:
        yield failed(SUBJECT, "settings", error)
    else:
        yield _whole(examined.settings)


def _in_clear(file: Path) -> dict[str, tuple[Any, bool]]:
    if not file.is_file():
        return {}
    read = yaml.safe_load(file.read_text(encoding="utf-8"))
    config = read.get("config") if isinstance(read, Mapping) else None
    plain = config if isinstance(config, Mapping) else {}
    return {str(key): (value, False) for key, value in plain.items() if not _is_encrypted(value)}


def _is_encrypted(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _whole(settings: Settings) -> Check:
    said = f"Coder at {settings.coder_api_base_url}, Port at {settings.port_base_url}"
    return Check(subject=SUBJECT, name="settings", grade="pass", said=said)


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
