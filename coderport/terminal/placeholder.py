"""The words that stand in a printed command for what a person has to choose.

They mean nothing to a shell, so that a command with one can be pasted as it is: `coderport pulumi`, the options that
name a stack, and the settings refuse them, and nothing is changed.
"""

from __future__ import annotations

import re
from typing import Final

NO_STACK: Final = "NAME"
"""Stands for the name of a stack that is to be made, or that is not known where a text is made."""

_PLACEHOLDER: Final = re.compile(r"(?<![\w-])CHOOSE-[A-Z]+(?:[-/][A-Z]+)*(?![\w-])", re.ASCII)


def placeholder_in(text: str) -> str:
    """The first such word in the text, which is one word of a command; empty where there is none."""
    if text == NO_STACK:
        return text
    found = _PLACEHOLDER.search(text)
    return found[0] if found else ""


def stands_for(word: str) -> str:
    """What to tell where it was left in a command."""
    return f"{word} stands for what you choose: put that in its place."
