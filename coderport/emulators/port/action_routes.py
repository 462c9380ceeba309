"""The routes of actions and their permissions: an action is checked and kept, nothing runs."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from coderport.emulators.port.http import Call, answer
from coderport.emulators.port.kept import created, held, merged, replaced, without_stamps
from coderport.emulators.port.problems import invalid
from coderport.emulators.port.records import Json
from coderport.emulators.port.shapes import ACTION_IDENTIFIER, identifier, member, one_of, only, strings, text


def create_action(call: Call) -> Response:
    new = created(call, "Action", call.store.actions, _action(call))
    call.store.action_permissions[new["identifier"]] = _action_permissions()
    return answer(201, action=new)


def read_actions(call: Call) -> Response:
    return answer(actions=list(call.store.actions.values()))


def read_action(call: Call) -> Response:
    return answer(action=held("Action", call.store.actions, call.names["action"]))


def replace_action(call: Call) -> Response:
    name, permissions = call.names["action"], call.store.action_permissions
    changed = replaced(call, "Action", call.store.actions, name, _action(call))
    permissions[changed["identifier"]] = permissions.pop(name)
    return answer(action=changed)


def delete_action(call: Call) -> Response:
    held("Action", call.store.actions, call.names["action"])
    del call.store.actions[call.names["action"]], call.store.action_permissions[call.names["action"]]
    return answer()


def read_action_permissions(call: Call) -> Response:
    return answer(permissions=held("Action", call.store.action_permissions, call.names["action"]))


def patch_action_permissions(call: Call) -> Response:
    before, body = held("Action", call.store.action_permissions, call.names["action"]), call.body()
    only(body, {"execute", "approve"}, "body")
    changed = call.store.action_permissions[call.names["action"]] = merged(before, body)
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
    body = without_stamps(call.body())
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
    # An object is a jq query, which is not known before the form is shown.
    names = () if isinstance(required, dict) else strings(required, f"{path}.userInputs.required")
    for key in names:
        if key not in properties:
            raise invalid(f"{path}.userInputs.required", f"names '{key}', which is not an input")
    if trigger.get("condition") is not None and (operation == "CREATE" or blueprint is None):
        raise invalid(f"{path}.condition", "is only for DAY-2 and DELETE with a blueprintIdentifier")
    for key in ("actionCardButtonText", "executeActionButtonText"):
        if key in trigger:
            text(trigger[key], f"{path}.{key}", shortest=1, longest=15)
