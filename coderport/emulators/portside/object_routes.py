"""The routes of actions, scorecards and pages: they are kept and answered, nothing runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from starlette.responses import Response

from coderport.emulators.portside.blueprint_routes import merged
from coderport.emulators.portside.http import Call, answer
from coderport.emulators.portside.problems import invalid, not_found, taken
from coderport.emulators.portside.records import Json
from coderport.emulators.portside.shapes import (
    ACTION_IDENTIFIER,
    BLUEPRINT_IDENTIFIER,
    COLOURS,
    identifier,
    member,
    one_of,
    only,
    text,
    typed,
)

_STAMPS: Final = ("createdAt", "createdBy", "updatedAt", "updatedBy")
_PAGE_TYPES: Final = frozenset({"blueprint-entities", "dashboard", "home", "entity"})
_LEVELS: Final = ("Basic", "Bronze", "Silver", "Gold")


def _stamped(call: Call, body: Json, held: Json | None) -> Json:
    now, by = call.store.now(), call.writer.client_id
    plain = {key: value for key, value in body.items() if key not in _STAMPS}
    created = (held["createdAt"], held["createdBy"]) if held else (now, by)
    return {**plain, "createdAt": created[0], "createdBy": created[1], "updatedAt": now, "updatedBy": by}


def _create(call: Call, kind: str, objects: dict[str, Json], body: Json) -> Json:
    if body["identifier"] in objects:
        raise taken(kind, body["identifier"])
    created = objects[body["identifier"]] = _stamped(call, body, None)
    return created


def _replace(call: Call, kind: str, objects: dict[str, Json], name: str, body: Json) -> Json:
    held = _held(kind, objects, name)
    new = body["identifier"]
    if new != name and new in objects:
        raise taken(kind, new)
    del objects[name]
    changed = objects[new] = _stamped(call, body, held)
    return changed


def _held(kind: str, objects: dict[str, Json], name: str) -> Json:
    if name not in objects:
        raise not_found(kind, name)
    return objects[name]


# ---------------------------------------------------------------- actions


def create_action(call: Call) -> Response:
    created = _create(call, "Action", call.store.actions, _action(call))
    call.store.action_permissions[created["identifier"]] = _action_permissions()
    return answer(201, action=created)


def read_actions(call: Call) -> Response:
    return answer(actions=list(call.store.actions.values()))


def read_action(call: Call) -> Response:
    return answer(action=_held("Action", call.store.actions, call.names["action"]))


def replace_action(call: Call) -> Response:
    name, permissions = call.names["action"], call.store.action_permissions
    changed = _replace(call, "Action", call.store.actions, name, _action(call))
    permissions[changed["identifier"]] = permissions.pop(name)
    return answer(action=changed)


def delete_action(call: Call) -> Response:
    _held("Action", call.store.actions, call.names["action"])
    del call.store.actions[call.names["action"]], call.store.action_permissions[call.names["action"]]
    return answer()


def read_action_permissions(call: Call) -> Response:
    return answer(permissions=_held("Action", call.store.action_permissions, call.names["action"]))


def patch_action_permissions(call: Call) -> Response:
    held, body = _held("Action", call.store.action_permissions, call.names["action"]), call.body()
    only(body, {"execute", "approve"}, "body")
    changed = call.store.action_permissions[call.names["action"]] = merged(held, body)
    return answer(permissions=changed)


def _action_permissions() -> Json:
    rule: Json = {"users": [], "roles": ["Admin"], "teams": [], "policy": None}
    return {"execute": {**rule, "roles": ["Admin", "Member"], "ownedByTeam": False}, "approve": rule}


_ACTION: Final = frozenset(
    {"identifier", "title", "icon", "description", "trigger", "invocationMethod", "requiredApproval"}
    | {"approvalNotification", "publish", "allowAnyoneToViewRuns"}
)
_SELF_SERVICE: Final = frozenset(
    {"type", "operation", "blueprintIdentifier", "userInputs", "condition"}
    | {"actionCardButtonText", "executeActionButtonText"}
)
_METHODS: Final[dict[str, frozenset[str]]] = {
    "WEBHOOK": frozenset(["type", "url", "agent", "synchronized", "method", "headers", "body"]),
    "GITHUB": frozenset(["type", "org", "repo", "workflow", "workflowInputs", "reportWorkflowStatus"]),
    "INTEGRATION_ACTION": frozenset(
        ["type", "installationId", "integrationActionType", "integrationActionExecutionProperties"]
    ),
    "GITLAB": frozenset(["type", "projectName", "groupName", "defaultRef", "pipelineVariables"]),
    "AZURE_DEVOPS": frozenset(["type", "webhook", "org", "payload"]),
    "KAFKA": frozenset(["type", "payload"]),
    "UPSERT_ENTITY": frozenset(["type", "blueprintIdentifier", "mapping"]),
}


def _action(call: Call) -> Json:
    """The body of an action; unlike a blueprint's it may have no key that is not known."""
    body = {key: value for key, value in call.body().items() if key not in _STAMPS}
    only(body, _ACTION, "body")
    identifier(body.get("identifier"), ACTION_IDENTIFIER, None, "body.identifier")
    trigger = member(body, "trigger", dict, "body", required=True)
    kind = one_of(trigger.get("type"), {"self-service", "automation"}, "body.trigger.type")
    if kind == "self-service":
        _check_self_service(call, trigger)
    else:
        only(trigger, {"type", "event", "condition"}, "body.trigger")
        member(trigger, "event", dict, "body.trigger", required=True)
    method = member(body, "invocationMethod", dict, "body", required=True)
    where = "body.invocationMethod"
    only(method, _METHODS[one_of(method.get("type"), _METHODS, f"{where}.type")], where)
    if method["type"] == "WEBHOOK":
        member(method, "url", str, where, required=True)
    return body


def _check_self_service(call: Call, trigger: Json) -> None:
    path = "body.trigger"
    only(trigger, _SELF_SERVICE, path)
    operation = one_of(trigger.get("operation"), {"CREATE", "DAY-2", "DELETE"}, f"{path}.operation")
    blueprint = member(trigger, "blueprintIdentifier", str, path)
    if blueprint is not None:
        call.store.blueprint(blueprint)
    inputs = member(trigger, "userInputs", dict, path, required=True)
    only(inputs, {"properties", "required", "order", "steps", "titles"}, f"{path}.userInputs")
    properties = member(inputs, "properties", dict, f"{path}.userInputs", required=True)
    required = inputs.get("required", [])
    for key in required if isinstance(required, list) else ():
        if key not in properties:
            raise invalid(f"{path}.userInputs.required", f"names '{key}', which is not an input")
    if trigger.get("condition") is not None and (operation == "CREATE" or blueprint is None):
        raise invalid(f"{path}.condition", "is only for DAY-2 and DELETE with a blueprintIdentifier")
    for key in ("actionCardButtonText", "executeActionButtonText"):
        if key in trigger:
            text(trigger[key], f"{path}.{key}", shortest=1, longest=15)


# ---------------------------------------------------------------- scorecards


def create_scorecard(call: Call) -> Response:
    return answer(201, scorecard=_create(call, "Scorecard", _scorecards(call), _scorecard(call)))


def read_scorecards(call: Call) -> Response:
    return answer(scorecards=list(_scorecards(call).values()))


def read_scorecard(call: Call) -> Response:
    return answer(scorecard=_held("Scorecard", _scorecards(call), call.names["scorecard"]))


def replace_scorecard(call: Call) -> Response:
    body = _scorecard(call)
    return answer(scorecard=_replace(call, "Scorecard", _scorecards(call), call.names["scorecard"], body))


def delete_scorecard(call: Call) -> Response:
    _held("Scorecard", _scorecards(call), call.names["scorecard"])
    del _scorecards(call)[call.names["scorecard"]]
    return answer()


def _scorecards(call: Call) -> dict[str, Json]:
    return call.store.blueprint(call.names["blueprint"]).scorecards


def _scorecard(call: Call) -> Json:
    body = call.body()
    identifier(body.get("identifier"), BLUEPRINT_IDENTIFIER, 100, "body.identifier")
    member(body, "title", str, "body", required=True)
    levels: list[Any] = list(_LEVELS)
    if "levels" in body:
        levels = []
        for at, level in enumerate(typed(body["levels"], list, "body.levels")):
            typed(level, dict, f"body.levels[{at}]")
            levels.append(member(level, "title", str, f"body.levels[{at}]", required=True))
            one_of(level.get("color"), COLOURS, f"body.levels[{at}].color")
    for at, rule in enumerate(member(body, "rules", list, "body", required=True)):
        path = f"body.rules[{at}]"
        typed(rule, dict, path)
        member(rule, "identifier", str, path, required=True)
        one_of(rule.get("level"), levels[1:], f"{path}.level")
        query = member(rule, "query", dict, path, required=True)
        one_of(query.get("combinator"), {"and", "or"}, f"{path}.query.combinator")
        member(query, "conditions", list, f"{path}.query", required=True)
    return {**body, "blueprint": call.names["blueprint"]}


# ---------------------------------------------------------------- pages


def create_page(call: Call) -> Response:
    return answer(201, page=_create(call, "Page", call.store.pages, _page(call.body())))


def read_pages(call: Call) -> Response:
    return answer(pages=list(call.store.pages.values()))


def read_page(call: Call) -> Response:
    return answer(page=_held("Page", call.store.pages, call.names["page"]))


def replace_page(call: Call) -> Response:
    name = call.names["page"]
    body = _page({"identifier": name, **call.body()})
    return answer(page=_replace(call, "Page", call.store.pages, name, body))


def patch_page(call: Call) -> Response:
    name = call.names["page"]
    body = _page({**_held("Page", call.store.pages, name), **call.body()})
    return answer(page=_replace(call, "Page", call.store.pages, name, body))


def delete_page(call: Call) -> Response:
    _held("Page", call.store.pages, call.names["page"])
    del call.store.pages[call.names["page"]]
    call.store.page_permissions.pop(call.names["page"], None)
    return answer()


def read_page_permissions(call: Call) -> Response:
    _held("Page", call.store.pages, call.names["page"])
    return answer(permissions=call.store.page_permissions.get(call.names["page"], _page_permissions()))


def patch_page_permissions(call: Call) -> Response:
    name, body = call.names["page"], call.body()
    _held("Page", call.store.pages, name)
    only(body, {"read"}, "body")
    changed = merged(call.store.page_permissions.get(name, _page_permissions()), body)
    call.store.page_permissions[name] = changed
    return answer(permissions=changed)


def _page_permissions() -> Json:
    return {"read": {"users": [], "roles": ["Admin", "Member"], "teams": []}}


def _page(body: Json) -> Json:
    identifier(body.get("identifier"), BLUEPRINT_IDENTIFIER, 100, "body.identifier")
    member(body, "title", str, "body", required=True)
    one_of(body.get("type"), _PAGE_TYPES, "body.type")
    _check_columns(body.get("widgets") or [])
    return body


def _check_columns(widgets: Collection[Any]) -> None:
    """The dashboard's rows: up to four columns of 3 to 12 that fill twelve, each naming one widget."""
    for root in widgets:
        typed(root, dict, "body.widgets")
        inner = member(root, "widgets", list, "body.widgets") or []
        names = {typed(widget, dict, "body.widgets.widgets").get("id") for widget in inner}
        for at, row in enumerate(member(root, "layout", list, "body.widgets") or []):
            path = f"body.widgets.layout[{at}]"
            columns = member(typed(row, dict, path), "columns", list, path, required=True)
            sizes = [member(typed(column, dict, path), "size", int, path, required=True) for column in columns]
            if not 1 <= len(sizes) <= 4 or sum(sizes) != 12 or min(sizes) < 3:
                raise invalid(path, "must have 1 to 4 columns of at least 3, which add up to 12")
            if (member(row, "height", int, path) or 0) < 400:
                raise invalid(path, "must be at least 400 high")
            if any(column.get("id") not in names for column in columns):
                raise invalid(path, "names a widget that the dashboard does not have")
