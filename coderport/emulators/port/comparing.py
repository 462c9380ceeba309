"""The operators of search rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from coderport.emulators.kit import Clock
from coderport.emulators.port.problems import invalid
from coderport.emulators.port.shapes import json_type, one_of, typed

Comparison = Callable[[Any], bool]
"""Whether a value of an entity fits the rule."""

_DAYS: Final[Mapping[str, int]] = {
    "lastDay": 1, "lastWeek": 7, "last2Weeks": 14, "lastMonth": 30, "last3Months": 91, "last6Months": 182,
    "last12Months": 365, "last2Years": 730, "last3Years": 1095,
    "nextDay": -1, "nextWeek": -7, "next2Weeks": -14, "nextMonth": -30, "next3Months": -91, "next6Months": -182,
    "next12Months": -365,
}  # fmt: skip
_PRESETS: Final = frozenset(_DAYS) | {"today", "tomorrow", "yesterday"}
_OPPOSITES: Final[Mapping[str, str]] = {
    "!=": "=",
    "doesNotContains": "contains",
    "doesNotBeginsWith": "beginsWith",
    "doesNotEndsWith": "endsWith",
    "notIn": "in",
    "isNotEmpty": "isEmpty",
    "notBetween": "between",
}


# Wider than `datetime.fromisoformat` of Python 3.10, as the values are: any fraction, an offset without a colon.
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(?:[Zz]|([+-])(\d\d):?(\d\d)?)?\Z"
)


def _contains(held: Any, value: Any) -> bool:
    return value in held if isinstance(held, list) else isinstance(held, str) and str(value) in held


def _contains_any(held: Any, value: Any) -> bool:
    return any(_contains(held, each) for each in value)


def _in(held: Any, value: Any) -> bool:
    """Whether the value (or one of a list of them) is among those of the rule; an object never is."""
    several = held if isinstance(held, list) else [held]
    return any(not isinstance(each, dict | list) and each in value for each in several)


_PLAIN: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": lambda held, value: bool(held == value) and json_type(held) == json_type(value),
    "contains": _contains,
    "containsAny": _contains_any,
    "beginsWith": lambda held, value: isinstance(held, str) and held.startswith(value),
    "endsWith": lambda held, value: isinstance(held, str) and held.endswith(value),
    "in": _in,
}
_ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">": lambda held, value: bool(held > value),
    ">=": lambda held, value: bool(held >= value),
    "<": lambda held, value: bool(held < value),
    "<=": lambda held, value: bool(held <= value),
}
OPERATORS: Final = (
    frozenset(_PLAIN) | frozenset(_ORDERED) | frozenset(_OPPOSITES)
    | {"isEmpty", "between", "isExpired", "isNotExpired"}
)  # fmt: skip
"""All that compare a value, that is but `relatedTo` and `matchAny`."""


def comparison(operator: str, rule: Mapping[str, Any], clock: Clock, path: str) -> Comparison:
    """The check of one rule; 422 where its value is not one that the operator takes."""
    opposite = _OPPOSITES.get(operator)
    if opposite is not None:
        holds = comparison(opposite, rule, clock, path)
        return lambda held: not holds(held)
    if operator == "isEmpty":
        return lambda held: held is None
    if operator in ("isExpired", "isNotExpired"):
        return _expiry(operator == "isExpired", clock)
    if "value" not in rule:
        raise invalid(path, "must have required property 'value'")
    value = rule["value"]
    if operator == "between":
        return _between(value, clock, f"{path}.value")
    if operator in ("in", "containsAny"):
        value = value if isinstance(value, list) else [value]  # one is taken too (OpenAPI, "String Rule")
        if operator == "in" and all(isinstance(each, str) for each in value):
            value = frozenset(value)
    elif operator in ("beginsWith", "endsWith"):
        typed(value, str, f"{path}.value")
    if operator in _ORDERED:
        return _order(_ORDERED[operator], value, f"{path}.value")
    fits = _PLAIN[operator]
    return lambda held: fits(held, value)


def moment(value: Any) -> datetime | None:
    """A date-time value as a time; None for anything else."""
    if not isinstance(value, str):
        return None
    parts = _MOMENT.match(value)
    if parts is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in parts.group(1, 2, 3, 4, 5, 6))
    micros = int(((parts[7] or "") + "000000")[:6])
    offset = timedelta()
    if parts[8]:
        offset = timedelta(hours=int(parts[9]), minutes=int(parts[10] or 0))
    zone = timezone(-offset if parts[8] == "-" else offset)
    try:
        return datetime(year, month, day, hour, minute, second, micros, zone)
    except ValueError:
        return None


def _order(fits: Callable[[Any, Any], bool], value: Any, path: str) -> Comparison:
    """Numbers by size, dates by time, other strings by letters; nothing else has an order."""
    if json_type(value) not in ("number", "string"):
        raise invalid(path, "must be number or string")
    date = moment(value)

    def check(held: Any) -> bool:
        if json_type(held) != json_type(value):
            return False
        other = moment(held) if date else None
        return fits(other, date) if other else fits(held, value)

    return check


def _expiry(expired: bool, clock: Clock) -> Comparison:
    def check(held: Any) -> bool:
        ends = moment(held)
        return ends is not None and (ends.timestamp() <= clock()) == expired

    return check


def _between(value: Any, clock: Clock, path: str) -> Comparison:
    typed(value, dict, path)
    if "preset" in value:
        start, end = _preset(one_of(value["preset"], _PRESETS, f"{path}.preset"), clock)
    else:
        first, last = moment(value.get("from")), moment(value.get("to"))
        if first is None or last is None:
            raise invalid(path, "must have 'from' and 'to' as ISO-8601 times, or a 'preset'")
        start, end = first, last

    def check(held: Any) -> bool:
        when = moment(held)
        return when is not None and start <= when <= end

    return check


def _preset(name: str, clock: Clock) -> tuple[datetime, datetime]:
    now = datetime.fromtimestamp(clock(), timezone.utc)
    if name in _DAYS:
        other = now - timedelta(days=_DAYS[name])
        return min(other, now), max(other, now)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight + timedelta(days={"today": 0, "tomorrow": 1, "yesterday": -1}[name])
    return start, start + timedelta(days=1)
