"""Control routes of the Coder emulator.

They are served apart from the emulated API, by the pair's control server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coderport.emulators.coder.emulator import CoderEmulator
from coderport.emulators.kit import EmulatorError, control_routes

_MUTATIONS = (
    "create_workspace", "start", "stop", "fail", "delete_workspace", "update_workspace", "rename_workspace",
    "claim_prebuild", "set_dormant", "set_workspace", "set_build", "create_template", "promote_version", "deprecate",
    "delete_template", "set_template", "create_organization", "create_user", "set_user", "delete_user", "create_token",
    "delete_organization", "create_group", "set_group", "delete_group", "create_proxy", "set_proxy", "delete_proxy",
    "set_licensed",
    "revoke_token", "fail_next_builds", "set_provisioners", "set_build_seconds", "set_agents", "set_build_log",
    "change_states", "churn_between_lists", "drop_rows", "set_count_off", "clear_list_faults", "start_churn",
    "stop_churn", "set_prices", "notify",
)  # fmt: skip


def routes(emulator: CoderEmulator) -> list[Route]:
    """The shared control routes and Coder's own.

    ``POST /seed`` ``{"seed": 1, "workspaces": 20, …}`` → ``{"token", "deployment_id"}``; ``POST /mutate``
    ``{"do": "rename_workspace", "args": […], "with": {…}}`` → ``{"result"}``, by the name of any of the
    emulator's changing methods; ``GET /mutate`` → those names; ``POST /churn`` ``{"per_second": 5}`` and
    ``DELETE /churn``; ``GET /objects`` → ids of what exists now.
    """

    async def seed(request: Request) -> Response:
        sizes = await request.json()
        return _done(lambda: emulator.reseed(**sizes), emulator)

    async def mutate(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"mutations": list(_MUTATIONS)})
        order = await request.json()
        name = order.get("do")
        if name not in _MUTATIONS:
            return JSONResponse({"message": f"unknown mutation {name!r}; GET /mutate lists them"}, 400)
        return _done(lambda: getattr(emulator, name)(*order.get("args", ()), **order.get("with", {})), emulator)

    async def churn(request: Request) -> Response:
        if request.method == "DELETE":
            return _done(emulator.stop_churn, emulator)
        pace = float((await request.json())["per_second"])
        return _done(lambda: emulator.start_churn(pace), emulator)

    async def objects(request: Request) -> Response:
        return JSONResponse(
            {
                "workspaces": sorted(emulator.workspace_ids(prebuilds=True)),
                "templates": sorted(emulator.template_ids()),
                "deployment_id": emulator.deployment_id,
            }
        )

    return [
        Route("/seed", seed, methods=["POST"]),
        Route("/mutate", mutate, methods=["GET", "POST"]),
        Route("/churn", churn, methods=["POST", "DELETE"]),
        Route("/objects", objects, methods=["GET"]),
        *control_routes(emulator.faults, emulator.log),
    ]


def _done(what: Callable[[], Any], emulator: CoderEmulator) -> Response:
    try:
        result = what()
    except (EmulatorError, TypeError, ValueError) as error:
        return JSONResponse({"message": str(error)}, 400)
    return JSONResponse({"result": result, "token": emulator.token, "deployment_id": emulator.deployment_id})
