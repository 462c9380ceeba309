"""A stack that the version before has made: this one finds nothing to do, in Port, in the state, in the outputs.

`recordings/stack-of-format-3.json` was made by commit ad46267 with the emulators: the stack's export, what Port held,
and each answer of Coder that the run had asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, in_state
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coderport.commands.sync import sync
from coderport.emulators.kit import serve
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.planning.memory import FORMAT
from coderport.port.client import PortClient

Json = dict[str, Any]
RECORDING = Path(__file__).parent / "recordings" / "stack-of-format-3.json"
STAMPS = ("createdAt", "createdBy", "updatedAt", "updatedBy", "id")


def recorded_coder(answers: dict[str, Json]) -> Starlette:
    """A Coder that gives the recorded answers, and whose token may read everything."""

    async def answer(request: Request) -> Response:
        if request.method == "POST":
            return JSONResponse(dict.fromkeys((await request.json())["checks"], True))
        asked = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        if asked not in answers:
            return JSONResponse({"message": "Route not found."}, 404)
        return JSONResponse(answers[asked]["body"], answers[asked]["status"])

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


def restore(pair: Pair, held: Json) -> None:
    """Gives Port what it held then."""

    def plain(body: Json) -> Json:
        return {key: value for key, value in body.items() if key not in STAMPS}

    for blueprint in held["blueprints"]:
        pair.port.put_blueprint(plain(blueprint))
    for name, entities in sorted(held["entities"].items()):  # templates before workspaces
        for entity in entities:
            members = ("identifier", "title", "properties", "relations")
            pair.port.put_entity(name, {key: entity[key] for key in members})

    async def actions() -> None:
        async with PortClient(pair.port_url, pair.port.client_id, pair.port.client_secret) as client:
            for action in held["actions"]:
                await client.create_action(plain(action))
                await client.patch_action_permissions(action["identifier"], held["permissions"][action["identifier"]])

    asyncio.run(actions())


@pytest.fixture
def lab(tmp_path: Path, cli: CliInfo) -> Iterator[Lab]:
    """The stack as it was left, its state imported."""
    recorded: Json = json.loads(RECORDING.read_text())
    coder = serve(recorded_coder(recorded["coder"]))
    with Pair(seed=5, workspaces=0, templates=0) as pair:
        lab = Lab(tmp_path, cli, pair)
        restore(pair, recorded["port"])
        state = json.dumps(recorded["state"]).replace("@PORT@", pair.port_url)
        (tmp_path / "state.json").write_text(state.replace(recorded["organization"], pair.port.organization_id))
        lab.stack.configure(
            {"coderApiBaseUrl": coder.url, "actions": {"backend": "webhook", "url": "http://127.0.0.1:9/runs"}}
        )
        lab.pulumi("stack", "import", "--stack", "lab", "--file", str(tmp_path / "state.json"))
        pair.port.reset_requests()
        yield lab
    coder.stop()


def outputs(lab: Lab) -> Json:
    """The outputs, without the number of their format and the fingerprint of version and settings."""
    found = lab.stack.outputs()
    return {
        **found,
        "coderport": {key: each for key, each in found["coderport"].items() if key not in ("format", "fit")},
    }


def in_port(lab: Lab) -> list[Any]:
    """All that Port holds, with the times and writers."""
    names = ("coder_template", "coder_workspace")
    return [
        lab.port.objects(),
        *(lab.port.blueprint(name) for name in names),
        *(lab.port.entities(name) for name in names),
    ]


def test_a_stack_of_the_version_before_changes_in_nothing(lab: Lab) -> None:
    assert lab.stack.outputs()["coderport"]["format"] == 3
    said, state, port = outputs(lab), in_state(lab), in_port(lab)
    outcome, tally = lab.up()
    assert (outcome.result, outcome.port_writes, tally.changes) == ("unchanged", 0, [])
    assert outcome.kinds.template.unchanged == 3
    assert outcome.kinds.workspace.unchanged == 7
    assert lab.stack.outputs()["coderport"]["format"] == FORMAT
    assert (outputs(lab), in_state(lab), in_port(lab)) == (said, state, port)
    outcome, tally = sync(lab.stack)
    assert (outcome.result, outcome.port_writes, tally.engine_ran) == ("unchanged", 0, False)
