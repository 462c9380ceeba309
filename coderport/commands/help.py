"""What the command line as a whole does otherwise than Typer: its list of commands, and the shells of completion."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.completion import install_callback, show_callback
from typer.core import TyperGroup

_COMPLETIONS = {"--show-completion": show_callback, "--install-completion": install_callback}


class Commands(TyperGroup):
    """The commands as a whole."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each with all of its first sentence, which Typer would cut where a line ends."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, re.split(r"(?<=\.)\s", command.help or "", maxsplit=1)[0]))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """A shell may stand behind the options for completion; Typer knows only that which it finds above itself."""
        for option, show_or_install in _COMPLETIONS.items():
            if option not in args:
                continue
            if " " in str(ctx.info_name):
                raise typer.BadParameter("A shell completes the installed command `coderport`, and no other.", ctx)
            [parameter] = (each for each in self.params if option in each.opts)
            shell = next(iter(args[args.index(option) + 1 :]), "-")
            if not shell.startswith("-"):
                show_or_install(ctx, parameter, shell)
        return super().parse_args(ctx, args)
