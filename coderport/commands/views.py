"""Commands that answer questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from coderport.commands.app import app
from coderport.commands.options import Config, ExistingStack, existing, named, writable


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
        raise typer.Exit(list_kinds(existing(stack), as_object=json))
    if columns and json:
        raise typer.BadParameter("--json has all columns.")
    query, named = Query(where or (), older or (), columns), kind_named(kind)
    raise typer.Exit(list_kind(existing(stack), named, query, as_object=json))


@app.command()
def doctor(
    stack: Annotated[
        str,
        typer.Option(
            "--stack", "-s", metavar="NAME", callback=named, help="The Pulumi stack; it is looked for, and never made."
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
) -> None:
    """Look at all that a run needs: this machine, Coder, Port, the actions. Writes nothing. Exits with 1 on a fail."""
    from coderport.commands.doctor import doctor as examined

    raise typer.Exit(examined(stack, as_object=json))


@app.command()
def why(
    subject: Annotated[
        str,
        typer.Argument(
            help="An object or action by its id, name, or address in Coder or Port; a property; or OBJECT#PROPERTY."
        ),
    ],
    stack: ExistingStack,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Tell why something is, or is not, in Port as it is. Reads and judges as a run does; writes nothing."""
    from coderport.commands.why import explain

    raise typer.Exit(explain(existing(stack), subject, as_object=json))


@app.command()
def conformance(
    port: Annotated[bool, typer.Option("--port", help="Ask Port, by PORT_CLIENT_ID and PORT_CLIENT_SECRET.")] = False,
    coder: Annotated[bool, typer.Option("--coder", help="Ask Coder, by CODER_API_BASE_URL and its token.")] = False,
    stack: Annotated[
        str | None,
        typer.Option("--stack", "-s", callback=named, help="Take addresses and credentials as this stack has them."),
    ] = None,
    config: Config = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=writable, help="Write what was seen to a file, as JSON.")
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
