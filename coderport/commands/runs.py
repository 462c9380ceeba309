"""Commands that bring Port and Coder together, or show what that would do, did, and takes back."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from coderport.commands.app import app
from coderport.commands.options import (
    AllowDeletions,
    AsJson,
    ExistingStack,
    ForgetUnproven,
    Page,
    StackName,
    Summary,
    Whole,
    begin,
    existing,
    releases_of,
    tell,
    writable,
)
from coderport.errors import UnexpectedChanges


@app.command()
def preview(
    stack: StackName,
    whole: Whole = False,
    html: Page = None,
    json: AsJson = False,
    summary: Summary = None,
    allow_deletions: AllowDeletions = None,
    forget_unproven: ForgetUnproven = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=writable, help="Write a plan, which `up --plan FILE` keeps to."),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Compare without the engine, in the time of a `sync`.")] = False,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Exit with 4 if anything would change.")
    ] = False,
) -> None:
    """Show what `up` would do now, judged by the same guard. Writes nothing."""
    from coderport.commands.acts import converge, offer, saying_what_it_made, write_page
    from coderport.commands.consoles import account
    from coderport.commands.sync import preview as previewed
    from coderport.report.account import Account
    from coderport.settings import Releases, load_releases
    from coderport.stack.stack import Stack

    begin(summary, html, out)
    variables = releases_of(allow_deletions, forget_unproven)
    found, console = Account(), account(stderr=json)
    act = saying_what_it_made(partial(previewed if fast else Stack.preview, account=found))
    outcome = converge(stack, "Previewing", act, console, whole=whole, create=True, variables=variables)
    if html is not None:
        write_page(outcome, "preview", stack, html)
    # Where a release in the environment is none, the outcome has said so.
    ended_well = outcome.result in ("changes", "unchanged")
    releases = load_releases({**os.environ, **variables}) if ended_well else Releases()
    offer(outcome, found, stack, out, console, releases)
    tell(outcome, json, summary)
    if expect_no_changes and outcome.result == "changes":
        raise UnexpectedChanges(f"{outcome.kinds.changed:,} changes, and none were expected.")
    raise typer.Exit(outcome.exit_code)


@app.command()
def up(
    stack: StackName,
    plan: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Do exactly what this plan of `preview --out` has, or refuse."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, also at a terminal.")] = False,
    json: AsJson = False,
    summary: Summary = None,
    allow_deletions: AllowDeletions = None,
    forget_unproven: ForgetUnproven = None,
) -> None:
    """Make Port's catalog match Coder. At a terminal it shows first what it would do, and asks."""
    from coderport.commands.acts import converge
    from coderport.commands.consent import consented, keep_to
    from coderport.commands.consoles import account
    from coderport.stack.stack import Stack

    console = account(stderr=json)
    begin(summary, plan=plan)
    variables = releases_of(allow_deletions, forget_unproven)
    if plan is not None:
        if variables:
            raise typer.BadParameter("A --plan has the releases that it was made with.")
        variables = keep_to(stack, plan.absolute())
    before = None if plan or yes or json else consented(stack, console, variables)
    outcome = before or converge(stack, "Converging", Stack.up, console, create=True, variables=variables)
    tell(outcome, json, summary)
    raise typer.Exit(outcome.exit_code)


@app.command()
def sync(
    stack: StackName,
    json: AsJson = False,
    summary: Summary = None,
    allow_deletions: AllowDeletions = None,
    forget_unproven: ForgetUnproven = None,
) -> None:
    """Make Port's catalog match Coder, at the price of what differs: the run for every few minutes."""
    from coderport.commands.acts import converge, saying_what_it_made
    from coderport.commands.consoles import account
    from coderport.commands.sync import sync as synced

    begin(summary)
    variables = releases_of(allow_deletions, forget_unproven)
    act, console = saying_what_it_made(synced), account(stderr=json)
    outcome = converge(stack, "Syncing", act, console, create=True, variables=variables)
    tell(outcome, json, summary)
    raise typer.Exit(outcome.exit_code)


@app.command()
def drift(
    stack: ExistingStack,
    whole: Whole = False,
    html: Page = None,
    json: AsJson = False,
    summary: Summary = None,
    repair: Annotated[bool, typer.Option("--repair", help="Correct exactly what the report shows.")] = False,
    allow_deletions: AllowDeletions = None,
    forget_unproven: ForgetUnproven = None,
) -> None:
    """Report what in Port is missing, changed or orphaned, property by property. Exits with 4 if anything is."""
    from coderport.commands.consoles import account
    from coderport.commands.drift import report_drift

    begin(summary, html)
    variables = releases_of(allow_deletions, forget_unproven)
    outcome = report_drift(
        stack, repair=repair, console=account(stderr=json), whole=whole, html=html, variables=variables
    )
    tell(outcome, json, summary)
    raise typer.Exit(outcome.exit_code)


@app.command()
def adopt(
    stack: StackName,
    json: AsJson = False,
    summary: Summary = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without this it is only shown.")] = False,
    allow_deletions: AllowDeletions = None,
) -> None:
    """Take over a catalog that the original integration or Port's guide made: rename its templates in place."""
    from coderport.commands.adopt import come_over
    from coderport.commands.consoles import people
    from coderport.settings import Releases

    begin(summary)
    variables = releases_of(allow_deletions)
    release = Releases(allow_deletions=allow_deletions or 0)
    again = f"python -m coderport adopt --stack {stack} --apply{release.options}"
    outcome = come_over(stack, apply_it=apply, again=again, console=people(stderr=json), variables=variables)
    tell(outcome, json, summary)
    raise typer.Exit(outcome.exit_code)


@app.command()
def history(
    stack: ExistingStack,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list of all that is kept.")] = False,
) -> None:
    """List the runs of which is kept what they changed and deleted in Port, the newest first."""
    from coderport.commands.consoles import people
    from coderport.commands.history import kept_runs
    from coderport.history.screen import history_as_json, show_history

    records = kept_runs(existing(stack))
    if json:
        print(history_as_json(records))
    else:
        show_history(records, people())


@app.command()
def undo(
    run: Annotated[str, typer.Argument(help="The name of the run, as `history` lists it.")],
    stack: ExistingStack,
    json: AsJson = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without this it is only shown.")] = False,
    allow_deletions: AllowDeletions = None,
) -> None:
    """Put back in Port what one run changed and deleted, where nobody has changed it since."""
    from coderport.commands.consoles import people
    from coderport.commands.history import undo as undo_run
    from coderport.history.screen import as_json, show_undo
    from coderport.settings import Releases

    variables = releases_of(allow_deletions)
    done = undo_run(existing(stack, variables), run, apply_it=apply)
    release = Releases(allow_deletions=allow_deletions or 0)
    again = f"python -m coderport undo {run} --stack {stack} --apply{release.options}"
    show_undo(done, people(stderr=json), command=again)
    if json:
        print(as_json(done))
    raise typer.Exit(1 if done.refused_by_port else 0)
