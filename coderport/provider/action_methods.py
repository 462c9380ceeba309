"""What an action's inputs say of its trigger, its method and its approval, beside Port's members for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coderport.provider.action_form import SelfService
from coderport.provider.translation import PLAIN, TEXT, Codec, Field, Json, Shape, Tagged, Trail, same

_SUBJECT = Shape(same("blueprintIdentifier", "propertyIdentifier", "actionIdentifier"))
_EVENTS = {
    "entityCreatedEvent": "ENTITY_CREATED",
    "entityUpdatedEvent": "ENTITY_UPDATED",
    "entityDeletedEvent": "ENTITY_DELETED",
    "anyEntityChangeEvent": "ANY_ENTITY_CHANGE",
    "timerPropertyExpiredEvent": "TIMER_PROPERTY_EXPIRED",
    "runCreatedEvent": "RUN_CREATED",
    "runUpdatedEvent": "RUN_UPDATED",
    "anyRunChangeEvent": "ANY_RUN_CHANGE",
}
_AUTOMATION = Shape(
    (
        *(Field(name, "event", Tagged(kind, _SUBJECT)) for name, kind in _EVENTS.items()),
        Field("jqCondition", "condition", Tagged("JQ", Shape(same("expressions", "combinator")))),
    )
)

TRIGGERS = (
    Field("selfServiceTrigger", "trigger", Tagged("self-service", SelfService())),
    Field("automationTrigger", "trigger", Tagged("automation", _AUTOMATION)),
)

_WORKFLOW = (*same("org", "repo", "workflow"), Field("workflowInputs", "workflowInputs", TEXT))


class _Only:
    """A value of one Python type, where the same member may hold another type for another input."""

    def __init__(self, type_: type) -> None:
        self._type = type_

    def to_port(self, given: Any, trail: Trail) -> Any:
        return PLAIN.to_port(given, trail)

    def to_input(self, live: Any) -> Any:
        return PLAIN.to_input(live) if isinstance(live, self._type) else None

    def seen(self, live: Any) -> Any:
        return self.to_input(live)


class _Upsert:
    """An entity that Port writes by itself; the title stands outside the mapping in the inputs, inside at Port."""

    _SHAPE = Shape(
        (
            *same("blueprintIdentifier"),
            Field(
                "mapping",
                "mapping",
                Shape(
                    (
                        *same("identifier", "title", "icon"),
                        Field("teams", "team", _Only(list)),
                        Field("teamsJq", "team", _Only(str)),
                        Field("properties", "properties", TEXT),
                        Field("relations", "relations", TEXT),
                    )
                ),
            ),
        )
    )

    def to_port(self, given: Any, trail: Trail) -> Any:
        if not isinstance(given, Mapping) or given.get("title") is None:
            return self._SHAPE.to_port(given, trail)
        inner = {**(given.get("mapping") or {}), "title": given["title"]}
        return self._SHAPE.to_port({**_without(given, "title"), "mapping": inner}, trail)

    def to_input(self, live: Any) -> Any:
        return _raised(self._SHAPE.to_input(live))

    def seen(self, live: Any) -> Any:
        return _raised(self._SHAPE.seen(live))


def _raised(inputs: Json) -> Json:
    mapping = inputs.get("mapping") or {}
    if "title" not in mapping:
        return inputs
    return {**inputs, "mapping": _without(mapping, "title"), "title": mapping["title"]}


def _without(mapping: Mapping[str, Any], key: str) -> Json:
    return {name: value for name, value in mapping.items() if name != key}


_SHAPES: dict[str, tuple[str, Codec]] = {
    "webhookMethod": (
        "WEBHOOK",
        Shape(
            (
                *same("url", "headers"),
                Field("agent", "agent", TEXT, idle=False),
                Field("synchronized", "synchronized", TEXT, idle=False),
                Field("method", "method", idle="POST"),
                Field("body", "body", TEXT),
            )
        ),
    ),
    "githubMethod": (
        "GITHUB",
        Shape((*_WORKFLOW, Field("reportWorkflowStatus", "reportWorkflowStatus", TEXT, idle=True))),
    ),
    "gitlabMethod": (
        "GITLAB",
        Shape(
            (
                *same("projectName", "groupName", "defaultRef"),
                Field("pipelineVariables", "pipelineVariables", TEXT),
            )
        ),
    ),
    "azureMethod": ("AZURE_DEVOPS", Shape((*same("webhook", "org"), Field("payload", "payload", TEXT)))),
    "kafkaMethod": ("KAFKA", Shape((Field("payload", "payload", TEXT),))),
    "upsertEntityMethod": ("UPSERT_ENTITY", _Upsert()),
    "integrationMethod": (
        "INTEGRATION_ACTION",
        Shape(
            (
                *same("installationId", "integrationActionType"),
                Field(
                    "integrationActionExecutionProperties",
                    "integrationActionExecutionProperties",
                    # Without it the integration reports nothing (`dispatch_workflow_webhook_processor.py` of Ocean).
                    Shape((*_WORKFLOW, Field("reportWorkflowStatus", "reportWorkflowStatus", TEXT))),
                ),
            )
        ),
    ),
}

METHODS = tuple(Field(name, "invocationMethod", Tagged(kind, shape)) for name, (kind, shape) in _SHAPES.items())


class Approval:
    """`true`, `false`, or how many must approve, which is `{"type": "ANY"}` or `ALL` at Port."""

    def to_port(self, given: Any, trail: Trail) -> Any:
        if given in ("true", "false"):
            return given == "true"
        if given not in ("ANY", "ALL"):
            trail.complain("is none of true, false, ANY and ALL")
        return {"type": given}

    def to_input(self, live: Any) -> Any:
        if isinstance(live, Mapping):
            return live.get("type")
        return "true" if live is True else "false"

    def seen(self, live: Any) -> Any:
        return self.to_input(live)


NOTIFICATIONS = (
    Field("approvalWebhookNotification", "approvalNotification", Tagged("webhook", Shape(same("url", "format")))),
    Field("approvalEmailNotification", "approvalNotification", Tagged("email")),
)
