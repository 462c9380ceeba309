"""Expressions of GitHub's workflows, as far as ours use them: what a job's condition, matrix and names come to.

https://docs.github.com/en/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|[!(),]|[\w.-]+)")
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cancelled": lambda: False,
    "format": lambda text, *given: text.format(*map(_written, given)),
    "fromJSON": json.loads,
    "toJSON": json.dumps,
}


def value(text: str, context: Mapping[str, Any]) -> Any:
    """What one expression comes to, with or without its braces."""
    bare = re.fullmatch(r"\s*(?:\$\{\{(.*)\}\}|(.*))\s*", text, re.DOTALL)
    assert bare is not None
    return _Reader(bare[1] or bare[2], context).whole()


def filled(text: str, context: Mapping[str, Any]) -> str:
    """The text with what its expressions come to."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: _written(value(found[1], context)), text)


def _written(given: Any) -> str:
    return "" if given is None else json.dumps(given) if isinstance(given, bool) else str(given)


def _same(one: Any, other: Any) -> bool:
    """GitHub ignores the case of texts, and takes nothing for the empty text."""
    return _written(one).casefold() == _written(other).casefold()


class _Reader:
    """Reads an expression by its grammar. Both sides of `&&` and `||` are read; ours fail on neither."""

    def __init__(self, text: str, context: Mapping[str, Any]) -> None:
        self._context = context
        self._left = _TOKEN.findall(text)
        assert re.fullmatch(rf"(?:{_TOKEN.pattern})*\s*", text), text

    def whole(self) -> Any:
        found = self._either()
        assert not self._left, self._left
        return found

    def _taken(self, *tokens: str) -> str:
        return self._left.pop(0) if self._left and self._left[0] in tokens else ""

    def _either(self) -> Any:
        found = self._both()
        while self._taken("||"):
            other = self._both()
            found = found or other
        return found

    def _both(self) -> Any:
        found = self._compared()
        while self._taken("&&"):
            other = self._compared()
            found = found and other
        return found

    def _compared(self) -> Any:
        found = self._one()
        while sign := self._taken("==", "!="):
            found = _same(found, self._one()) == (sign == "==")
        return found

    def _one(self) -> Any:
        if self._taken("!"):
            return not self._one()
        if self._taken("("):
            found = self._either()
            assert self._taken(")")
            return found
        token = self._left.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        return self._called(token) if self._taken("(") else self._looked_up(token)

    def _called(self, name: str) -> Any:
        given: list[Any] = []
        while not self._taken(")"):
            given.append(self._either())
            self._taken(",")
        return _FUNCTIONS[name](*given)

    def _looked_up(self, path: str) -> Any:
        found: Any = self._context
        for key in path.split("."):
            found = (found or {}).get(key)
        return found
