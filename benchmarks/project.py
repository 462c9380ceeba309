"""This project, measured as its user runs it, beside the same program with a provider that does nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import catalog, changes, names
from benchmarks.checkout import Checkout, checkout
from benchmarks.errors import BenchError
from benchmarks.measuring import Notebook, writes_entities
from benchmarks.processes import Measured
from benchmarks.rows import Row
from benchmarks.servers import Counts, Servers, served
from coderport.engine import CliInfo

IDLE_PLUGIN = Path(__file__).with_name("idle_plugin")


def project(workspaces: int, notebook: Notebook, cli: CliInfo, *, idle: bool) -> None:
    """Every command on one stack, in the order in which its life brings them; `idle` adds the idle provider's runs.

    Each command must end as it should, or there is nothing to measure: BenchError.
    """
    with served(workspaces) as servers:
        ours = checkout(f"project-{workspaces}", servers, cli)
        if idle:
            beside = checkout(f"idle-{workspaces}", servers, cli, provider=IDLE_PLUGIN)
            notebook.command(names.IDLE_FIRST, workspaces, servers, lambda: ended(beside.command("up"), "converged"))
        first = notebook.command(names.FIRST, workspaces, servers, lambda: ended(ours.command("up"), "converged"))
        _check_port(servers, workspaces)
        notebook.put(_first_split(first, workspaces))
        before = catalog.held(servers)
        notebook.command(names.AGAIN, workspaces, servers, lambda: ended(ours.command("up"), "unchanged"))
        if idle:
            # By now Port holds what this stack would have written, so that the program reads as much. The other state
            # wrote it, and the provider that does nothing finds no difference in that.
            beside.configure("takeOver", "true")
            notebook.command(names.IDLE_AGAIN, workspaces, servers, lambda: ended(beside.command("up"), "unchanged"))
        notebook.command(names.SYNC, workspaces, servers, lambda: ended(ours.command("sync"), "unchanged"))
        _reads(workspaces, notebook, servers, ours)
        changes.in_coder(servers, workspaces)
        notebook.command(names.SYNC_CHANGED, workspaces, servers, lambda: ended(ours.command("sync"), "converged"))
        after = catalog.held(servers).changed_since(before)
        catalog.keep(after, workspaces)
        _bare(workspaces, notebook, ours)
        notebook.command(names.DRIFT, workspaces, servers, lambda: ended(ours.command("drift"), "unchanged"))
        drifted = changes.in_port(servers, workspaces)
        report = notebook.command(
            names.DRIFTED, workspaces, servers, lambda: ended(ours.command("drift", expected=4), "drifted")
        )
        found = len(said(report[0])["drift"])
        if found != drifted:
            raise BenchError(f"{drifted} entities drifted, and `drift` found {found}")


def said(run: Measured) -> dict[str, Any]:
    """The JSON object that a command ends its standard output with."""
    try:
        answer: dict[str, Any] = json.loads(run.output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise BenchError(f"the command ended without its JSON object: {run.output[-300:]}") from None
    return answer


def ended(run: Measured, result: str) -> Measured:
    """The run, if the command says that this is how it ended; else BenchError."""
    found = said(run)["result"]
    if found != result:
        raise BenchError(f"the command should have {result}, and says {found}: {run.output[-500:]}")
    return run


def _check_port(servers: Servers, workspaces: int) -> None:
    """What was measured was worth it only if Port has it all now."""
    held = servers.entities()
    if held.get("coder_workspace") != workspaces:
        raise BenchError(f"Port should hold {workspaces} workspaces now, and holds {held}")


def _first_split(first: tuple[Measured, Counts], workspaces: int) -> Iterator[Row]:
    """The Port requests of the first run by what they are for."""
    routes: dict[str, int] = dict(first[1].port_routes)
    resources = said(first[0])["kinds"]["other"]["created"] - 1  # the provider is counted with them
    entities = sum(number for route, number in routes.items() if writes_entities(route))
    others = sum(number for route, number in routes.items() if _is_of_resource(route))
    rest = sum(routes.values()) - entities - others
    yield Row(names.figure(names.FIRST, names.RESOURCE_REQUESTS), workspaces, round(others / resources, 2), "requests")
    yield Row(names.figure(names.FIRST, names.OTHER_REQUESTS), workspaces, rest, "requests")


def _is_of_resource(route: str) -> bool:
    path = route.partition(" ")[2]
    return path.startswith(("/v1/blueprints", "/v1/actions")) and "/entities" not in path


def _reads(workspaces: int, notebook: Notebook, servers: Servers, ours: Checkout) -> None:
    """The yardstick of a sync: one process that reads both and does nothing else."""
    run, _ = notebook.command(names.READS, workspaces, servers, lambda: ours.script("benchmarks.reads"))
    for server, seconds in json.loads(run.output).items():
        name = names.figure(names.READS, f"reading {server.title()} alone")
        notebook.put([Row(name, workspaces, round(seconds, 3), "s")])


def _bare(workspaces: int, notebook: Notebook, ours: Checkout) -> None:
    """The yardstick of a sync with changes: the CLI's part of a targeted run. It times itself: planning is left out."""
    number = str(max(1, workspaces // changes.SHARE))
    seconds = json.loads(ours.script("benchmarks.bare_update", number).output.strip().splitlines()[-1])["seconds"]
    notebook.put([Row(names.figure(names.BARE, names.WALL), workspaces, round(seconds, 2), "s")])
