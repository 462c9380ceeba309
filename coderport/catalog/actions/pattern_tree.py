"""RE2's regular expressions, in which templates state their validation patterns, read into a tree of plain parts."""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

LAST = 0x10FFFF
_MOST_REPEATS = 1000
"""RE2 refuses a count beyond this."""

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Chars:
    """One character out of these spans of code points, sorted and apart."""

    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Edge:
    """A place between two characters. A boundary is one of ASCII words, as in RE2."""

    kind: Literal["start", "end", "boundary", "inside"]


@dataclass(frozen=True)
class Sequence:
    """All of the parts, one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    """One of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """The part `least` to `most` times; None is without end. Whether greedily makes no difference to a match."""

    part: Node
    least: int
    most: int | None


Node: TypeAlias = Chars | Edge | Sequence | Choice | Repeat


class Unknown(Exception):
    """Syntax that is not read here, or no valid pattern at all."""


@lru_cache(maxsize=256)
def parsed(pattern: str) -> Node | None:
    """The tree of an RE2 pattern; None for what is not read here: Unicode classes, `\\C`, multi-line mode."""
    try:
        return _Parser(pattern).whole()
    except (Unknown, RecursionError):
        return None


# Spans of characters


def _union(spans: list[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def others(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """All characters but these."""
    rest: list[Span] = []
    next_low = 0
    for low, high in spans:
        if low > next_low:
            rest.append((next_low, low - 1))
        next_low = high + 1
    if next_low <= LAST:
        rest.append((next_low, LAST))
    return tuple(rest)


def _of(text: str) -> tuple[Span, ...]:
    return _union([(ord(each), ord(each)) for each in text])


def _either_case(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """With the other case of each ASCII letter, and the two signs beyond ASCII that RE2 folds to one."""
    if any(high > 127 for _, high in spans):
        raise Unknown  # letters beyond ASCII fold by Unicode's tables
    more = list(spans)
    for low, high in spans:
        for letter in string.ascii_letters:
            if low <= ord(letter) <= high:
                more.append((ord(letter.swapcase()),) * 2)
                more.extend((sign, sign) for sign in {"k": [0x212A], "s": [0x17F]}.get(letter.lower(), []))
    return _union(more)


_DIGITS = _of(string.digits)
WORD = _of(string.ascii_letters + string.digits + "_")
_SPACE = _of("\t\n\f\r ")
PERL = {"d": _DIGITS, "w": WORD, "s": _SPACE}
_POSIX = {
    "alnum": _of(string.ascii_letters + string.digits),
    "alpha": _of(string.ascii_letters),
    "ascii": ((0, 127),),
    "blank": _of("\t "),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGITS,
    "graph": ((33, 126),),
    "lower": _of(string.ascii_lowercase),
    "print": ((32, 126),),
    "punct": _of(string.punctuation),
    "space": _of("\t\n\v\f\r "),
    "upper": _of(string.ascii_uppercase),
    "word": WORD,
    "xdigit": _of(string.hexdigits),
}
_CONTROL = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}


# Reading


class _Parser:
    """Reads RE2's grammar from left to right; flags hold to the end of their group."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._folds = False
        self._dot_takes_newline = False

    def whole(self) -> Node:
        tree = self._choice()
        if self._at < len(self._text):
            raise Unknown
        return tree

    def _sees(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _takes(self, text: str) -> bool:
        if self._sees(text):
            self._at += len(text)
            return True
        return False

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise Unknown
        self._at += 1
        return self._text[self._at - 1]

    def _choice(self) -> Node:
        parts = [self._sequence()]
        while self._takes("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._at < len(self._text) and not self._sees("|") and not self._sees(")"):
            part = self._atom()
            if part is not None:
                parts.append(self._repeated(part))
            elif self._counts() is not None:
                raise Unknown  # nothing to repeat
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, part: Node) -> Node:
        counts = self._counts()
        if counts is None:
            return part
        self._takes("?")
        if self._counts() is not None or isinstance(part, Edge):
            raise Unknown  # RE2 takes a repeated repetition, ECMAScript does not
        return Repeat(part, *counts)

    def _counts(self) -> tuple[int, int | None] | None:
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._takes(sign):
                return counts
        end = self._text.find("}", self._at)
        if not self._sees("{") or end < 0:
            return None
        least, comma, most = self._text[self._at + 1 : end].partition(",")
        if not _is_count(least) or (most and not _is_count(most)):
            return None  # an ordinary brace
        low = int(least)
        high = int(most) if most else None if comma else low
        if max(low, high or 0) > _MOST_REPEATS or (high is not None and high < low):
            raise Unknown
        self._at = end + 1
        return low, high

    def _atom(self) -> Node | None:
        sign = self._next()
        if sign == "(":
            return self._group()
        if sign == "[":
            return Chars(self._class())
        if sign == ".":
            return Chars(((0, LAST),) if self._dot_takes_newline else others(_of("\n")))
        if sign == "^":
            return Edge("start")
        if sign == "$":
            return Edge("end")
        if sign == "\\":
            return self._escaped()
        if sign in "*+?":
            raise Unknown
        return self._literal(ord(sign))

    def _literal(self, code: int) -> Chars:
        spans = ((code, code),)
        return Chars(_either_case(spans) if self._folds else spans)

    def _group(self) -> Node | None:
        """A group, its opening bracket read already; None for one that only sets flags."""
        flags = self._folds, self._dot_takes_newline
        if self._takes("?"):
            if self._takes("P<") or self._takes("<"):
                self._name()
            elif self._flags():
                return None
        inner = self._choice()
        self._folds, self._dot_takes_newline = flags
        if not self._takes(")"):
            raise Unknown
        return inner

    def _name(self) -> None:
        end = self._text.find(">", self._at)
        name = self._text[self._at : end] if end > 0 else ""
        if not name.isascii() or not name.replace("_", "a").isalnum():
            raise Unknown
        self._at = end + 1

    def _flags(self) -> bool:
        """Reads `i-s:` or `i)`; whether that was all of the group."""
        on = True
        while (sign := self._next()) not in ":)":
            if sign == "-":
                on = False
            elif sign == "i":
                self._folds = on
            elif sign == "s":
                self._dot_takes_newline = on
            elif sign != "U":  # swaps greedy and lazy
                raise Unknown
        return sign == ")"

    def _escaped(self) -> Node:
        sign = self._next()
        edges: dict[str, Edge] = {
            "A": Edge("start"), "z": Edge("end"), "b": Edge("boundary"), "B": Edge("inside"),
        }  # fmt: skip
        if sign in edges:
            return edges[sign]
        if sign.lower() in PERL:
            spans = PERL[sign.lower()]
            spans = _either_case(spans) if self._folds else spans
            return Chars(others(spans) if sign.isupper() else spans)
        return self._literal(self._code(sign))

    def _code(self, sign: str) -> int:
        """The character that an escape names, its backslash and `sign` read already."""
        if sign in _CONTROL:
            return _CONTROL[sign]
        if sign == "x":
            return self._hexadecimal()
        if ord(sign) < 128 and not sign.isalnum():
            return ord(sign)
        raise Unknown  # an octal number, a Unicode class, a quotation, a byte, or no escape at all

    def _hexadecimal(self) -> int:
        if self._takes("{"):
            end = self._text.find("}", self._at)
            digits = self._text[self._at : end] if end > 0 else ""
            self._at = end + 1
        else:
            digits = self._next() + self._next()
        if not digits or len(digits) > 6 or any(each not in string.hexdigits for each in digits):
            raise Unknown
        if int(digits, 16) > LAST:
            raise Unknown
        return int(digits, 16)

    def _class(self) -> tuple[Span, ...]:
        negated = self._takes("^")
        spans: list[Span] = []
        first = True
        while first or not self._takes("]"):
            first = False
            if self._takes("[:"):
                spans.extend(self._posix())
                continue
            low = self._class_part()
            if not isinstance(low, int):
                spans.extend(low)
                continue
            high = low
            if self._sees("-") and not self._text.startswith("-]", self._at):
                self._at += 1
                part = self._class_part()
                if not isinstance(part, int) or part < low:
                    raise Unknown
                high = part
            spans.append((low, high))
        found = _union(spans)
        found = _either_case(found) if self._folds else found
        return others(found) if negated else found

    def _posix(self) -> tuple[Span, ...]:
        end = self._text.find(":]", self._at)
        name = self._text[self._at : end] if end > 0 else ""
        negated = name.startswith("^")
        spans = _POSIX.get(name.removeprefix("^"))
        if spans is None:
            raise Unknown
        self._at = end + 2
        return others(spans) if negated else spans

    def _class_part(self) -> int | tuple[Span, ...]:
        sign = self._next()
        if sign != "\\":
            return ord(sign)
        sign = self._next()
        if sign.lower() in PERL:
            return others(PERL[sign.lower()]) if sign.isupper() else PERL[sign]
        return self._code(sign)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 4
