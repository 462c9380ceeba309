"""What else there is: everything registered at once, the stock provider's pattern, Ocean's own client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import catalog, names
from benchmarks.checkout import FOLDER, STACK, checkout
from benchmarks.errors import RivalMissing
from benchmarks.measuring import Notebook
from benchmarks.processes import measured
from benchmarks.rows import Row
from benchmarks.servers import TEMPLATES, Servers, served
from coderport.engine import CliInfo
from coderport.stack.project_file import ROOT

OCEAN_VERSION = "0.55.4"
_OCEAN_PYTHON = (3, 12)


def at_once(workspaces: int, notebook: Notebook, cli: CliInfo) -> None:
    """A first `up` of this project whose window of registrations is larger than their number."""
    with served(workspaces) as servers:
        beside = checkout(f"at-once-{workspaces}", servers, cli)
        command = ("benchmarks.at_once", "up", "--stack", STACK, "--json")
        notebook.command(names.AT_ONCE, workspaces, servers, lambda: beside.script(*command))


def one_by_one(workspaces: int, notebook: Notebook, limit: int) -> None:
    """The stock provider's pattern over all entities, or over the first of them and extrapolated.

    Where a smaller number was measured whole already, that is what is extrapolated from.
    """
    entities = workspaces + TEMPLATES
    name = names.figure(names.ONE_BY_ONE, names.WALL)
    figures = notebook.results.figures()
    whole = [size for size in figures.sizes(name) if size < workspaces]
    if entities > limit and whole:
        seconds = figures.number(name, whole[-1]) or 0.0
        notebook.put(_extrapolated(workspaces, seconds / (whole[-1] + TEMPLATES)))
        return
    known = catalog.kept(workspaces)
    with served(workspaces) as servers:
        known.put_blueprints(servers)
        command = [sys.executable, "-m", "benchmarks.one_by_one", str(catalog.path(workspaces)), str(limit)]
        environment = {**os.environ, **servers.environment}
        servers.reset()
        run = measured(command, folder=ROOT, environment=environment)
        requests = servers.counts().port
    answer = json.loads(run.output)
    if answer["entities"] < len(known.entities):
        notebook.put(_extrapolated(workspaces, answer["seconds"] / answer["entities"]))
        return
    rows = ((names.WALL, round(answer["seconds"], 2), "s"), (names.PORT_REQUESTS, requests, "requests"))
    notebook.put(Row(names.figure(names.ONE_BY_ONE, what), workspaces, value, unit) for what, value, unit in rows)


def _extrapolated(workspaces: int, seconds_each: float) -> Iterator[Row]:
    entities = workspaces + TEMPLATES
    name = names.figure(names.ONE_BY_ONE, names.EXTRAPOLATED)
    yield Row(name, workspaces, round(seconds_each * entities, 1), "s")


def ocean(workspaces: int, notebook: Notebook) -> None:
    """Ocean's client with all entities on an empty Port, then with those of the 1 % on what it wrote."""
    python = ocean_python(notebook)
    known = catalog.kept(workspaces)
    with served(workspaces) as servers:
        known.put_blueprints(servers)
        for case, *chosen in ((names.OCEAN,), (names.OCEAN_CHANGED, "changed")):
            answer = _upserted(python, workspaces, servers, chosen)
            rows = [
                Row(names.figure(case, names.WALL), workspaces, round(answer["seconds"], 2), "s"),
                Row(names.figure(case, names.PORT_REQUESTS), workspaces, servers.counts().port, "requests"),
                Row(names.figure(case, "entities"), workspaces, answer["entities"], "entities"),
            ]
            notebook.put(rows)
    notebook.put(
        [
            Row("Ocean's client: version", None, answer["version"], "port-ocean"),
            Row("Ocean's client: writes in bulk", None, "yes" if answer["in_bulk"] else "no", ""),
        ]
    )


def _upserted(python: Path, workspaces: int, servers: Servers, chosen: list[str]) -> dict[str, Any]:
    script = Path(__file__).with_name("in_ocean.py")
    command = [str(python), str(script), str(catalog.path(workspaces)), *chosen]
    servers.reset()
    answer: dict[str, Any] = json.loads(
        measured(command, folder=FOLDER, environment={**os.environ, **servers.environment}).output
    )
    return answer


def ocean_python(notebook: Notebook) -> Path:
    """The Python of a virtual environment with Ocean in it, made where there is none; RivalMissing where that fails."""
    folder = FOLDER / f"ocean-{OCEAN_VERSION}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    found = _python_for_ocean()
    if found is None:
        wanted = ".".join(map(str, _OCEAN_PYTHON))
        raise RivalMissing(
            f"port-ocean needs Python {wanted}, and there is no python{wanted} on PATH or under ~/.pyenv"
        )
    notebook.console.print(f"Installing port-ocean {OCEAN_VERSION} (the first time only, up to a minute)")
    shutil.rmtree(folder, ignore_errors=True)
    for command in (
        [found, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", f"port-ocean=={OCEAN_VERSION}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RivalMissing(f"port-ocean {OCEAN_VERSION} cannot be installed: {done.stderr.strip()[-500:]}")
    (folder / "complete").touch()
    return python


def _python_for_ocean() -> str | None:
    if sys.version_info[:2] == _OCEAN_PYTHON:
        return sys.executable
    wanted = ".".join(map(str, _OCEAN_PYTHON))
    pyenv = Path.home() / ".pyenv" / "versions"
    places = [shutil.which(f"python{wanted}"), *map(str, sorted(pyenv.glob(f"{wanted}.*/bin/python{wanted}")))]
    # A shim of pyenv is on PATH whether its version is chosen or not.
    works = (each for each in places if each and not subprocess.run([each, "-c", ""], capture_output=True).returncode)
    return next(works, None)
