"""A person at the terminal, who can be asked. Without one nobody is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from coderport.terminal import ending

T = TypeVar("T")


def _nothing_wrong(_: str) -> str:
    return ""


class Person:
    """Whoever is at the terminal; `at_all` is false where nobody is, or `--yes` has answered everything.

    Ctrl-D and Ctrl-C at a question end the command in order, with Interrupted.
    """

    def __init__(self, *, at_all: bool) -> None:
        self.at_all = at_all

    def may(self, question: str, *, otherwise: bool) -> bool:
        """Yes or no; `otherwise` where nobody can be asked, and as the answer that Enter gives."""
        return _answer(lambda: typer.confirm(question, default=otherwise)) if self.at_all else otherwise

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

        def ask() -> str:
            return str(
                typer.prompt(
                    question, default=default or None, hide_input=secret, show_default=not secret, value_proc=taken
                )
            )

        return _answer(ask)


def _answer(ask: Callable[[], T]) -> T:
    """The answer. Where there is none, what is said next begins on a line of its own."""
    try:
        return ask()
    except typer.Abort:
        print()
        ending.end(ending.CTRL_D)
    except ending.Interrupted:
        print()
        raise


def is_terminal() -> bool:
    """Whether a person sits at standard input and output."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()  # one that was closed is None
