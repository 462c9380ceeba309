"""The form of an action as a person gets it: its inputs in order, each with what jq makes of it now."""

from __future__ import annotations

from typing import Any

from coderport.emulators.page.coder_side import MOST_ROWS
from coderport.emulators.port.inputs import FilledForm, constant, filled_form, offered
from coderport.emulators.port.people import User
from coderport.emulators.port.records import Entity, Json
from coderport.emulators.port.store import Store


def form(store: Store, action: Json, given: Json, entity: Entity | None, user: User | None) -> Json:
    """The generated form, filled with what was `given` so far (None: cleared) and the defaults of the rest.

    `fields` stand in the order of the form's `order` or `steps`, then the others. A field that waits for another
    (`dependsOn`) is disabled until that has a value.
    """
    trigger = action["trigger"]
    declared: Json = trigger["userInputs"]
    known = {key: value for key, value in given.items() if key in declared["properties"]}
    cleared = {key for key, value in known.items() if value is None}
    put_in = {key: value for key, value in known.items() if key not in cleared}
    filled = filled_form(store, declared, put_in, entity, user, cleared)
    return {
        "identifier": action["identifier"],
        "title": action.get("title") or action["identifier"],
        "description": action.get("description"),
        "operation": trigger["operation"],
        "approval": action.get("requiredApproval", False) is not False,
        "entity": None if entity is None else {"identifier": entity.identifier, "title": entity.title},
        "fields": [_field(store, key, declared["properties"][key], filled) for key in _order(declared)],
    }


def _order(declared: Json) -> list[str]:
    properties = declared["properties"]
    first = [*declared.get("order", []), *(key for step in declared.get("steps", []) for key in step["order"])]
    named = [key for key in first if key in properties]
    return [*named, *(key for key in properties if key not in named)]


def _field(store: Store, key: str, body: Json, filled: FilledForm) -> Json:
    items = body["items"] if isinstance(body.get("items"), dict) else {}
    waits = [other for other in body.get("dependsOn", []) if other not in filled.values]
    return {
        "key": key,
        "type": body["type"],
        "title": body.get("title") or key,
        "description": body.get("description"),
        "format": body.get("format") or items.get("format"),
        "required": key in filled.required,
        "visible": constant(body.get("visible", True), filled.context) is not False,
        "disabled": bool(waits) or constant(body.get("disabled", False), filled.context) is True,
        "waits_for": waits,
        "value": filled.values.get(key),
        "item_type": items.get("type"),
        "choices": _choices(store, items or body, filled),
        **{name: body[name] for name in ("minimum", "maximum", "minLength", "maxLength") if name in body},
        "pattern": constant(body.get("pattern"), filled.context) if body.get("pattern") else None,
    }


def _choices(store: Store, body: Json, filled: FilledForm) -> list[Json] | None:
    """What may be chosen, as value and title; None where anything may be typed."""
    if body.get("format") == "entity":
        fits = offered(store, body, filled.context, "dataset")
        held = store.blueprint(body["blueprint"])
        found = [each for each in held.rows.since(0) if fits(each)]
        pairs: list[tuple[Any, str]] = [(each.identifier, each.title or each.identifier) for each in found]
        pairs.sort(key=lambda pair: pair[1].lower())
    elif "enum" in body:
        values = constant(body["enum"], filled.context)
        pairs = [(value, str(value)) for value in values] if isinstance(values, list) else []
    else:
        return None
    return [{"value": value, "title": title} for value, title in pairs[:MOST_ROWS]]
