"""The whole on one machine: fresh emulators, a fresh state, the real engine, and what it makes of changes in Coder.

Its state is below `.coderport/` of the checkout, or in the user's cache where coderport is installed; outside of that a
CLI may have to be built first. No login is touched, and credentials in the environment are not read.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console

from coderport.catalog.actions.declared import STOP
from coderport.commands.acts import show as show_outcome
from coderport.commands.consoles import people
from coderport.commands.demo_killed import killed
from coderport.commands.demo_live import followed
from coderport.commands.drift import reported
from coderport.emulators.coder import CoderEmulator
from coderport.emulators.page.coder_side import people as people_of
from coderport.emulators.pair import Pair
from coderport.emulators.port import Problem
from coderport.engine import CliInfo, drop_real_life, engine_environment, obtain_cli
from coderport.engine.cli import cache
from coderport.errors import CoderportError
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.project import CHECKOUT
from coderport.report.outcome import Counts, Outcome
from coderport.settings import RELEASES
from coderport.stack.project_file import project_copy
from coderport.stack.stack import Stack
from coderport.terminal.person import is_terminal
from coderport.terminal.remedy import COMMAND, called_in
from coderport.terminal.tables import show_table
from coderport.transport.loopback import drop_network

FOLDER = (CHECKOUT / ".coderport" if CHECKOUT else cache(os.environ)) / "demo"
ACTIONS = {"backend": "github", "repository": "acme/coderport"}
ANSWERS = ["aggregations", "scorecards", "pages"]
_MANY = 15
"""Workspaces that are deleted at once, more than a run may delete by itself."""
_SHOWN = {"status": "status", "template_version": "version", "outdated": "outdated"}
"""Properties in the table of the catalog, and their headings: with these it fits 80 columns."""


@contextmanager
def _alone() -> Iterator[None]:
    """Keeps a second demo from the folder of this one; the system takes the lock back however this process ends."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with (FOLDER.parent / "demo.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError("Another demo is under way in this folder. Run this one when it has ended.") from None
        yield


class DemoError(CoderportError):
    """A run did not do what the demo says that it does."""


def show(*, workspaces: int, templates: int, browser: bool | None) -> None:
    """Five acts with the real engine against the emulators, each checked for what it claims.

    With `browser` (None: where somebody is at a terminal, and no CI) it has a page, waits before each act for the
    person who looks at it, shows four acts more and then leaves the emulators to them.
    """
    if browser is None:
        browser = is_terminal() and not os.environ.get("CI")
    console = people()
    cli = obtain_cli(console.print)
    drop_real_life(os.environ)
    drop_network(os.environ)  # a proxy was for getting the CLI: the rest stays on this machine
    with _alone():
        shutil.rmtree(FOLDER, ignore_errors=True)
        with stage(FOLDER, cli, workspaces=workspaces, templates=templates, page=browser) as (pair, stack):
            if pair.page_url is None:
                console.print(pair.banner())
            else:
                console.print("An emulated Coder and an emulated Port: made-up data in memory, nothing of it is real.")
                console.print(f"Watch it in a browser on this machine: {pair.page_url}/")
            wait = _Audience(console, here=browser)
            wait("The catalog on the page is empty. Enter goes on.")
            _headline(console, "1 · The first run: Port is empty")
            first = _run(stack, pair, console)
            _expect(first.result == "converged", "the first run should converge")
            show_catalog(pair, console)

            wait("The page shows all of Coder in Port's catalog. Enter goes on.")
            _headline(console, "2 · Again: nothing has changed, so nothing is written")
            second = _run(stack, pair, console)
            _expect(second.result == "unchanged" and second.port_writes == 0, "the second run should change nothing")

            wait("What happens next lights up on the left at once, and on the right with the run. Enter goes on.")
            _headline(console, "3 · Things happen in Coder, and exactly those reach Port")
            happened = things_happen(pair.coder)
            for line in happened.lines:
                console.print(f"  {line}")
            third = _run(stack, pair, console)
            changed = len(happened.changed)
            _expect(
                third.kinds.workspace
                == Counts(created=1, updated=changed, deleted=1, unchanged=workspaces - changed - 1),
                f"1 workspace should come, 1 go and {changed} change",
            )
            _expect(third.kinds.template == Counts(updated=1, unchanged=templates - 1), "1 template should change")

            wait("Next is a run of an action: its log is on the page under Runs. Enter goes on.")
            _headline(console, "4 · Somebody presses *Create Coder Workspace* in Port")
            created, lines = _button_pressed(pair)
            for line in lines:
                console.print(f"  {line}")
            fourth = _run(stack, pair, console)
            _expect(fourth.kinds.workspace.adopted == 1, "the action has put the new entity into Port already")
            _expect(fourth.port_writes == 0, "the new workspace should only enter the state")

            wait("Next is live, which needs no run. Enter goes on.")
            _headline(console, "5 · A workspace is stopped in Coder, and live follows")
            followed(stack, pair, console, but=created)
            if browser:
                with called_in(_own(cli), "--cwd", str(FOLDER)):
                    _more_acts(pair, stack, cli, console, wait, created)
    shown = FOLDER.relative_to(CHECKOUT) if CHECKOUT else FOLDER
    console.print(f"\nThe state of this demo is in {shown}; the emulators are gone.")
    console.print(f"Next, for your own Coder and Port: `{COMMAND} init`. Or, for emulators that stay until Ctrl-C:")
    console.print(f"  {COMMAND} emulate")


class _Audience:
    """Waits for Enter of the person who watches the page; where nobody does, for nothing."""

    def __init__(self, console: Console, *, here: bool) -> None:
        self._console, self._here = console, here

    def __call__(self, text: str) -> str | None:
        """The line that the person goes on with, mostly an empty one; None where their input has ended (Ctrl-D)."""
        if not self._here:
            return None
        self._console.print(f"\n{text}", style="cyan")
        line = sys.stdin.readline()
        self._here = line != ""
        return line if self._here else None


def _own(cli: CliInfo) -> dict[str, str]:
    """What a command from another shell needs in its environment to work on the stack of the demo."""
    environment = engine_environment({}, cli=cli.path, local_state=FOLDER)
    return {name: environment[name] for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME")}


def _more_acts(pair: Pair, stack: Stack, cli: CliInfo, console: Console, wait: _Audience, created: str) -> None:
    """What is for the page only: a hand edit, a person who may not stop the workspace that was `created`, a refusal,
    a run that is killed, and then whatever the person does with the buttons.
    """
    wait("Next somebody edits Port by hand. Enter goes on.")
    _headline(console, "6 · A hand edit in Port, and its repair")
    edited = min(pair.port.entities(WORKSPACE.identifier), key=lambda each: str(each["title"]))
    edit = {"identifier": edited["identifier"], "title": "Edited by hand"}
    pair.port.put_entity(WORKSPACE.identifier, edit, by="somebody")
    console.print(f"  {edited['title']} is now called {edit['title']}")
    wait("The page shows the edit. Enter looks for what drifted.")
    report = reported(stack, console, repair=False)
    _expect(edited["identifier"] in {each.identifier for each in report.drift}, "the report should have the edit")
    wait("Port still has the edit. Enter corrects exactly that.")
    reported(stack, console, repair=True)
    again = pair.port.entity(WORKSPACE.identifier, edited["identifier"]) or {}
    _expect(again.get("title") == edited["title"], "the repair should give the workspace its title again")

    _headline(console, "7 · Another person may not stop the workspace of act 4")
    owner = pair.coder.user(pair.coder.workspace(created).owner_id)
    other = next(email for email in people_of(pair.coder) if email != owner.email)
    console.print(f"  {other} presses Stop on {owner.username}/{pair.coder.workspace(created).name}")
    pair.port.add_user(other)
    try:
        pair.port.run_action(STOP, by=other, entity=created)
    except Problem as problem:
        console.print(f"  Port says: {problem.message}")
    else:
        _expect(False, "only the owner and admins may stop a workspace")

    wait(f"Next {_MANY} workspaces are deleted at once. Enter goes on.")
    _headline(console, f"8 · {_MANY} deletions at once are refused, and then released")
    if (missing := _MANY - len(pair.coder.workspace_ids())) > 0:
        _more_workspaces(missing, pair, stack, console)
    deleted = sorted(pair.coder.workspace_ids())[:_MANY]
    for each in deleted:
        pair.coder.delete_workspace(each)
    outcome = _shown_run(stack, console, {})
    _expect(outcome.result == "refused" and outcome.port_writes == 0, "so many deletions should be refused")
    wait("Port still has them. Somebody says that it is right: Enter does what the line above does in another shell.")
    _shown_run(stack, console, released_by(f"--allow-deletions {_MANY}"))
    left = {each["identifier"] for each in pair.port.entities(WORKSPACE.identifier)}
    _expect(not left & {*deleted}, "what was released should be deleted")

    wait("Next a run is killed while Port has half of it. Enter goes on.")
    _headline(console, "9 · A run is killed halfway, and the next one heals it")
    before = len(pair.port.entities(WORKSPACE.identifier))
    for told in killed(stack, pair, FOLDER, cli):
        console.print(f"  {told}", soft_wrap=True)
    _expect(len(pair.port.entities(WORKSPACE.identifier)) == before, "the killed run should write no workspace")
    wait("The page shows the template's new version, and no new workspace. Enter is the next run.")
    outcome = _shown_run(stack, console, {})
    made = len(pair.port.entities(WORKSPACE.identifier)) - before
    _expect(outcome.result == "converged" and made > 0, "the next run should do the rest")

    _headline(console, "10 · Now yours")
    text = (
        "Press buttons on the page; Enter here is a run. One that is refused prints a line that allows it: paste that "
        "here. Ctrl-D ends the demo."
    )
    while (line := wait(text)) is not None:
        _shown_run(stack, console, released_by(line))


def _more_workspaces(missing: int, pair: Pair, stack: Stack, console: Console) -> None:
    """So many more in Coder and, by a run, in Port: a demo of few workspaces has not enough to delete."""
    templates = sorted(pair.coder.template_ids())
    for number in range(missing):
        pair.coder.create_workspace(template=pair.coder.template(templates[number % len(templates)]).name)
    console.print(f"  {missing} workspaces are created first, for so many are to be deleted")
    outcome = _shown_run(stack, console, {})
    _expect(outcome.kinds.workspace.created == missing, "what was created in Coder should be in Port")


def released_by(line: str) -> dict[str, str]:
    """The variables of the releases that a line names by their options, as a refusal prints them."""
    options = {f"--{name.replace('_', '-')}": variable for name, variable in RELEASES.items()}
    words = line.split()
    return {options[each]: number for each, number in pairwise(words) if each in options}


def _shown_run(stack: Stack, console: Console, releases: Mapping[str, str]) -> Outcome:
    """A run with these releases, which no later run has; a refusal is shown like any other end."""
    os.environ.update(releases)
    try:
        outcome, tally = stack.up()
    finally:
        for variable in releases:
            del os.environ[variable]
    show_outcome(outcome, tally, console)
    return outcome


@contextmanager
def stage(folder: Path, cli: CliInfo, *, workspaces: int, templates: int, page: bool) -> Iterator[tuple[Pair, Stack]]:
    """Fresh emulators, and a stack on them that declares actions; with a `page` also what that shows beside them."""
    with Pair(workspaces=workspaces, templates=templates, seed=7, page_port=0 if page else None) as pair:
        stack = isolated_stack("demo", folder, pair, cli)
        pair.port.on_dispatch(_Workflow(pair, stack.name, folder))
        stack.configure({"actions": ACTIONS, **({"answers": ANSWERS} if page else {})})
        yield pair, stack


class _Workflow:
    """GitHub's part: the workflow that Port's integration dispatches, as a process beside the emulated Coder."""

    def __init__(self, pair: Pair, stack: str, folder: Path) -> None:
        self._stack, self._servers, self._folder = stack, pair.describe(), folder

    def __call__(self, dispatch: Mapping[str, Any]) -> int:
        """The exit code of `python -m coderport run`, which gets no more than GitHub would give it."""
        servers = self._servers
        config = self._folder / "config.json"
        config.write_text("{}", encoding="utf-8")  # all that it needs is in the environment
        with (self._folder / "workflow.log").open("w", encoding="utf-8") as log:
            done = subprocess.run(
                [sys.executable, "-m", "coderport", "run", "--stack", self._stack, "--config", str(config)],
                cwd=CHECKOUT or self._folder,
                env={
                    **os.environ,
                    "CODERPORT_RUN_ID": str(dispatch["inputs"]["run_id"]),
                    "CODER_API_BASE_URL": servers["coder_url"],
                    "CODER_SESSION_TOKEN": servers["coder_token"],
                    "PORT_BASE_URL": servers["port_url"],
                    "PORT_CLIENT_ID": servers["port_client_id"],
                    "PORT_CLIENT_SECRET": servers["port_client_secret"],
                    "CODERPORT_ACTIONS": json.dumps(ACTIONS),
                },
                stdout=log,
                stderr=log,
                timeout=120,
                check=False,
            )
        return done.returncode


def _button_pressed(pair: Pair) -> tuple[str, list[str]]:
    """The id of the workspace that one press on the button made, and what came of it in words: form, log and end."""
    workspace = pair.coder.workspace(sorted(pair.coder.workspace_ids())[0])
    email = pair.coder.user(workspace.owner_id).email
    template = pair.coder.template(sorted(pair.coder.template_ids())[0])
    pair.port.add_user(email)
    inputs = {"template": template.id, "name": "from-port", "ttl_hours": 8}
    pressed = pair.port.run_action("coder_create_workspace", by=email, inputs=inputs)
    run = pair.port.wait_for_run(pressed["id"], timeout=60)
    [dispatch] = pair.port.dispatches
    _expect(run["status"] == "SUCCESS", f"the run should succeed: {run.get('summary')}")
    log = [line for entry in pair.port.run_logs(run["id"]) for line in str(entry["message"]).splitlines() if line]
    [created] = (each for each in pair.coder.workspace_ids() if pair.coder.workspace(each).name == inputs["name"])
    return created, [
        f"by {email}, with template {template.name}, name {inputs['name']}, time to live 8 hours",
        f"Port's GitHub integration dispatches {dispatch['workflow']} of {dispatch['org']}/{dispatch['repo']}",
        *(f"| {line}" for line in log),
        f"{run['status']}: {run['statusLabel']}",
    ]


def isolated_stack(name: str, folder: Path, pair: Pair, cli: CliInfo) -> Stack:
    """A stack on the emulators with a state, a passphrase and a Pulumi home of its own in the folder."""
    stack = Stack(name, cli, directory=project_copy(folder), local_state=folder)
    stack.configure(settings_for(pair))
    return stack


def settings_for(pair: Pair) -> dict[str, str]:
    """The settings of a stack on the emulators."""
    servers = pair.describe()
    return {
        "coderApiBaseUrl": servers["coder_url"],
        "coderSessionToken": servers["coder_token"],
        "portBaseUrl": servers["port_url"],
        "portClientId": servers["port_client_id"],
        "portClientSecret": servers["port_client_secret"],
        "protectBlueprints": "false",
    }


def _run(stack: Stack, pair: Pair, console: Console) -> Outcome:
    pair.port.reset_requests()
    outcome, tally = stack.up()
    show_outcome(outcome, tally, console)
    if outcome.exit_code:
        raise DemoError("The demo stops here: see above.")
    return outcome


@dataclass(frozen=True)
class _Happened:
    """What happened in words, and the ids of the workspaces that are not as they were and still there."""

    lines: tuple[str, ...]
    changed: frozenset[str]


def things_happen(coder: CoderEmulator) -> _Happened:
    """Five changes: a workspace created, one stopped, one renamed, one deleted, a template version promoted."""
    workspaces = [coder.workspace(identifier) for identifier in sorted(coder.workspace_ids())]
    stopped = next(each for each in workspaces if each.running)
    renamed, deleted = [each for each in workspaces if each.id != stopped.id][:2]
    template = coder.template(renamed.template_id)
    outdated = {
        each.id
        for each in workspaces
        if each.template_id == template.id and each.build.version_id == template.active_version_id
    }

    def title(identifier: str) -> str:
        workspace = coder.workspace(identifier)
        return f"{coder.user(workspace.owner_id).username}/{workspace.name}"

    lines = [f"{title(stopped.id)} is stopped"]
    coder.stop(stopped.id)
    lines.append(f"{title(deleted.id)} is deleted")
    coder.delete_workspace(deleted.id)
    before = title(renamed.id)
    coder.rename_workspace(renamed.id, f"{renamed.name}-2")
    lines.append(f"{before} is renamed to {title(renamed.id)}")
    other = next(identifier for identifier in sorted(coder.template_ids()) if identifier != template.id)
    lines.append(f"{title(coder.create_workspace(template=coder.template(other).name))} is created")
    coder.promote_version(template.name)
    changed = ({stopped.id, renamed.id} | outdated) - {deleted.id}
    count = len(outdated - {deleted.id})
    lines.append(f"a version of the template {template.name} is promoted, which outdates {count} of its workspaces")
    return _Happened(tuple(lines), frozenset(changed))


def show_catalog(pair: Pair, console: Console) -> None:
    """A few entities as Port holds them."""
    titles = {entity["identifier"]: entity["title"] for entity in pair.port.entities(TEMPLATE.identifier)}
    rows = []
    for entity in sorted(pair.port.entities(WORKSPACE.identifier), key=lambda each: str(each["title"]))[:8]:
        values = entity["properties"]
        template = titles.get(entity["relations"].get("template_id"), "–")
        rows.append((str(entity["title"]), template, *(_text(values.get(key)) for key in _SHOWN)))
    console.print("Port's catalog, as the emulator holds it")
    show_table(("entity", "template", *_SHOWN.values()), rows, console)


def _text(value: object) -> str:
    return "–" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _headline(console: Console, text: str) -> None:
    console.print(f"\n{text}", style="bold")


def _expect(true: bool, what: str) -> None:
    if not true:
        raise DemoError(f"This is not what the demo promises: {what}. Please report it with the lines above.")
