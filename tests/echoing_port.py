"""A Port in memory for the provider's tests: it stores and echoes what it is sent, and counts every request.

No rules beyond that (those are the emulator's): a test that needs an answer of another kind puts it
into `answers`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx

STAMPS = {
    "createdAt": "2026-01-01T00:00:00.000Z",
    "updatedAt": "2026-01-01T00:00:00.000Z",
    "createdBy": "client",
    "updatedBy": "client",
}

Json = dict[str, Any]
Answer = Callable[["Sent"], httpx.Response | None]


@dataclass(frozen=True)
class Sent:
    """A request that arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str] = field(repr=False, default_factory=dict)

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"


class EchoingPort:
    """`transport()` is a Port.

    `blueprints` (with `grants` and `scorecards`), `entities`, `actions` with `permissions`, and `pages` are what it
    holds; `sent` is what came, tokens apart.
    """

    def __init__(self) -> None:
        self.blueprints: dict[str, Json] = {}
        self.entities: dict[str, dict[str, Json]] = {}
        self.actions: dict[str, Json] = {}
        self.permissions: dict[str, Json] = {}
        self.pages: dict[str, Json] = {}
        self.scorecards: dict[str, dict[str, Json]] = {}
        self.grants: dict[str, Json] = {}
        self.sent: list[Sent] = []
        self.tokens = 0
        self.answers: list[Answer] = []
        self.page = 1000

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._handle)

    def add_entity(self, blueprint: str, identifier: str, **members: Any) -> Json:
        row = {"identifier": identifier, "title": identifier, "properties": {}, "relations": {}, "team": []}
        entity = {**row, "blueprint": blueprint, **STAMPS, **members}
        self.entities.setdefault(blueprint, {})[identifier] = entity
        return entity

    def add_blueprint(self, identifier: str, **members: Any) -> Json:
        row = {"identifier": identifier, "title": identifier, "schema": {"properties": {}}, "relations": {}}
        self.blueprints[identifier] = {**row, **STAMPS, **members}
        self.entities.setdefault(identifier, {})
        return self.blueprints[identifier]

    def add_action(self, identifier: str, **members: Any) -> Json:
        self.actions[identifier] = {"identifier": identifier, **STAMPS, **members}
        nobody: Json = {"users": [], "roles": ["Admin"], "teams": [], "policy": None}
        self.permissions.setdefault(identifier, {"execute": {**nobody, "ownedByTeam": False}, "approve": nobody})
        return self.actions[identifier]

    @property
    def writes(self) -> list[Sent]:
        return [each for each in self.sent if each.method != "GET" and not each.path.endswith("/search")]

    def routes(self) -> list[str]:
        return [each.route for each in self.sent]

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        path = request.url.raw_path.decode().partition("?")[0]
        sent = Sent(request.method, path, dict(request.url.params), body, dict(request.headers))
        if path == "/v1/auth/access_token":
            self.tokens += 1
            token = {"accessToken": f"token-{self.tokens}", "expiresIn": 10800, "tokenType": "Bearer"}
            return self._scripted(sent) or httpx.Response(200, json={"ok": True, **token})
        self.sent.append(sent)
        return self._scripted(sent) or self._route(sent)

    def _scripted(self, sent: Sent) -> httpx.Response | None:
        for answer in self.answers:
            response = answer(sent)
            if response is not None:
                return response
        return None

    def _route(self, sent: Sent) -> httpx.Response:
        if sent.route == "POST /v1/blueprints":
            if sent.body["identifier"] in self.blueprints:
                return refused(409, "identifier_taken")
            return ok(201, blueprint=self.add_blueprint(**sent.body))
        if sent.path.startswith("/v1/actions"):
            return self._action(sent)
        if sent.path.startswith("/v1/pages"):
            return self._definition(sent, "page", self.pages, sent.path.removeprefix("/v1/pages").strip("/"))
        match = re.fullmatch(r"/v1/blueprints/([^/]+)(?:/(.*))?", sent.path)
        if match is None:
            return refused(404, "not_found")
        name, rest = unquote(match[1]), match[2] or ""
        if name not in self.blueprints:
            return refused(404, "not_found", f"blueprint {name} was not found")
        if not rest:
            return self._blueprint(sent, name)
        if rest.startswith("scorecards"):
            several = self.scorecards.setdefault(name, {})
            return self._definition(sent, "scorecard", several, rest.removeprefix("scorecards").strip("/"))
        if rest == "permissions":
            held = self.grants.setdefault(name, {"entities": {}})
            held["entities"].update((sent.body or {}).get("entities", {}))
            return ok(permissions=held)
        rows = self.entities[name]
        if rest == "entities-count":
            return ok(count=len(rows))
        if rest == "entities/search":
            start = int(sent.body.get("from") or 0)
            page = list(rows.values())[start : start + self.page]
            return ok(entities=page, next=str(start + self.page) if start + self.page < len(rows) else None)
        if rest == "entities/bulk":
            return self._bulk(sent, name)
        if rest == "bulk/entities/delete":
            gone = [each for each in sent.body["entities"] if rows.pop(each, None) is not None]
            return ok(deletedEntities=gone)
        return self._entity(sent, name, unquote(rest.removeprefix("entities/")))

    def _action(self, sent: Sent) -> httpx.Response:
        name, _, rest = sent.path.removeprefix("/v1/actions").removeprefix("/").partition("/")
        name = unquote(name)
        if sent.method == "POST":
            if sent.body["identifier"] in self.actions:
                return refused(409, "identifier_taken")
            return ok(201, action=self.add_action(**sent.body))
        if name not in self.actions:
            return refused(404, "not_found", f"action {name} was not found")
        if rest == "permissions":
            if sent.method == "PATCH":
                held = self.permissions[name]
                self.permissions[name] = {part: {**held[part], **sent.body.get(part, {})} for part in held}
            return ok(permissions=self.permissions[name])
        if sent.method == "DELETE":
            del self.actions[name], self.permissions[name]
            return ok()
        if sent.method == "PUT":
            del self.actions[name]
            self.permissions[sent.body["identifier"]] = self.permissions.pop(name)
            self.add_action(**sent.body)
            name = sent.body["identifier"]
        return ok(action=self.actions[name])

    def _definition(self, sent: Sent, kind: str, several: dict[str, Json], name: str) -> httpx.Response:
        name = unquote(name)
        if sent.method == "POST":
            if sent.body["identifier"] in several:
                return refused(409, "identifier_taken")
            name = sent.body["identifier"]
            several[name] = {**sent.body, **STAMPS}
            # Port answers a new page with its identifier alone.
            shown: Json = {"identifier": name} if kind == "page" else {kind: several[name]}
            return ok(201, **shown)
        if not name:
            every: Json = {f"{kind}s": list(several.values())}
            return ok(200, **every)
        if name not in several:
            return refused(404, "not_found", f"{kind} {name} was not found")
        if sent.method == "DELETE":
            del several[name]
            return ok()
        if sent.method == "PUT":
            del several[name]
            name = sent.body["identifier"]
            several[name] = {**sent.body, **STAMPS}
        one: Json = {kind: several[name]}
        return ok(200, **one)

    def _blueprint(self, sent: Sent, name: str) -> httpx.Response:
        if sent.method == "DELETE":
            if self.entities[name]:
                return refused(403, "has_dependents")
            del self.blueprints[name], self.entities[name]
            return ok()
        if sent.method == "PUT":
            del self.blueprints[name]
            self.add_blueprint(**{"identifier": name, **sent.body})
        return ok(blueprint=self.blueprints[name])

    def _bulk(self, sent: Sent, name: str) -> httpx.Response:
        done, failed = [], []
        for index, row in enumerate(sent.body["entities"]):
            created = row["identifier"] not in self.entities[name]
            if not created and sent.query.get("upsert") != "true":
                failed.append({"index": index, "statusCode": 409, "error": "identifier_taken", "message": "taken"})
                continue
            held = self.entities[name].get(row["identifier"]) or self.add_entity(name, row["identifier"])
            for key, value in row.items():
                held[key] = {**held[key], **value} if key in ("properties", "relations") else value
            done.append({"created": created, "identifier": row["identifier"], "index": index})
        return ok(207 if failed else 200, entities=done, errors=failed)

    def _entity(self, sent: Sent, name: str, identifier: str) -> httpx.Response:
        rows = self.entities[name]
        if identifier not in rows:
            return refused(404, "not_found", f"entity {identifier} was not found")
        if sent.method == "DELETE":
            del rows[identifier]
            return ok()
        if sent.method == "PUT":
            del rows[identifier]
            return ok(entity=self.add_entity(name, **sent.body))
        return ok(entity=rows[identifier])


def ok(status: int = 200, **members: Any) -> httpx.Response:
    return httpx.Response(status, json={"ok": True, **members}, headers={"x-trace-id": "trace-1"})


def refused(status: int, error: str, message: str = "") -> httpx.Response:
    body = {"ok": False, "error": error, "message": message}
    return httpx.Response(status, json=body, headers={"x-trace-id": "trace-1"})
