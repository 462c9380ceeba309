"""The commands beside a Coder whose answers take what they take on a real one, and beside what they were before.

A figure that holds only where Coder answers at once is none. `benchmarks.project` has the same with answers of 20 ms.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from benchmarks import changes, names
from benchmarks.before import earlier
from benchmarks.checkout import Checkout, checkout
from benchmarks.measuring import Notebook
from benchmarks.project import ended
from benchmarks.rows import Row
from benchmarks.servers import Servers, served
from coderport.engine import CliInfo


def priced(workspaces: int, notebook: Notebook, cli: CliInfo) -> None:
    """A first `up`, one without changes, a `sync` without and one of 1 %, and both reads as a yardstick."""
    with served(workspaces, priced=True) as servers:
        ours = checkout(f"priced-{workspaces}", servers, cli)
        _life(names.priced, workspaces, notebook, servers, ours)
        run, _ = notebook.command(
            names.priced(names.READS), workspaces, servers, lambda: ours.script("benchmarks.reads")
        )
        for server, seconds in json.loads(run.output).items():
            name = names.figure(names.priced(names.READS), f"reading {server.title()} alone")
            notebook.put([Row(name, workspaces, round(seconds, 3), "s")])


def before(workspaces: int, notebook: Notebook, cli: CliInfo) -> None:
    """The same commands of the earlier commit; RivalMissing where this clone does not have it."""
    with served(workspaces, priced=True) as servers:
        theirs = earlier(f"before-{workspaces}", servers, cli)
        _life(names.before, workspaces, notebook, servers, theirs)


def _life(
    called: Callable[[str], str], workspaces: int, notebook: Notebook, servers: Servers, project: Checkout
) -> None:
    """One stack's commands; `called` gives a case the name under which it is kept."""

    def ran(case: str, command: str, result: str) -> None:
        run, _ = notebook.command(called(case), workspaces, servers, lambda: ended(project.command(command), result))
        # The peaks together: what a machine needs for them.
        memory = names.figure(called(case), names.memory(names.ALL))
        notebook.put([Row(memory, workspaces, round(sum(run.peak_mb.values())), "MB")])

    ran(names.FIRST, "up", "converged")
    ran(names.AGAIN, "up", "unchanged")
    ran(names.SYNC, "sync", "unchanged")
    changes.in_coder(servers, workspaces)
    ran(names.SYNC_CHANGED, "sync", "converged")
