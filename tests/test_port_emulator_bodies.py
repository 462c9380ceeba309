"""Odd bodies and many writers: the emulated Port refuses or takes them, and never fails."""

from __future__ import annotations

import copy
import random
import threading
from typing import Any

import httpx
from port_talk import SERVICE, Json, Talk, talk

from coderport.emulators.port import PortEmulator

_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, "", "a", "x y", "$title", [], {}, [None], ["a"], {"a": 1}, [[]], [{}], {"rules": []},
    "2024-01-01T00:00:00Z",
)  # fmt: skip
_RELATION = {"title": "R", "target": "service", "required": False, "many": True}
_BLUEPRINT: Json = {
    **SERVICE,
    "identifier": "odd",
    "schema": {
        "properties": {
            "e": {"type": "string", "enum": ["a"], "enumColors": {"a": "red"}, "minLength": 1, "pattern": "a"},
            "f": {"type": "array", "items": {"type": "string", "format": "ipv4"}, "uniqueItems": True},
            "l": {"type": "object", "format": "labeled-url"},
        },
        "required": ["e"],
    },
    "relations": {"r": _RELATION},
    "mirrorProperties": {"m": {"path": "r.url"}},
    "calculationProperties": {"c": {"type": "string", "calculation": ".properties.e + 1"}},
    "aggregationProperties": {
        "g": {"title": "G", "target": "service", "calculationSpec": {"calculationBy": "entities", "func": "count"}}
    },
    "ownership": {"type": "Inherited", "path": "r"},
}
_SEARCH: Json = {
    "combinator": "and",
    "rules": [
        {"property": "$blueprint", "operator": "in", "value": ["service", "deployment", "odd"]},
        {"operator": "relatedTo", "blueprint": "service", "value": "a", "direction": "upstream", "required": True},
        {"property": {"path": ["of", {"relation": "r", "maxHops": 2}]}, "operator": "matchAny", "value": "a"},
        {"property": "born", "operator": "between", "value": {"from": "2024-01-01T00:00:00Z", "to": "2025-01-01"}},
        {"propertySchema": {"type": "string"}, "operator": "contains", "value": "x"},
        {"relation": "needs", "operator": "containsAny", "value": ["a"]},
    ],
}
_ENTITY: Json = {
    "identifier": "a",
    "title": "A",
    "team": ["t"],
    "properties": {"tags": ["a"], "more": {"x": 1}, "cost": 1, "state": "up", "e": "a", "l": {"url": "http://x"}},
    "relations": {"of": "a", "needs": ["a", {"rules": []}], "r": {"combinator": "and", "rules": _SEARCH["rules"][:1]}},
}
_EVERY: Json = {"combinator": "and", "rules": [{"property": "$identifier", "operator": "=", "value": "a"}]}
_ACTION: Json = {
    "identifier": "stop",
    "trigger": {
        "type": "self-service",
        "operation": "DAY-2",
        "blueprintIdentifier": "service",
        "userInputs": {
            "properties": {
                "a": {"type": "string", "pattern": "a", "default": {"jqQuery": ".user.email"}},
                "e": {"type": "string", "format": "entity", "blueprint": "service", "dataset": {**_EVERY}},
                "l": {"type": "array", "items": {"type": "string", "enum": ["a"]}, "minItems": 1},
                "n": {"type": "number", "minimum": 1, "visible": {"jqQuery": ".form.a != null"}},
            },
            "required": {"jqQuery": '["a"]'},
            "steps": [{"title": "One", "order": ["a", "e"]}],
            "titles": {"t": {"title": "T"}},
        },
        "condition": {"type": "SEARCH", **_EVERY},
    },
    "invocationMethod": {
        "type": "KAFKA",
        "payload": {"{{ .inputs.a }}": "{{ .entity }}", "{{ spreadValue() }}": "{{ .inputs }}", "x": ["{{ .run.id }}"]},
    },
}
_RUN: Json = {"properties": {"a": "a", "e": "a", "l": ["a"], "n": 1}, "entity": "a"}
_PERMISSIONS: Json = {
    "execute": {
        "roles": ["Admin"],
        "policy": {"queries": {"q": {**_EVERY}}, "conditions": [".results.q.entities | length > 0"]},
    },
    "approve": {"users": ["a@x"], "policy": None},
}
_CARD: Json = {
    "identifier": "card",
    "title": "Card",
    "levels": [{"title": "Basic", "color": "red"}, {"title": "Gold", "color": "gold"}],
    "rules": [
        {
            "identifier": "r",
            "title": "R",
            "level": "Gold",
            "query": {"combinator": "and", "conditions": [{"property": "a", "operator": "isEmpty"}]},
        }
    ],
}
_PAGE: Json = {
    "identifier": "page",
    "title": "Page",
    "type": "dashboard",
    "widgets": [
        {
            "type": "dashboard-widget",
            "layout": [{"height": 400, "columns": [{"id": "a", "size": 12}]}],
            "widgets": [{"id": "a", "type": "markdown", "title": "A", "markdown": "a"}],
        }
    ],
}
_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/blueprints", _BLUEPRINT),
    ("PUT", "/blueprints/odd", _BLUEPRINT),
    ("PATCH", "/blueprints/odd", _BLUEPRINT),
    ("PATCH", "/blueprints/odd/permissions", {"entities": {"read": {"users": []}}}),
    ("GET", "/blueprints/odd/entities", None),
    *(("POST", f"/blueprints/{name}/entities", _ENTITY) for name in ("service", "deployment", "odd")),
    ("PUT", "/blueprints/deployment/entities/a", _ENTITY),
    ("PATCH", "/blueprints/deployment/entities/a", _ENTITY),
    ("POST", "/blueprints/deployment/entities/bulk", {"entities": [_ENTITY, _ENTITY]}),
    ("POST", "/blueprints/service/bulk/entities/delete", {"entities": ["a", "b"]}),
    ("POST", "/entities/search", _SEARCH),
    ("POST", "/blueprints/deployment/entities/search", {"query": _SEARCH, "include": ["title"], "limit": 3}),
    ("POST", "/actions", _ACTION),
    ("PUT", "/actions/stop", _ACTION),
    ("PATCH", "/actions/stop/permissions", _PERMISSIONS),
    ("POST", "/actions/stop/runs", _RUN),
    ("GET", "/actions/runs", None),
    ("PATCH", "/actions/runs/{run}", {"statusLabel": "x", "link": ["http://x"], "summary": "s", "externalRunId": "1"}),
    ("PATCH", "/actions/runs/{run}/approval", {"status": "APPROVE", "description": "d"}),
    ("PATCH", "/actions/runs/{run}/response", {"response": {"a": 1}}),
    ("POST", "/actions/runs/{run}/logs", {"message": "m", "terminationStatus": "SUCCESS", "statusLabel": "l"}),
    ("GET", "/actions/runs/{run}/approvers", None),
    ("POST", "/actions/runs/claim-pending", {"installationId": "i", "limit": 1, "invocationMethod": "WEBHOOK"}),
    ("PATCH", "/actions/runs/ack", {"runIds": ["a"]}),
    ("POST", "/blueprints/service/scorecards", _CARD),
    ("PUT", "/blueprints/service/scorecards/card", _CARD),
    ("POST", "/pages", _PAGE),
    ("PUT", "/pages/page", _PAGE),
    ("PATCH", "/pages/page", {"title": "Page", "widgets": _PAGE["widgets"]}),
    ("POST", "/auth/access_token", {"clientId": "a", "clientSecret": "b"}),
)


def oddly(value: Any, chance: random.Random) -> Any:
    """The value with some parts of it left out, renamed or put in the place of others."""
    if chance.random() < 0.12:
        return copy.deepcopy(chance.choice(_ODD))
    if isinstance(value, list):
        return [oddly(each, chance) for each in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, each in value.items():
        luck = chance.random()
        if luck > 0.05:
            changed[key if luck > 0.08 else chance.choice(["", "a b", key + "!"])] = oddly(each, chance)
    return changed


def test_no_body_makes_it_fail() -> None:
    chance = random.Random(5)
    one = talk()
    one.emulator.add_user("a@x")
    one.put("service", "a", properties={"tags": ["x"], "more": {"a": 1}})
    assert one("POST", "/actions", _ACTION).status_code == 201
    assert one("POST", "/actions/stop/runs", _RUN).status_code == 202
    statuses = set()
    for _ in range(2500):
        method, path, body = chance.choice(_ROUTES)
        run = chance.choice(one.emulator.runs())["id"]
        path = path.replace("{run}", run)
        flags = {name: chance.choice(["true", "false"]) for name in ("upsert", "merge")}
        flags |= {name: value for name, value in (("run_as", "a@x"), ("run_id", run)) if chance.random() < 0.1}
        reply = one(method, path, None if body is None else oddly(body, chance), **flags)
        statuses.add(reply.status_code)
        assert reply.status_code < 500, f"{method} {path} {reply.request.content.decode()} {reply.text}"
    assert {200, 201, 202, 207, 401, 404, 409, 422} <= statuses


def test_writers_from_many_threads_lose_nothing() -> None:
    emulator = PortEmulator()
    emulator.put_blueprint({"identifier": "b", "title": "B", "schema": {"properties": {"n": {"type": "number"}}}})
    failed: list[BaseException] = []

    def by_method(name: str) -> None:
        try:
            for number in range(200):
                emulator.put_entity("b", {"identifier": f"{name}{number}"}, by=name)
                if number % 20 == 0:
                    emulator.entities("b")[-1]["properties"]["n"] = "a copy"
        except BaseException as error:
            failed.append(error)

    def by_http(url: str, token: str) -> None:
        try:
            with httpx.Client(timeout=300, base_url=url, headers={"authorization": f"Bearer {token}"}) as http:
                for number in range(0, 200, 20):
                    items = [{"identifier": f"http{at}", "properties": {"n": at}} for at in range(number, number + 20)]
                    assert http.post("/v1/blueprints/b/entities/bulk", json={"entities": items}).status_code == 200
        except BaseException as error:
            failed.append(error)

    token = Talk(emulator).fresh_token()["accessToken"]
    with emulator.serve() as served:
        threads = [threading.Thread(target=by_method, args=(name,)) for name in ("x", "y")]
        threads.append(threading.Thread(target=by_http, args=(served.url, token)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed
    assert len(emulator.entities("b")) == 600 and "a copy" not in str(emulator.entities("b"))
