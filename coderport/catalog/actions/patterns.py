"""Templates' validation patterns, which are RE2's, for Port's forms and for the runner.

Forms judge by ECMAScript's regular expressions, and Python's differ from both. From the pattern's tree come a pattern
for the form that means the same, and a match in time linear in the value, as RE2's is: the value comes from anybody,
and a backtracking match could be made to run for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from coderport.catalog.actions.pattern_tree import (
    LAST,
    PERL,
    WORD,
    Chars,
    Choice,
    Edge,
    Node,
    Sequence,
    Span,
    Unknown,
    others,
    parsed,
)

_LAST_OF_PLANE = 0xFFFF
_MOST_STATES = 20_000
_MOST_WORK = 5_000_000
"""States times characters."""


@lru_cache(maxsize=256)
def ecmascript(pattern: str) -> str | None:
    """The pattern for a JSON schema; None where none is known to mean the same.

    Valid with and without the flag `u`, which JSON schemas have; without it a character beyond the first plane of
    Unicode counts as two.
    """
    tree = parsed(pattern)
    if tree is None:
        return None
    try:
        return _written(tree)
    except (Unknown, RecursionError):
        return None


def matches(pattern: str, value: str) -> bool | None:
    """Whether the pattern occurs anywhere in the value, as RE2 would say; None where that is not known here.

    That is for a pattern that is not read here, or one and a value so long that it would take seconds.
    """
    program = _program(pattern)
    if program is None or program.size * len(value) > _MOST_WORK:
        return None
    return program.found_in(value)


# Writing for ECMAScript


def _written(node: Node) -> str:
    if isinstance(node, Chars):
        return _written_chars(node.spans)
    if isinstance(node, Edge):
        return {"start": "^", "end": "$", "boundary": r"\b", "inside": r"\B"}[node.kind]
    if isinstance(node, Sequence):
        return "".join(f"(?:{_written(part)})" if isinstance(part, Choice) else _written(part) for part in node.parts)
    if isinstance(node, Choice):
        return "|".join(_written(part) for part in node.parts)
    inner = _written(node.part)
    return f"{inner if isinstance(node.part, Chars) else f'(?:{inner})'}{_written_counts(node.least, node.most)}"


def _written_counts(least: int, most: int | None) -> str:
    known = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((least, most))
    if known is not None:
        return known
    return f"{{{least}}}" if most == least else f"{{{least},{'' if most is None else most}}}"


def _written_chars(spans: tuple[Span, ...]) -> str:
    if not spans:
        raise Unknown
    for perl, known in PERL.items():
        if perl != "s":  # ECMAScript's takes more kinds of space
            if spans == known:
                return f"\\{perl}"
            if spans == others(known):
                return f"\\{perl.upper()}"
    if spans == ((0, LAST),):
        return r"[\s\S]"
    if spans[-1][1] == LAST:
        return f"[^{_written_spans(others(spans))}]"
    if len(spans) == 1 and spans[0][0] == spans[0][1]:
        return _written_char(spans[0][0], r"^$\.*+?()[]{}|/")
    return f"[{_written_spans(spans)}]"


def _written_spans(spans: tuple[Span, ...]) -> str:
    written = []
    for low, high in spans:
        written.append(_written_char(low, r"^\[]-"))
        if high > low + 1:
            written.append("-")
        if high > low:
            written.append(_written_char(high, r"^\[]-"))
    return "".join(written)


def _written_char(code: int, special: str) -> str:
    if code > _LAST_OF_PLANE or 0xD800 <= code <= 0xDFFF:
        raise Unknown  # two units without the flag `u`, one with it
    if chr(code) in special:
        return f"\\{chr(code)}"
    return chr(code) if 0x20 <= code < 0x7F or (code > 0xA0 and chr(code).isprintable()) else f"\\u{code:04x}"


# Matching


@dataclass(frozen=True)
class _Step:
    """A state: takes a character of `spans`, or stands at an `edge`, or goes on to all of `then` freely."""

    then: tuple[int, ...]
    spans: tuple[Span, ...] | None = None
    edge: str | None = None


class _Program:
    """A non-deterministic automaton, all of whose states are followed at once. State 0 is the match."""

    def __init__(self, tree: Node) -> None:
        self._steps: list[_Step] = [_Step(())]
        self._first = self._compiled(tree, 0)
        self.size = len(self._steps)

    def _add(self, step: _Step) -> int:
        if len(self._steps) >= _MOST_STATES:
            raise Unknown
        self._steps.append(step)
        return len(self._steps) - 1

    def _compiled(self, node: Node, then: int) -> int:
        """The state from which `node` leads to `then`."""
        if isinstance(node, Chars):
            return self._add(_Step((then,), spans=node.spans))
        if isinstance(node, Edge):
            return self._add(_Step((then,), edge=node.kind))
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                then = self._compiled(part, then)
            return then
        if isinstance(node, Choice):
            return self._add(_Step(tuple(self._compiled(part, then) for part in node.parts)))
        if node.most is None:
            loop = self._add(_Step(()))
            self._steps[loop] = _Step((self._compiled(node.part, loop), then))
            then = loop
        else:
            end = then
            for _ in range(node.most - node.least):
                then = self._add(_Step((self._compiled(node.part, then), end)))
        for _ in range(node.least):
            then = self._compiled(node.part, then)
        return then

    def found_in(self, value: str) -> bool:
        states: set[int] = set()
        for at in range(len(value) + 1):
            states = self._reached({*states, self._first}, value, at)
            if 0 in states:
                return True
            if at < len(value):
                states = self._taken(states, ord(value[at]))
        return False

    def _taken(self, states: set[int], code: int) -> set[int]:
        reached: set[int] = set()
        for state in states:
            step = self._steps[state]
            if step.spans is not None and any(low <= code <= high for low, high in step.spans):
                reached.update(step.then)
        return reached

    def _reached(self, states: set[int], value: str, at: int) -> set[int]:
        """The states and all that follow from them without a character."""
        reached: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state in reached:
                continue
            reached.add(state)
            step = self._steps[state]
            if step.spans is None and (step.edge is None or _EDGES[step.edge](value, at)):
                waiting.extend(step.then)
        return reached


def _is_boundary(value: str, at: int) -> bool:
    before, after = value[at - 1 : at] if at else "", value[at : at + 1]
    return _is_word(before) != _is_word(after)


def _is_word(text: str) -> bool:
    return text != "" and any(low <= ord(text) <= high for low, high in WORD)


_EDGES: dict[str, Callable[[str, int], bool]] = {
    "start": lambda value, at: at == 0,
    "end": lambda value, at: at == len(value),
    "boundary": _is_boundary,
    "inside": lambda value, at: not _is_boundary(value, at),
}


@lru_cache(maxsize=256)
def _program(pattern: str) -> _Program | None:
    tree = parsed(pattern)
    if tree is None:
        return None
    try:
        return _Program(tree)
    except (Unknown, RecursionError):
        return None
