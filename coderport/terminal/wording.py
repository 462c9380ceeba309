"""What is wrong about a value, in our words: the validator's own are about Python's types, and about no setting."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, Final

from coderport.terminal.text import short

OBJECT: Final = "must be an object"
LIST: Final = "must be a list"

_MAY_BE_SECRET: Final = re.compile(r"(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{16,}", re.ASCII)
"""A long run of letters and digits, as tokens have and few names."""
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_MAY_BE_LOGIN: Final = re.compile(r"://[^/\s]*@")

_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda limits: "is missing",
    "literal_error": lambda limits: f"must be one of: {_listed(str(limits['expected']))}",
    "greater_than_equal": lambda limits: f"must be {_limit(limits['ge'])} or more",
    "greater_than": lambda limits: f"must be more than {_limit(limits['gt'])}",
    "less_than_equal": lambda limits: f"must be {_limit(limits['le'])} or less",
    "less_than": lambda limits: f"must be less than {_limit(limits['lt'])}",
    "string_too_short": lambda limits: _not_shorter(limits),
    "too_short": lambda limits: _not_shorter(limits),
    "string_too_long": lambda limits: f"must have {limits['max_length']} characters or less",
    "string_pattern_mismatch": lambda limits: "does not have the form that is needed",
    "finite_number": lambda limits: "must be a number",
}
_KINDS: Final[Mapping[str, str]] = {
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "string": "must be a text",
    "tuple": LIST,
    "list": LIST,
    "dict": OBJECT,
    "mapping": OBJECT,
    "model": OBJECT,
    "time": "must be a span of time, such as 30m or 24h",
    "date": "must be a time",
    "none": "must be null",
    "enum": "must be one of the names that there are",
    "url": "must be an address",
    "uuid": "must be an id",
    "json": "must be JSON",
}
_KINDS_OF_JSON: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


def _listed(expected: str) -> str:
    """`'a', 'b' or 'c'` as names with commas between."""
    return expected.replace("'", "").replace(" or ", ", ")


def _limit(value: object) -> str:
    """A limit as a person writes it; pydantic says a span of time as the code that makes it."""
    span = re.fullmatch(r"datetime\.timedelta\((?:(days)=(\d+))?(?:(?:, )?seconds=(\d+))?\)", str(value))
    if span is None:
        return str(value)
    return span_text(timedelta(days=int(span[2] or 0), seconds=int(span[3] or 0)))


def span_text(span: timedelta) -> str:
    """A span of whole seconds as a person writes it: 24h is 1d."""
    seconds = int(span.total_seconds())
    return next(f"{seconds // size}{unit}" for unit, size in _UNITS if seconds % size == 0)


def _not_shorter(limits: Mapping[str, Any]) -> str:
    least = int(limits["min_length"])
    return "must not be empty" if least == 1 else f"must have {least} characters or more"


def number_wanted(kind: type, least: float | None, most: float | None) -> str:
    """What a number must be: `a whole number from 0 to 9`. `kind` is int or float."""
    what = "a whole number" if kind is int else "a number"
    if least is not None and most is not None:
        return f"{what} from {least} to {most}"
    return what if least is None else f"{what}, {least} or more"


def told(item: Mapping[str, Any], *, hidden: bool = False) -> str:
    """What is wrong by one error of pydantic: what the value must be, and what stands there unless that is hidden."""
    shown = "" if hidden or item["type"] == "missing" else value_shown(item.get("input"))
    return f"{reason_of(item)}{f' (it is {shown})' if shown else ''}"


def told_by_kind(item: Mapping[str, Any]) -> str:
    """The same of an answer, whose values are nobody's to see: what stands there is told by its kind alone."""
    kind = _KINDS_OF_JSON.get(type(item.get("input")), "")
    return f"{reason_of(item)}{f' (it is {kind})' if kind and item['type'] != 'missing' else ''}"


def reason_of(item: Mapping[str, Any]) -> str:
    """What the value must be, of one error of pydantic. A validator of ours has said it in the words that are shown."""
    kind, limits = str(item["type"]), item.get("ctx") or {}
    if kind == "value_error":
        return str(limits.get("error") or "cannot be used")
    if kind in _WORDS:
        return _WORDS[kind](limits)
    return next((words for prefix, words in _KINDS.items() if kind.startswith(prefix)), "cannot be used")


def unknown(name: str, known: Collection[str]) -> str:
    """What to say of a setting that there is not."""
    return f"is not a setting {known_and_nearest(name, known)}"


def known_and_nearest(name: str, known: Collection[str]) -> str:
    """The names that there are, and the one of them that a wrong one is most like."""
    meant = nearest(name, known)
    hint = f"; did you mean {meant}?" if meant else ""
    return f"(known: {', '.join(sorted(known))}){hint}"


def nearest(name: str, known: Collection[str]) -> str:
    """The one of the known names that a wrong one is most like, in whatever letters; empty where it is like none."""
    like = difflib.get_close_matches(name.lower(), [each.lower() for each in known], n=1, cutoff=0.6)
    return next((each for each in known if each.lower() in like), "")


def value_shown(value: object) -> str:
    """The value that is there, for a person; empty for an object, and for what may be a secret under a wrong key."""
    if value is None or isinstance(value, Mapping):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return "" if _MAY_BE_SECRET.search(text) or _MAY_BE_LOGIN.search(text) else short(text)
