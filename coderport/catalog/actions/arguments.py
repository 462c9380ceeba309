"""An action as the keyword arguments of `port_pulumi`'s resources, without importing it.

The dictionaries have the keys of the SDK's typed dictionaries. What Port holds as a JSON value the SDK takes as JSON
text, and its booleans of a method as "true" and "false".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from coderport.catalog.actions.values import (
    Action,
    GithubWorkflow,
    Input,
    Permissions,
    Webhook,
    condition_to_port,
)

_BAGS = {
    "string": "string_props",
    "number": "number_props",
    "boolean": "boolean_props",
    "object": "object_props",
    "array": "array_props",
}


def pulumi_args(action: Action) -> dict[str, Any]:
    """Keyword arguments of `port_pulumi.Action`."""
    trigger: dict[str, Any] = {
        "operation": action.operation,
        "blueprint_identifier": action.blueprint,
        "user_properties": _user_properties(action.inputs),
    }
    if action.inputs:
        trigger["order_properties"] = [each.key for each in action.inputs]
    if action.condition:
        trigger["condition"] = _json(condition_to_port(action.condition))
    return {
        "identifier": action.identifier,
        "title": action.title,
        "icon": action.icon,
        "description": action.description,
        "self_service_trigger": trigger,
        **_method(action.invocation),
        "required_approval": _flag(action.approval),
        "allow_anyone_to_view_runs": False,
    }


def permissions_args(action_identifier: Any, permissions: Permissions) -> dict[str, Any]:
    """Keyword arguments of `port_pulumi.ActionPermissions`; the identifier may be another resource's output."""
    execute: dict[str, Any] = {
        "roles": list(permissions.roles),
        "users": [],
        "teams": [],
        "owned_by_team": False,
    }
    if permissions.policy is not None:
        execute["policy"] = _json(permissions.policy.to_port())
    return {
        "action_identifier": action_identifier,
        "permissions": {
            "execute": execute,
            "approve": {
                "roles": list(permissions.approver_roles),
                "users": list(permissions.approvers),
                "teams": [],
            },
        },
    }


def _user_properties(inputs: tuple[Input, ...]) -> dict[str, Any]:
    bags: dict[str, dict[str, Any]] = {}
    for each in inputs:
        bags.setdefault(_BAGS[each.type], {})[each.key] = _user_property(each)
    return bags


def _user_property(declared: Input) -> dict[str, Any]:
    several = declared.type == "array"
    arguments: dict[str, Any] = {
        "title": declared.title,
        "description": declared.description,
        "required": True if declared.required else None,
        "default": None if several else declared.default,
        "format": declared.format,
        "pattern": declared.pattern,
        "min_length": declared.min_length,
        "max_length": declared.max_length,
        "minimum": declared.minimum,
        "maximum": declared.maximum,
        "blueprint": declared.blueprint,
        "enums": list(declared.enum) if declared.enum and not several else None,
    }
    if several:
        items = {"enums": list(declared.enum) or None, "defaults": declared.default and list(_items(declared))}
        arguments["string_items"] = _without_nothing(items)
    if declared.dataset:
        arguments["dataset"] = {
            "combinator": "and",
            "rules": [
                {"property": rule.property, "operator": rule.operator, "value": {"jq_query": rule.jq}}
                for rule in declared.dataset
            ],
        }
    return _without_nothing(arguments)


def _items(declared: Input) -> tuple[str, ...]:
    return declared.default if isinstance(declared.default, tuple) else ()


def _method(invocation: GithubWorkflow | Webhook) -> dict[str, Any]:
    body = invocation.to_port()
    if isinstance(invocation, GithubWorkflow):
        dispatch = body["integrationActionExecutionProperties"]
        return {
            "integration_method": {
                "installation_id": body["installationId"],
                "integration_action_type": body["integrationActionType"],
                "integration_action_execution_properties": {
                    "org": dispatch["org"],
                    "repo": dispatch["repo"],
                    "workflow": dispatch["workflow"],
                    "workflow_inputs": _json(dispatch["workflowInputs"]),
                    "report_workflow_status": _flag(dispatch["reportWorkflowStatus"]),
                },
            }
        }
    return {
        "webhook_method": {
            "url": body["url"],
            "agent": _flag(body["agent"]),
            "synchronized": _flag(body["synchronized"]),
            "method": body["method"],
            "body": _json(body["body"]),
        }
    }


def _without_nothing(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if value is not None}


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
