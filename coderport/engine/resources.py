"""What the state of a stack holds, for a program whose outputs do not tell.

The engine's own function for it (readStackResourceOutputs) ends the engine where a stack has no state yet (CLI 3.250).
So the CLI is asked: by the command that runs the program, or, with plain `pulumi up`, by the program itself.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from coderport.errors import CoderportError

Resources = Mapping[str, Mapping[str, Any]]
"""The outputs of each resource by URN."""

SECONDS = 120

_readers: list[Callable[[], Resources]] = []


@contextmanager
def read_by(reader: Callable[[], Resources]) -> Iterator[None]:
    """Programs that run in this process within the block ask `reader`."""
    _readers.append(reader)
    try:
        yield
    finally:
        _readers.pop()


def are_read_by_command() -> bool:
    """Whether a command of ours runs the program and reads the state for it, by a CLI that it has."""
    return bool(_readers)


def resources_of(stack: str) -> Resources:
    """The resources of the stack (organization/project/stack) as they were before this run."""
    if _readers:
        return _readers[-1]()
    cli = shutil.which("pulumi")
    if cli is None:
        raise CoderportError("no `pulumi` is on PATH, which is needed once, to see what the state holds")
    command = [cli, "stack", "export", "--stack", stack, "--non-interactive"]
    try:
        printed = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
        return outputs_by_urn(json.loads(printed).get("deployment") or {})
    except subprocess.CalledProcessError as error:
        raise CoderportError(f"`pulumi stack export` failed: {error.stderr.strip()}") from None
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise CoderportError(f"`pulumi stack export` failed: {error}") from None


def outputs_by_urn(deployment: Mapping[str, Any]) -> Resources:
    """The same, of what `pulumi stack export` prints as `deployment`."""
    return {each["urn"]: each.get("outputs") or {} for each in deployment.get("resources") or ()}
