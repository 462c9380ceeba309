"""Running the CLI as a process: in a session of its own, so that it gets the signals that we hand on and no others."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from pulumi.automation import CommandResult
from pulumi.automation.errors import create_command_error

from coderport.terminal import ending

Hear = Callable[[str], Any] | None


def run(
    command: Sequence[str],
    cwd: str,
    environment: Mapping[str, str],
    on_output: Hear = None,
    on_error: Hear = None,
    *,
    in_order: bool,
) -> CommandResult:
    """What it said; CommandError, as the Automation API raises it, if it failed.

    When the command is asked to end, a process that has to end `in_order` is asked as well and waited for; any other is
    killed. Raises Interrupted where it was asked before.
    """
    said: tuple[list[str], list[str]] = ([], [])
    environment = {**os.environ, **environment, "PULUMI_AUTOMATION_API": "true"}
    with (
        ending.gently() if in_order else ending.killed() as started,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        started(process)
        assert process.stdout is not None and process.stderr is not None
        streams = zip((process.stdout, process.stderr), (on_output, on_error), said, strict=True)
        readers = [threading.Thread(target=_read, args=each, daemon=True) for each in streams]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        code = process.wait()
    result = CommandResult(stdout="\n".join(said[0]), stderr="\n".join(said[1]), code=code)
    if code != 0:
        raise create_command_error(result)
    return result


def _read(stream: TextIO, hear: Hear, lines: list[str]) -> None:
    for line in stream:
        lines.append(line.rstrip())
        if hear:
            hear(lines[-1])
