"""A run in the demo that is killed halfway, with its engine, as by a machine that is switched off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from coderport.emulators.faults import Fault
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo, engine_environment
from coderport.engine.lock import Lock, locks_in
from coderport.errors import CoderportError
from coderport.kinds.workspace import WORKSPACE
from coderport.stack.stack import Stack

_CREATED = 3
_PATIENCE = 120.0
_LOOK = 0.05
_HELD_MS = 3_000


def killed(stack: Stack, pair: Pair, folder: Path, cli: CliInfo) -> Iterator[str]:
    """Changes Coder, begins an `up` as a process of its own, and kills it while Port has half of it; in words.

    `folder` is that of the demo. Returns when the processes are gone; their lock is left behind.
    """
    coder, port = pair.coder, pair.port
    template = coder.template(sorted(coder.template_ids())[0])
    coder.promote_version(template.name)
    for _ in range(_CREATED):
        coder.create_workspace(template=template.name)
    yield f"a version of the template {template.name} is promoted, and {_CREATED} workspaces of it are created"
    path = f"/{WORKSPACE.identifier}/entities/bulk"
    hold = port.faults.add(Fault(kind="latency", method="POST", path=path, delay_ms=_HELD_MS))
    before = port.log.writes
    with (folder / "killed.log").open("w", encoding="utf-8") as log:
        run = subprocess.Popen(
            [sys.executable, "-m", "coderport", "--cwd", str(folder), "up", "--stack", stack.name, "--yes"],
            env=engine_environment(os.environ, cli=cli.path, local_state=folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _until_held(pair, hold, run)
            written = port.log.writes - before
            for lock in _locks(folder):  # its engine's
                with suppress(ProcessLookupError):
                    os.kill(lock.pid, signal.SIGKILL)
        finally:
            run.kill()
            run.wait()
            port.faults.clear(hold)
    yield (
        f"an up is killed, with its engine: Port has the template's new version and none of the {_CREATED} workspaces "
        f"({written} of its requests that write had come), and the stack is still locked"
    )


def _locks(folder: Path) -> list[Lock]:
    """The locks in the demo's state."""
    state = folder / "state" / ".pulumi" / "locks"
    return [lock for each in sorted(state.rglob("*")) if each.is_dir() for lock in locks_in(each)]


def _until_held(pair: Pair, hold: int, run: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + _PATIENCE
    while not any(each["number"] == hold and each["hit"] for each in pair.port.faults.standing()):
        if run.poll() is not None or monotonic() > deadline:
            raise CoderportError("The run that was to be killed did not come to its workspaces.")
        sleep(_LOOK)
