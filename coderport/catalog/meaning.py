"""Whether two values mean the same. Only the standard library, so that every step can use it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from coderport.catalog.blueprint import Blueprint
from coderport.catalog.values import Entity, Held

TITLE = "$title"
"""Port's own name for an entity's title, which no property can have."""
IDENTIFIER = "$identifier"
"""The same for its identifier."""

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):?(\d\d))", re.ASCII
)


def instant(text: object) -> datetime | None:
    """The moment that an RFC 3339 text names, in UTC to the microsecond; None for anything else.

    Also takes an offset without its colon, which Port accepts and echoes.
    """
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, _, sign, hours, minutes = match.groups()[6:]
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    microsecond = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, timezone.utc) - offset
    except (ValueError, OverflowError):
        return None


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`, the fraction without trailing zeros, as Coder writes a time."""
    text = moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat()
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "Z"


def same_value(one: Any, other: Any, *, times: bool = False) -> bool:
    """Whether two JSON values mean the same.

    8 is 8.0 but True is not 1. The order counts in a list, not in an object; null is an empty list, and in an
    object it is absent. With `times`, texts that name the same moment are the same.
    """
    if one is None or other is None:
        return _nothing(one) and _nothing(other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one == other
    if isinstance(one, str) and isinstance(other, str):
        return one == other or (times and _same_moment(one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(same_value(one.get(key), other.get(key), times=times) for key in one.keys() | other.keys())
    if _is_list(one) and _is_list(other):
        return len(one) == len(other) and all(
            same_value(mine, its, times=times) for mine, its in zip(one, other, strict=True)
        )
    return False


def unstamped(value: Any) -> Any:
    """The value without the times and writers that Port puts into each widget of a page."""
    if isinstance(value, Mapping):
        return {key: unstamped(each) for key, each in value.items() if key not in _STAMPS}
    return [unstamped(each) for each in value] if isinstance(value, list) else value


_STAMPS = frozenset({"createdAt", "createdBy", "updatedAt", "updatedBy"})


def returnable(page: Mapping[str, Any]) -> dict[str, Any]:
    """What of a page of Port's can be sent back: not what Port itself sets, and nothing that is empty.

    Its `requiredQueryParams` are refused for some types, where none are set (source: port-labs/port-cli, which sends
    pages back).
    """
    return {
        key: value
        for key, value in unstamped(page).items()
        if key not in ("id", "protected") and value is not None and (value != [] or key == "widgets")
    }


def difference(declared: Blueprint, entity: Entity, held: Held) -> dict[str, tuple[Any, Any]]:
    """What differs in Port: {property or relation: (held, desired)}, a title as `$title`.

    Only what we declare is compared: a colleague's properties and relations never differ. A relation that is declared
    only with its target is compared where it leads somewhere.
    """
    found: dict[str, tuple[Any, Any]] = {}
    if held.title != entity.title:
        found[TITLE] = (held.title, entity.title)
    for prop in declared.properties:
        mine, its = entity.properties.get(prop.identifier), held.properties.get(prop.identifier)
        if mine is its or (mine.__class__ is str and mine == its):  # nearly always, and this runs for every value
            continue
        if not same_value(mine, its, times=prop.format == "date-time"):
            found[prop.identifier] = (its, mine)
    for relation in declared.relations:
        if relation.with_target and relation.identifier not in entity.relations:
            continue
        target, stored = entity.relations.get(relation.identifier), held.relations.get(relation.identifier)
        if not same_targets(target, stored):
            found[relation.identifier] = (stored, target)
    return found


def same_targets(one: Any, other: Any) -> bool:
    """Whether a relation leads to the same entities: in a relation to many the order does not count."""
    if one is None or other is None:
        return _nothing(one) and _nothing(other)
    if _is_list(one) and _is_list(other):
        return set(one) == set(other)
    return bool(one == other)


def _nothing(value: Any) -> bool:
    return value is None or (_is_list(value) and not value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _same_moment(one: str, other: str) -> bool:
    moment = instant(one)
    return moment is not None and moment == instant(other)
