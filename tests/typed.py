"""Command lines of examples, held to what the command line of the project knows, without running them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from coderport.commands.cli import app


def command_lines(text: str) -> Iterator[list[str]]:
    """What follows `python -m coderport` or `coderport` in a script's lines, word by word."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        for found in re.finditer(r"python -m coderport ((?:[^|;&><\n]|\d?>&)*)", line):
            yield [each for each in shlex.split(found[1]) if not re.fullmatch(r"\d*>.*|\d", each)]


def understood(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command and its parameters. Raises the usage error that a person would see."""
    group: Any = get_command(app)
    outer = group.make_context("coderport", list(words))
    name, command, rest = group.resolve_command(outer, [*outer._protected_args, *outer.args])
    inner = command.make_context(name, rest, parent=outer)
    return name, inner.params
