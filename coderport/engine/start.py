"""How the engine is started: the command object of the Automation API."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pulumi.automation import CommandResult, PulumiCommand
from semver import VersionInfo

from coderport.engine import process
from coderport.engine.cli import CliInfo
from coderport.engine.home import without_log

# The commands that are about every resource, whose log would cost more than their work.
_RUNS = ("up", "preview", "refresh", "destroy")

_TETHER = str(Path(__file__).with_name("tether.py"))


class EngineCommand(PulumiCommand):
    """The Automation API's handle on a CLI that was found already: it is not asked its version again.

    The CLI ends with this process, however that ends (see `tether`).
    """

    def __init__(self, cli: CliInfo) -> None:
        self.command = str(cli.path)
        self.version = VersionInfo.parse(cli.version)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> CommandResult:
        """What the CLI said; CommandError if it failed, Interrupted if the command is to end."""
        tether = [sys.executable, "-I", "-S", _TETHER, str(os.getpid())]
        command = [*tether, self.command, "--non-interactive", *args]
        if args[0] not in _RUNS:
            return process.run(command, cwd, additional_env, on_output, on_error, in_order=False)
        with without_log(additional_env) as environment:
            return process.run(command, cwd, environment, on_output, on_error, in_order=True)
