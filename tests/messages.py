"""The messages that commands end with, as the source has them: one for each place that makes an error of the tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "coderport"
GAP = "…"
"""What stands for a part that differs."""


class Site(NamedTuple):
    """One place that makes an error. `text` is its message, or None where that is made elsewhere (`made`)."""

    where: str
    error: str
    text: str | None
    made: str


@cache
def trees() -> dict[str, ast.Module]:
    """The modules of what a person runs. The emulators stand for others, and their errors are those of tests."""
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text())
        for path in sorted(PACKAGE.rglob("*.py"))
        if "emulators" not in path.parts
    }


@cache
def errors() -> frozenset[str]:
    """The names of all classes of the tree of `coderport.errors`."""
    bases = {
        node.name: {ast.unparse(each).rpartition(".")[2] for each in node.bases}
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"CoderportError"}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return frozenset(found)


def template(node: ast.AST) -> str | None:
    """A text with a gap for each part that differs; None where nothing of it is in the source."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(each) or GAP for each in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [template(each) for each in (node.left, node.right)]
        return None if parts == [None, None] else "".join(each or GAP for each in parts)
    return None


def sites() -> Iterator[Site]:
    """Every place that makes an error, class methods that do so (`for_credentials`) among them."""
    for where, tree in trees().items():
        of_class = {
            id(node): each.name for each in ast.walk(tree) if isinstance(each, ast.ClassDef) for node in ast.walk(each)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else None
            inside = of_class.get(id(node))
            if name == "cls" or ast.unparse(node.func) == "super().__init__":
                name = inside
            if name not in errors() or not node.args:
                continue
            text = template(node.args[0])
            bare = text is None or not re.search(r"\w{3}", text.replace(GAP, ""))
            yield Site(where, name, None if bare else text, ast.unparse(node.args[0]))


@cache
def texts() -> tuple[str, ...]:
    """Every text in the source, as templates."""
    return tuple(
        found for tree in trees().values() for node in ast.walk(tree) if (found := template(node)) and len(found) > 8
    )
