"""The emulated API as an ASGI application: routes, tokens, rate limit, and what surrounds the API."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from coderport.emulators.coder import (
    agent_routes,
    audit_routes,
    build_routes,
    deployment_routes,
    file_routes,
    job_routes,
    member_routes,
    reading,
    sharing_routes,
    template_routes,
    token_routes,
    workspace_routes,
)
from coderport.emulators.coder.following import Followed, follow
from coderport.emulators.coder.http import Call, Refused, json_response, subject_of
from coderport.emulators.coder.listing import ListFaults, list_workspaces
from coderport.emulators.coder.prices import CORES
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
    "/entitlements": {"GET": deployment_routes.get_entitlements},
    "/experiments": {"GET": deployment_routes.get_experiments},
    "/appearance": {"GET": deployment_routes.get_appearance},
    "/updatecheck": {"GET": deployment_routes.get_update_check},
    "/deployment/config": {"GET": deployment_routes.get_deployment_config},
    "/deployment/ssh": {"GET": deployment_routes.get_ssh_config},
    "/deployment/stats": {"GET": deployment_routes.get_deployment_stats},
    "/regions": {"GET": deployment_routes.get_regions},
    "/licenses": {"GET": deployment_routes.list_licences},
    "/workspaceproxies": {"GET": deployment_routes.list_proxies},
    "/workspaceproxies/{proxy}": {"GET": deployment_routes.get_proxy},
    "/insights/templates": {"GET": deployment_routes.get_template_insights},
    "/insights/user-activity": {"GET": deployment_routes.get_user_activity},
    "/audit": {"GET": audit_routes.list_audit},
    "/groups": {"GET": member_routes.list_groups},
    "/groups/{group}": {"GET": member_routes.get_group},
    "/files/{file}": {"GET": file_routes.get_file},
    "/workspace-quota/{user}": {"GET": member_routes.get_user_quota},
    "/workspaceagents/{agent}": {"GET": agent_routes.get_agent},
    "/workspaceagents/{agent}/listening-ports": {"GET": agent_routes.get_listening_ports},
    "/workspaceagents/{agent}/containers": {"GET": agent_routes.get_containers},
    "/users": {"GET": reading.list_users},
    "/users/first": {"GET": deployment_routes.get_first_user},
    "/users/logout": {"POST": deployment_routes.log_out},
    "/users/{user}/login-type": {"GET": deployment_routes.get_login_type},
    "/users/{user}/keys": {"POST": token_routes.create_session},
    "/users/{user}/keys/tokens": {"GET": token_routes.list_tokens, "POST": token_routes.create_token},
    "/users/{user}/keys/tokens/tokenconfig": {"GET": token_routes.get_token_config},
    "/users/{user}/keys/tokens/{name}": {"GET": token_routes.get_token_by_name},
    "/users/{user}/keys/{key}": {"GET": token_routes.get_key, "DELETE": token_routes.delete_key},
    "/users/{user}/keys/{key}/expire": {"PUT": token_routes.expire_key},
    "/users/{user}": {"GET": reading.get_user},
    "/users/{user}/organizations": {"GET": reading.user_organizations},
    "/users/{user}/workspaces": {"POST": workspace_routes.create_workspace},
    "/users/{user}/workspace/{name}": {"GET": workspace_routes.get_workspace_by_name},
    "/users/{user}/workspace/{name}/builds/{number}": {"GET": build_routes.get_build_by_number},
    "/organizations": {"GET": reading.list_organizations},
    "/organizations/{organization}": {"GET": reading.get_organization},
    "/organizations/{organization}/templates": {"GET": template_routes.list_organization_templates},
    "/organizations/{organization}/templates/{name}": {"GET": template_routes.get_template_by_name},
    "/organizations/{organization}/templates/{name}/versions/{version}": {
        "GET": template_routes.get_organization_version,
    },
    "/organizations/{organization}/members": {"GET": member_routes.list_members},
    "/organizations/{organization}/members/roles": {"GET": member_routes.list_member_roles},
    "/organizations/{organization}/members/{user}": {
        "GET": member_routes.get_member,
        "POST": member_routes.add_member,
        "DELETE": member_routes.remove_member,
    },
    "/organizations/{organization}/members/{user}/roles": {"PUT": member_routes.put_member_roles},
    "/organizations/{organization}/members/{user}/workspaces": {"POST": workspace_routes.create_member_workspace},
    "/organizations/{organization}/members/{user}/workspace-quota": {"GET": member_routes.get_member_quota},
    "/organizations/{organization}/paginated-members": {"GET": member_routes.list_members_in_pages},
    "/organizations/{organization}/groups": {"GET": member_routes.list_organization_groups},
    "/organizations/{organization}/provisionerkeys": {"GET": deployment_routes.list_provisioner_keys},
    "/organizations/{organization}/provisionerkeys/daemons": {"GET": deployment_routes.list_provisioner_keys},
    "/templates": {"GET": template_routes.list_templates},
    "/templates/{template}": {
        "GET": template_routes.get_template,
        "PATCH": template_routes.patch_template,
        "DELETE": template_routes.delete_template,
    },
    "/templates/{template}/acl": {"GET": template_routes.get_acl},
    "/templates/{template}/daus": {"GET": deployment_routes.get_daily_users},
    "/templates/{template}/versions/{version}": {"GET": template_routes.get_version_by_name},
    "/templates/{template}/versions": {
        "GET": template_routes.list_versions,
        "PATCH": template_routes.promote_version,
    },
    "/templateversions/{version}": {"GET": template_routes.get_version},
    "/templateversions/{version}/rich-parameters": {"GET": template_routes.get_parameters},
    "/templateversions/{version}/dynamic-parameters/evaluate": {"POST": template_routes.evaluate_parameters},
    "/templateversions/{version}/external-auth": {"GET": template_routes.get_external_auth},
    "/templateversions/{version}/variables": {"GET": template_routes.get_variables},
    "/templateversions/{version}/presets": {"GET": template_routes.get_presets},
    "/templateversions/{version}/dry-run": {"POST": job_routes.create_dry_run},
    "/templateversions/{version}/dry-run/{job}": {"GET": job_routes.get_dry_run},
    "/templateversions/{version}/dry-run/{job}/resources": {"GET": job_routes.get_dry_run_resources},
    "/templateversions/{version}/dry-run/{job}/logs": {"GET": job_routes.get_dry_run_logs},
    "/templateversions/{version}/dry-run/{job}/matched-provisioners": {"GET": job_routes.get_matched_provisioners},
    "/templateversions/{version}/dry-run/{job}/cancel": {"PATCH": job_routes.cancel_dry_run},
    "/organizations/{organization}/provisionerjobs": {"GET": job_routes.list_jobs},
    "/organizations/{organization}/provisionerjobs/{job}": {"GET": job_routes.get_job},
    "/organizations/{organization}/provisionerdaemons": {"GET": job_routes.list_daemons},
    "/workspaces/{workspace}": {
        "GET": workspace_routes.get_workspace,
        "PATCH": workspace_routes.patch_workspace,
    },
    "/workspaces/{workspace}/acl": {
        "GET": sharing_routes.get_acl,
        "PATCH": sharing_routes.patch_acl,
        "DELETE": sharing_routes.delete_acl,
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
    "/workspacebuilds/{build}/state": {"GET": file_routes.get_state},
    "/workspacebuilds/{build}/parameters": {"GET": build_routes.get_build_parameters},
    "/workspacebuilds/{build}/cancel": {"PATCH": build_routes.cancel_build},
}


_FOLLOWED: Mapping[str, Callable[[Call], Followed]] = {
    "/workspacebuilds/{build}/logs": build_routes.followed_build,
    "/templateversions/{version}/dry-run/{job}/logs": job_routes.followed_dry_run,
}
"""The logs that can be followed by a WebSocket."""


class Api:
    """The routes over one state.

    `state` and `list_faults` may be replaced while it serves, as seeding does.
    """

    def __init__(self, state: State, rate: RateBuckets) -> None:
        self.rate = rate
        self._cores = asyncio.Semaphore(CORES)
        self.list_faults = ListFaults()
        self.reset(state)

    def reset(self, state: State) -> None:
        """Serve another state from now on, with nothing cached of the one before."""
        self.state, self._rows = state, RowCache(state)

    def application(self) -> ASGIApp:
        """Everything that the server answers, the site around the API included."""
        routes: list[BaseRoute] = [Route("/healthz", _healthz)]
        routes.append(self._route("/workspaces", {"GET": self._list_workspaces}))
        routes += [self._route(path, handlers) for path, handlers in _ROUTES.items()]
        routes += [self._followed(path, find) for path, find in _FOLLOWED.items()]
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
        bill: list[float] = []
        response = self._judged(request, body, open_to_all, handler, bill)
        if bill:
            async with self._cores:
                await asyncio.sleep(sum(bill))
        return response

    def _judged(
        self, connection: HTTPConnection, body: bytes, open_to_all: bool, handler: Handler, bill: list[float]
    ) -> Response:
        """What the handler answers, or why it was not asked: no token, or too many requests."""
        state = self.state
        with state.lock:
            state.advance()
            limited: dict[str, str] = {}
            try:
                subject = None
                refused = None
                try:
                    subject = subject_of(state, connection)
                except Refused as error:
                    refused = error
                limited = self._limited(connection, subject)
                if not open_to_all:
                    _require(subject, refused)
                response = handler(
                    Call(
                        state,
                        subject,
                        connection.path_params,
                        connection.query_params,
                        connection.headers.get("host", ""),
                        body,
                        bill,
                    )
                )
            except Refused as error:
                response = error.response
        response.headers.update({**limited, "x-coder-build-version": state.flavour.version})
        return response

    def _followed(self, path: str, find: Callable[[Call], Followed]) -> WebSocketRoute:
        """A log that is followed; a client that may not is answered as over HTTP, without the WebSocket."""

        async def endpoint(websocket: WebSocket) -> None:
            found: list[tuple[Followed, int]] = []

            def handler(call: Call) -> Response:
                if "follow" not in call.query:
                    return json_response({"message": "Route not found."}, 404)
                found.append((find(call), call.number("after")))
                return Response()

            answer = self._judged(websocket, b"", False, handler, [])
            if found:
                await follow(websocket, self.state, *found[0])
            else:
                await websocket.send_denial_response(answer)

        return WebSocketRoute(_API + path, endpoint)

    def _limited(self, request: HTTPConnection, subject: Subject | None) -> dict[str, str]:
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
        if scope["type"] == "websocket":
            websocket = WebSocket(scope, receive, send)
            await websocket.send_denial_response(json_response({"message": "Route not found."}, 404))
            return
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
