"""From what in Coder each property comes, read from the code that maps it: nothing of this is written twice."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from coderport.catalog.meaning import TITLE
from coderport.kinds import mapping
from coderport.kinds.kind import Kind
from coderport.kinds.mapping import entity_of


def source_of(kind: Kind[Any], name: str) -> str:
    """The expression that gives the property or relation its value, as it stands in the mapping of the kind.

    Names of a function's own are replaced by what they stand for. Empty where the code cannot be read.
    """
    for module in (kind.entity.__module__, mapping.__name__):
        if found := _expressions(module).get(name):
            return found
    return ""


@lru_cache(maxsize=32)
def _expressions(module: str) -> Mapping[str, str]:
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, SyntaxError):  # an installation without sources
        return {}
    names = vars(sys.modules[module])
    found: dict[str, str] = {}
    for function in (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)):
        standing = dict(_standing(function))
        for key, value in _entries(function, names):
            known = _Replaced(standing).visit(value)
            if not isinstance(known, ast.Name):  # an argument's name says nothing
                found.setdefault(key, ast.unparse(known))
    return found


def _entries(function: ast.FunctionDef, names: Mapping[str, Any]) -> Iterator[tuple[str, ast.expr]]:
    """The items of all dicts that the function writes out or adds to, and the title that it gives an entity."""
    for each in ast.walk(function):
        if isinstance(each, ast.Dict):
            yield from ((_key(key, names), value) for key, value in zip(each.keys, each.values, strict=True))
        elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Subscript):
            yield _key(each.targets[0].slice, names), each.value
        elif isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == entity_of.__name__:
            yield TITLE, each.args[2]


def _key(key: ast.expr | None, names: Mapping[str, Any]) -> str:
    """The text of a key that is written out, or that is a constant of the module."""
    value = key.value if isinstance(key, ast.Constant) else names.get(key.id) if isinstance(key, ast.Name) else ""
    return value if isinstance(value, str) else ""


def _standing(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Local names and what they stand for, as far as each is set once and to one value."""
    for each in function.body:
        if isinstance(each, ast.Assign) and len(each.targets) == 1 and isinstance(each.targets[0], ast.Name):
            yield each.targets[0].id, each.value


class _Replaced(ast.NodeTransformer):
    def __init__(self, standing: Mapping[str, ast.expr]) -> None:
        self._standing = standing

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = self._standing.get(node.id)
        if found is None:
            return node
        rest = {name: value for name, value in self._standing.items() if name != node.id}
        copied = ast.parse(ast.unparse(found), mode="eval").body
        visited: ast.expr = _Replaced(rest).visit(copied)
        return visited
