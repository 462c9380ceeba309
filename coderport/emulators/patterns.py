"""Regular expressions of other languages."""

from __future__ import annotations


def ends_at_the_end(source: str) -> str:
    """The pattern with its ``$`` at the very end only, as in JavaScript and Go.

    Python's fits before a last newline, too.
    """
    changed, in_class, escaped = "", False, False
    for letter in source:
        changed += "\\Z" if letter == "$" and not in_class and not escaped else letter
        if letter in "[]" and not escaped:
            in_class = letter == "["
        escaped = letter == "\\" and not escaped
    return changed
