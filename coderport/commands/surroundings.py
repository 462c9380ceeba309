"""Commands around the runs: setting up, the Pulumi CLI, the services, the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coderport.commands.app import app
from coderport.commands.options import Config, ExistingStack, named


@app.command()
def init(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", callback=named, help="The Pulumi stack; made if it is not there.")
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
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files and values of coderport's that are there and differ.")
    ] = False,
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
def engine(
    official: Annotated[
        bool,
        typer.Option(
            "--official",
            help="Where there is none, let Pulumi's official installer get it: a script of get.pulumi.com.",
        ),
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
def emulate(
    workspaces: Annotated[int, typer.Option(min=0, help="How many workspaces Coder has.")] = 40,
    templates: Annotated[int, typer.Option(min=1, help="How many templates Coder has.")] = 6,
    seed: Annotated[int, typer.Option(help="The same seed gives the same deployment.")] = 0,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Listen on free ports instead of the dev stack's.")
    ] = False,
    coder_version: Annotated[str, typer.Option(help="Coder's version: 2.13 and later, or newest.")] = "2.20",
    prices: Annotated[bool, typer.Option("--prices", help="Have Coder answer as slowly as a real one.")] = False,
    recordings: Annotated[
        list[Path] | None,
        typer.Option("--as", metavar="FILE", help="Behave as `conformance --out FILE` saw Port or Coder; repeatable."),
    ] = None,
) -> None:
    """Run the emulators of Coder and Port on this machine until interrupted. Prints where they listen as JSON."""
    from coderport.commands.emulate import emulate_until_interrupted

    coder = {"workspaces": workspaces, "templates": templates, "flavour": coder_version, "priced": prices}
    emulate_until_interrupted(seed=seed, free_ports=free_ports, coder=coder, recordings=recordings or ())
