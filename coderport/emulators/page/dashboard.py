"""A page of Port's (a dashboard) with its widgets computed from the catalog as it is now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from statistics import mean
from typing import Any, Final

from coderport.emulators.page.port_side import all_runs, columns_of, rows_of
from coderport.emulators.port.forms import with_values
from coderport.emulators.port.people import User
from coderport.emulators.port.problems import not_found
from coderport.emulators.port.records import Entity, Json, targets
from coderport.emulators.port.search import matches
from coderport.emulators.port.store import Store
from coderport.emulators.port.views import property_value

_FUNCTIONS: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "average": mean,
}


def dashboard(store: Store, identifier: str, user: User | None) -> Json:
    """The page as this person sees it: rows of widgets, each with its share of the width in twelfths."""
    page = store.pages.get(identifier)
    if page is None:
        raise not_found("Page", identifier)
    rows: list[list[Json]] = []
    for root in page.get("widgets") or ():
        drawn = {each.get("id"): _widget(store, each, user) for each in root.get("widgets") or ()}
        for row in root.get("layout") or ():
            rows.append([{**drawn[column["id"]], "size": column["size"]} for column in row["columns"]])
    return {
        "identifier": identifier,
        "title": page["title"],
        "description": page.get("description"),
        "rows": rows,
    }


def _widget(store: Store, widget: Json, user: User | None) -> Json:
    kind = widget["type"]
    shown: Json = {"title": widget.get("title") or "", "type": kind}
    if kind == "entities-number-chart":
        return {**shown, "number": _number(widget, _entities(store, widget, user), store)}
    if kind == "entities-pie-chart":
        return {**shown, "slices": _slices(store, widget, _entities(store, widget, user))}
    if kind == "table-entities-explorer":
        return {**shown, **_table(store, widget, _entities(store, widget, user))}
    if kind == "runs-table":
        return {**shown, **all_runs(store)}
    if kind == "markdown":
        return {**shown, "text": widget.get("markdown") or ""}
    return {**shown, "text": f"This emulator does not draw widgets of the type {kind}."}


def _entities(store: Store, widget: Json, user: User | None) -> list[Entity]:
    """The widget's entities; a rule on the person who looks matches nothing while nobody was chosen."""
    query = widget.get("dataset") or {"combinator": "and", "rules": []}
    blueprint = widget.get("blueprint")
    if blueprint is not None:
        named = {"property": "$blueprint", "operator": "=", "value": blueprint}
        query = {"combinator": "and", "rules": [named, query]}
    return matches(store, with_values(query, lambda value, _: _of_person(value, user)), "dataset")


def _of_person(value: Any, user: User | None) -> Any:
    if isinstance(value, dict) and value.get("context") == "user":
        return "" if user is None else user.in_form().get(str(value.get("property")))
    return value


def _number(widget: Json, entities: list[Entity], store: Store) -> float | None:
    if widget.get("func") == "count":
        return len(entities)
    named = widget.get("property") or ""
    values = [value for each in entities if isinstance(value := property_value(store, each, named), (int, float))]
    compute = _FUNCTIONS.get(widget.get("func") or "")
    return None if compute is None or not values else compute([float(value) for value in values])


def _slices(store: Store, widget: Json, entities: list[Entity]) -> list[Json]:
    kind, _, name = widget["property"].partition("#")
    counts = Counter(text for each in entities for text in _values(store, each, kind, name))
    return [{"title": text, "count": count} for text, count in counts.most_common()]


def _values(store: Store, entity: Entity, kind: str, name: str) -> Iterator[str]:
    if kind != "relation":
        value = property_value(store, entity, name)
        yield "–" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        return
    target = store.blueprints[entity.blueprint].rules.relations[name].target
    for each in targets(entity.relations.get(name)):
        found = store.find((target, each))
        yield found.title if found is not None and found.title else each


def _table(store: Store, widget: Json, entities: list[Entity]) -> Json:
    blueprint = widget.get("blueprint") or (entities[0].blueprint if entities else None)
    columns = columns_of(store, blueprint) if blueprint in store.blueprints else []
    settings = (widget.get("blueprintConfig") or {}).get(blueprint) or {}
    shown = (settings.get("propertiesSettings") or {}).get("shown")
    if shown is not None:
        columns = [each for name in shown for each in columns if each["key"] == name]
    return {"columns": columns, "count": len(entities), "rows": rows_of(store, entities)}
