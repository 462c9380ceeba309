"""Actions that the tests of runs start from: one that creates, one on an entity, each with a form."""

from __future__ import annotations

from typing import Any

from port_talk import Json, Talk, refused, talk

from coderport.emulators.port import PortEmulator, Problem

MEMBER, OTHER, ADMIN = "mia@corp", "otto@corp", "ada@corp"

FORM: Json = {
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 8},
        "service": {
            "type": "string",
            "format": "entity",
            "blueprint": "service",
            "dataset": {"combinator": "and", "rules": [{"property": "live", "operator": "!=", "value": False}]},
        },
        "size": {"type": "number", "minimum": 1, "maximum": 10, "default": 2},
        "fast": {"type": "boolean"},
        "region": {"type": "string", "enum": ["eu", "us"], "default": "eu"},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "maxItems": 2},
        "until": {"type": "string", "format": "date-time"},
        "more": {"type": "object"},
    },
    "required": ["name"],
}


def action(identifier: str = "make", **changes: Any) -> Json:
    """A self-service action: of type CREATE, unless the trigger in `changes` says otherwise."""
    trigger = {"type": "self-service", "operation": "CREATE", "blueprintIdentifier": "service", "userInputs": FORM}
    return {
        "identifier": identifier,
        "title": identifier.capitalize(),
        "invocationMethod": {"type": "KAFKA", "payload": {"run": "{{ .run.id }}"}},
        **changes,
        "trigger": {**trigger, **changes.get("trigger", {})},
    }


ON_ENTITY: Json = {"operation": "DAY-2", "userInputs": {"properties": {}}}
RUNNING: Json = {
    "type": "SEARCH",
    "combinator": "and",
    "rules": [{"property": "tier", "operator": "=", "value": "gold"}],
}


def started(*actions: Json, **settings: Any) -> tuple[PortEmulator, Talk]:
    """An emulator with three people, two services and these actions."""
    one = talk(**settings)
    emulator = one.emulator
    emulator.add_user(MEMBER, teams=("blue",))
    emulator.add_user(OTHER)
    emulator.add_user(ADMIN, roles=("Admin",))
    one.put("service", "up", title="Up", properties={"tier": "gold", "live": True}, team="blue")
    one.put("service", "down", title="Down", properties={"tier": "silver", "live": False})
    for body in actions:
        reply = one("POST", "/actions", body)
        assert reply.status_code == 201, reply.text
    return emulator, one


def refusal(call: Any) -> tuple[int, str]:
    """Status and code of the refusal that the call must raise."""
    try:
        call()
    except Problem as problem:
        return problem.status, problem.error
    raise AssertionError("it was not refused")


__all__ = ["ADMIN", "FORM", "MEMBER", "ON_ENTITY", "OTHER", "RUNNING", "action", "refusal", "refused", "started"]
