"""What a person puts into a form: filled up with the defaults, checked, refused with `user_inputs_schema_invalid`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from coderport.emulators.port.forms import jq_query, static_constraints, with_values
from coderport.emulators.port.people import User
from coderport.emulators.port.problems import Problem
from coderport.emulators.port.records import Entity, Json
from coderport.emulators.port.search import predicate
from coderport.emulators.port.store import Store
from coderport.emulators.port.templates import yielded
from coderport.emulators.port.values import compiled_property
from coderport.emulators.port.views import Look, entity_json

_WHOLE = Look()


def accepted_inputs(
    store: Store,
    form: Json,
    given: Mapping[str, Any],
    entity: Entity | None,
    by: User | None,
    cleared: Collection[str] = (),
) -> Json:
    """The inputs of a run: those given, and the defaults of the others, but for those that a person has cleared.

    Whether an input is shown (`visible`, `disabled`, `dependsOn`) is the page's business: the API takes hidden ones.
    """
    declared: Json = form["properties"]
    for key in (*given, *cleared):
        if key not in declared:
            raise _wrong("properties", f"must NOT have additional properties: '{key}'")
    filled = filled_form(store, form, given, entity, by, cleared)
    values = filled.values
    for key in filled.required:
        if key not in values:
            raise _wrong("properties", f"must have required property '{key}'")
    for key, value in values.items():
        _check(store, declared[key], value, filled.context, f"properties.{key}")
    return values


@dataclass(frozen=True)
class FilledForm:
    """A form with what was put into it and the defaults of the rest; `context` is what its jq queries see."""

    values: Json
    required: tuple[str, ...]
    context: Json


def filled_form(
    store: Store,
    form: Json,
    given: Mapping[str, Any],
    entity: Entity | None,
    by: User | None,
    cleared: Collection[str] = (),
) -> FilledForm:
    """The form as it stands while a person fills it in: nothing is checked. What is `cleared` gets no default."""
    declared: Json = form["properties"]
    values = copy.deepcopy(dict(given))
    context: Json = {
        "form": _as_form(store, declared, values),
        "entity": None if entity is None else entity_json(store, entity, _WHOLE),
        "user": None if by is None else by.in_form(),
    }
    for key, body in declared.items():
        if key not in values and key not in cleared and "default" in body:
            default = constant(body["default"], context)
            if default is not None:
                values[key] = default
    context["form"] = _as_form(store, declared, values)
    return FilledForm(values, tuple(_required(form, context)), context)


def offered(store: Store, declared: Json, context: Json, path: str) -> Callable[[Entity], bool]:
    """Which entities of its blueprint an input of format `entity` offers."""
    if "dataset" not in declared:
        return lambda _: True
    return predicate(store, with_values(declared["dataset"], lambda each, _: constant(each, context)), path)


def expanded_inputs(store: Store, form: Json, values: Json) -> Json:
    """The inputs as ``.inputs`` of a payload: an entity is an object."""
    shown = _whole_entity if store.behaviour.input_entity == "whole" else _brief_entity
    return {key: _expanded(store, form["properties"].get(key, {}), value, shown) for key, value in values.items()}


def _as_form(store: Store, declared: Json, values: Json) -> Json:
    """The inputs as ``.form``: an entity is its whole object."""
    return {key: _expanded(store, declared[key], value, _whole_entity) for key, value in values.items()}


def _brief_entity(store: Store, entity: Entity) -> Json:
    names = ("identifier", "title", "icon", "blueprint")
    return {name: getattr(entity, name) for name in names}


def _whole_entity(store: Store, entity: Entity) -> Json:
    return entity_json(store, entity, _WHOLE)


def _expanded(store: Store, declared: Json, value: Any, shown: Any) -> Any:
    items = declared.get("items")
    if isinstance(items, dict) and isinstance(value, list):
        return [_expanded(store, items, each, shown) for each in value]
    if declared.get("format") != "entity" or not isinstance(value, str):
        return value
    found = store.find((declared["blueprint"], value))
    return value if found is None else shown(store, found)


def constant(value: Any, context: Json) -> Any:
    """The value itself, or what its jq query yields."""
    query = jq_query(value)
    return copy.deepcopy(value) if query is None else yielded(query, context)


def _required(form: Json, context: Json) -> list[str]:
    required = constant(form.get("required", []), context)
    return [key for key in required if isinstance(key, str)] if isinstance(required, list) else []


def _check(store: Store, declared: Json, value: Any, context: Json, path: str) -> None:
    if value is None:
        raise _wrong(path, f"must be {declared['type']}")
    if "encryption" in declared:
        raise _wrong(path, "is encrypted, which this emulator does not do")
    wrong = compiled_property(_constraints(declared, context, path), path)(value)
    if wrong is not None:
        raise _wrong(path, wrong)
    _check_entities(store, declared, value, context, path)


def _constraints(declared: Json, context: Json, path: str) -> Json:
    """What the value is held to, with the values that jq yields in the place of the queries."""
    constraints = static_constraints(declared)
    for key in ("enum", "pattern"):
        query = jq_query(declared.get(key))
        if query is not None:
            constraints[key] = yielded(query, context)
            if not constraints[key]:
                raise _wrong(path, f"has no allowed value: the {key} of the form yields {constraints[key]!r}")
    for key in ("minItems", "maxItems"):
        query = jq_query(declared.get(key))
        if query is not None:
            constraints[key] = yielded(query, context)
    if isinstance(declared.get("items"), dict):
        constraints["items"] = _constraints(declared["items"], context, path)
    return constraints


def _check_entities(store: Store, declared: Json, value: Any, context: Json, path: str) -> None:
    """Entities that are picked exist and are among those that the picker offers."""
    items = declared.get("items")
    if isinstance(items, dict) and isinstance(value, list):
        for at, each in enumerate(value):
            _check_entities(store, items, each, context, f"{path}[{at}]")
        return
    if declared.get("format") != "entity":
        return
    found = store.find((declared["blueprint"], value))
    if found is None:
        raise _wrong(path, f'must be an entity of blueprint "{declared["blueprint"]}"; there is no {value!r}')
    if not offered(store, declared, context, f"{path}.dataset")(found):
        raise _wrong(path, f"{value!r} is not among the entities that the form offers")


def condition_holds(store: Store, condition: Any, entity: Entity) -> bool:
    """Whether the entity fits an action's ``{"type": "SEARCH", "combinator", "rules"}``."""
    query = {key: value for key, value in condition.items() if key != "type"}
    return predicate(store, query, "trigger.condition")(entity)


def entity_context(store: Store, entity: Entity | None) -> Json:
    """The entity of an action as payloads and policies see it; empty for a creation."""
    return {} if entity is None else entity_json(store, entity, _WHOLE)


def _wrong(path: str, why: str) -> Problem:
    return Problem(422, "user_inputs_schema_invalid", f"{path} {why}")
