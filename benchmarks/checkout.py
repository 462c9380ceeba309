"""A checkout of the project as its user has it: the same files in a folder of the benchmark, and a state of its own."""

from __future__ import annotations

import compileall
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Measured, measured
from benchmarks.servers import Servers
from coderport.engine import CliInfo, engine_environment
from coderport.stack.project_file import ROOT

FOLDER = ROOT / ".coderport" / "bench"
STACK = "bench"

_FILES = ("__main__.py", "Pulumi.yaml")
_FOLDERS = ("coderport", "plugins")


@dataclass(frozen=True)
class Checkout:
    """`folder` is where a user would stand; `environment` names the servers, the state and the passphrase.

    `python` is the interpreter that has the project's requirements.
    """

    folder: Path
    environment: dict[str, str]
    python: str = sys.executable

    def command(self, *arguments: str, expected: int = 0) -> Measured:
        """Runs `python -m coderport …` on the stack to its end, as a user would type it."""
        name, *rest = arguments
        line = [self.python, "-m", "coderport", name, "--stack", STACK, "--json", *rest]
        return measured(line, folder=self.folder, environment=self.environment, expected=expected)

    def configure(self, key: str, value: str) -> None:
        """Sets a value of the stack's config."""
        line = [self.python, "-m", "coderport", "pulumi", "--", "config", "set", f"coderport:{key}", value]
        measured([*line, "--stack", STACK], folder=self.folder, environment=self.environment)

    def script(self, module: str, *arguments: str, expected: int = 0) -> Measured:
        """Runs a module of the benchmark to its end, with this checkout's project."""
        environment = {**self.environment, "PYTHONPATH": _path(self.folder)}
        line = [self.python, "-m", module, *arguments]
        return measured(line, folder=self.folder, environment=environment, expected=expected)


def checkout(name: str, servers: Servers, cli: CliInfo, *, provider: Path | None = None) -> Checkout:
    """A new checkout with an empty state. `provider` is a folder whose plugin stands in for the project's own."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    project = folder / "project"
    project.mkdir(parents=True)
    for each in _FILES:
        shutil.copy2(ROOT / each, project / each)
    for each in _FOLDERS:
        shutil.copytree(ROOT / each, project / each, ignore=shutil.ignore_patterns("__pycache__"))
    if provider is not None:
        shutil.copytree(provider, project / "plugins" / "port", dirs_exist_ok=True)
    # A user's checkout has run before.
    compileall.compile_dir(project, quiet=2)
    environment = engine_environment(os.environ, cli=cli.path, local_state=folder / "engine")
    for_plugins = {"BENCH_PYTHON": sys.executable, "BENCH_PYTHONPATH": _path(project)}
    return Checkout(project, {**environment, **for_plugins, **servers.environment})


def _path(project: Path) -> str:
    """Where Python finds the checkout's project, and the benchmark's modules."""
    return os.pathsep.join((str(project), str(ROOT)))
