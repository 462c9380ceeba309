"""Foreign text, made safe for where it is shown: terminals, logs, JSON and Markdown.

Names from Coder and Port may hold anything. In a terminal an escape character starts a command to it, in a log of
GitHub a line that begins with `::` or holds `##[` is one to the runner, and marks of direction make it read as another.
Values stay as they are; only what is shown goes through here. Only the standard library, so that scripts can use it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_HIDDEN = re.compile(
    # C0 but for tab and line feed, DEL and C1; line and paragraph separators; marks and overrides of direction;
    # what is invisible or makes the next character so; surrogates and what is no character.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
LONGEST_NAME = 120
"""Characters that are shown of a name: Port takes longer ones, of which a few would fill a screen."""

_BREAKS = re.compile("[\t\n]")
_COMMAND = re.compile(r"^(\s*)::", re.MULTILINE)


def line(text: str) -> str:
    """The text as a part of one line: what cannot be seen is written as an escape, `\\n` and `\\x1b`."""
    return _BREAKS.sub(_escaped, _HIDDEN.sub(_escaped, text))


def short(text: str) -> str:
    """A name or an identifier of somebody else's as a part of one line, and never more than that of it."""
    shown = line(text)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"


def lines(text: str) -> str:
    """The text as lines: as `line`, but for tabs and line breaks."""
    return _HIDDEN.sub(_escaped, text)


def uncommanding(text: str) -> str:
    """The lines of a log, none of them a command to GitHub's runner; for what is laid out and about to be written."""
    if "::" in text or "##[" in text:
        return _COMMAND.sub(r"\1\\::", text).replace("##[", r"#\#[")
    return text


def json_line(text: str) -> str:
    """JSON that means the same and shows nothing of its texts that is not to be seen raw."""
    return _HIDDEN.sub(lambda found: _json_escape(found[0]), text).replace("##[", r"\u0023#[")


def markdown(text: str) -> str:
    """The text as a part of a line of Markdown that is nothing but text: no link, mention, HTML or markup in it."""
    return "".join(f"&#{ord(each)};" if each in _MARKUP else each for each in line(text))


_MARKUP = frozenset("\\`*_{}[]()<>#+-.!|~&@:\"'$=^/")


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character in "\t\n\r":
        return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def first_of(names: Sequence[str], shown: int, between: str = ", ") -> str:
    """The first so many of the names as a part of a sentence, and how many more there are; empty without any."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return between.join(names[:shown]) + more


def first_lines(lines: Sequence[str], shown: int) -> list[str]:
    """The first so many of the lines, and one that says how many more there are."""
    more = [f"  and {len(lines) - shown:,} more"] if len(lines) > shown else []
    return [*lines[:shown], *more]


def counted(number: int, several: str) -> str:
    """So many of what is named by the word for several of them: 1 entity, 2,000 entities."""
    one = f"{several[:-3]}y" if several.endswith("ies") else several.removesuffix("s")
    return f"{number:,} {one if number == 1 else several}"
