"""What an action is, as values: its form, when it is offered, what it calls, who may run it; and as Port's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from coderport.catalog.identifiers import WORKSPACE_ICON, WORKSPACES

Operation = Literal["CREATE", "DAY-2", "DELETE"]
InputType = Literal["string", "number", "boolean", "object", "array"]
Default: TypeAlias = str | int | float | bool | tuple[str, ...]

DISPATCH: Final = "dispatch_workflow"
"""What Port's GitHub integration is asked to do."""

PAYLOAD = {"run_id": "{{ .run.id }}"}
"""All that a backend is told. Whatever else it needs it asks Port for by this id, so that nothing can be forged."""


@dataclass(frozen=True)
class DatasetRule:
    """A rule for the entities that a picker offers; `jq` is an expression for the value."""

    property: str
    operator: str
    jq: str

    def to_port(self) -> dict[str, Any]:
        return {"property": self.property, "operator": self.operator, "value": {"jqQuery": self.jq}}


@dataclass(frozen=True)
class Input:
    """One field of an action's form. `enum` of an array limits its items; there an item is always a text.

    With a `blueprint` it is a picker of that blueprint's entities that fit the `dataset`.
    """

    key: str
    type: InputType
    title: str
    description: str | None = None
    required: bool = False
    default: Default | None = None
    format: str | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str, ...] = ()
    blueprint: str | None = None
    dataset: tuple[DatasetRule, ...] = ()

    def to_port(self) -> dict[str, Any]:
        """The input as it stands under `userInputs.properties` in Port's JSON."""
        body: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "description": self.description,
            "default": list(self.default) if isinstance(self.default, tuple) else self.default,
            "format": self.format,
            "pattern": self.pattern,
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "blueprint": self.blueprint,
        }
        if self.type == "array":
            body["items"] = {"type": "string", "enum": list(self.enum)} if self.enum else {"type": "string"}
        elif self.enum:
            body["enum"] = list(self.enum)
        if self.dataset:
            body["dataset"] = {"combinator": "and", "rules": [rule.to_port() for rule in self.dataset]}
        return {keyword: value for keyword, value in body.items() if value is not None}


@dataclass(frozen=True)
class Rule:
    """What must hold of an entity for an action to be offered on it. isEmpty and isNotEmpty have no value."""

    property: str
    operator: str
    value: str | bool | tuple[str, ...] | None = None

    def to_port(self) -> dict[str, Any]:
        body: dict[str, Any] = {"property": self.property, "operator": self.operator}
        if self.value is not None:
            body["value"] = list(self.value) if isinstance(self.value, tuple) else self.value
        return body

    def holds(self, properties: Mapping[str, Any]) -> bool:
        """Whether Port finds that it holds of an entity with these properties."""
        found = properties.get(self.property)
        if self.operator == "isEmpty":
            return found is None or found == ""
        if self.operator == "isNotEmpty":
            return found is not None and found != ""
        if isinstance(self.value, tuple):
            return (found in self.value) is (self.operator == "in")
        return bool(found == self.value) is (self.operator == "=")

    def __str__(self) -> str:
        words = {"isEmpty": "to be empty", "isNotEmpty": "not to be empty", "in": "to be", "=": "to be"}
        if self.value is None:
            return f"{self.property} {words[self.operator]}"
        value = " or ".join(self.value) if isinstance(self.value, tuple) else str(self.value).lower()
        return f"{self.property} {words.get(self.operator, self.operator)} {value}"


@dataclass(frozen=True)
class GithubWorkflow:
    """A run dispatches a workflow, which gets only the run's id, through Port's GitHub integration.

    `installation` is the id of that integration in Port. It ends the run by the workflow's own outcome if nobody has
    ended it before: the runner ends its runs itself, and a workflow that broke before the runner could start still
    closes its run.
    """

    organization: str
    repository: str
    workflow: str
    installation: str

    def to_port(self) -> dict[str, Any]:
        return {
            "type": "INTEGRATION_ACTION",
            "installationId": self.installation,
            "integrationActionType": DISPATCH,
            "integrationActionExecutionProperties": {
                "org": self.organization,
                "repo": self.repository,
                "workflow": self.workflow,
                "workflowInputs": dict(PAYLOAD),
                "reportWorkflowStatus": True,
            },
        }


@dataclass(frozen=True)
class Webhook:
    """A run posts the run's id, signed by Port, and waits for the service to report; `agent`: through Port's agent."""

    url: str
    agent: bool = False

    def to_port(self) -> dict[str, Any]:
        return {
            "type": "WEBHOOK",
            "url": self.url,
            "agent": self.agent,
            "synchronized": False,
            "method": "POST",
            "body": dict(PAYLOAD),
        }


Invocation: TypeAlias = GithubWorkflow | Webhook


@dataclass(frozen=True)
class OwnerOrAdmin:
    """Only the owner of the workspace that the run is for, and these people, all told by their e-mail addresses.

    Port evaluates it before a run begins: with a policy, roles only say who sees the action. An e-mail that Port
    does not hold (the token may not read users) leaves the admins alone. The runner judges again by Coder's word.
    """

    admins: tuple[str, ...] = ()

    def to_port(self) -> dict[str, Any]:
        """The policy in Port's JSON: a search for the workspace, and a jq condition on what it found."""
        admins = json.dumps(sorted({admin.lower() for admin in self.admins}))
        return {
            "queries": {
                "workspace": {
                    "combinator": "and",
                    "rules": [
                        {"property": "$blueprint", "operator": "=", "value": WORKSPACES},
                        {"property": "$identifier", "operator": "=", "value": "{{ .entity.identifier }}"},
                    ],
                }
            },
            # A query that fails is left out without a word: nothing found must mean no.
            "conditions": [
                '(.trigger.user.email // .trigger.by.user.email // "" | ascii_downcase) as $person'
                " | [.results.workspace.entities[]?.properties.owner_email | strings | ascii_downcase]"
                f' + {admins} | any(. == $person and . != "")'
            ],
        }


@dataclass(frozen=True)
class AdminsOnly:
    """Only these people, told by their e-mail addresses. Port evaluates it before a run begins, the runner again."""

    admins: tuple[str, ...]

    def to_port(self) -> dict[str, Any]:
        """The policy in Port's JSON, which asks for at least one query: this one finds nothing and is not looked at."""
        nothing = [
            {"property": "$blueprint", "operator": "=", "value": WORKSPACES},
            {"property": "$identifier", "operator": "=", "value": "-"},
        ]
        admins = json.dumps(sorted({admin.lower() for admin in self.admins}))
        return {
            "queries": {"nothing": {"combinator": "and", "rules": nothing}},
            "conditions": [
                '(.trigger.user.email // .trigger.by.user.email // "" | ascii_downcase) as $person'
                f' | {admins} | any(. == $person and . != "")'
            ],
        }


Policy: TypeAlias = OwnerOrAdmin | AdminsOnly


@dataclass(frozen=True)
class Permissions:
    """Who may run an action and who may approve its runs, by Port's role names and users' e-mail addresses."""

    roles: tuple[str, ...]
    policy: Policy | None = None
    approver_roles: tuple[str, ...] = ("Admin",)
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Action:
    """A self-service action on workspaces. The inputs stand in the order of the form.

    All rules of the `condition` must hold for it to be offered; an action that creates has none.
    """

    identifier: str
    title: str
    description: str
    operation: Operation
    invocation: Invocation
    permissions: Permissions
    inputs: tuple[Input, ...] = ()
    condition: tuple[Rule, ...] = ()
    approval: bool = False
    icon: str = WORKSPACE_ICON
    blueprint: str = WORKSPACES

    def input(self, key: str) -> Input:
        """The input with that key; KeyError if there is none."""
        for declared in self.inputs:
            if declared.key == key:
                return declared
        raise KeyError(key)


def condition_to_port(condition: tuple[Rule, ...]) -> dict[str, Any]:
    """Rules that must all hold, as Port's `condition`."""
    return {"type": "SEARCH", "combinator": "and", "rules": [rule.to_port() for rule in condition]}


def to_port(action: Action) -> dict[str, Any]:
    """The action as the JSON body that Port's API takes."""
    inputs: dict[str, Any] = {"properties": {each.key: each.to_port() for each in action.inputs}}
    if required := [each.key for each in action.inputs if each.required]:
        inputs["required"] = required
    if action.inputs:
        inputs["order"] = [each.key for each in action.inputs]
    trigger: dict[str, Any] = {
        "type": "self-service",
        "operation": action.operation,
        "blueprintIdentifier": action.blueprint,
        "userInputs": inputs,
    }
    if action.condition:
        trigger["condition"] = condition_to_port(action.condition)
    return {
        "identifier": action.identifier,
        "title": action.title,
        "icon": action.icon,
        "description": action.description,
        "trigger": trigger,
        "invocationMethod": action.invocation.to_port(),
        "requiredApproval": action.approval,
        "publish": True,
        # A run's log is that of a build, and shows what its template prints.
        "allowAnyoneToViewRuns": False,
    }


def permissions_to_port(permissions: Permissions) -> dict[str, Any]:
    """The permissions as the JSON body that Port's API takes: null removes a policy, leaving it out would not."""
    return {
        "execute": {
            "users": [],
            "roles": list(permissions.roles),
            "teams": [],
            "ownedByTeam": False,
            "policy": permissions.policy.to_port() if permissions.policy else None,
        },
        "approve": {
            "users": list(permissions.approvers),
            "roles": list(permissions.approver_roles),
            "teams": [],
            "policy": None,
        },
    }
