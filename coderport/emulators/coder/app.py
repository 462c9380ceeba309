"""The emulated API as an ASGI application: routes, tokens, rate limit, and what surrounds the API."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from coderport.emulators.coder import build_routes, reading, template_routes, workspace_routes
from coderport.emulators.coder.http import Call, Refused, json_response, subject_of
from coderport.emulators.coder.listing import ListFaults, list_workspaces
from coderport.emulators.coder.roles import Subject
from coderport.emulators.coder.rows import RowCache
from coderport.emulators.coder.state import State
from coderport.emulators.kit import RateBuckets

Handler = Callable[[Call], Response]

_API = "/api/v2"
_PAGE = "<!doctype html><html><head><title>Coder</title></head><body><div id=root></div></body></html>"
_OPEN = frozenset({"/buildinfo"})

_ROUTES: Mapping[str, Mapping[str, Handler]] = {
    "/buildinfo": {"GET": reading.build_info},
    "/authcheck": {"POST": reading.authcheck},
    "/users": {"GET": reading.list_users},
    "/users/{user}": {"GET": reading.get_user},
    "/users/{user}/organizations": {"GET": reading.user_organizations},
    "/users/{user}/workspaces": {"POST": workspace_routes.create_workspace},
    "/users/{user}/workspace/{name}": {"GET": workspace_routes.get_workspace_by_name},
    "/users/{user}/workspace/{name}/builds/{number}": {"GET": build_routes.get_build_by_number},
    "/organizations": {"GET": reading.list_organizations},
    "/organizations/{organization}": {"GET": reading.get_organization},
    "/organizations/{organization}/templates": {"GET": template_routes.list_organization_templates},
    "/organizations/{organization}/templates/{name}": {"GET": template_routes.get_template_by_name},
    "/organizations/{organization}/members/{user}/workspaces": {"POST": workspace_routes.create_member_workspace},
    "/templates": {"GET": template_routes.list_templates},
    "/templates/{template}": {
        "GET": template_routes.get_template,
        "PATCH": template_routes.patch_template,
        "DELETE": template_routes.delete_template,
    },
    "/templates/{template}/acl": {"GET": template_routes.get_acl},
    "/templates/{template}/versions": {
        "GET": template_routes.list_versions,
        "PATCH": template_routes.promote_version,
    },
    "/templateversions/{version}": {"GET": template_routes.get_version},
    "/templateversions/{version}/rich-parameters": {"GET": template_routes.get_parameters},
    "/templateversions/{version}/presets": {"GET": template_routes.get_presets},
    "/workspaces/{workspace}": {
        "GET": workspace_routes.get_workspace,
        "PATCH": workspace_routes.patch_workspace,
    },
    "/workspaces/{workspace}/builds": {"GET": build_routes.list_builds, "POST": build_routes.create_build},
    "/workspaces/{workspace}/ttl": {"PUT": workspace_routes.put_ttl},
    "/workspaces/{workspace}/autostart": {"PUT": workspace_routes.put_autostart},
    "/workspaces/{workspace}/extend": {"PUT": workspace_routes.put_extend},
    "/workspaces/{workspace}/dormant": {"PUT": workspace_routes.put_dormant},
    "/workspaces/{workspace}/autoupdates": {"PUT": workspace_routes.put_autoupdates},
    "/workspaces/{workspace}/favorite": {
        "PUT": workspace_routes.put_favorite,
        "DELETE": workspace_routes.delete_favorite,
    },
    "/workspaces/{workspace}/resolve-autostart": {"GET": workspace_routes.resolve_autostart},
    "/workspacebuilds/{build}": {"GET": build_routes.get_build},
    "/workspacebuilds/{build}/logs": {"GET": build_routes.get_logs},
    "/workspacebuilds/{build}/parameters": {"GET": build_routes.get_build_parameters},
    "/workspacebuilds/{build}/cancel": {"PATCH": build_routes.cancel_build},
}


class Api:
    """The routes over one state.

    `state` and `list_faults` may be replaced while it serves, as seeding does.
    """

    def __init__(self, state: State, rate: RateBuckets) -> None:
        self.rate = rate
        self.list_faults = ListFaults()
        self.reset(state)

    def reset(self, state: State) -> None:
        """Serve another state from now on, with nothing cached of the one before."""
        self.state, self._rows = state, RowCache(state)

    def application(self) -> ASGIApp:
        """Everything that the server answers, the site around the API included."""
        routes = [Route("/healthz", _healthz)]
        routes.append(self._route("/workspaces", {"GET": self._list_workspaces}))
        routes += [self._route(path, handlers) for path, handlers in _ROUTES.items()]
        router = Router(routes, redirect_slashes=False, default=self._unrouted)
        return router

    def _list_workspaces(self, call: Call) -> Response:
        return list_workspaces(call, self._rows, self.list_faults)

    def _route(self, path: str, handlers: Mapping[str, Handler]) -> Route:
        async def endpoint(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            return await self._answer(request, handlers[method], path in _OPEN)

        return Route(_API + path, endpoint, methods=list(handlers), include_in_schema=False)

    async def _answer(self, request: Request, handler: Handler, open_to_all: bool) -> Response:
        body = b"" if request.method == "GET" else await request.body()
        state = self.state
        with state.lock:
            state.advance()
            limited: dict[str, str] = {}
            try:
                subject = None
                refused = None
                try:
                    subject = subject_of(state, request.headers)
                except Refused as error:
                    refused = error
                limited = self._limited(request, subject)
                if not open_to_all:
                    _require(subject, refused)
                response = handler(
                    Call(
                        state,
                        subject,
                        request.path_params,
                        request.query_params,
                        request.headers.get("host", ""),
                        body,
                    )
                )
            except Refused as error:
                response = error.response
        response.headers.update({**limited, "x-coder-build-version": state.flavour.version})
        return response

    def _limited(self, request: Request, subject: Subject | None) -> dict[str, str]:
        """The rate headers; 429 once the user (or address) has spent the path's budget.

        The header that lifts the limit is for owners; from others it is 428.
        """
        if request.headers.get("x-coder-bypass-ratelimit") == "true" and subject is not None:
            if "owner" in subject.user.roles:
                return {}
            refused = Refused(428, "")
            refused.response = PlainTextResponse("Precondition Required: the bypass is for owners", 428)
            raise refused
        who = subject.user.id if subject else request.client.host if request.client else ""
        verdict = self.rate.take(f"{who} {request.url.path}")
        limit = verdict.limit or 512
        headers = {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(verdict.remaining if verdict.limit else limit),
            "x-ratelimit-reset": str(math.ceil(self.state.clock() + verdict.reset)),
        }
        if verdict.allowed:
            return headers
        minutes, seconds = divmod(round(verdict.period), 60)
        raise Refused(
            429,
            f"You've been rate limited for sending more than {limit} requests in {minutes}m{seconds}s.",
            headers={**headers, "retry-after": str(math.ceil(verdict.retry_after))},
        )

    async def _unrouted(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        response: Response = HTMLResponse(_PAGE)
        if request.url.path == _API or request.url.path.startswith(_API + "/"):

            def unknown(call: Call) -> Response:
                return json_response({"message": "Route not found."}, 404)

            response = await self._answer(Request(scope, receive), unknown, open_to_all=True)
        await response(scope, receive, send)


def _require(subject: Subject | None, refused: Refused | None) -> None:
    if refused is not None:
        raise refused
    if subject is None:
        raise Refused(
            401,
            "You are signed out or your session has expired. Please sign in again to continue.",
            'Cookie "coder_session_token" or query parameter must be provided.',
            headers={"www-authenticate": 'Bearer realm="coder"'},
        )


async def _healthz(request: Request) -> Response:
    return PlainTextResponse("OK")
