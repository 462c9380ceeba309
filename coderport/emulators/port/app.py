"""The emulated API as an ASGI application: routes, tokens, budgets, size limit, headers."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from coderport.emulators.port import (
    action_routes,
    blueprint_routes,
    entity_routes,
    integrations,
    page_routes,
    run_routes,
    scorecard_routes,
    team_routes,
    user_routes,
)
from coderport.emulators.port.access import Access
from coderport.emulators.port.budgets import Budgets, kind_of
from coderport.emulators.port.http import Call, answer, json_response, path_segments
from coderport.emulators.port.problems import Problem
from coderport.emulators.port.records import Writer
from coderport.emulators.port.shapes import only, text, too_large
from coderport.emulators.port.store import Store

Handler = Callable[[Call], Response]

TOKEN_ROUTE: Final = "/v1/auth/access_token"
LARGEST_BODY: Final = 1024 * 1024

_BLUEPRINT: Final = "/v1/blueprints/{blueprint}"
_ROUTES: Final[Mapping[str, Mapping[str, Handler]]] = {
    "/v1/blueprints": {"GET": blueprint_routes.read_all, "POST": blueprint_routes.create},
    _BLUEPRINT: {
        "GET": blueprint_routes.read,
        "PUT": blueprint_routes.replace,
        "PATCH": blueprint_routes.patch,
        "DELETE": blueprint_routes.delete,
    },
    f"{_BLUEPRINT}/permissions": {
        "GET": blueprint_routes.read_permissions,
        "PATCH": blueprint_routes.patch_permissions,
    },
    f"{_BLUEPRINT}/all-entities": {"DELETE": blueprint_routes.delete_entities},
    f"{_BLUEPRINT}/entities-count": {"GET": entity_routes.count},
    f"{_BLUEPRINT}/entities": {"GET": entity_routes.read_all, "POST": entity_routes.create},
    f"{_BLUEPRINT}/entities/bulk": {"POST": entity_routes.bulk_write},
    f"{_BLUEPRINT}/entities/search": {"POST": entity_routes.search_blueprint},
    f"{_BLUEPRINT}/entities/search/count": {"POST": entity_routes.count_found},
    f"{_BLUEPRINT}/actions": {"GET": blueprint_routes.read_actions},
    f"{_BLUEPRINT}/bulk/entities/delete": {"POST": entity_routes.bulk_delete},
    f"{_BLUEPRINT}/entities/{{entity}}": {
        "GET": entity_routes.read,
        "PUT": entity_routes.replace,
        "PATCH": entity_routes.patch,
        "DELETE": entity_routes.delete,
    },
    f"{_BLUEPRINT}/scorecards": {
        "GET": scorecard_routes.read_scorecards,
        "POST": scorecard_routes.create_scorecard,
    },
    f"{_BLUEPRINT}/scorecards/{{scorecard}}": {
        "GET": scorecard_routes.read_scorecard,
        "PUT": scorecard_routes.replace_scorecard,
        "DELETE": scorecard_routes.delete_scorecard,
    },
    "/v1/entities/search": {"POST": entity_routes.search},
    "/v1/migrations": {"GET": blueprint_routes.read_migrations},
    "/v1/migrations/{migration}": {"GET": blueprint_routes.read_migration},
    # Before the routes of one action, whose identifier can be any word but `runs`.
    "/v1/actions/runs": {"GET": run_routes.read_runs},
    "/v1/actions/runs/claim-pending": {"POST": run_routes.claim_pending},
    "/v1/actions/runs/ack": {"PATCH": run_routes.acknowledge},
    "/v1/actions/runs/{run}": {"GET": run_routes.read_run, "PATCH": run_routes.patch_run},
    "/v1/actions/runs/{run}/response": {"PATCH": run_routes.write_response},
    "/v1/actions/runs/{run}/logs": {"GET": run_routes.read_logs, "POST": run_routes.add_log},
    "/v1/actions/runs/{run}/approval": {"PATCH": run_routes.decide_approval},
    "/v1/actions/runs/{run}/approvers": {"GET": run_routes.read_approvers},
    "/v1/actions": {"GET": action_routes.read_actions, "POST": action_routes.create_action},
    "/v1/actions/{action}": {
        "GET": action_routes.read_action,
        "PUT": action_routes.replace_action,
        "DELETE": action_routes.delete_action,
    },
    "/v1/actions/{action}/permissions": {
        "GET": action_routes.read_action_permissions,
        "PATCH": action_routes.patch_action_permissions,
    },
    "/v1/actions/{action}/runs": {"POST": run_routes.start_run},
    "/v1/integration": {"GET": integrations.read_integrations},
    "/v1/integration/{integration}": {"GET": integrations.read_integration},
    "/v1/users": {"GET": user_routes.read_users},
    "/v1/users/{email}": {"GET": user_routes.read_user},
    "/v1/teams": {"GET": team_routes.read_teams, "POST": team_routes.create_team},
    "/v1/teams/{team}": {
        "GET": team_routes.read_team,
        "PUT": team_routes.replace_team,
        "PATCH": team_routes.patch_team,
        "DELETE": team_routes.delete_team,
    },
    "/v1/pages": {"GET": page_routes.read_pages, "POST": page_routes.create_page},
    "/v1/pages/{page}": {
        "GET": page_routes.read_page,
        "PUT": page_routes.replace_page,
        "PATCH": page_routes.patch_page,
        "DELETE": page_routes.delete_page,
    },
    "/v1/pages/{page}/permissions": {
        "GET": page_routes.read_page_permissions,
        "PATCH": page_routes.patch_page_permissions,
    },
}


class Api:
    """The ASGI application over one organization."""

    def __init__(self, store: Store, access: Access, budgets: Budgets, organization: Mapping[str, str]) -> None:
        self._store, self._access, self._budgets = store, access, budgets
        self._organization = dict(organization)
        routes = {**_ROUTES, TOKEN_ROUTE: {"POST": self._token}, "/v1/organization": {"GET": self._read_organization}}
        self._routes = [(tuple(template.split("/")), template, handlers) for template, handlers in routes.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        segments = path_segments(scope["raw_path"])
        template, handlers, names = self._match(request.method, segments)
        if template is not None:
            # The request log counts by this; values can hold slashes, so it cannot be told from the path.
            scope["path"] = template
        response = await self._answer(request, template, handlers, names)
        response.headers["x-trace-id"] = uuid.uuid4().hex
        await response(scope, receive, send)

    def _match(
        self, method: str, segments: tuple[str, ...]
    ) -> tuple[str | None, Mapping[str, Handler], dict[str, str]]:
        """The first route of the path and method: ``search`` may be an entity's identifier as well."""
        for wanted, template, handlers in self._routes:
            if len(wanted) == len(segments) and method in handlers:
                names = _names(wanted, segments)
                if names is not None:
                    return template, handlers, names
        return None, {}, {}

    async def _answer(
        self, request: Request, template: str | None, handlers: Mapping[str, Handler], names: Mapping[str, str]
    ) -> Response:
        headers: dict[str, str] = {}
        try:
            client, refused = self._client(request)
            if template == TOKEN_ROUTE:
                client, refused = None, None
            headers = self._spend(request, template, client)
            if refused is not None:
                raise refused
            if template is None:
                raise Problem(404, "not_found", f"there is no route {request.method} {request.url.path}")
            body = await _body(request)
            writer = Writer(client or "", request.headers.get("user-agent", ""))
            with self._store.lock:
                response = handlers[request.method](Call(self._store, names, request.query_params, body, writer))
        except Problem as problem:
            response = json_response(problem.body(details=self._store.behaviour.error_details), problem.status)
            headers = problem.headers if isinstance(problem, _Limited) else headers
        except ClientDisconnect:
            response = json_response(Problem(400, "invalid_request", "nobody waits for the answer").body(), 400)
        except Exception:
            logging.getLogger(__name__).exception("the emulated Port failed at %s %s", request.method, template)
            response = json_response(Problem(500, "internal_error", "the emulator failed").body(), 500)
        response.headers.update(headers)
        return response

    def _client(self, request: Request) -> tuple[str | None, Problem | None]:
        try:
            return self._access.client(request.headers.get("authorization")), None
        except Problem as problem:
            return None, problem

    def _spend(self, request: Request, template: str | None, client: str | None) -> dict[str, str]:
        if client is None:
            kind, who = "unauthenticated", request.client.host if request.client else ""
        else:
            single = self._store.behaviour.single_write_budget
            kind, who = kind_of(request.method, template or "", single), "organization"
        allowed, headers = self._budgets.spend(kind, who)
        if not allowed:
            wait = {"retry-after": headers["x-ratelimit-reset"]} if self._store.behaviour.retry_after else {}
            raise _Limited({**headers, **wait})
        return headers

    def _token(self, call: Call) -> Response:
        body = call.body()
        only(body, {"clientId", "clientSecret"}, "body")
        token, seconds = self._access.issue(
            text(body.get("clientId"), "body.clientId"), text(body.get("clientSecret"), "body.clientSecret")
        )
        return answer(accessToken=token, expiresIn=seconds, tokenType="Bearer")

    def _read_organization(self, call: Call) -> Response:
        return answer(organization=self._organization)


class _Limited(Problem):
    """429; Port does not publish its body."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(429, "too_many_requests", "the rate limit of the organization is exceeded")
        self.headers = headers


def _names(wanted: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    names: dict[str, str] = {}
    for want, segment in zip(wanted, segments, strict=True):
        if want.startswith("{") and segment:
            names[want[1:-1]] = segment
        elif want != segment:
            return None
    return names


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise too_large()
    return bytes(body)
