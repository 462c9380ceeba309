"""Pages: a dashboard of each organization, and everybody's own workspaces.

A widget has what `POST /v1/pages/{page}/widgets` of Port's API asks of its type. A row of a dashboard has columns that
add up to twelve.
"""

from __future__ import annotations

from typing import Any, Final

from coderport.catalog.answers.values import Answer, Json, dataset, rule
from coderport.catalog.identifiers import PROVISIONERS, WORKSPACES

ORGANIZATION_PREFIX: Final = "coder_overview_"
"""The page of an organization is called this and its id."""

MINE: Final = "coder_my_workspaces"

_HEIGHT: Final = 400
_DORMANT: Final = rule("dormant_at", "isNotEmpty")
_GOING: Final = rule("deleting_at", "isNotEmpty")
_OUTDATED: Final = rule("outdated", "=", True)
_TABLE: Final = ("name", "owner_name", "status", "template_id", "last_used_at")
_PROVISIONER: Final = ("name", "status", "current_job_template", "version", "last_seen_at")


def _widget(kind: str, identifier: str, title: str, **members: Any) -> Json:
    return {"id": identifier, "type": kind, "title": title, **members}


def _number(identifier: str, title: str, *rules: Json, total: str = "") -> Json:
    how: Json = {"chartType": "countEntities", "calculationBy": "entities", "func": "count"}
    if total:
        how = {"chartType": "aggregateByProperty", "calculationBy": "property", "func": "sum", "property": total}
    among = dataset(*rules)
    return _widget("entities-number-chart", identifier, title, blueprint=WORKSPACES, dataset=among, unit="none", **how)


def _pie(identifier: str, title: str, property: str, *rules: Json) -> Json:
    return _widget(
        "entities-pie-chart", identifier, title, blueprint=WORKSPACES, property=property, dataset=dataset(*rules)
    )


def _table(
    identifier: str,
    title: str,
    *rules: Json,
    also: tuple[str, ...] = (),
    of: str = WORKSPACES,
    columns: tuple[str, ...] = _TABLE,
) -> Json:
    shown = ["$title", *columns, *also]
    return _widget(
        "table-entities-explorer",
        identifier,
        title,
        blueprint=of,
        displayMode="widget",
        dataset=dataset(rule("$blueprint", "=", of), *rules),
        blueprintConfig={of: {"propertiesSettings": {"shown": shown, "order": shown}}},
    )


def _dashboard(identifier: str, title: str, icon: str, description: str, *rows: tuple[Json, ...]) -> Answer:
    layout = [
        {"height": _HEIGHT, "columns": [{"id": each["id"], "size": 12 // len(row)} for each in row]} for row in rows
    ]
    root: Json = {
        "id": f"{identifier}_root",
        "type": "dashboard-widget",
        "layout": layout,
        "widgets": [each for row in rows for each in row],
    }
    body: Json = {
        "identifier": identifier,
        "type": "dashboard",
        "title": title,
        "icon": icon,
        "description": description,
        "widgets": [root],
    }
    return Answer("page", identifier, title, "", body)


def of_organization(organization_id: str, name: str, *, with_provisioners: bool = False) -> Answer:
    """The dashboard of an organization, which people know by `name`.

    The queue of provisioners is what waits for one, and beside it, where the stack has that kind, what they do.
    """
    here = rule("organization_id", "=", organization_id)
    queue = [
        _table("queue", "Waiting for a provisioner", here, rule("status", "=", "pending"), also=("latest_build_at",))
    ]
    if with_provisioners:
        queue.append(_table("provisioners", "Provisioners", here, of=PROVISIONERS, columns=_PROVISIONER))
    return _dashboard(
        f"{ORGANIZATION_PREFIX}{organization_id}",
        f"Coder: {name}",
        "Box",
        f"Workspaces of the Coder organization {name}",
        (
            _number("workspaces", "Workspaces", here),
            _number("running", "Running", here, rule("status", "=", "running")),
            _number("outdated_count", "Outdated", here, _OUTDATED),
            _number("cost", "Daily cost", here, total="daily_cost"),
        ),
        (
            _pie("by_template", "By template", "relation#template_id", here),
            _pie("by_status", "By status", "property#status", here),
            _pie("by_owner", "By owner", "property#owner_name", here),
        ),
        (
            _table("dormant", "Dormant", here, _DORMANT, also=("dormant_at",)),
            _table("deleted_soon", "About to be deleted", here, _GOING, also=("deleting_at",)),
        ),
        (
            _table("outdated", "Outdated", here, _OUTDATED, also=("template_version",)),
            _table("unhealthy", "Unhealthy", here, rule("healthy", "=", False), also=("failing_agents",)),
        ),
        tuple(queue),
        (_widget("runs-table", "runs", "Latest runs"),),
    )


def of_everybody() -> Answer:
    """The page on which each person sees the workspaces whose owner has their e-mail address."""
    mine = rule("owner_email", "=", {"context": "user", "property": "email"})
    return _dashboard(
        MINE,
        "My workspaces",
        "User",
        "Your Coder workspaces: those whose owner has your e-mail address",
        (_table("mine", "My workspaces", mine, also=("deadline", "url")),),
        (
            _table("mine_outdated", "Outdated", mine, _OUTDATED, also=("template_version",)),
            _table(
                "mine_deleted_soon",
                "About to be deleted",
                mine,
                _GOING,
                also=("deleting_at",),
            ),
        ),
    )
