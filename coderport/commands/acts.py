"""What the commands do and show; `cli` holds their words and options."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from coderport.adoption.screen import show_adoption
from coderport.commands.adopt import adopt
from coderport.commands.drift import Drifted, drift
from coderport.conformance.recording import behaviours
from coderport.emulators.pair import Pair
from coderport.engine import engine_environment, find_cli, obtain_cli
from coderport.errors import CoderportError, SettingsError
from coderport.project import project_folder
from coderport.report.account import requests_text
from coderport.report.outcome import Operation, Outcome, Tally, failed
from coderport.runner.github import claimant_of, run_id_of, run_once
from coderport.runner.service.runs import service_runner
from coderport.runner.service.server import serve
from coderport.runner.service.settings import service_settings
from coderport.settings import Settings, printed_settings
from coderport.stack.stack import Stack, project_name
from coderport.terminal.ending import Interrupted, as_service, says
from coderport.terminal.progress import shown_on
from coderport.terminal.screen import Screen
from coderport.terminal.text import json_line, line
from coderport.terminal.volume import is_quiet
from coderport.transport.route import route_to

SHOWN_CHANGES = 20
SHOWN_DRIFT = 50
LOG_WIDTH = 160
DEV_PORTS = (17080, 17081, 17082)
"""Where the dev stack (`Pulumi.dev.yaml`) looks for Coder, Port and their control server."""

_WHOLE = ("read", "total")
"""Not phases beside the others but made of them."""

_SIGNS: Mapping[Operation, tuple[str, str]] = {
    "created": ("+", "green"),
    "adopted": ("=", "cyan"),
    "updated": ("~", "yellow"),
    "deleted": ("-", "red"),
    "released": ("<", "cyan"),
}
"""How a change is shown. What was adopted is as it was in Port, what was released stays there."""


def people(*, stderr: bool = False) -> Console:
    """The console of a command."""
    return Screen(stderr=stderr)


def account(*, stderr: bool = False) -> Console:
    """The console for the account of a run, of which `--quiet` leaves what is wrong."""
    return Screen(stderr=stderr, wrong_only=is_quiet())


def print_json(outcome: Outcome) -> None:
    """Ends standard output with the outcome, in ASCII, so that it is whole in every encoding."""
    print(json_line(json.dumps(outcome.model_dump(mode="json"))), flush=True)


Act = Callable[[Stack], tuple[Outcome, Tally]]


def converge(name: str, headline: str, act: Act, console: Console) -> Outcome:
    """Opens the stack, does `act` on it and shows what came of it; a failure is an outcome too."""
    try:
        stack = Stack(name, obtain_cli(console.print))
        console.print(f"{headline} stack {name}", style="bold")
        with shown_on(console):
            outcome, tally = act(stack)
    except (CoderportError, Interrupted) as error:
        console.print(str(error), style="red")
        return failed(error)
    show(outcome, tally, console)
    return outcome


def report_drift(name: str, *, repair: bool, console: Console) -> Outcome:
    """Compares the stack's part of Port with what is desired and shows what drifted; with `repair` puts it right."""

    def act(stack: Stack) -> tuple[Outcome, Tally]:
        outcome, tally = drift(stack, repair=repair)
        if outcome.drift:
            # A log is taken for 80 columns wide, in which the table would fold.
            log = Screen(file=console.file, width=LOG_WIDTH, soft_wrap=False)
            (console if console.is_terminal else log).print(_drift_table(outcome.drift[:SHOWN_DRIFT]))
        if len(outcome.drift) > SHOWN_DRIFT:
            console.print(f"… and {len(outcome.drift) - SHOWN_DRIFT} more (--json has all)")
        return outcome, tally

    return converge(name, "Comparing Port with what is desired of", act, console)


def come_over(name: str, *, apply_it: bool, again: str, console: Console) -> Outcome:
    """Takes an older catalog over, or shows what that does; `again` is the command line that does it."""

    def act(stack: Stack) -> tuple[Outcome, Tally]:
        outcome, tally, following = adopt(stack, apply_it=apply_it)
        show_adoption(outcome, following, console, applied=apply_it, again=again)
        return outcome, tally

    return converge(name, "Coming over with" if apply_it else "Looking at what coming over does with", act, console)


def show(outcome: Outcome, tally: Tally, console: Console) -> None:
    """The end of a run for people: changes, counts per kind, requests and times, and what went wrong."""
    for text in tally.warnings:
        console.print(text, style="yellow")
    for change in tally.changes[:SHOWN_CHANGES]:
        sign, style = _SIGNS[change.operation]
        details = f" ({', '.join(change.details)})" if change.details else ""
        console.print(line(f"  {sign} {change.kind} {change.title}{details}"), style=style)
    if len(tally.changes) > SHOWN_CHANGES:
        console.print(f"  … and {len(tally.changes) - SHOWN_CHANGES} more")
    if outcome.message:
        console.print(outcome.message, style="red")
    if outcome.result not in ("refused", "failed") or outcome.kinds.changed:
        console.print(_table(outcome))
    read, seconds = outcome.read, outcome.seconds
    phases = ", ".join(f"{phase.replace('_', ' ')} {seconds[phase]:.1f} s" for phase in seconds if phase not in _WHOLE)
    console.print(f"{outcome.result} in {seconds.get('total', 0.0):.1f} s: {phases}")
    console.print(f"read {_enumerated(read.of_coder)} from Coder, {read.port_entities:,} entities from Port")
    console.print(requests_text(outcome.coder_requests, outcome.port_requests, outcome.port_writes, outcome.retries))


def write_summary(outcome: Outcome, file: Path) -> None:
    """Writes the outcome as JSON, whole or not at all; what is no ordinary file (a pipe) is written to as it is."""
    text = f"{outcome.model_dump_json(indent=2)}\n"
    try:
        if file.exists() and not file.is_file():
            file.write_text(text, encoding="utf-8")
            return
        target = file.resolve()
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise CoderportError(f"The summary cannot be written to {file}: {error.strerror or error}") from None


def emulate_until_interrupted(
    *, seed: int, free_ports: bool, coder: Mapping[str, Any], recordings: Sequence[Path] = ()
) -> None:
    """Serves the emulators in the foreground; their addresses go to standard output as one JSON line.

    `coder` are settings of `CoderEmulator`, by their names; what `recordings` of `conformance` saw goes before them.
    """
    behaviour, seen = behaviours(recordings)
    stop = threading.Event()
    coder_port, port_port, control_port = (0, 0, 0) if free_ports else DEV_PORTS
    with (
        as_service(stop.set),
        Pair(
            seed=seed,
            coder_port=coder_port,
            port_port=port_port,
            control_port=control_port,
            renames=True,
            port_behaviour=behaviour,
            **{**coder, **seen},
        ) as pair,
    ):
        console = people(stderr=True)
        console.print(pair.banner())
        console.print("Ctrl-C ends them.")
        print(json.dumps(pair.describe()), flush=True)
        stop.wait()


def run_pulumi(arguments: Sequence[str]) -> NoReturn:
    """Becomes the Pulumi CLI that the commands use, in the project's folder and with the environment of its stacks."""
    cli = obtain_cli(people(stderr=True).print)
    os.chdir(project_folder())
    os.execve(cli.path, ["pulumi", *arguments], engine_environment(os.environ, cli=cli.path, local_state=None))


def work_on_run(stack: str, run_id: str | None, config: Path | None) -> int:
    """Works one action run to its end and says how that was; the exit code of the process."""
    named = run_id_of(run_id, os.environ)
    settings, managed_by = settings_of("run", stack, config)
    _check_network(settings)
    says(lambda cause: f"Ended by {cause.name}. Run {named} may be under way: the same command takes it up again.")
    return run_once(named, settings, managed_by, people().print, claimant=claimant_of(os.environ))


def serve_until_told(stack: str, config: Path | None) -> None:
    """Serves the webhook backend of the stack until SIGTERM or Ctrl-C."""
    settings, managed_by = settings_of("serve", stack, config)
    _check_network(settings)
    # Port signs with the secret of its client, wherever that is set.
    secret = {"PORT_CLIENT_SECRET": settings.port_client_secret.get_secret_value()}
    serve(service_settings({**os.environ, **secret}), service_runner(settings, managed_by))


def settings_of(command: str, name: str, config: Path | None) -> tuple[Settings, str]:
    """The settings of a stack that is there, as `up` has them, and what entities of the stack name.

    They come from the Pulumi CLI, or from what it printed into the file `config` on another machine.
    """
    if config is not None:
        settings = printed_settings(config, project_name(), os.environ, stack=name)
        return settings, f"{project_name()}/{name.rsplit('/', 1)[-1]}"
    cli = find_cli(os.environ)
    if cli is None:
        raise SettingsError(
            f"The settings of the stack {name} are read with the Pulumi CLI, and there is none here. Get it:\n"
            "  python -m coderport engine\n"
            "Or, on a machine that has it, write them to a file, and bring that here (it holds secrets: mode 0600):\n"
            f"  python -m coderport pulumi -- config --json --show-secrets --stack {name} > config.json\n"
            f"  python -m coderport {command} --stack {name} --config config.json"
        )
    stack = Stack(name, cli, create=False)
    return stack.settings(), stack.mark()


def _check_network(settings: Settings) -> None:
    """SettingsError where a proxy or certificates that the environment names cannot be used."""
    for address in (settings.coder_api_base_url, settings.port_base_url):
        route_to(address)


def _drift_table(rows: Sequence[Drifted]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("drift", "", "property", "in Port", "desired", "last changed"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        changed = f"{row.changed_at or ''} by {row.changed_by}" if row.changed_by else ""
        cells = [(key.removeprefix("$"), _shown(held), _shown(wanted)) for key, (held, wanted) in row.values.items()]
        cells += [("", text, "") for text in (*row.findings, row.why) if text]
        first, *more = cells or [("", "", "")]
        table.add_row(*map(line, (row.drift, f"{row.kind} {row.title}", *first, changed)))
        for each in more:
            table.add_row(*map(line, ("", "", *each, "")))
    return table


def _enumerated(numbers: Mapping[str, int]) -> str:
    *before, last = (f"{number:,} {words}" for words, number in numbers.items())
    return f"{', '.join(before)} and {last}" if before else last


def _shown(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value)


def _table(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    shown = outcome.kinds.columns
    for heading in shown:
        table.add_column(heading, justify="right")
    for kind, counts in outcome.kinds.root.items():
        table.add_row(kind, *(str(getattr(counts, column)) for column in shown))
    return table
