"""Asking a person at the terminal. Without one nobody is asked, and what is missing is named with its flag."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import typer

from coderport.errors import SettingsError
from coderport.setup.values import Wanted


class Person:
    """Whoever is at the terminal; `at_all` is false where nobody is, or `--yes` has answered everything."""

    def __init__(self, *, at_all: bool) -> None:
        self.at_all = at_all

    def may(self, question: str, *, otherwise: bool) -> bool:
        """Yes or no; `otherwise` where nobody can be asked, and as the answer that Enter gives."""
        return typer.confirm(question, default=otherwise) if self.at_all else otherwise

    def text(self, question: str, default: str = "", *, secret: bool = False) -> str:
        """A text; a secret is not shown. The default where nobody can be asked."""
        if not self.at_all:
            return default
        return str(typer.prompt(question, default=default or None, hide_input=secret, show_default=not secret)).strip()


def is_terminal() -> bool:
    """Whether a person sits at standard input and output."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()  # one that was closed is None


def missing(wanted: Iterable[Wanted]) -> SettingsError:
    """The error for values that nobody gave and nobody can be asked for."""
    lines = [f"  {each.flag}, or {' or '.join(each.variables)} in the environment: {each.question}" for each in wanted]
    return SettingsError(
        "\n".join(["These are needed, and there is no terminal to ask at:", *lines, "Nothing was written."])
    )
