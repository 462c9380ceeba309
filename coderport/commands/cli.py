"""`coderport COMMAND`, or `python -m coderport COMMAND`: the words and options of the commands.

Each imports what it does when it is called: what all of them need together takes a second to import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from coderport import __version__
from coderport.errors import CoderportError, UnexpectedChanges
from coderport.project import work_in
from coderport.terminal.outlets import open_outlets
from coderport.terminal.volume import Volume, set_volume
from coderport.transport.loopback import spare
from coderport.transport.resolver import hurry

if TYPE_CHECKING:
    from coderport.report.outcome import Outcome
    from coderport.stack.stack import Stack

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Coder in Port, as code. Exit codes: 0 done, 1 failed, 2 usage or settings, 3 refused by a guard, "
    "4 changes found where none were expected.",
)

StackName = Annotated[str, typer.Option("--stack", "-s", help="The Pulumi stack; created if it does not exist.")]
ExistingStack = Annotated[str, typer.Option("--stack", "-s", help="The Pulumi stack; it has to be there.")]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Take the stack's config from what the Pulumi CLI printed with `config --json`, where there is none.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="End standard output with one JSON object; people's text goes to stderr.")
]


def _writable(file: Path | None) -> Path | None:
    """The file, absolute; a folder that is not there is better known before a run than after it."""
    if file is None:
        return None
    if not file.parent.is_dir():
        raise typer.BadParameter(f"There is no folder {file.parent}.")
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a folder.")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise typer.BadParameter(f"{file} cannot be written.")
    return file.absolute()


Summary = Annotated[
    Path | None,
    typer.Option(metavar="FILE", callback=_writable, help="Write the JSON object to a file as well, however it ends."),
]
Whole = Annotated[bool, typer.Option("--all", help="Show every change, property by property, old and new.")]
Page = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", callback=_writable, help="Write it all as one page for a browser as well."),
]
AllowDeletions = Annotated[
    int | None,
    typer.Option(min=0, help="Let this run delete up to N entities that are proven gone or filtered out."),
]
ForgetUnproven = Annotated[
    int | None,
    typer.Option(min=0, help="Let this run delete up to N entities whose end could not be proven."),
]


def _print_version(asked_for: bool) -> None:
    if asked_for:
        print(f"coderport {__version__}")
        raise typer.Exit


def _work_in(folder: Path | None) -> Path | None:
    if folder is not None:
        work_in(folder)
    return folder


@app.callback()
def whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    cwd: Annotated[
        Path | None,
        typer.Option(
            "--cwd",
            "-C",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            callback=_work_in,
            help="The folder of the project, instead of the current one or one above it.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also tell each request of this process on standard error.")
    ] = False,
) -> None:
    """What counts for every command, and comes before it."""
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other.")
    set_volume(Volume.QUIET if quiet else Volume.VERBOSE if verbose else Volume.USUAL)


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
        typer.Option(metavar="FILE", callback=_writable, help="Write a plan, which `up --plan FILE` keeps to."),
    ] = None,
    fast: Annotated[bool, typer.Option(help="Compare without the engine, in the time of a `sync`.")] = False,
    expect_no_changes: Annotated[bool, typer.Option(help="Exit with 4 if anything would change.")] = False,
) -> None:
    """Show what `up` would do now, judged by the same guard. Writes nothing."""
    from coderport.commands.acts import converge, offer, write_page
    from coderport.commands.consoles import account
    from coderport.commands.sync import preview as previewed
    from coderport.report.account import Account
    from coderport.settings import load_releases
    from coderport.stack.stack import Stack

    _begin(summary, html, out)
    variables = _releases(allow_deletions, forget_unproven)
    found, console = Account(), account(stderr=json)
    act = partial(previewed if fast else Stack.preview, account=found)
    outcome = converge(stack, "Previewing", act, console, whole=whole, variables=variables)
    if html is not None:
        write_page(outcome, "preview", stack, html)
    offer(outcome, found, stack, out, console, load_releases({**os.environ, **variables}))
    _tell(outcome, json, summary)
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
    _begin(summary)
    variables = _releases(allow_deletions, forget_unproven)
    if plan is not None:
        if variables:
            raise typer.BadParameter("A --plan has the releases that it was made with.")
        variables = keep_to(stack, plan.absolute())
    before = None if plan or yes or json else consented(stack, console, variables)
    outcome = before or converge(stack, "Converging", Stack.up, console, variables=variables)
    _tell(outcome, json, summary)
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
    from coderport.commands.acts import converge
    from coderport.commands.consoles import account
    from coderport.commands.sync import sync as synced

    _begin(summary)
    variables = _releases(allow_deletions, forget_unproven)
    outcome = converge(stack, "Syncing", synced, account(stderr=json), variables=variables)
    _tell(outcome, json, summary)
    raise typer.Exit(outcome.exit_code)


@app.command()
def drift(
    stack: StackName,
    whole: Whole = False,
    html: Page = None,
    json: AsJson = False,
    summary: Summary = None,
    repair: Annotated[bool, typer.Option(help="Correct exactly what the report shows.")] = False,
    allow_deletions: AllowDeletions = None,
    forget_unproven: ForgetUnproven = None,
) -> None:
    """Report what in Port is missing, changed or orphaned, property by property. Exits with 4 if anything is."""
    from coderport.commands.consoles import account
    from coderport.commands.drift import report_drift

    _begin(summary, html)
    variables = _releases(allow_deletions, forget_unproven)
    outcome = report_drift(
        stack, repair=repair, console=account(stderr=json), whole=whole, html=html, variables=variables
    )
    _tell(outcome, json, summary)
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

    _begin(summary)
    variables = _releases(allow_deletions)
    release = Releases(allow_deletions=allow_deletions or 0)
    again = f"python -m coderport adopt --stack {stack} --apply{release.options}"
    outcome = come_over(stack, apply_it=apply, again=again, console=people(stderr=json), variables=variables)
    _tell(outcome, json, summary)
    raise typer.Exit(outcome.exit_code)


@app.command()
def history(
    stack: ExistingStack,
    json: AsJson = False,
) -> None:
    """List the runs of which is kept what they changed and deleted in Port, the newest first."""
    from coderport.commands.consoles import people
    from coderport.commands.history import kept_runs
    from coderport.history.screen import history_as_json, show_history

    records = kept_runs(_existing(stack))
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

    variables = _releases(allow_deletions)
    done = undo_run(_existing(stack, variables), run, apply_it=apply)
    release = Releases(allow_deletions=allow_deletions or 0)
    again = f"python -m coderport undo {run} --stack {stack} --apply{release.options}"
    show_undo(done, people(stderr=json), command=again)
    if json:
        print(as_json(done))
    raise typer.Exit(1 if done.refused_by_port else 0)


@app.command()
def emulate(
    workspaces: Annotated[int, typer.Option(min=0, help="How many workspaces Coder has.")] = 40,
    templates: Annotated[int, typer.Option(min=1, help="How many templates Coder has.")] = 6,
    seed: Annotated[int, typer.Option(help="The same seed gives the same deployment.")] = 0,
    free_ports: Annotated[bool, typer.Option(help="Listen on free ports instead of the dev stack's.")] = False,
    coder_version: Annotated[str, typer.Option(help="Coder's version: 2.13 and later, or newest.")] = "2.20",
    prices: Annotated[bool, typer.Option(help="Have Coder answer as slowly as a real one.")] = False,
    recordings: Annotated[
        list[Path] | None,
        typer.Option("--as", metavar="FILE", help="Behave as `conformance --out FILE` saw Port or Coder; repeatable."),
    ] = None,
) -> None:
    """Run the emulators of Coder and Port on this machine until interrupted. Prints where they listen as JSON."""
    from coderport.commands.emulate import emulate_until_interrupted

    coder = {"workspaces": workspaces, "templates": templates, "flavour": coder_version, "priced": prices}
    emulate_until_interrupted(seed=seed, free_ports=free_ports, coder=coder, recordings=recordings or ())


@app.command()
def conformance(
    port: Annotated[bool, typer.Option("--port", help="Ask Port, by PORT_CLIENT_ID and PORT_CLIENT_SECRET.")] = False,
    coder: Annotated[bool, typer.Option("--coder", help="Ask Coder, by CODER_API_BASE_URL and its token.")] = False,
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Take addresses and credentials as this stack has them.")
    ] = None,
    config: Config = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=_writable, help="Write what was seen to a file, as JSON.")
    ] = None,
    writes: Annotated[bool, typer.Option("--writes", help="Coder: also make one throwaway workspace.")] = False,
    clean_up: Annotated[
        bool, typer.Option("--clean-up", help="Ask nothing; remove what earlier runs left behind.")
    ] = False,
) -> None:
    """Ask a live Port or Coder whether it is as this project assumes. Exits with 4 where it differs."""
    from coderport.commands.consoles import people
    from coderport.commands.given import settings_of
    from coderport.conformance.command import asked

    if port == coder:
        raise typer.BadParameter("One of --port and --coder is needed.")
    service: Literal["port", "coder"] = "port" if port else "coder"
    if config is not None and stack is None:
        raise typer.BadParameter("--config is that of a --stack.")
    settings = None if stack is None else settings_of(f"conformance --{service}", stack, config)[0]
    raise typer.Exit(asked(service, people(), settings, out=out, writes=writes, clean_up=clean_up))


@app.command()
def init(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="The Pulumi stack; made if it is not there.")
    ] = None,
    coder_url: Annotated[str | None, typer.Option(help="Coder's address.")] = None,
    coder_token: Annotated[
        str | None, typer.Option(help="A Coder token. CODER_SESSION_TOKEN leaves it out of the shell's history.")
    ] = None,
    port_client_id: Annotated[str | None, typer.Option(help="Port's client id.")] = None,
    port_client_secret: Annotated[
        str | None, typer.Option(help="Port's client secret. PORT_CLIENT_SECRET leaves it out of the shell's history.")
    ] = None,
    port_url: Annotated[str | None, typer.Option(help="Port's region, eu or us, or its address.")] = None,
    name: Annotated[str | None, typer.Option(help="The name of the project; else that of the folder.")] = None,
    workflow: Annotated[
        bool | None, typer.Option("--workflow/--no-workflow", help="Write a workflow for GitHub Actions.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace files and values that are there and differ.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, also at a terminal.")] = False,
    preview: Annotated[bool | None, typer.Option("--preview/--no-preview", help="End with a preview.")] = None,
) -> None:
    """Set up a project and a stack: asks for what it does not find, runs `doctor`, and offers a preview."""
    from coderport.commands.init import set_up
    from coderport.setup.beginning import Choices

    given = {
        "coderApiBaseUrl": coder_url,
        "coderSessionToken": coder_token,
        "portClientId": port_client_id,
        "portClientSecret": port_client_secret,
        "portBaseUrl": port_url,
    }
    choices = Choices(given, stack, name, workflow, overwrite, yes)
    raise typer.Exit(set_up(choices, with_preview=preview))


@app.command()
def doctor(
    stack: StackName,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
) -> None:
    """Look at all that a run needs: this machine, Coder, Port, the actions. Writes nothing. Exits with 1 on a fail."""
    from coderport.commands.doctor import doctor as examined

    raise typer.Exit(examined(stack, as_object=json))


@app.command()
def why(
    subject: Annotated[
        str, typer.Argument(help="A workspace, template or action: its id, its name, or its address in Coder or Port.")
    ],
    stack: ExistingStack,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Tell why something is, or is not, in Port as it is. Reads and judges as a run does; writes nothing."""
    from coderport.commands.why import explain

    raise typer.Exit(explain(_existing(stack), subject, as_object=json))


def _complete_kind(incomplete: str) -> list[str]:
    from coderport.kinds.all import KINDS

    return [each.words[0] for each in KINDS if each.words[0].startswith(incomplete)]


@app.command()
def ls(
    stack: ExistingStack,
    kind: Annotated[
        str | None,
        typer.Argument(
            autocompletion=_complete_kind, help="Such as workspace, template or user. Without one: the kinds."
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="PROPERTY=VALUE, PROPERTY!=VALUE, or PROPERTY~=PART; repeatable. PROPERTY= is one without a value.",
        ),
    ] = None,
    older: Annotated[
        list[str] | None,
        typer.Option(metavar="PROPERTY=SPAN", help="A time that is longer ago, such as last_used_at=30d; repeatable."),
    ] = None,
    columns: Annotated[str, typer.Option(metavar="NAMES", help="What to show, with commas between.")] = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
) -> None:
    """List what the catalog would have of a kind: read from Coder and mapped as a run does. Port is not asked."""
    from coderport.commands.ls import list_kind, list_kinds
    from coderport.listing.query import Query
    from coderport.listing.reading import kind_named

    if kind is None:
        if where or older or columns:
            raise typer.BadParameter("--where, --older and --columns are for one KIND.")
        raise typer.Exit(list_kinds(_existing(stack), as_object=json))
    if columns and json:
        raise typer.BadParameter("--json has all columns.")
    query, named = Query(where or (), older or (), columns), kind_named(kind)
    raise typer.Exit(list_kind(_existing(stack), named, query, as_object=json))


@app.command()
def engine(
    official: Annotated[
        bool,
        typer.Option(help="Where there is none, let Pulumi's official installer get it: a script of get.pulumi.com."),
    ] = False,
) -> None:
    """Get the Pulumi CLI (found, or built from source) and print where it is."""
    from coderport.commands.consoles import people
    from coderport.engine import obtain_cli

    found = obtain_cli(people(stderr=True).print, official=official)
    print(f"{found.path} {found.version} ({found.origin})")


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def pulumi(
    arguments: Annotated[list[str] | None, typer.Argument(help="What the CLI is to do, after `--`.")] = None,
) -> None:
    """Run the Pulumi CLI that the commands use, in the project: `coderport pulumi -- stack ls`."""
    from coderport.commands.pulumi import run_pulumi

    run_pulumi(arguments or [])


@app.command()
def demo(
    workspaces: Annotated[int, typer.Option(min=3, help="How many workspaces Coder has.")] = 40,
    templates: Annotated[int, typer.Option(min=2, help="How many templates Coder has.")] = 6,
    browser: Annotated[
        bool | None,
        typer.Option("--browser/--no-browser", help="A page to watch it on; by default at a terminal, and not in CI."),
    ] = None,
) -> None:
    """Show the whole on this machine: emulators, the real engine, act by act. Touches no account and no login."""
    from coderport.commands.demo import show

    show(workspaces=workspaces, templates=templates, browser=browser)


@app.command()
def run(
    stack: ExistingStack,
    run_id: Annotated[
        str | None, typer.Option(help="Port's id of the run; CODERPORT_RUN_ID if it is not given.")
    ] = None,
    config: Config = None,
) -> None:
    """Bring one action run to its end, as the workflow of the GitHub backend does. Fails where Port was not told."""
    from coderport.commands.actions import work_on_run

    raise typer.Exit(work_on_run(stack, run_id, config))


@app.command()
def serve(
    stack: ExistingStack,
    config: Config = None,
    live: Annotated[bool, typer.Option("--live", help="Run `live` in the same process.")] = False,
) -> None:
    """Run the webhook backend of the actions until SIGTERM. docs/actions.md lists its CODERPORT_SERVE_… variables."""
    if not live:
        from coderport.commands.actions import serve_until_told

        serve_until_told(stack, config)
    elif config is not None:
        raise typer.BadParameter("--live needs the stack's state, which no --config has.")
    else:
        from coderport.commands.consoles import people
        from coderport.commands.live import live_until_told

        live_until_told(stack, people(stderr=True).print, with_actions=True)


@app.command()
def live(stack: ExistingStack) -> None:
    """Keep Port as Coder is, seconds behind, until SIGTERM. docs/live.md has its settings and variables."""
    from coderport.commands.consoles import people
    from coderport.commands.live import live_until_told

    live_until_told(stack, people(stderr=True).print)


def main() -> None:
    """Runs the command line; a known failure is one plain message and its exit code, never a traceback."""
    spare(os.environ)
    hurry(os.environ)
    open_outlets()
    try:
        app(standalone_mode=True)
    except CoderportError as error:
        from coderport.commands.consoles import people

        people(stderr=True).print(str(error), style="red")
        sys.exit(error.exit_code)


def _existing(name: str, variables: Mapping[str, str] | None = None) -> Stack:
    from coderport.commands.consoles import people
    from coderport.engine import obtain_cli
    from coderport.stack.stack import Stack

    return Stack(name, obtain_cli(people(stderr=True).print), create=False, variables=variables)


def _tell(outcome: Outcome, json: bool, summary: Path | None) -> None:
    from coderport.commands.acts import print_json, write_summary

    if json:
        print_json(outcome)
    if summary is not None:
        write_summary(outcome, summary)


def _begin(*files: Path | None) -> None:
    """Takes away what an earlier run left in the files that this one writes at its end, so that it is never read as
    of this run where this one is killed. What is no ordinary file (a pipe) is left alone.
    """
    for file in files:
        if file is not None and file.is_file():
            try:
                file.resolve().unlink()
            except OSError as error:
                raise CoderportError(f"The result cannot be written to {file}: {error.strerror or error}") from None


def _releases(allow_deletions: int | None, forget_unproven: int | None = None) -> dict[str, str]:
    """The releases of the command line, by the variable that each stands for."""
    from coderport.settings import RELEASES

    given = {"allow_deletions": allow_deletions, "forget_unproven": forget_unproven}
    return {RELEASES[field]: str(value) for field, value in given.items() if value is not None}
