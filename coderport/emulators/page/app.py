"""The page's server: the bundle, what it shows as JSON, and what its buttons do.

It is for the browser on this machine alone. It answers under names of loopback only, which keeps a foreign name that
was pointed at it (DNS rebinding) out, and it writes only for its own page: a browser says in ``Origin`` from which page
a request comes. Nothing is allowed to other origins, so their pages cannot read an answer either.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.kit import EmulatorError, compact_json
from coderport.emulators.page import coder_side, port_side
from coderport.emulators.page.dashboard import dashboard
from coderport.emulators.page.form import form
from coderport.emulators.port import PortEmulator, Problem
from coderport.emulators.port.people import User, person
from coderport.emulators.port.store import Store

BUNDLE: Final = Path(__file__).parent / "bundle"
FILES: Final[Mapping[str, tuple[str, str]]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/views.js": ("views.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HOSTS: Final = ("127.0.0.1", "localhost")
_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_LARGEST_BODY: Final = 64 * 1024

Json = dict[str, Any]


class Page:
    """The handlers over one pair of emulators."""

    def __init__(self, coder: CoderEmulator, port: PortEmulator) -> None:
        self._coder, self._port = coder, port

    # ------------------------------------------------------------ reading

    def coder(self, request: Request) -> Json:
        return coder_side.deployment(self._coder, request.query_params.get("find", ""))

    def overview(self, request: Request) -> Json:
        shown = self._port.look(port_side.overview)
        return {**shown, "people": sorted({*shown["people"], *coder_side.people(self._coder)})}

    def table(self, request: Request) -> Json:
        blueprint, find = request.path_params["blueprint"], request.query_params.get("find", "")
        return self._port.look(lambda store: port_side.table(store, blueprint, find))

    def entity(self, request: Request) -> Json:
        query, who = request.query_params, request.query_params.get("as")
        named = query.get("blueprint", ""), query.get("entity", "")
        return self._port.look(lambda store: port_side.entity_page(store, *named, _user(store, who)))

    def hub(self, request: Request) -> Json:
        who = request.query_params.get("as")
        return self._port.look(lambda store: port_side.hub(store, _user(store, who)))

    def runs(self, request: Request) -> Json:
        return self._port.look(port_side.all_runs)

    def run(self, request: Request) -> Json:
        return self._port.look(lambda store: port_side.run_page(store, request.path_params["run"]))

    def dashboard(self, request: Request) -> Json:
        name, who = request.path_params["page"], request.query_params.get("as")
        return self._port.look(lambda store: dashboard(store, name, _user(store, who)))

    # ------------------------------------------------------------ writing

    def change_workspace(self, request: Request, body: Json) -> Json:
        workspace = request.path_params["workspace"]
        coder_side.change_workspace(self._coder, workspace, _text(body, "do"), _text(body, "name", ""))
        return {}

    def change_template(self, request: Request, body: Json) -> Json:
        coder_side.change_template(self._coder, request.path_params["template"], _text(body, "do"))
        return {}

    def enter(self, request: Request, body: Json) -> Json:
        """Let one of Coder's users into Port, as a member; who is in already stays as they are."""
        email = _text(body, "email")
        if email not in self._port.look(lambda store: set(store.users)):
            if email not in coder_side.people(self._coder):
                raise EmulatorError(f"Coder has no user {email}")
            self._port.add_user(email)
        return {"email": email}

    def form(self, request: Request, body: Json) -> Json:
        """The form as this person gets it, with what they have filled in so far. POST, for the inputs' sake."""

        def at(store: Store) -> Json:
            action = port_side.action_of(store, request.path_params["action"])
            blueprint = action["trigger"].get("blueprintIdentifier")
            entity = port_side.entity_of(store, blueprint, body.get("entity"))
            return form(store, action, _inputs(body), entity, person(store.users, _text(body, "as")))

        return self._port.look(at)

    def start(self, request: Request, body: Json) -> Json:
        """Run an action as this person; the run's id."""
        action, who = request.path_params["action"], _text(body, "as")
        run = self._port.run_action(action, by=who, inputs=_inputs(body), entity=body.get("entity"))
        return {"id": run["id"]}

    def decide(self, request: Request, body: Json) -> Json:
        """Approve or decline a run that waits, as this person."""
        decide = {"approve": self._port.approve, "decline": self._port.decline}.get(_text(body, "do"))
        if decide is None:
            raise EmulatorError("a run that waits is approved or declined")
        decide(request.path_params["run"], _text(body, "as"))
        return {}

    def routes(self) -> list[Route]:
        reads = {
            "/api/coder": self.coder,
            "/api/port": self.overview,
            "/api/port/blueprints/{blueprint:path}": self.table,
            "/api/port/entity": self.entity,
            "/api/port/actions": self.hub,
            "/api/port/runs": self.runs,
            "/api/port/runs/{run}": self.run,
            "/api/port/pages/{page:path}": self.dashboard,
        }
        writes = {
            "/api/coder/workspaces/{workspace}": self.change_workspace,
            "/api/coder/templates/{template}": self.change_template,
            "/api/port/people": self.enter,
            "/api/port/actions/{action:path}/form": self.form,
            "/api/port/actions/{action:path}/runs": self.start,
            "/api/port/runs/{run}/approval": self.decide,
        }
        return [
            *(Route(path, _file(*named)) for path, named in FILES.items()),
            *(Route(path, _read(handler)) for path, handler in reads.items()),
            *(Route(path, _written(handler), methods=["POST"]) for path, handler in writes.items()),
        ]


def application(coder: CoderEmulator, port: PortEmulator) -> Starlette:
    """The page as an ASGI application; `Host` must be a name of loopback."""
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=list(_HOSTS), www_redirect=False)
    return Starlette(routes=Page(coder, port).routes(), middleware=[hosts])


def _file(name: str, media_type: str) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        return FileResponse(BUNDLE / name, media_type=media_type, headers=_HEADERS)

    return endpoint


def _read(handler: Callable[[Request], Json]) -> Any:
    async def endpoint(request: Request) -> Response:
        response = _answered(lambda: handler(request))
        if request.headers.get("if-none-match") == response.headers["etag"]:
            return Response(status_code=304, headers={**_HEADERS, "etag": response.headers["etag"]})
        return response

    return endpoint


def _written(handler: Callable[[Request, Json], Json]) -> Any:
    async def endpoint(request: Request) -> Response:
        if request.headers.get("origin") != f"{request.url.scheme}://{request.headers.get('host')}":
            return _answer({"message": "only this page itself may ask for that"}, 403)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST_BODY:
                return _answer({"message": f"the body is larger than {_LARGEST_BODY} bytes"}, 413)
        try:
            order = json.loads(body)
        except (ValueError, RecursionError):
            order = None
        if not isinstance(order, dict):
            return _answer({"message": "the body must be a JSON object"}, 400)
        return _answered(lambda: handler(request, order))

    return endpoint


def _answered(make: Callable[[], Json]) -> Response:
    try:
        return _answer(make())
    except Problem as problem:
        return _answer({"message": problem.message}, problem.status)
    except EmulatorError as error:
        return _answer({"message": str(error)}, 409)


def _answer(value: Json, status: int = 200) -> Response:
    body = compact_json(value)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return Response(body, status, {**_HEADERS, "etag": tag}, media_type="application/json")


def _user(store: Store, email: str | None) -> User | None:
    return store.users.get(email or "")


def _text(body: Json, key: str, default: str | None = None) -> str:
    value = body.get(key, default)
    if not isinstance(value, str):
        raise EmulatorError(f"{key} must be a text")
    return value


def _inputs(body: Json) -> Json:
    inputs = body.get("inputs", {})
    if not isinstance(inputs, dict):
        raise EmulatorError("inputs must be an object")
    return inputs
