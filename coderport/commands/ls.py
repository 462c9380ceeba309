"""The command `ls`."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from coderport.catalog.blueprint import Blueprint
from coderport.catalog.meaning import instant
from coderport.commands.consoles import account, people
from coderport.kinds.all import KINDS
from coderport.kinds.kind import Kind
from coderport.listing.listed import Entities, Kinds, listed_entities, listed_kinds
from coderport.listing.query import Query, time_shown, title_of, value_of
from coderport.listing.reading import catalog_of
from coderport.stack.stack import Stack
from coderport.terminal.progress import shown_on
from coderport.terminal.tables import show_list
from coderport.terminal.text import json_line, short

NO_VALUE = "-"
NOT_WHOLE = 1
"""The exit code of a list that is known to lack something: it is no answer to rely on."""


def list_kind(stack: Stack, kind: Kind[Any], query: Query, *, as_object: bool) -> int:
    """Shows the entities of the kind that fit; the exit code is 1 where the read was not whole."""
    now = datetime.now(timezone.utc)

    def check(blueprint: Blueprint) -> None:
        query.columns_of(kind, blueprint)
        query.tests(kind, blueprint, {}, now)

    with shown_on(account(stderr=True)):
        catalog = catalog_of(stack, kind, check)
    blueprint = catalog.blueprint(kind)
    tests = query.tests(kind, blueprint, catalog.titles, now)
    fitting = [each for each in catalog.entities[kind.name] if all(fits(each) for fits in tests)]
    found = listed_entities(catalog, kind, fitting, stack.name)
    if as_object:
        print(json_line(found.model_dump_json()), flush=True)
    else:
        columns = query.columns_of(kind, blueprint)
        rows = [
            [cell(title_of(blueprint, name, value_of(each, name), catalog.titles)) for name in columns]
            for each in fitting
        ]
        show_list(columns, rows, people())
        account(stderr=True).print(_told(found, kind))
    return _ended(found)


def list_kinds(stack: Stack, *, as_object: bool) -> int:
    """Shows the kinds that the stack asks for, with how many there are of each."""
    with shown_on(account(stderr=True)):
        catalog = catalog_of(stack, None)
    found = listed_kinds(catalog, KINDS, stack.name)
    if as_object:
        print(json_line(found.model_dump_json()), flush=True)
    else:
        rows = [
            (each.kind, each.blueprint, "not read" if each.count is None else each.count, each.left_out)
            for each in found.kinds
        ]
        show_list(("kind", "blueprint", "entities", "left_out"), rows, people())
        if found.off:
            account(stderr=True).print(f"Not asked for by coderport:kinds: {', '.join(found.off)}.")
    return _ended(found)


def cell(value: Any) -> str | int:
    """A value as a part of a line of a table: a whole number stays one, a time loses its seconds."""
    if value is None or value == []:
        return NO_VALUE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return value
    if isinstance(value, (list, tuple)):
        return short(", ".join(map(str, value)))
    moment = instant(value)
    return time_shown(moment) if moment is not None else short(str(value))


def _told(found: Entities, kind: Kind[Any]) -> str:
    number = len(found.entities)
    said = kind.several(number) if number == found.of else f"{number:,} of {kind.several(found.of)}"
    return f"{said}; {found.left_out:,} more are left out by the settings" if found.left_out else said


def _ended(found: Entities | Kinds) -> int:
    """Says what is missing, on standard error."""
    for text in found.warnings:
        people(stderr=True).print(text, style="yellow")
    return 0 if found.whole else NOT_WHOLE
