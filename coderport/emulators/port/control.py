"""Control routes of the Port emulator, served apart from the emulated API by the pair's control server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coderport.emulators.kit import EmulatorError, control_routes
from coderport.emulators.port.behaviour import Behaviour
from coderport.emulators.port.emulator import PortEmulator
from coderport.emulators.port.problems import Problem
from coderport.emulators.seen import as_field


def routes(emulator: PortEmulator) -> list[Route]:
    """The shared control routes and Port's own.

    ``GET /objects`` → what exists; ``GET|PUT /entities/{blueprint}`` (all; upsert one, ``?by=`` names the writer),
    ``GET|DELETE /entities/{blueprint}/{entity}``; ``GET|PUT /blueprints/{blueprint}``; ``POST /clients``
    ``{"name"}`` → ``{"client_id", "client_secret"}``; ``DELETE /tokens`` makes the client's token invalid.
    ``PUT|DELETE /integrations/{integration}`` ``{"kind"?, "processes_actions"?, "hears_events"?}`` installs one or
    removes it; ``GET|PUT /behaviour`` with fields of `Behaviour`;
    ``PUT /default-branches/{owner}/{name}`` ``{"branch"}``. ``POST /users`` ``{"email", "roles"?, "teams"?}``;
    ``POST /actions/{action}/runs`` ``{"by", "inputs"?, "entity"?, "view_as"?}`` runs an action as that person;
    ``GET /runs``, ``/runs/{run}`` (``?wait=`` seconds for its end) and its ``/logs`` and ``/entities``;
    ``POST /runs/{run}/approval`` ``{"by", "status": "APPROVE" | "DECLINE", "view_as"?}`` and
    ``/runs/{run}/workflow`` ``{"code"}``; ``GET /dispatches``, ``/deliveries``; ``POST|DELETE /item-faults``
    ``{"identifiers", "status", "error", "message"?, "times"?}`` for items of bulk writes.
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

    async def users(request: Request) -> Response:
        return JSONResponse({"user": emulator.add_user(**await request.json())}, 201)

    async def integration(request: Request) -> Response:
        name = request.path_params["integration"]
        if request.method == "DELETE":
            emulator.remove_integration(name)
            return JSONResponse({})
        return JSONResponse(
            {"integration": emulator.put_integration(name, **json.loads(await request.body() or b"{}"))}
        )

    async def behaviour(request: Request) -> Response:
        if request.method == "PUT":
            given = await request.json()
            emulator.behave(**{name: as_field(Behaviour, name, value) for name, value in given.items()})
        fields = asdict(emulator.behaviour).items()
        return JSONResponse({key: sorted(each) if isinstance(each, frozenset) else each for key, each in fields})

    async def default_branch(request: Request) -> Response:
        emulator.set_default_branch(request.path_params["repository"], (await request.json())["branch"])
        return JSONResponse({})

    async def start(request: Request) -> Response:
        return JSONResponse({"run": emulator.run_action(request.path_params["action"], **await request.json())}, 201)

    async def all_runs(request: Request) -> Response:
        return JSONResponse({"runs": emulator.runs()})

    async def run(request: Request) -> Response:
        name, wait = request.path_params["run"], request.query_params.get("wait")
        if wait is None:
            return JSONResponse({"run": emulator.run(name)})
        return JSONResponse({"run": await asyncio.to_thread(emulator.wait_for_run, name, float(wait))})

    async def logs(request: Request) -> Response:
        return JSONResponse({"logs": emulator.run_logs(request.path_params["run"])})

    async def run_entities(request: Request) -> Response:
        return JSONResponse({"entities": emulator.run_entities(request.path_params["run"])})

    async def approval(request: Request) -> Response:
        body = await request.json()
        decide = emulator.decline if body["status"] == "DECLINE" else emulator.approve
        return JSONResponse({"run": decide(request.path_params["run"], body["by"], view_as=body.get("view_as"))})

    async def workflow(request: Request) -> Response:
        emulator.finish_workflow(request.path_params["run"], (await request.json())["code"])
        return JSONResponse({})

    async def dispatches(request: Request) -> Response:
        return JSONResponse({"dispatches": emulator.dispatches})

    async def deliveries(request: Request) -> Response:
        return JSONResponse({"deliveries": emulator.deliveries})

    async def item_faults(request: Request) -> Response:
        if request.method == "DELETE":
            emulator.clear_item_faults()
        else:
            emulator.fail_items(**await request.json())
        return JSONResponse({})

    return [
        Route("/users", _refusing(users), methods=["POST"]),
        Route("/integrations/{integration}", integration, methods=["PUT", "DELETE"]),
        Route("/behaviour", behaviour, methods=["GET", "PUT"]),
        Route("/default-branches/{repository:path}", default_branch, methods=["PUT"]),
        Route("/actions/{action}/runs", _refusing(start), methods=["POST"]),
        Route("/runs", all_runs, methods=["GET"]),
        Route("/runs/{run}", _refusing(run), methods=["GET"]),
        Route("/runs/{run}/logs", _refusing(logs), methods=["GET"]),
        Route("/runs/{run}/entities", _refusing(run_entities), methods=["GET"]),
        Route("/runs/{run}/approval", _refusing(approval), methods=["POST"]),
        Route("/runs/{run}/workflow", _refusing(workflow), methods=["POST"]),
        Route("/dispatches", dispatches, methods=["GET"]),
        Route("/deliveries", deliveries, methods=["GET"]),
        Route("/item-faults", item_faults, methods=["POST", "DELETE"]),
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
        except EmulatorError as error:
            return JSONResponse({"message": str(error)}, 409)
        return response

    return answered


def _found(name: str, value: Any) -> Response:
    return JSONResponse({name: value}, 200 if value is not None else 404)
