"""Templates: text with jq between double braces, as Port fills in a payload.

The rules are those of Port's open template engine (port-labs/jq-node-bindings, ``lib/template.js``): braces inside
jq's own quotes do not count; a text that is one template keeps the type of its value; otherwise values are put into the
text, texts as they are and all else as JSON; a key that yields null (or nothing) leaves its pair out;
``{{ spreadValue() }}`` as a key puts the pairs of its value in its place. A program that fails while it runs yields
null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import jq

from coderport.emulators.kit import compact_json

_SPREAD: Final = re.compile(r"\{\{\s*spreadValue\(\s*\)\s*\}\}\Z")


class TemplateError(ValueError):
    """A template that cannot be filled in: unbalanced braces, not jq, or a key that is no text."""


@dataclass(frozen=True)
class _Place:
    """Where a program stands in the text, without its braces."""

    start: int
    end: int


def filled(template: Any, context: Any) -> Any:
    """The template with all its programs evaluated on `context`; `TemplateError` where that cannot be done."""
    if isinstance(template, str):
        return _text(template, context)
    if isinstance(template, list):
        return [filled(each, context) for each in template]
    if not isinstance(template, dict):
        return template
    result: dict[str, Any] = {}
    for key, value in template.items():
        if _SPREAD.match(key.strip()):
            spread = filled(value, context)
            if not isinstance(spread, dict):
                raise TemplateError(f"{key} needs an object; {value!r} yields something else")
            result.update(spread)
            continue
        name = filled(key, context)
        if name is not None and not isinstance(name, str):
            raise TemplateError(f"the key {key!r} yields neither text nor null")
        if name:
            result[name] = filled(value, context)
    return result


def evaluated(source: str, context: Any) -> Any:
    """The first value of a jq program; null where it fails or yields nothing. `TemplateError` if it is not jq."""
    return _program(source)(context)


def yielded(source: str, context: Any) -> Any:
    """The same for the programs of forms, which Port keeps as they are: null for one that is not jq as well.

    The Terraform provider's acceptance tests ActionAdvancedForm, ActionJqDefault and ActionEnumJqQuery write ``Test``,
    ``'Test'`` and ``'example' | [ . ]``.
    """
    try:
        return evaluated(source, context)
    except TemplateError:
        return None


def _text(template: str, context: Any) -> Any:
    places = _places(template)
    if not places:
        return template
    stripped = template.strip()
    if len(places) == 1 and stripped.startswith("{{") and stripped.endswith("}}"):
        return evaluated(template[places[0].start : places[0].end], context)
    text, done = "", 0
    for place in places:
        value = evaluated(template[place.start : place.end], context)
        text += template[done : place.start - 2] + (value if isinstance(value, str) else compact_json(value).decode())
        done = place.end + 2
    return text + template[done:]


def _places(template: str) -> list[_Place]:
    places: list[_Place] = []
    at, length = 0, len(template)
    while at < length:
        pair = template[at : at + 2]
        if pair == "}}":
            raise TemplateError(f"closing braces at {at} without opening ones in {template!r}")
        if pair != "{{":
            at += 1
            continue
        start = at + 2
        at = _end_of_program(template, start)
        places.append(_Place(start, at))
        at += 2
    return places


def _end_of_program(template: str, start: int) -> int:
    """Where the braces close that opened just before `start`; jq objects may end right before them (``}}}``)."""
    at, quote = start, ""
    while at < len(template):
        letter = template[at]
        if letter == "\\":
            at += 1
        elif letter in "\"'":
            quote = "" if quote == letter else quote or letter
        elif not quote and template.startswith("{{", at) and at > start:
            raise TemplateError(f"opening braces at {at} inside other ones in {template!r}")
        elif not quote and template.startswith("}}", at):
            return at + 1 if template.startswith("}}}", at) else at
        at += 1
    raise TemplateError(f"opening braces at {start - 2} are never closed in {template!r}")


@lru_cache(maxsize=1024)
def _program(source: str) -> Callable[[Any], Any]:
    try:
        program = jq.compile(source)
    except ValueError as error:
        raise TemplateError(f"{source!r} is not a jq program: {error}") from error

    def value(context: Any) -> Any:
        try:
            return program.input_value(context).first()
        except (ValueError, StopIteration):
            return None

    return value
