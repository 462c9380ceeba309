"""The routes of pages and their permissions: they are checked and kept, nothing is drawn."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from coderport.emulators.port.behaviour import NAMED
from coderport.emulators.port.grants import check_grant
from coderport.emulators.port.http import Call, answer
from coderport.emulators.port.kept import created, held, merged, replaced
from coderport.emulators.port.problems import invalid, no_sidebar_item, not_in_parent
from coderport.emulators.port.records import Json
from coderport.emulators.port.shapes import PAGE_IDENTIFIER, identifier, member, one_of, only, strings, typed

_WIDGETS: Final[dict[str, tuple[str, ...]]] = {
    "dashboard-widget": ("layout", "widgets"),
    "grouper": ("groups", "displayMode"),
    "ai-agent": ("agentIdentifier",),
    "entity-info": ("entity", "blueprint"),
    "entity-details": ("entity", "blueprint"),
    "action-runs-table-widget": ("action",),
    "action-card-widget": ("actions",),
    "links-widget": ("links",),
    "table-entities-explorer": ("dataset",),
    "table-entities-explorer-by-direction": (),
    "table-audit-log": ("query",),
    "users-table": (),
    "teams-table": (),
    "runs-table": (),
    "workflow-runs-history-table": (),
    "run-info": ("runId",),
    "user-info": ("user_email",),
    "team-info": ("team_name",),
    "graph-entities-explorer": ("dataset",),
    "bar-chart": ("dataset", "property"),
    "entities-pie-chart": ("dataset", "property"),
    "line-chart": ("blueprint", "chartType"),
    "multi-line-chart": ("lines", "timeInterval", "timeRange", "title"),
    "entities-number-chart": ("unit",),
    "iframe-widget": ("url", "urlType", "title"),
    "markdown": ("title",),
    "recently-viewed-entities": ("title",),
    "recently-used-actions": ("title",),
    "my-entities": ("title",),
    "custom-widget": ("pluginId", "title"),
}
"""The types of widgets with the members that each must have (schema of `POST /v1/pages`)."""

_PAGE_TYPES: Final = frozenset({"blueprint-entities", "dashboard", "home", "entity"})
_SIDEBARS: Final = frozenset({"catalog"})
_SECTIONS: Final = frozenset({"software_catalog", "organization"})
_PATCHED: Final = frozenset(
    {
        "identifier", "blueprint", "title", "description", "icon", "parent", "after", "locked", "widgets",
        "showInSidebar", "section", "pageFilters",
    }
)  # fmt: skip
"""What `PATCH` takes: OpenAPI of August 2026 closes it, and leaves the body of `POST` open."""


def create_page(call: Call) -> Response:
    return answer(201, page=created(call, "Page", call.store.pages, _page(call, call.body())))


def read_pages(call: Call) -> Response:
    return answer(pages=list(call.store.pages.values()))


def read_page(call: Call) -> Response:
    return answer(page=held("Page", call.store.pages, call.names["page"]))


def replace_page(call: Call) -> Response:
    name = call.names["page"]
    body = _page(call, {"identifier": name, **call.body()})
    return answer(page=replaced(call, "Page", call.store.pages, name, body))


def patch_page(call: Call) -> Response:
    name = call.names["page"]
    before = held("Page", call.store.pages, name)
    only(call.body(), _PATCHED, "body")
    body = _page(call, {**before, **call.body()})
    return answer(page=replaced(call, "Page", call.store.pages, name, body))


def delete_page(call: Call) -> Response:
    held("Page", call.store.pages, call.names["page"])
    del call.store.pages[call.names["page"]]
    call.store.page_permissions.pop(call.names["page"], None)
    return answer()


def read_page_permissions(call: Call) -> Response:
    held("Page", call.store.pages, call.names["page"])
    return answer(permissions=call.store.page_permissions.get(call.names["page"], _page_permissions()))


def patch_page_permissions(call: Call) -> Response:
    name, body = call.names["page"], call.body()
    held("Page", call.store.pages, name)
    only(body, {"read", "update"}, "body")
    for key, rule in body.items():
        check_grant(call.store, rule, f"body.{key}", NAMED)
    changed = merged(call.store.page_permissions.get(name, _page_permissions()), body)
    call.store.page_permissions[name] = changed
    return answer(permissions=changed)


def _page_permissions() -> Json:
    return {"read": {"users": [], "roles": ["Admin", "Member"], "teams": []}}


def _page(call: Call, body: Json) -> Json:
    identifier(body.get("identifier"), PAGE_IDENTIFIER, None, "body.identifier")
    member(body, "title", str, "body", required=True)
    one_of(body.get("type"), _PAGE_TYPES, "body.type")
    _check_columns(typed(body.get("widgets"), list, "body.widgets", nullable=True) or [])
    _check_place(body)
    after = typed(call.body().get("after"), str, "body.after", nullable=True)
    if after is not None and after not in call.store.pages:
        raise no_sidebar_item(after)
    if after is not None and call.store.pages[after].get("parent") != body.get("parent"):
        raise not_in_parent(after)
    return body


def _check_place(body: Json) -> None:
    """Where the menu shows the page, and what it must be opened with."""
    typed(body.get("parent"), str, "body.parent", nullable=True)
    if body.get("sidebar") is not None:
        one_of(body["sidebar"], _SIDEBARS, "body.sidebar")
    if "section" in body:
        one_of(body["section"], _SECTIONS, "body.section")
    for key in ("showInSidebar", "locked"):
        member(body, key, bool, "body")
    strings(body.get("requiredQueryParams", []), "body.requiredQueryParams")


def _check_columns(widgets: list[Any]) -> None:
    """The dashboard's rows: up to four columns of 3 to 12 that fill twelve, each naming one widget."""
    for root in widgets:
        _check_widget(typed(root, dict, "body.widgets"), "body.widgets")
        inner = member(root, "widgets", list, "body.widgets") or []
        names = [typed(widget, dict, "body.widgets.widgets").get("id") for widget in inner]
        for at, row in enumerate(member(root, "layout", list, "body.widgets") or []):
            _check_row(row, names, f"body.widgets.layout[{at}]")


def _check_widget(widget: Json, path: str) -> None:
    kind = one_of(widget.get("type"), _WIDGETS.keys(), f"{path}.type")
    for key in _WIDGETS[kind]:
        if key not in widget:
            raise invalid(path, f"must have required property '{key}'")
    for at, inner in enumerate(member(widget, "widgets", list, path) or []):
        _check_widget(typed(inner, dict, f"{path}.widgets[{at}]"), f"{path}.widgets[{at}]")


def _check_row(row: Any, names: list[Any], path: str) -> None:
    columns = member(typed(row, dict, path), "columns", list, path, required=True)
    sizes = [member(typed(column, dict, path), "size", int, path, required=True) for column in columns]
    if not 1 <= len(sizes) <= 4 or sum(sizes) != 12 or min(sizes) < 3:
        raise invalid(path, "must have 1 to 4 columns of at least 3, which add up to 12")
    if (member(row, "height", int, path) or 0) < 400:
        raise invalid(path, "must be at least 400 high")
    if any(column.get("id") not in names for column in columns):
        raise invalid(path, "names a widget that the dashboard does not have")
