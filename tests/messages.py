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
        found for tree in trees().values() for node in ast.walk(tree) if (found := template(node)) and len(found) > 5
    )


class Told(NamedTuple):
    """One place that tells a person something that ends no command: a note, a warning, a wait, a finding of doctor.

    `text` is a template of it, or None where it is made elsewhere (`made` is the expression).
    """

    where: str
    text: str | None
    made: str


Function = (ast.FunctionDef, ast.AsyncFunctionDef)

_TELLS = {"warn": 0, "_tell": 0, "said": 0, "say": 0, "_say": 0, "_warn": 1, "BadParameter": 0}
"""Functions and methods that tell a person what they are given, by the place of the text among the arguments."""
_LOGS = {f"{log}.{grade}" for log in ("_LOG", "_logger") for grade in ("warning", "error")}
_COLLECTS = {f"{kept}.{add}" for kept in ("warnings", "_healed", "notes") for add in ("append", "extend")}
"""Lists of what is told at the end of a run."""
_WORDS = {"note_of", "missed_of", "unlock", "stands_for"}
"""Functions that return what others tell."""
_KEPT = ("warnings[:]", "warnings[:0]", "._made")


def told() -> Iterator[Told]:
    """Every place that tells a person something while a command is at work or in what it ends with, errors aside."""
    for where, tree in trees().items():
        for scope in ast.walk(tree):
            if isinstance(scope, Function):
                for node in _told_in(where, scope):
                    yield from _texts_of(where, node, scope)


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions within it."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, Function):
            yield from _own(node)


def _told_in(where: str, scope: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """The expressions in a function that a person is told."""
    notes = "notes" in scope.name or where.endswith("planning/notes.py")
    words = scope.name in _WORDS or (scope.name.startswith("told") and where.endswith("terminal/ending.py"))
    for node in _own(scope):
        value: ast.expr | None = None
        yields = isinstance(node, ast.Yield) and notes and scope.returns and "str" in ast.unparse(scope.returns)
        keeps = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(_KEPT)
        if yields or keeps or (isinstance(node, ast.Return) and words):
            value = getattr(node, "value", None)
        elif isinstance(node, ast.Call):
            value = _found_by(node) if where.startswith("coderport/doctor/") else _told_by(node)
        if value is not None:
            yield value


def _found_by(call: ast.Call) -> ast.expr | None:
    """What a check of doctor says, unless it passes."""
    name = ast.unparse(call.func)
    if name not in ("_check", "_broken", "Check"):
        return None
    named = {each.arg: each.value for each in call.keywords}
    grade = named.get("grade") or (call.args[1] if name == "_check" else None)
    if isinstance(grade, ast.Constant) and grade.value == "pass":
        return None
    return named.get("said") or call.args[2 if name == "_check" else 0]


def _told_by(call: ast.Call) -> ast.expr | None:
    """What a call outside of doctor tells."""
    whole = ast.unparse(call.func)
    name = whole.rpartition(".")[2]
    style = next((each.value for each in call.keywords if each.arg == "style"), None)
    if len(call.args) > _TELLS.get(name, 99):
        return call.args[_TELLS[name]]
    if ".".join(whole.split(".")[-2:]) in _LOGS | _COLLECTS:
        return call.args[0]
    coloured = isinstance(style, ast.Constant) and style.value in ("red", "yellow")
    return call.args[0] if name == "print" and coloured else None


def _texts_of(where: str, node: ast.expr, scope: ast.AST) -> Iterator[Told]:
    """The texts that the expression may be; a name is what the function assigns to it."""
    parts: list[ast.expr] | None = None
    if isinstance(node, ast.IfExp):
        parts = [node.body, node.orelse]
    elif isinstance(node, (ast.List, ast.Tuple)):
        parts = node.elts
    elif isinstance(node, ast.BoolOp):
        parts = node.values
    elif isinstance(node, (ast.GeneratorExp, ast.ListComp)):
        parts = [node.elt]
    elif isinstance(node, ast.Name):
        parts = _assigned(node, scope) or None
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("join", "fromkeys"):
            parts = [node.args[0]]
        elif node.func.attr == "rstrip":
            parts = [node.func.value]
    if parts is not None:
        for part in parts:
            yield from _texts_of(where, part, scope)
        return
    text = template(node)
    made = ast.unparse(node)
    if not made.strip("'") or made == "None" or made.partition("(")[0].rpartition(".")[2] in _WORDS | {"made"}:
        return
    bare = text is None or not re.search(r"\w{3}", text.replace(GAP, ""))
    yield Told(where, None if bare else text, made)


def _assigned(name: ast.Name, scope: ast.AST) -> list[ast.expr]:
    """What the function gives to the name before it is used there, back to the last return before that."""
    given = [
        each
        for each in _own(scope)
        if isinstance(each, ast.Assign) and any(ast.unparse(to) == name.id for to in each.targets)
        if each.lineno < name.lineno
    ]
    nearest = max((each.lineno for each in given), default=0)
    returns = [each.lineno for each in _own(scope) if isinstance(each, ast.Return) and each.lineno < nearest]
    return [each.value for each in given if each.lineno > max(returns, default=0)]
