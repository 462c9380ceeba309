"""This project as it was, to be measured beside what it is: a checkout of an earlier commit with its own packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.checkout import FOLDER, Checkout
from benchmarks.errors import RivalMissing
from benchmarks.names import REVISION
from benchmarks.servers import Servers
from coderport.engine import CliInfo, engine_environment
from coderport.stack.project_file import ROOT


def earlier(name: str, servers: Servers, cli: CliInfo) -> Checkout:
    """A checkout of that commit with an empty state; RivalMissing where this clone does not have the commit."""
    made, folder = _made(), FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder / "project", ignore=shutil.ignore_patterns(".venv", "__pycache__", ".coderport"))
    environment = engine_environment(os.environ, cli=cli.path, local_state=folder / "engine")
    python = made / ".venv" / "bin" / "python"
    # Its provider is started by whatever `python3` comes first.
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"
    return Checkout(folder / "project", {**environment, **servers.environment}, str(python))


def _made() -> Path:
    """The files of the commit, with a virtual environment of the requirements that it had."""
    folder = FOLDER / f"project-{REVISION}"
    if (folder / "complete").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", REVISION], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise RivalMissing(f"this clone does not have the commit {REVISION}: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    done = subprocess.run(["make", "runtime"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RivalMissing(f"{REVISION} cannot be set up: {done.stderr.strip()[-500:]}")
    (folder / "complete").touch()
    return folder
