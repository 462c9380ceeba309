"""A run as a command does it: an act on a stack, what is shown of it, and the JSON that it ends with."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console

from coderport.engine import obtain_cli
from coderport.errors import CoderportError
from coderport.guard.ownership import stack_mark
from coderport.planning.planfile import PlanFile, planned
from coderport.report.account import Account, requests_text
from coderport.report.change import Change, Operation, spelled_out, summed_up
from coderport.report.outcome import Outcome, Tally, failed
from coderport.report.page import Row, page, rows_of
from coderport.settings import Releases
from coderport.stack.project_file import project_name
from coderport.stack.stack import Stack
from coderport.terminal.ending import Interrupted, over
from coderport.terminal.progress import shown_on
from coderport.terminal.remedy import COMMAND
from coderport.terminal.tables import show_table
from coderport.terminal.text import counted, json_line

SHOWN_CHANGES = 20

_WHOLE = ("read", "total")
"""Not phases beside the others but made of them."""

_STYLES: Mapping[Operation | None, str] = {
    None: "bold",
    "created": "green",
    "adopted": "cyan",
    "updated": "yellow",
    "deleted": "red",
    "released": "cyan",
}


def print_json(outcome: Outcome) -> None:
    """Ends standard output with the outcome, in ASCII, so that it is whole in every encoding."""
    print(json_line(json.dumps(outcome.as_called().model_dump(mode="json"))), flush=True)


Act = Callable[[Stack], tuple[Outcome, Tally]]


def converge(
    name: str,
    headline: str,
    act: Act,
    console: Console,
    *,
    whole: bool = False,
    create: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Opens the stack, does `act` on it and shows what came of it; a failure is an outcome too.

    The stack has to be there, or is made with `create`. With `whole` every change is shown, old and new. `variables`
    are what the command line says (see `Stack`).
    """
    try:
        stack = Stack(name, obtain_cli(console.print), create=create, variables=variables)
        console.print(f"{headline} stack {name}", style="bold")
        with shown_on(console):
            outcome, tally = act(stack)
            over(outcome.result, outcome.port_writes)
    except (CoderportError, Interrupted) as error:
        console.print(str(error), style="red")
        return failed(error)
    outcome = outcome.model_copy(update={"warnings": tuple(tally.warnings)})
    show(outcome, tally, console, whole=whole)
    return outcome


def saying_what_it_made(act: Act) -> Act:
    """The act, with a word about a stack that it has made: the name may be a typing error."""

    def told(stack: Stack) -> tuple[Outcome, Tally]:
        outcome, tally = act(stack)
        tally.warnings[:0] = stack.made()
        return outcome, tally

    return told


def show(outcome: Outcome, tally: Tally, console: Console, *, whole: bool = False) -> None:
    """The end of a run for people: changes, counts per kind, requests and times, and what went wrong."""
    for text in tally.warnings:
        console.print(text, style="yellow")
    _show_changes(tally.changes, console, whole=whole)
    if whole and outcome.withheld:
        console.print("The guard does not permit these:", style="red")
        _show_changes(outcome.withheld, console, whole=whole)
    if outcome.message:
        console.print(outcome.message, style="red")
    if outcome.result not in ("refused", "failed") or outcome.kinds.changed:
        shown = outcome.kinds.columns
        rows = [(kind, *(getattr(counts, each) for each in shown)) for kind, counts in outcome.kinds.root.items()]
        show_table(("", *shown), rows, console)
    read, seconds = outcome.read, outcome.seconds
    phases = ", ".join(f"{phase.replace('_', ' ')} {seconds[phase]:.1f} s" for phase in seconds if phase not in _WHOLE)
    console.print(f"{outcome.result} in {seconds.get('total', 0.0):.1f} s: {phases}")
    console.print(f"read {_enumerated(read.of_coder)} from Coder, {counted(read.port_entities, 'entities')} from Port")
    console.print(requests_text(outcome.coder_requests, outcome.port_requests, outcome.port_writes, outcome.retries))
    if outcome.result == "converged" and outcome.catalog:
        console.print(f"To see it in Port: {outcome.catalog}")


def _show_changes(changes: Sequence[Change], console: Console, *, whole: bool) -> None:
    shown = [*(spelled_out(changes) if whole else summed_up(changes))]
    for operation, text in shown if whole else shown[:SHOWN_CHANGES]:
        console.print(f"  {text}", style=_STYLES[operation])
    if len(shown) > SHOWN_CHANGES and not whole:
        console.print(f"  … and {len(shown) - SHOWN_CHANGES:,} lines more")


def write_page(outcome: Outcome, command: str, stack: str, file: Path, rows: Sequence[Row] | None = None) -> None:
    """Writes the outcome as a page for a browser, with the rows, or else with its changes."""
    shown = rows_of(outcome.withheld or outcome.changes) if rows is None else rows
    _write("page", page(outcome.as_called(), shown, command=command, stack=stack, now=datetime.now(timezone.utc)), file)


def offer(
    outcome: Outcome, account: Account, stack: str, file: Path | None, console: Console, releases: Releases
) -> None:
    """Writes what a preview found to change as a plan, where there is a file for it, and says what to do next.

    `releases` are those of the preview: the plan keeps them, and the next command needs them again.
    """
    if outcome.result not in ("changes", "unchanged"):
        if file is not None:
            console.print(f"No plan was written to {file}.", style="red")
        return
    if file is not None:
        plan = PlanFile(
            stack=mark_of(stack),
            made_at=datetime.now(timezone.utc),
            allow_deletions=releases.allow_deletions,
            forget_unproven=releases.forget_unproven,
            changes=planned(account.changes, account.stamps),
        )
        _write("plan", f"{plan.model_dump_json(indent=1)}\n", file)
        console.print(
            f"To do exactly this, or nothing:\n  {COMMAND} up --stack {stack} --plan {shlex.quote(str(file))}"
        )
    elif outcome.result == "changes":
        console.print(f"To do it:\n  {COMMAND} up --stack {stack}{releases.options}")


def mark_of(stack: str) -> str:
    """project/stack, as entities name it."""
    return stack_mark(project_name(), stack)


def write_summary(outcome: Outcome, file: Path) -> None:
    """Writes the outcome as JSON."""
    _write("summary", f"{outcome.as_called().model_dump_json(indent=2)}\n", file)


def _write(what: str, text: str, file: Path) -> None:
    """Writes it whole or not at all; what is no ordinary file (a pipe) is written to as it is."""
    try:
        if file.exists() and not file.is_file():
            file.write_text(text, encoding="utf-8")
            return
        target = file.resolve()
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise CoderportError(f"The {what} cannot be written to {file}: {error.strerror or error}") from None


def _enumerated(numbers: Mapping[str, int]) -> str:
    *before, last = (counted(number, words) for words, number in numbers.items())
    return f"{', '.join(before)} and {last}" if before else last
