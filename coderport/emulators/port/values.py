"""May this value stand in this property? One check per property, compiled once for each version of a blueprint."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from coderport.emulators.patterns import ends_at_the_end
from coderport.emulators.port.problems import invalid
from coderport.emulators.port.shapes import COLOURS, json_type, member, one_of, text, typed

Check = Callable[[Any], str | None]
"""Says what is wrong with a value, or None. It never gets null, which is "no value" in Port."""

TYPES: Final = frozenset({"string", "number", "boolean", "object", "array"})

# Port's documentation shows stored Jira dates whose offset has no colon, so this is wider than RFC 3339.
DATE_TIME: Final = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)(\.\d+)?)?"
    r"([Zz]|[+-]\d{2}(:?\d{2})?)?\Z"
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\Z")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#]\S*\Z")

_ANY_TEXT = frozenset({"markdown", "yaml", "team", "proto", "blueprints"})
_MATCHED: Final[Mapping[str, re.Pattern[str]]] = {
    "date-time": DATE_TIME,
    "timer": DATE_TIME,
    "email": _EMAIL,
    "idn-email": _EMAIL,
    "user": _EMAIL,
    "url": _URL,
}
_ADDRESSES: Final[Mapping[str, Callable[[str], object]]] = {
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
}
_STRING_FORMATS = _ANY_TEXT | set(_MATCHED) | set(_ADDRESSES)
_SPECS = frozenset({"open-api", "async-api", "embedded-url"})


def compiled_property(body: Any, path: str) -> Check:
    """The check of one property of a blueprint's schema; a 422 where the property itself is malformed."""
    typed(body, dict, path)
    kind = one_of(member(body, "type", str, path, required=True), TYPES, f"{path}.type")
    _check_labels(body, path)
    if "spec" in body:
        one_of(body["spec"], _SPECS, f"{path}.spec")
    checks = [_type_check(kind)]
    if "enum" in body:
        checks.append(_enum_check(body, kind, path))
    if kind == "string":
        checks += _string_checks(body, path)
    elif kind == "number":
        checks += _bounds_checks(body, path)
    elif kind == "array":
        checks += _array_checks(body, path)
    elif kind == "object" and "format" in body:
        one_of(body["format"], {"labeled-url"}, f"{path}.format")
        checks.append(_labeled_url)
    if len(checks) == 1:
        return checks[0]

    def check(value: Any) -> str | None:
        for each in checks:
            wrong = each(value)
            if wrong is not None:
                return wrong
        return None

    return check


def _check_labels(body: Mapping[str, Any], path: str) -> None:
    if body.get("title") is not None:
        text(body["title"], f"{path}.title", longest=100)
    for key in ("description", "icon"):
        if body.get(key) is not None:
            text(body[key], f"{path}.{key}")


def _type_check(kind: str) -> Check:
    wrong = f"must be {kind}"
    return lambda value: None if json_type(value) == kind else wrong


def _enum_check(body: Mapping[str, Any], kind: str, path: str) -> Check:
    allowed: list[Any] = typed(body["enum"], list, f"{path}.enum")
    if not allowed:
        raise invalid(f"{path}.enum", "must NOT have fewer than 1 items")
    for at, value in enumerate(allowed):
        if json_type(value) != kind:
            raise invalid(f"{path}.enum[{at}]", f"must be {kind}")
    colours = body.get("enumColors")
    if colours is not None:
        for value, colour in typed(colours, dict, f"{path}.enumColors").items():
            one_of(colour, COLOURS, f"{path}.enumColors.{value}")
    wrong = f"must be equal to one of the allowed values: {', '.join(map(str, allowed))}"
    return lambda value: None if value in allowed else wrong


def _string_checks(body: Mapping[str, Any], path: str) -> list[Check]:
    checks: list[Check] = []
    if "format" in body:
        checks.append(_format_check(one_of(body["format"], _STRING_FORMATS, f"{path}.format")))
    if "pattern" in body:
        source = text(body["pattern"], f"{path}.pattern")
        try:
            pattern = re.compile(ends_at_the_end(source), re.ASCII)
        except re.error as error:
            raise invalid(f"{path}.pattern", f"must be a regular expression: {error}") from error
        checks.append(lambda value: None if pattern.search(value) else f'must match pattern "{source}"')
    return checks + _length_checks(body, path, "minLength", "maxLength", "characters")


def _format_check(name: str) -> Check:
    wrong = f'must match format "{name}"'
    if name in _MATCHED:
        pattern = _MATCHED[name]
        return lambda value: None if pattern.match(value) else wrong
    if name in _ADDRESSES:
        parse = _ADDRESSES[name]

        def check(value: Any) -> str | None:
            try:
                parse(value)
            except ValueError:
                return wrong
            return None

        return check
    return lambda value: None


def _length_checks(body: Mapping[str, Any], path: str, least: str, most: str, unit: str) -> list[Check]:
    checks: list[Check] = []
    if least in body:
        low = typed(body[least], int, f"{path}.{least}")
        checks.append(lambda value: None if len(value) >= low else f"must NOT have fewer than {low} {unit}")
    if most in body:
        high = typed(body[most], int, f"{path}.{most}")
        checks.append(lambda value: None if len(value) <= high else f"must NOT have more than {high} {unit}")
    return checks


def _bounds_checks(body: Mapping[str, Any], path: str) -> list[Check]:
    bounds: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
        "minimum": (lambda value, bound: value >= bound, ">="),
        "maximum": (lambda value, bound: value <= bound, "<="),
        "exclusiveMinimum": (lambda value, bound: value > bound, ">"),
        "exclusiveMaximum": (lambda value, bound: value < bound, "<"),
    }
    checks: list[Check] = []
    for key, (holds, sign) in bounds.items():
        if key in body:
            if json_type(body[key]) != "number":
                raise invalid(f"{path}.{key}", "must be number")
            checks.append(_bound_check(holds, body[key], sign))
    return checks


def _bound_check(holds: Callable[[Any, Any], bool], bound: Any, sign: str) -> Check:
    return lambda value: None if holds(value, bound) else f"must be {sign} {bound}"


def _array_checks(body: Mapping[str, Any], path: str) -> list[Check]:
    checks = _length_checks(body, path, "minItems", "maxItems", "items")
    if body.get("uniqueItems"):
        checks.append(
            lambda value: None if len({repr(item) for item in value}) == len(value) else "must NOT repeat items"
        )
    items = body.get("items")
    if items is not None and "type" in typed(items, dict, f"{path}.items"):
        each = compiled_property(items, f"{path}.items")

        def check(value: Any) -> str | None:
            for at, item in enumerate(value):
                wrong = "must not be null" if item is None else each(item)
                if wrong is not None:
                    return f"item {at} {wrong}"
            return None

        checks.append(check)
    return checks


def _labeled_url(value: Any) -> str | None:
    if not isinstance(value.get("url"), str) or not _URL.match(value["url"]):
        return "must have a 'url' of format \"url\""
    if not isinstance(value.get("displayText", ""), str):
        return "must have a 'displayText' that is a string"
    return None
