"""What the command line as a whole does otherwise than Typer: its list of commands, the shells of completion, and the
words for a value that an option does not take.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.completion import install_callback, show_callback
from typer.core import TyperGroup

_GIVEN = "coderport.given"
"""Where the context has the words of the whole command line."""

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
        ctx.meta[_GIVEN] = [*args]
        with _in_our_words():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that is named."""
        with _in_our_words():
            return super().invoke(ctx)


@contextmanager
def _in_our_words() -> Iterator[None]:
    """What is wrong about the value of an option, as a setting's would be told: Typer hands on pydantic's words."""
    try:
        yield
    except typer.BadParameter as error:
        errors = getattr(error.__cause__, "errors", None)  # of pydantic, which takes long to import
        if errors is not None:
            error.message = _told(error, errors()[0])
        raise


def _told(error: Any, item: Any) -> str:
    """What the option must be, what stands there, and the same command with a value that it takes."""
    from coderport.terminal.remedy import COMMAND, runnable_here
    from coderport.terminal.wording import number_wanted, told, value_shown

    option = error.param
    limits = option.type_descriptor.parameter_info
    kind = float if item["type"].startswith("float") else int
    if not item["type"].startswith(("int", "float", "greater", "less", "finite")):
        return told(item)
    least = limits.min if limits.min is not None else 1
    example = str(option.default if option.default is not None else least)
    shown = value_shown(item.get("input"))
    words = shlex.join(_replaced(error.ctx.meta.get(_GIVEN, []), option.opts, example))
    return (
        f"must be {number_wanted(kind, limits.min, limits.max)}{f' (it is {shown})' if shown else ''}. For example:\n"
        + runnable_here(f"  {COMMAND} {words}")
    )


def _replaced(given: Iterable[str], option: Collection[str], value: str) -> Iterator[str]:
    """The words of a command line with another value of the option."""
    follows = False
    for word in given:
        name, is_joined, _ = word.partition("=")
        if follows:
            yield value
        elif is_joined and name in option:
            yield f"{name}={value}"
        else:
            yield word
        follows = not follows and word in option
