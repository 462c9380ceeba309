"""Control routes of the Port emulator, served apart from the emulated API by the pair's control server."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coderport.emulators.kit import control_routes
from coderport.emulators.port.emulator import PortEmulator
from coderport.emulators.port.problems import Problem


def routes(emulator: PortEmulator) -> list[Route]:
    """The shared control routes and Port's own.

    ``GET /objects`` → what exists; ``GET|PUT /entities/{blueprint}`` (all; upsert one, ``?by=`` names the writer),
    ``GET|DELETE /entities/{blueprint}/{entity}``; ``GET|PUT /blueprints/{blueprint}``; ``POST /clients``
    ``{"name"}`` → ``{"client_id", "client_secret"}``; ``DELETE /tokens`` makes the client's token invalid.
    """

    async def objects(request: Request) -> Response:
        return JSONResponse(emulator.objects())

    async def entities(request: Request) -> Response:
        blueprint = request.path_params["blueprint"]
        if request.method == "GET":
            return JSONResponse({"entities": emulator.entities(blueprint)})
        by = request.query_params.get("by", "someone")
        return JSONResponse({"entity": emulator.put_entity(blueprint, await request.json(), by)})

    async def entity(request: Request) -> Response:
        blueprint, identifier = request.path_params["blueprint"], request.path_params["entity"]
        if request.method == "DELETE":
            emulator.delete_entity(blueprint, identifier)
            return JSONResponse({})
        return _found("entity", emulator.entity(blueprint, identifier))

    async def blueprint(request: Request) -> Response:
        name = request.path_params["blueprint"]
        if request.method == "PUT":
            body = {"identifier": name, **await request.json()}
            return JSONResponse({"blueprint": emulator.put_blueprint(body, request.query_params.get("by", "someone"))})
        return _found("blueprint", emulator.blueprint(name))

    async def clients(request: Request) -> Response:
        client_id, secret = emulator.add_client((await request.json())["name"])
        return JSONResponse({"client_id": client_id, "client_secret": secret}, 201)

    async def tokens(request: Request) -> Response:
        emulator.revoke_tokens(request.query_params.get("client_id"))
        return JSONResponse({})

    return [
        Route("/objects", objects, methods=["GET"]),
        Route("/entities/{blueprint}", _refusing(entities), methods=["GET", "PUT"]),
        Route("/entities/{blueprint}/{entity:path}", _refusing(entity), methods=["GET", "DELETE"]),
        Route("/blueprints/{blueprint}", _refusing(blueprint), methods=["GET", "PUT"]),
        Route("/clients", clients, methods=["POST"]),
        Route("/tokens", tokens, methods=["DELETE"]),
        *control_routes(emulator.faults, emulator.log),
    ]


def _refusing(endpoint: Any) -> Any:
    """The endpoint with the emulator's refusals as answers."""

    async def answered(request: Request) -> Response:
        try:
            response: Response = await endpoint(request)
        except Problem as problem:
            return JSONResponse(problem.body(), problem.status)
        return response

    return answered


def _found(name: str, value: Any) -> Response:
    return JSONResponse({name: value}, 200 if value is not None else 404)
