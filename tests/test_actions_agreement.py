"""How a declared action stands to the one that Port holds."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from action_samples import DEPLOYMENT, PRESETS, form, settings
from catalog_samples import TEMPLATE_ID, template

from coderport.catalog.actions.agreement import differences, migrated, permission_differences
from coderport.catalog.actions.declared import DELETE, EXTEND, START, STOP, create_from, declared
from coderport.catalog.actions.values import Action, permissions_to_port, to_port

FROM_TEMPLATE = create_from(TEMPLATE_ID)
STAMPS = {"id": "action_1", "createdAt": "2026-01-01T00:00:00Z", "createdBy": "x", "updatedAt": "y", "updatedBy": "z"}


def actions(**fields: Any) -> dict[str, Action]:
    made = declared(settings(**fields), [template()], {TEMPLATE_ID: form(presets=PRESETS)}, deployment_id=DEPLOYMENT)
    return {each.identifier: each for each in made}


def live(action: Action) -> Any:
    """The action as Port would answer it: JSON of its own, with its stamps."""
    return copy.deepcopy({**to_port(action), **STAMPS})


def told(action: Action, held: Any) -> list[str]:
    found = differences(action, held)
    assert not any(each.conflict for each in found)
    return [str(each) for each in found]


@pytest.mark.parametrize("backend", [{}, {"backend": "webhook", "url": "https://x.example.com/runs"}])
def test_an_action_means_the_same_as_what_port_answers_for_it(backend: dict[str, Any]) -> None:
    for action in actions(**backend).values():
        assert differences(action, live(action)) == []


def test_defaults_nulls_and_orders_that_mean_nothing_are_no_difference() -> None:
    action = actions()[FROM_TEMPLATE]
    held = live(action)
    del held["publish"], held["requiredApproval"]
    held |= {"approvalNotification": None}
    inputs = held["trigger"]["userInputs"]
    inputs["required"].reverse()
    inputs["properties"] = dict(reversed(inputs["properties"].items()))
    inputs["titles"] = {}
    for each in inputs["properties"].values():
        each |= {"visible": True, "dependsOn": [], "icon": None}
    assert told(action, held) == []
    hook = actions(backend="webhook", url="https://x.example.com/runs")[STOP]
    held = live(hook)
    for keyword in ("agent", "synchronized", "method"):
        del held["invocationMethod"][keyword]
    held["invocationMethod"]["headers"] = {}
    held["trigger"]["userInputs"]["required"] = []
    assert told(hook, held) == []


def change_cpu(held: Any) -> None:
    held["trigger"]["userInputs"]["properties"]["p_cpu"]["maximum"] = 8


def drop_name(held: Any) -> None:
    del held["trigger"]["userInputs"]["properties"]["name"]


def add_input(held: Any) -> None:
    held["trigger"]["userInputs"]["properties"]["extra"] = {"type": "string"}


def reorder(held: Any) -> None:
    held["trigger"]["userInputs"]["order"].reverse()


def demand(held: Any) -> None:
    held["trigger"]["userInputs"]["required"].append("ttl_hours")


def dispatched(held: Any) -> Any:
    return held["invocationMethod"]["integrationActionExecutionProperties"]


def other_installation(held: Any) -> None:
    held["invocationMethod"]["installationId"] = "theirs"


def silent(held: Any) -> None:
    del dispatched(held)["reportWorkflowStatus"]


def other_workflow(held: Any) -> None:
    dispatched(held)["workflow"] = "theirs.yml"


def other_payload(held: Any) -> None:
    dispatched(held)["workflowInputs"] = {"token": "hunter2"}


def other_method(held: Any) -> None:
    held["invocationMethod"] = {"type": "WEBHOOK", "url": "https://evil.example.com/?token=hunter2"}


def notify(held: Any) -> None:
    held["approvalNotification"] = {"type": "email"}


def approve(held: Any) -> None:
    held["requiredApproval"] = True


def automate(held: Any) -> None:
    held["trigger"] = {"type": "automation", "event": {"type": "ANY_RUN_CHANGE"}}


CHANGES = [
    (change_cpu, f"{FROM_TEMPLATE}.inputs.p_cpu.maximum: 8 in Port, 16 here"),
    (drop_name, f"{FROM_TEMPLATE}.inputs.name: missing in Port"),
    (add_input, f"{FROM_TEMPLATE}.inputs.extra: an input in Port, none here"),
    (reorder, f"{FROM_TEMPLATE}.order: "),
    (demand, f"{FROM_TEMPLATE}.required: "),
    (other_workflow, f"{FROM_TEMPLATE}.invocationMethod.workflow: 'theirs.yml' in Port, 'coder-action.yml' here"),
    (other_installation, f"{FROM_TEMPLATE}.invocationMethod.installationId: 'theirs' in Port, 'github-ocean' here"),
    (silent, f"{FROM_TEMPLATE}.invocationMethod.reportWorkflowStatus: none in Port, True here"),
    (other_payload, f"{FROM_TEMPLATE}.invocationMethod.workflowInputs: another one in Port"),
    (other_method, f"{FROM_TEMPLATE}.invocationMethod: 'WEBHOOK' in Port, 'INTEGRATION_ACTION' here"),
    (notify, f"{FROM_TEMPLATE}.approvalNotification: "),
    (approve, f"{FROM_TEMPLATE}.requiredApproval: True in Port, False here"),
    (automate, f"{FROM_TEMPLATE}.type: 'automation' in Port, 'self-service' here"),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_a_difference_is_named_and_no_secret_shown(change: Any, expected: str) -> None:
    action = actions()[FROM_TEMPLATE]
    held = live(action)
    change(held)
    found = told(action, held)
    assert any(each.startswith(expected) for each in found), found
    assert "hunter2" not in " ".join(found)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        (STOP, ("title",), "Halt"),
        (STOP, ("icon",), "Stop"),
        (STOP, ("description",), None),
        (STOP, ("trigger", "operation"), "DELETE"),
        (STOP, ("trigger", "blueprintIdentifier"), "service"),
        (STOP, ("trigger", "condition"), None),
        (DELETE, ("trigger", "actionCardButtonText"), "Remove"),
        (EXTEND, ("trigger", "userInputs", "properties", "hours", "minimum"), 0),
        (START, ("publish",), False),
    ],
)
def test_each_part_counts(name: str, path: tuple[str, ...], value: object) -> None:
    action = actions()[name]
    held = live(action)
    place = held
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert len(differences(action, held)) == 1


def test_two_declarations_that_differ_are_told_apart() -> None:
    ours, theirs = actions()[DELETE], actions(approve_delete=True)[DELETE]
    assert told(ours, live(theirs)) == [f"{DELETE}.requiredApproval: True in Port, False here"]


def test_permissions_are_compared_as_sets_and_a_missing_policy_as_null() -> None:
    action = actions(admins=["b@example.com", "a@example.com"])[DELETE]
    held = permissions_to_port(action.permissions)
    held["execute"]["roles"].reverse()
    held["approve"]["users"].reverse()
    del held["approve"]["policy"], held["execute"]["ownedByTeam"]
    assert permission_differences(DELETE, action.permissions, held) == []
    held["execute"]["policy"] = None
    held["approve"]["roles"] = ["Member"]
    found = [each.path for each in permission_differences(DELETE, action.permissions, held)]
    assert found == [f"{DELETE}.permissions.execute.policy", f"{DELETE}.permissions.approve.roles"]


def by_the_former_app(action: Action, **changed: Any) -> Any:
    """The live action as it was while Port's former GitHub app dispatched the workflow."""
    held = live(action)
    return {**held, "invocationMethod": {"type": "GITHUB", **dispatched(held), **changed}}


def test_an_action_of_the_former_github_app_is_ours_if_it_dispatches_our_workflow() -> None:
    for action in actions().values():
        held = by_the_former_app(action)
        assert told(action, held) == [
            f"{action.identifier}.invocationMethod: 'GITHUB' in Port, 'INTEGRATION_ACTION' here"
        ]
        assert differences(action, migrated(action, held)) == []
        theirs = by_the_former_app(action, repo="theirs")
        assert [each.path for each in differences(action, migrated(action, theirs))] == [
            f"{action.identifier}.invocationMethod.repo"
        ]


def test_only_the_backend_github_has_a_former_app() -> None:
    hook = actions(backend="webhook", url="https://x.example.com/runs")[STOP]
    held = by_the_former_app(actions()[STOP])
    assert migrated(hook, held)["invocationMethod"] == held["invocationMethod"]
    assert migrated(actions()[STOP], live(hook)) == live(hook)


@pytest.mark.parametrize("shown", [True, None])
def test_runs_that_everybody_may_see_are_a_difference_and_no_reason_to_ask(shown: bool | None) -> None:
    action = actions()[STOP]
    held = {**live(action), "allowAnyoneToViewRuns": shown}
    assert told(action, held) == [f"{STOP}.allowAnyoneToViewRuns: True in Port, False here"]
    assert differences(action, migrated(action, held)) == []
