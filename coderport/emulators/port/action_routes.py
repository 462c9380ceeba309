"""The routes of actions and their permissions: an action is checked and kept. Runs have routes of their own."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from coderport.emulators.port.forms import check_form
from coderport.emulators.port.grants import check_grant
from coderport.emulators.port.http import Call, answer
from coderport.emulators.port.kept import created, held, merged, replaced, without_stamps
from coderport.emulators.port.problems import invalid, not_found
from coderport.emulators.port.records import Json
from coderport.emulators.port.search import predicate
from coderport.emulators.port.shapes import ACTION_IDENTIFIER, identifier, member, one_of, only, text, typed
from coderport.emulators.port.store import Store


def create_action(call: Call) -> Response:
    new = created(call, "Action", call.store.actions, _action(call))
    call.store.action_permissions[new["identifier"]] = _action_permissions()
    call.store.permissions_from[new["identifier"]] = call.store.clock() + call.store.behaviour.permissions_delay
    return answer(201, action=new)


def read_actions(call: Call) -> Response:
    return answer(actions=list(call.store.actions.values()))


def read_action(call: Call) -> Response:
    return answer(action=held("Action", call.store.actions, call.names["action"]))


def replace_action(call: Call) -> Response:
    name, permissions = call.names["action"], call.store.action_permissions
    changed = replaced(call, "Action", call.store.actions, name, _action(call))
    permissions[changed["identifier"]] = permissions.pop(name)
    call.store.permissions_from[changed["identifier"]] = call.store.permissions_from.pop(name)
    return answer(action=changed)


def delete_action(call: Call) -> Response:
    name = call.names["action"]
    held("Action", call.store.actions, name)
    del call.store.actions[name], call.store.action_permissions[name], call.store.permissions_from[name]
    return answer()


def read_action_permissions(call: Call) -> Response:
    return answer(permissions=_permissions_of(call))


def patch_action_permissions(call: Call) -> Response:
    before, body = _permissions_of(call), call.body()
    only(body, {"execute", "approve"}, "body")
    unknown = call.store.behaviour.action_permissions_name_unknown
    for key, change in body.items():
        more = {"policy", "ownedByTeam"} if key == "execute" else {"policy"}
        check_grant(call.store, change, f"body.{key}", unknown, more)
        _check_policy(call.store, change.get("policy"), f"body.{key}.policy")
    changed = call.store.action_permissions[call.names["action"]] = merged(before, body)
    return answer(permissions=changed)


def _permissions_of(call: Call) -> Json:
    """The permissions, or 404: those of a new action are made a moment after it.

    Port's Terraform provider and its Kubernetes exporter repeat every call for permissions because of it
    (`internal/cli/client.go`, `pkg/port/cli/client.go`); that the answer until then is this 404 is an assumption.
    """
    name = call.names["action"]
    if name in call.store.actions and call.store.clock() < call.store.permissions_from[name]:
        raise not_found("Permissions of action", name)
    return held("Action", call.store.action_permissions, name)


def _action_permissions() -> Json:
    rule: Json = {"users": [], "roles": ["Admin"], "teams": [], "policy": None}
    return {"execute": {**rule, "roles": ["Admin", "Member"], "ownedByTeam": False}, "approve": rule}


def _check_policy(store: Store, policy: Any, path: str) -> None:
    """One or more queries, and one or more conditions on what they find."""
    if typed(policy, dict, path, nullable=True) is None:
        return
    only(policy, {"queries", "conditions"}, path)
    queries = member(policy, "queries", dict, path, required=True)
    if not queries:
        raise invalid(f"{path}.queries", "must NOT have fewer than 1 properties")
    for name, query in queries.items():
        predicate(store, query, f"{path}.queries.{name}")
    conditions = member(policy, "conditions", list, path, required=True)
    if not conditions:
        raise invalid(f"{path}.conditions", "must NOT have fewer than 1 items")
    for at, condition in enumerate(conditions):
        text(condition, f"{path}.conditions[{at}]", shortest=1)


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
    _check_method(call.store, member(body, "invocationMethod", dict, "body", required=True), "body.invocationMethod")
    approval = body.get("requiredApproval", False)
    if isinstance(approval, dict):
        only(approval, {"type"}, "body.requiredApproval")
        one_of(approval.get("type"), {"ANY", "ALL"}, "body.requiredApproval.type")
    else:
        typed(approval, bool, "body.requiredApproval")
    return body


def _check_method(store: Store, method: Json, path: str) -> None:
    """The type GITHUB, of Port's former GitHub app, was taken until July 2026; how it is refused is an assumption."""
    served = _METHODS.keys() if store.behaviour.serves_github_app else _METHODS.keys() - {"GITHUB"}
    kind = one_of(method.get("type"), served, f"{path}.type")
    only(method, _METHODS[kind], path)
    for key in ("agent", "synchronized", "reportWorkflowStatus"):
        # They may be templates that yield a boolean.
        if key in method and not isinstance(method[key], str):
            typed(method[key], bool, f"{path}.{key}")
    for key in ("headers", "workflowInputs", "pipelineVariables", "integrationActionExecutionProperties"):
        member(method, key, dict, path)
    if kind == "WEBHOOK":
        member(method, "url", str, path, required=True)
        one_of(method.get("method", "POST"), {"GET", "POST", "PUT", "PATCH", "DELETE"}, f"{path}.method")
    elif kind == "INTEGRATION_ACTION":
        member(method, "installationId", str, path, required=True)
        one_of(method.get("integrationActionType"), {"dispatch_workflow"}, f"{path}.integrationActionType")
    elif kind == "UPSERT_ENTITY":
        member(method, "blueprintIdentifier", str, path, required=True)
        member(method, "mapping", dict, path, required=True)


def _check_self_service(call: Call, trigger: Json) -> None:
    path = "body.trigger"
    only(trigger, _SELF_SERVICE, path)
    operation = one_of(trigger.get("operation"), {"CREATE", "DAY-2", "DELETE"}, f"{path}.operation")
    blueprint = member(trigger, "blueprintIdentifier", str, path)
    if blueprint is not None:
        call.store.blueprint(blueprint)
    check_form(call.store, member(trigger, "userInputs", dict, path, required=True), f"{path}.userInputs")
    if trigger.get("condition") is not None:
        if operation == "CREATE" or blueprint is None:
            raise invalid(f"{path}.condition", "is only for DAY-2 and DELETE with a blueprintIdentifier")
        _check_condition(call.store, trigger["condition"], f"{path}.condition")
    for key in ("actionCardButtonText", "executeActionButtonText"):
        if key in trigger:
            text(trigger[key], f"{path}.{key}", shortest=1, longest=15)


def _check_condition(store: Store, condition: Any, path: str) -> None:
    only(typed(condition, dict, path), {"type", "rules", "combinator"}, path)
    one_of(condition.get("type"), {"SEARCH"}, f"{path}.type")
    predicate(store, condition, path)
