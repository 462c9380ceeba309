"""The command line as a whole: what comes before a command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coderport import __version__
from coderport.commands.help import Commands
from coderport.project import work_in
from coderport.terminal.volume import Volume, set_volume

app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,  # its tables cut names
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Coder in Port, as code. Exit codes: 0 done, 1 failed, 2 usage or settings, 3 refused by a guard, "
    "4 changes found where none were expected.",
)


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
