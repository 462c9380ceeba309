"""How the engine is started: the command object of the Automation API."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import CommandError
from semver import VersionInfo

from coderport.engine import process
from coderport.engine.cli import CliInfo
from coderport.engine.home import without_log

# The commands that are about every resource, whose log would cost more than their work.
_RUNS = ("up", "preview", "refresh", "destroy")

Amend = Callable[[CommandError], bool]
"""Takes what the CLI complains of out of the way, if it can: then the same is asked once more."""

_TETHER = str(Path(__file__).with_name("tether.py"))


class EngineCommand(PulumiCommand):
    """The Automation API's handle on a CLI that was found already: it is not asked its version again.

    The CLI ends with this process, however that ends (see `tether`). `amend` hears of each call on the stack that
    failed.
    """

    def __init__(self, cli: CliInfo, stack: str = "", amend: Amend = lambda _: False) -> None:
        self.command = str(cli.path)
        self.version = VersionInfo.parse(cli.version)
        self._stack, self._amend = ["--stack", stack], amend

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> CommandResult:
        """What the CLI said; CommandError if it failed, Interrupted if the command is to end."""
        try:
            return self._run(args, cwd, additional_env, on_output, on_error)
        except CommandError as error:
            if self._stack not in map(list, pairwise(args)) or not self._amend(error):
                raise
        return self._run(args, cwd, additional_env, on_output, on_error)

    def _run(
        self,
        args: list[str],
        cwd: str,
        environment: Mapping[str, str],
        on_output: Callable[[str], Any] | None,
        on_error: Callable[[str], Any] | None,
    ) -> CommandResult:
        tether = [sys.executable, "-I", "-S", _TETHER, str(os.getpid())]
        command = [*tether, self.command, "--non-interactive", *args]
        if args[0] not in _RUNS:
            return process.run(command, cwd, environment, on_output, on_error, in_order=False)
        with without_log(environment) as without:
            return process.run(command, cwd, without, on_output, on_error, in_order=True)
