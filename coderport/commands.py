"""What the commands do and show; `cli` holds their words and options."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from coderport.emulators.pair import Pair
from coderport.engine import obtain_cli
from coderport.errors import CoderportError
from coderport.outcome import Outcome, Tally, failed
from coderport.runner.github import run_id_of, run_once
from coderport.runner.service.runs import service_runner
from coderport.runner.service.server import serve
from coderport.runner.service.settings import service_settings
from coderport.stack import ROOT, Stack
from coderport.stackfile import stack_settings

SHOWN_CHANGES = 20
DEV_PORTS = (17080, 17081, 17082)
"""Where the dev stack (`Pulumi.dev.yaml`) looks for Coder, Port and their control server."""

_SIGNS = {"created": ("+", "green"), "updated": ("~", "yellow"), "deleted": ("-", "red"), "unchanged": (" ", "dim")}


def people(*, stderr: bool = False) -> Console:
    """A console for text that is shown as it is: no markup in names that users chose, no lines broken in URLs."""
    return Console(stderr=stderr, highlight=False, markup=False, soft_wrap=True)


Act = Callable[[Stack], tuple[Outcome, Tally]]


def converge(name: str, headline: str, act: Act, console: Console) -> Outcome:
    """Opens the stack, does `act` on it and shows what came of it; a failure is an outcome too."""
    try:
        stack = Stack(name, obtain_cli(console.print))
    except CoderportError as error:
        console.print(str(error), style="red")
        return failed(error)
    console.print(f"{headline} stack {name}", style="bold")
    outcome, tally = act(stack)
    show(outcome, tally, console)
    return outcome


def show(outcome: Outcome, tally: Tally, console: Console) -> None:
    """The end of a run for people: changes, counts per kind, requests and times, and what went wrong."""
    for text in tally.warnings:
        console.print(text, style="yellow")
    for change in tally.changes[:SHOWN_CHANGES]:
        sign, style = _SIGNS[change.operation]
        details = f" ({', '.join(change.details)})" if change.details else ""
        console.print(f"  {sign} {change.kind} {change.title}{details}", style=style)
    if len(tally.changes) > SHOWN_CHANGES:
        console.print(f"  … and {len(tally.changes) - SHOWN_CHANGES} more")
    if outcome.message:
        console.print(outcome.message, style="red")
    if outcome.result not in ("refused", "failed"):
        console.print(_table(outcome))
    seconds = ", ".join(f"{phase.replace('_', ' ')} {value:.1f} s" for phase, value in outcome.seconds.items())
    console.print(
        f"{outcome.result} · Coder {outcome.coder_requests} requests · "
        f"Port {outcome.port_requests} requests, {outcome.port_writes} of them writes · {seconds}"
    )


def emulate_until_interrupted(*, workspaces: int, templates: int, seed: int, free_ports: bool) -> None:
    """Serves the emulators in the foreground; their addresses go to standard output as one JSON line."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    coder_port, port_port, control_port = (0, 0, 0) if free_ports else DEV_PORTS
    with Pair(
        seed=seed,
        coder_port=coder_port,
        port_port=port_port,
        control_port=control_port,
        workspaces=workspaces,
        templates=templates,
    ) as pair:
        console = people(stderr=True)
        console.print(pair.banner())
        console.print("Ctrl-C ends them.")
        print(json.dumps(pair.describe()), flush=True)
        stop.wait()


def work_on_run(stack: str, run_id: str | None) -> int:
    """Works one action run to its end and says how that was; the exit code of the process."""
    named = run_id_of(run_id, os.environ)
    return run_once(named, stack_settings(stack, ROOT, os.environ), f"coderport/{stack}", people().print)


def serve_until_told(stack: str) -> None:
    """Serves the webhook backend of the stack until SIGTERM or Ctrl-C."""
    service = service_settings(os.environ)
    serve(service, service_runner(stack_settings(stack, ROOT, os.environ), f"coderport/{stack}"))


def _table(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in ("created", "updated", "deleted", "unchanged"):
        table.add_column(heading, justify="right")
    for kind, counts in outcome.kinds:
        table.add_row(
            kind, *(str(getattr(counts, column)) for column in ("created", "updated", "deleted", "unchanged"))
        )
    return table
