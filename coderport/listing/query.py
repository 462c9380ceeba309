"""Which entities of a kind are asked for, and which columns are shown of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from coderport.catalog.blueprint import Blueprint
from coderport.catalog.meaning import instant
from coderport.catalog.values import Entity, Ref
from coderport.errors import SettingsError
from coderport.kinds.kind import Kind
from coderport.kinds.mapping import DEPLOYMENT, MANAGED_BY
from coderport.settings.checks import duration
from coderport.terminal.text import short
from coderport.terminal.wording import known_and_nearest

IDENTIFIER: Final = "identifier"
TITLE: Final = "title"
MOST_COLUMNS = 5
"""Of a kind that does not say which columns people ask for."""

_CONDITION = re.compile(r"(?P<name>[^=!~]*)(?P<sign>!=|~=|=)(?P<value>.*)", re.DOTALL)

Test = Callable[[Entity], bool]
Titles = Mapping[Ref, str]


@dataclass(frozen=True)
class Query:
    """What was asked: `--where`, `--older` and `--columns` as they were typed."""

    where: Sequence[str] = ()
    older: Sequence[str] = ()
    columns: str = ""

    def columns_of(self, kind: Kind[Any], blueprint: Blueprint) -> tuple[str, ...]:
        """The columns after the first one, or all that were asked for. SettingsError for one that there is not."""
        there = names_of(blueprint)
        if self.columns:
            asked = tuple(each.strip() for each in self.columns.split(","))
            for each in asked:
                _known(each, there, kind)
            return asked
        usual = kind.columns or tuple(each for each in there if each not in _HIDDEN)[:MOST_COLUMNS]
        return (TITLE, *(each for each in usual if each in there))

    def tests(self, kind: Kind[Any], blueprint: Blueprint, titles: Titles, now: datetime) -> tuple[Test, ...]:
        """What an entity has to pass, each of them. SettingsError where a condition cannot be understood."""
        return (
            *(_condition(text, kind, blueprint, titles) for text in self.where),
            *(_older(text, kind, blueprint, now) for text in self.older),
        )


_HIDDEN = {IDENTIFIER, TITLE, DEPLOYMENT.identifier, MANAGED_BY.identifier}


def names_of(blueprint: Blueprint) -> tuple[str, ...]:
    """All that an entity has: identifier, title, properties whose values come from Coder, relations."""
    properties = (each.identifier for each in blueprint.properties)
    return (IDENTIFIER, TITLE, *properties, *(each.identifier for each in blueprint.relations))


def value_of(entity: Entity, name: str) -> Any:
    """The value of a column; None where there is none."""
    if name in (IDENTIFIER, TITLE):
        return entity.identifier if name == IDENTIFIER else entity.title
    return entity.properties.get(name, entity.relations.get(name))


def title_of(blueprint: Blueprint, name: str, value: Any, titles: Titles) -> Any:
    """The titles of what a relation leads to, as far as they are known; any other value as it is."""
    target = next((each.target for each in blueprint.relations if each.identifier == name), None)
    if target is None or value is None:
        return value
    if isinstance(value, str):
        return titles.get(Ref(target, value), value)
    return [titles.get(Ref(target, each), each) for each in value]


def _known(name: str, there: Sequence[str], kind: Kind[Any]) -> None:
    if name not in there:
        shown, known = short(name) or "A name that is empty", known_and_nearest(name, there)
        raise SettingsError(f"{shown} is no property of a {kind.words[0]} {known}")


def _condition(text: str, kind: Kind[Any], blueprint: Blueprint, titles: Titles) -> Test:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise SettingsError(
            f"--where {short(text)} is no condition: PROPERTY=VALUE, PROPERTY!=VALUE, or PROPERTY~=PART"
        )
    name, sign, wanted = found["name"].strip(), found["sign"], found["value"].strip()
    _known(name, names_of(blueprint), kind)
    property_ = next((each for each in blueprint.properties if each.identifier == name), None)
    is_time = property_ is not None and property_.format == "date-time"

    def texts(entity: Entity) -> set[str]:
        value = value_of(entity, name)
        found = {*_texts(value), *_texts(title_of(blueprint, name, value, titles))}
        moment = instant(value) if is_time else None
        return {each.strip() for each in found} | ({time_shown(moment)} if moment is not None else set())

    if sign == "~=":
        return lambda entity: any(wanted.lower() in each.lower() for each in texts(entity))
    if not wanted:
        equal = _has_none(texts)
    elif is_time:
        equal = _at_time(name, wanted)
    else:
        equal = _equals(property_.type if property_ is not None else "string", name, wanted, texts)
    return equal if sign == "=" else lambda entity: not equal(entity)


def _has_none(texts: Callable[[Entity], set[str]]) -> Test:
    return lambda entity: not texts(entity)


def _equals(type_: str, name: str, wanted: str, texts: Callable[[Entity], set[str]]) -> Test:
    """Whether it is that value. SettingsError for one that no such property can have: nothing would ever be it."""
    if type_ == "number":
        number = _number(wanted)
        if number is None:
            raise SettingsError(f"--where {name}: {short(wanted)} is no number")
        return lambda entity: number in map(float, texts(entity))
    if type_ == "boolean" and wanted not in ("true", "false"):
        raise SettingsError(f"--where {name}: {short(wanted)} is neither true nor false")
    return lambda entity: wanted in texts(entity)


def _at_time(name: str, wanted: str) -> Test:
    """Whether the property is that time: to the minute or the day as lists show them, or exactly."""
    exact = instant(wanted)
    if exact is not None:
        return lambda entity: instant(value_of(entity, name)) == exact
    if not _is_part(wanted):
        raise SettingsError(
            f"--where {name}: {short(wanted)} is no time, such as 2026-11-27, 2026-11-27 09:30 or 2026-11-27T09:30:00Z"
        )

    def is_within(entity: Entity) -> bool:
        moment = instant(value_of(entity, name))
        return moment is not None and time_shown(moment).startswith(wanted)

    return is_within


def time_shown(moment: datetime) -> str:
    """A time as lists show it, in UTC to the minute."""
    return f"{moment:{_MINUTE}}"


_DAY, _MINUTE = "%Y-%m-%d", "%Y-%m-%d %H:%M"


def _is_part(text: str) -> bool:
    """Whether it is the beginning of a time as lists show it: a day, or a minute of one."""
    for form in (_DAY, _MINUTE):
        try:
            if f"{datetime.strptime(text, form):{form}}" == text:
                return True
        except ValueError:
            continue
    return False


def _number(text: str) -> float | None:
    """The number that the text writes in ASCII; None for anything else, and for what no JSON can have."""
    try:
        number = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [each for one in value for each in _texts(one)]
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def _older(text: str, kind: Kind[Any], blueprint: Blueprint, now: datetime) -> Test:
    name, _, span = (each.strip() for each in text.partition("="))
    times = [each.identifier for each in blueprint.properties if each.format == "date-time"]
    if name not in times:
        shown, known = short(name) or "a name that is empty", known_and_nearest(name, times)
        raise SettingsError(f"--older {short(text)}: {shown} is no time of a {kind.words[0]} {known}")
    try:
        age = duration(span)
    except ValueError:
        raise SettingsError(f"--older {name}: {short(span)} is no span of time, such as 30m, 24h or 2d") from None
    assert isinstance(age, timedelta)
    before = now - age

    def is_older(entity: Entity) -> bool:
        moment = instant(entity.properties.get(name))
        return moment is not None and moment < before

    return is_older
