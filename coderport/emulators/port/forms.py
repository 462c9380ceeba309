"""The form of a self-service action: is it well-formed? What a person then puts into it is checked in `inputs`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from coderport.emulators.port.problems import invalid
from coderport.emulators.port.records import Json
from coderport.emulators.port.search import predicate
from coderport.emulators.port.shapes import KEY, identifier, json_type, member, one_of, only, strings, text, typed
from coderport.emulators.port.store import Store
from coderport.emulators.port.values import TYPES, compiled_property

FORMATS: Final = frozenset(
    {"date-time", "url", "email", "ipv4", "ipv6", "yaml", "entity", "user", "team", "proto", "markdown", "multi-line"}
)
_ANY_TEXT: Final = frozenset({"entity", "multi-line"})
_COMMON: Final = frozenset(
    {"type", "title", "description", "icon", "default", "enum", "enumColors", "visible", "disabled", "dependsOn"}
)
_OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset(
        {"format", "pattern", "minLength", "maxLength", "blueprint", "dataset", "sort", "encryption", "spec"}
    ),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "boolean": frozenset(),
    "object": frozenset({"format", "encryption"}),
    "array": frozenset({"items", "minItems", "maxItems", "uniqueItems", "sort"}),
}
_ITEM_TYPES: Final = frozenset({"string", "number", "boolean", "object"})
_DYNAMIC: Final = ("default", "enum", "pattern", "minItems", "maxItems", "visible", "disabled")
"""What a jq query may yield. The bounds of a list: example `max_items_jq_query` of Port's Terraform provider."""


def jq_query(value: Any) -> str | None:
    """The program of ``{"jqQuery": "…"}``; None for any other value."""
    query = value.get("jqQuery") if isinstance(value, dict) and set(value) == {"jqQuery"} else None
    return query if isinstance(query, str) else None


def check_form(store: Store, form: Json, path: str) -> None:
    """422 that names the place where `userInputs` are not as documented; 404 for a blueprint that does not exist."""
    only(form, {"properties", "required", "order", "steps", "titles"}, path)
    properties = member(form, "properties", dict, path, required=True)
    for key, declared in properties.items():
        identifier(key, KEY, 100, f"{path}.properties key")
        _check_input(store, typed(declared, dict, f"{path}.properties.{key}"), f"{path}.properties.{key}", properties)
    required = form.get("required", [])
    if jq_query(required) is None:
        _check_names(required, properties, f"{path}.required")
    titles = typed(form.get("titles", {}), dict, f"{path}.titles")
    for key, title in titles.items():
        _check_title(typed(title, dict, f"{path}.titles.{key}"), f"{path}.titles.{key}")
    shown = {*properties, *titles}
    if "order" in form and "steps" in form:
        raise invalid(path, "must have an order or steps, not both")
    _check_names(form.get("order", []), shown, f"{path}.order")
    for at, step in enumerate(typed(form.get("steps", []), list, f"{path}.steps")):
        where = f"{path}.steps[{at}]"
        only(typed(step, dict, where), {"title", "order", "visible"}, where)
        text(step.get("title"), f"{where}.title", longest=25)
        _check_names(member(step, "order", list, where, required=True), shown, f"{where}.order")
        _check_switch(step, "visible", where)


def static_constraints(declared: Json) -> Json:
    """The input as a property of a blueprint that holds a value to the same: without jq, and formats of forms only."""
    kept = {key: value for key, value in declared.items() if not (key in _DYNAMIC and jq_query(value) is not None)}
    for key in ("encryption", "dataset", "blueprint", "sort", "spec", "icon"):
        kept.pop(key, None)
    if kept.get("format") in _ANY_TEXT:
        del kept["format"]
    if isinstance(kept.get("items"), dict):
        kept["items"] = static_constraints(kept["items"])
    return kept


def _check_names(names: Any, known: Collection[str], path: str) -> None:
    for key in strings(names, path):
        if key not in known:
            raise invalid(path, f"names '{key}', which is not an input")


def _check_title(title: Json, path: str) -> None:
    only(title, {"title", "description", "visible"}, path)
    text(title.get("title"), f"{path}.title", longest=140)
    if title.get("description") is not None:
        text(title["description"], f"{path}.description", longest=1000)
    _check_switch(title, "visible", path)


def _check_switch(body: Json, key: str, path: str) -> None:
    """A boolean, or a jq query that yields one."""
    value = body.get(key)
    if value is not None and jq_query(value) is None:
        typed(value, bool, f"{path}.{key}")


def _check_input(store: Store, declared: Json, path: str, inputs: Collection[str]) -> None:
    kind = one_of(member(declared, "type", str, path, required=True), TYPES, f"{path}.type")
    only(declared, _COMMON | _OF_TYPE[kind], path)
    _check_values(store, declared, kind, path)
    for key in ("visible", "disabled"):
        _check_switch(declared, key, path)
    _check_names(declared.get("dependsOn", []), inputs, f"{path}.dependsOn")
    if kind == "array" and "items" in declared:
        items = typed(declared["items"], dict, f"{path}.items")
        of = one_of(member(items, "type", str, f"{path}.items", required=True), _ITEM_TYPES, f"{path}.items.type")
        only(items, {"type", "enum", "enumColors"} | _OF_TYPE[of], f"{path}.items")
        _check_values(store, items, of, f"{path}.items")
    # What is left are the keywords that properties of blueprints have as well, and a constant default.
    compiled = compiled_property(static_constraints(declared), path)
    if "default" in declared and jq_query(declared["default"]) is None:
        wrong = compiled(declared["default"])
        if wrong is not None:
            raise invalid(f"{path}.default", wrong)


def _check_values(store: Store, declared: Json, kind: str, path: str) -> None:
    """The format, the dataset, and of an entity picker the blueprint."""
    picks = declared.get("format") == "entity"
    if "format" in declared:
        allowed = FORMATS if kind == "string" else {"labeled-url"}
        one_of(declared["format"], allowed, f"{path}.format")
    if "blueprint" in declared and not picks:
        raise invalid(f"{path}.blueprint", 'is only for inputs of format "entity"')
    if picks:
        store.blueprint(member(declared, "blueprint", str, path, required=True))
    if "dataset" in declared:  # any text may have one: the Terraform provider's acceptance test ActionAdvancedForm
        dataset = typed(declared["dataset"], dict, f"{path}.dataset")
        only(dataset, {"combinator", "rules"}, f"{path}.dataset")
        predicate(store, with_values(dataset, _placeholder), f"{path}.dataset")
    if "sort" in declared:
        sort = typed(declared["sort"], dict, f"{path}.sort")
        only(sort, {"property", "order"}, f"{path}.sort")
        member(sort, "property", str, f"{path}.sort", required=True)
        one_of(sort.get("order", "ASC"), {"ASC", "DESC"}, f"{path}.sort.order")
    if "encryption" in declared and json_type(declared["encryption"]) == "string":
        one_of(declared["encryption"], {"aes256-gcm"}, f"{path}.encryption")


def with_values(query: Any, value_of: Any) -> Any:
    """A search whose rules have `value_of(value, operator)` in the place of their values, at every depth."""
    if not isinstance(query, dict):
        return query
    changed = dict(query)
    if isinstance(query.get("rules"), list):
        changed["rules"] = [with_values(rule, value_of) for rule in query["rules"]]
    elif "value" in query:
        changed["value"] = value_of(query["value"], query.get("operator"))
    return changed


def _placeholder(value: Any, operator: Any) -> Any:
    """A value that the operator takes, for one that only the form will know."""
    if jq_query(value) is None:
        return value
    if operator in ("in", "notIn", "containsAny"):
        return []
    return {"preset": "today"} if operator in ("between", "notBetween") else "1"
