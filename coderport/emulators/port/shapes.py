"""Checks of JSON shapes that say where a body is wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from coderport.emulators.port.problems import Problem, invalid

# Port's patterns use \p{L}; `[^\W\d_]` is "any letter" in Python. They stand in Port's published OpenAPI.
ENTITY_IDENTIFIER: Final = re.compile(r"(?!\.{1,2}\Z)(?:[^\W\d_]|[0-9@_.+:\\/='-])+\Z")
BLUEPRINT_IDENTIFIER: Final = re.compile(r"(?!\.{1,2}\Z)(?:[^\W\d_]|[0-9@_.+:\\/-])+\Z")
ACTION_IDENTIFIER: Final = re.compile(r"(?!\.{1,2}\Z)(?:[^\W\d_]|[0-9@_.+:=-])+\Z")
PAGE_IDENTIFIER: Final = re.compile(
    r"(?!\.{1,2}\Z)(?:[A-Za-z0-9@_.:/=-]|\$(?:team|users|user|AuditLog|run|RunsHistory)\b|\$home)+\Z", re.ASCII
)
KEY: Final = re.compile(r"[A-Za-z0-9@_=\\-]+\Z")

COLOURS: Final = frozenset(
    {"blue", "turquoise", "orange", "purple", "pink", "yellow", "green", "red", "gold", "silver"}
    | {"paleBlue", "darkGray", "lightGray", "bronze", "lime", "olive", "brown"}
)

_NAMES: Final[dict[type, str]] = {
    dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number",
}  # fmt: skip


def json_type(value: Any) -> str:
    """The JSON name of a value's type; all numbers are ``number``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return _NAMES[type(value)]


def typed(value: Any, kind: type, path: str, *, nullable: bool = False) -> Any:
    """`value` if it is a `kind` (or null where `nullable`), else a 422 that names `path`."""
    if value is None and nullable:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise invalid(path, f"must be {_NAMES[kind]}")
    return value


def member(body: Mapping[str, Any], key: str, kind: type, path: str, *, required: bool = False) -> Any:
    """``body[key]`` checked as `typed` does; None where it is absent and not required."""
    if key not in body:
        if required:
            raise invalid(path, f"must have required property '{key}'")
        return None
    return typed(body[key], kind, f"{path}.{key}")


def only(body: Mapping[str, Any], allowed: Collection[str], path: str) -> None:
    """Refuse keys that the documented shape does not have."""
    for key in body:
        if key not in allowed:
            raise invalid(path, f"must NOT have additional properties: '{key}'")


def one_of(value: Any, allowed: Collection[str], path: str) -> Any:
    """`value` if it is one of the allowed constants."""
    if not isinstance(value, str) or value not in allowed:
        raise invalid(path, f"must be equal to one of the allowed values: {', '.join(sorted(allowed))}")
    return value


def text(value: Any, path: str, *, shortest: int = 0, longest: int | None = None) -> str:
    """A string of a length in bounds."""
    found: str = typed(value, str, path)
    if len(found) < shortest:
        raise invalid(path, f"must NOT have fewer than {shortest} characters")
    if longest is not None and len(found) > longest:
        raise invalid(path, f"must NOT have more than {longest} characters")
    return found


def identifier(value: Any, pattern: re.Pattern[str], longest: int | None, path: str) -> str:
    """An identifier that fits its pattern and length."""
    found = text(value, path, longest=longest)
    if not pattern.match(found):
        raise invalid(path, f"must match the identifier pattern; got {found!r}")
    return found


def strings(value: Any, path: str) -> list[str]:
    """A list of strings."""
    return [typed(item, str, f"{path}[{at}]") for at, item in enumerate(typed(value, list, path))]


def flag(value: str | None, name: str) -> bool:
    """A boolean of the query; absent and empty are false."""
    if value in (None, "", "false"):
        return False
    if value == "true":
        return True
    raise invalid(f"querystring.{name}", "must be boolean")


def too_large() -> Problem:
    """The refusal of a body over 1 MiB."""
    return Problem(413, "bad_request", "request body is larger than 1 MiB")
