"""A person at the terminal, who can be asked. Without one nobody is."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer


def _nothing_wrong(_: str) -> str:
    return ""


class Person:
    """Whoever is at the terminal; `at_all` is false where nobody is, or `--yes` has answered everything."""

    def __init__(self, *, at_all: bool) -> None:
        self.at_all = at_all

    def may(self, question: str, *, otherwise: bool) -> bool:
        """Yes or no; `otherwise` where nobody can be asked, and as the answer that Enter gives."""
        return typer.confirm(question, default=otherwise) if self.at_all else otherwise

    def text(
        self, question: str, default: str = "", *, secret: bool = False, wrong: Callable[[str], str] = _nothing_wrong
    ) -> str:
        """A text; a secret is not shown. The default where nobody can be asked.

        What is `wrong` with an answer is said, and the question is asked again.
        """
        if not self.at_all:
            return default

        def taken(answer: str) -> str:
            if reason := wrong(answer.strip()):
                raise typer.BadParameter(reason)
            return answer.strip()

        return str(
            typer.prompt(
                question, default=default or None, hide_input=secret, show_default=not secret, value_proc=taken
            )
        )


def is_terminal() -> bool:
    """Whether a person sits at standard input and output."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()  # one that was closed is None
