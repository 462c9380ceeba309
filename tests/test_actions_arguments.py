"""Actions as the SDK's arguments: taken by its classes, and the body that a provider makes of them is ours."""

from __future__ import annotations

import json
import re
from typing import Any

import port_pulumi as port
import pytest
from action_samples import DEPLOYMENT, PRESETS, form, settings
from catalog_samples import TEMPLATE_ID, template
from hypothesis import given
from hypothesis import strategies as st

from coderport.catalog.actions.arguments import permissions_args, pulumi_args
from coderport.catalog.actions.declared import DELETE, declared
from coderport.catalog.actions.values import (
    Action,
    GithubWorkflow,
    Input,
    InputType,
    Permissions,
    permissions_to_port,
    to_port,
)
from coderport.provider import action_values

BACKENDS: list[dict[str, Any]] = [
    {},
    {"backend": "webhook", "url": "https://coderport.example.com/runs", "agent": True, "approve_delete": True},
]

# Their keys are a person's, not the SDK's.
NAMED = {"string_props", "number_props", "boolean_props", "object_props", "array_props"}

BAGS = {
    "string_props": port.ActionSelfServiceTriggerUserPropertiesStringPropsArgs,
    "number_props": port.ActionSelfServiceTriggerUserPropertiesNumberPropsArgs,
    "boolean_props": port.ActionSelfServiceTriggerUserPropertiesBooleanPropsArgs,
    "object_props": port.ActionSelfServiceTriggerUserPropertiesObjectPropsArgs,
    "array_props": port.ActionSelfServiceTriggerUserPropertiesArrayPropsArgs,
}


def made(**fields: Any) -> tuple[Action, ...]:
    return declared(
        settings(admins=["root@example.com"], **fields),
        [template()],
        {TEMPLATE_ID: form(presets=PRESETS)},
        deployment_id=DEPLOYMENT,
    )


def as_sent(arguments: Any, *, named: bool = False) -> Any:
    """The arguments as the engine hands them to a provider: camelCase, and any number a double."""
    if isinstance(arguments, dict):
        return {
            key if named else re.sub(r"_(.)", lambda found: found[1].upper(), key): as_sent(each, named=key in NAMED)
            for key, each in arguments.items()
        }
    if isinstance(arguments, list):
        return [as_sent(each) for each in arguments]
    if isinstance(arguments, int) and not isinstance(arguments, bool):
        return float(arguments)
    return arguments


def in_any_order(body: dict[str, Any]) -> dict[str, Any]:
    """The stock provider goes through the bags by type, so that `required` stands in another order."""
    changed: dict[str, Any] = json.loads(json.dumps(body))
    inputs = changed["trigger"]["userInputs"]
    if "required" in inputs:
        inputs["required"] = sorted(inputs["required"])
    return changed


@pytest.mark.parametrize("fields", BACKENDS)
def test_a_provider_makes_of_the_arguments_what_port_should_get(fields: dict[str, Any]) -> None:
    for action in made(**fields):
        sent = as_sent(pulumi_args(action))
        assert action_values.problems(sent) == []
        assert in_any_order(action_values.body(sent)) == in_any_order(to_port(action))


@pytest.mark.parametrize("fields", BACKENDS)
def test_the_sdk_knows_every_argument(fields: dict[str, Any]) -> None:
    for action in made(**fields):
        arguments = pulumi_args(action)
        trigger = arguments.pop("self_service_trigger")
        port.ActionSelfServiceTriggerArgs(**trigger)
        for bag, properties in trigger["user_properties"].items():
            for each in properties.values():
                BAGS[bag](**each)
        methods = {
            "integration_method": port.ActionIntegrationMethodArgs,
            "webhook_method": port.ActionWebhookMethodArgs,
        }
        for name, kind in methods.items():
            if name in arguments:
                kind(**arguments.pop(name))
        assert arguments.pop("allow_anyone_to_view_runs") is False
        assert set(arguments) == {"identifier", "title", "icon", "description", "required_approval"}
        assert arguments["required_approval"] == ("true" if action.approval else "false")


def test_permissions_are_the_sdks_too() -> None:
    for action in made():
        arguments = permissions_args(action.identifier, action.permissions)
        execute, approve = arguments["permissions"]["execute"], arguments["permissions"]["approve"]
        port.ActionPermissionsPermissionsExecuteArgs(**execute)
        port.ActionPermissionsPermissionsApproveArgs(**approve)
        body = permissions_to_port(action.permissions)
        policy = json.loads(execute.get("policy", "null"))
        assert body["execute"] == {
            "users": execute["users"],
            "roles": execute["roles"],
            "teams": execute["teams"],
            "ownedByTeam": execute["owned_by_team"],
            "policy": policy,
        }
        assert body["approve"] == {**approve, "policy": None}
        assert (policy is not None) is (action.operation != "CREATE")


def test_the_arguments_have_the_shapes_of_the_recorded_program() -> None:
    """Shapes as in the program whose run against the official provider was recorded."""
    by_name = {each.identifier: pulumi_args(each) for each in made(**BACKENDS[1])}
    assert by_name[DELETE]["webhook_method"] == {
        "url": "https://coderport.example.com/runs",
        "agent": "true",
        "synchronized": "false",
        "method": "POST",
        "body": '{"run_id": "{{ .run.id }}"}',
    }
    bags = by_name[f"coder_create_{TEMPLATE_ID}"]["self_service_trigger"]["user_properties"]
    assert bags["array_props"]["p_ides"] == {
        "title": "ides",
        "string_items": {"enums": ["VS Code", "IDEA"], "defaults": ["VS Code"]},
    }
    assert bags["number_props"]["p_cpu"] == {"title": "cpu", "default": 2, "minimum": 1, "maximum": 16}
    assert bags["string_props"]["name"]["required"] is True


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)
numbers = st.none() | st.integers(-100, 100) | st.floats(-100, 100)


@st.composite
def inputs(draw: st.DrawFn) -> Input:
    kinds: tuple[InputType, ...] = ("string", "number", "boolean", "object", "array")
    kind = draw(st.sampled_from(kinds))
    common: dict[str, Any] = {
        "key": draw(st.from_regex(r"[a-z]{1,8}", fullmatch=True)),
        "title": draw(text),
        "description": draw(st.none() | text),
        "required": draw(st.booleans()),
    }
    enum = tuple(draw(st.lists(text, max_size=3, unique=True))) if kind in ("string", "array") else ()
    if kind == "string":
        common |= {"pattern": draw(st.none() | text), "min_length": draw(st.none() | st.integers(0, 9))}
        common |= {"default": draw(st.none() | text), "format": draw(st.none() | st.just("multi-line"))}
    elif kind == "number":
        common |= {"default": draw(numbers), "minimum": draw(numbers), "maximum": draw(numbers)}
    elif kind == "boolean":
        common["default"] = draw(st.none() | st.booleans())
    elif kind == "array":
        common["default"] = draw(st.none() | st.lists(text, min_size=1, max_size=3).map(tuple))
    return Input(type=kind, enum=enum, **common)


@given(st.lists(inputs(), max_size=5, unique_by=lambda each: each.key))
def test_no_keyword_of_an_input_is_lost_on_the_way(several: list[Input]) -> None:
    permissions = Permissions(("Member",))
    action = Action(
        "x", "X", "text", "CREATE", GithubWorkflow("o", "r", "w.yml", "github-ocean"), permissions, tuple(several)
    )
    assert in_any_order(action_values.body(as_sent(pulumi_args(action)))) == in_any_order(to_port(action))
