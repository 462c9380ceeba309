"""Options that several commands have, and what is done with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coderport.errors import CoderportError
from coderport.terminal.placeholder import placeholder_in, stands_for

if TYPE_CHECKING:
    from coderport.report.outcome import Outcome
    from coderport.stack.stack import Stack


def writable(file: Path | None) -> Path | None:
    """The file, absolute; a folder that is not there is better known before a run than after it."""
    if file is None:
        return None
    if str(file) == "-":
        raise typer.BadParameter("- is no file here, and standard output has what people read. Name a file.")
    if not file.parent.is_dir():
        raise typer.BadParameter(f"There is no folder {file.parent}.")
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a folder.")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise typer.BadParameter(f"{file} cannot be written.")
    return file.absolute()


def named(stack: str | None) -> str | None:
    """The name of a stack; BadParameter for the word of a printed command that stands for one."""
    if word := placeholder_in((stack or "").rpartition("/")[2]):
        raise typer.BadParameter(stands_for(word))
    return stack


StackName = Annotated[
    str,
    typer.Option(
        "--stack", "-s", metavar="NAME", callback=named, help="The Pulumi stack; created if it does not exist."
    ),
]
ExistingStack = Annotated[
    str, typer.Option("--stack", "-s", metavar="NAME", callback=named, help="The Pulumi stack; it has to be there.")
]
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
Summary = Annotated[
    Path | None,
    typer.Option(metavar="FILE", callback=writable, help="Write the JSON object to a file as well, however it ends."),
]
Whole = Annotated[bool, typer.Option("--all", help="Show every change, property by property, old and new.")]
Page = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", callback=writable, help="Write it all as one page for a browser as well."),
]
AllowDeletions = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Let this run delete up to N entities that are proven gone or filtered out."),
]
ForgetUnproven = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Let this run delete up to N entities whose end could not be proven."),
]


def existing(name: str, variables: Mapping[str, str] | None = None) -> Stack:
    """The stack, which has to be there; `variables` are what the command line says (see `Stack`)."""
    from coderport.commands.consoles import people
    from coderport.engine import obtain_cli
    from coderport.stack.stack import Stack

    return Stack(name, obtain_cli(people(stderr=True).print), create=False, variables=variables)


def tell(outcome: Outcome, json: bool, summary: Path | None) -> None:
    """Says the outcome to machines, as far as they were promised it."""
    from coderport.commands.acts import print_json, write_summary

    if json:
        print_json(outcome)
    if summary is not None:
        write_summary(outcome, summary)


def begin(*files: Path | None, plan: Path | None = None) -> None:
    """Takes away what an earlier run left in the files that this one writes at its end, so that it is never read as
    of this run where this one is killed. What is no ordinary file (a pipe) is left alone.

    BadParameter where two of them, or one and the `plan` that is read, are the same file.
    """
    there = [each.resolve() for each in (*files, plan) if each is not None and (each.is_file() or not each.exists())]
    if twice := next((each for each in there if there.count(each) > 1), None):
        raise typer.BadParameter(f"{twice} is named for more than one thing. Name a file for each.")
    for file in files:
        if file is not None and file.is_file():
            try:
                file.resolve().unlink()
            except OSError as error:
                raise CoderportError(f"The result cannot be written to {file}: {error.strerror or error}") from None


def releases_of(allow_deletions: int | None, forget_unproven: int | None = None) -> dict[str, str]:
    """The releases of the command line, by the variable that each stands for."""
    from coderport.settings import RELEASES

    given = {"allow_deletions": allow_deletions, "forget_unproven": forget_unproven}
    return {RELEASES[field]: str(value) for field, value in given.items() if value is not None}
