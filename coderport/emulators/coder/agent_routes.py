"""Routes of one workspace agent: what it is, what listens in it."""

from __future__ import annotations

from starlette.responses import Response

from coderport.emulators.coder.build_rows import agents_of
from coderport.emulators.coder.http import Call, Refused, json_response, not_found
from coderport.emulators.coder.records import Workspace
from coderport.emulators.coder.written import Json


def _agent(call: Call, action: str) -> Json:
    """The agent that the path names, as it stands in its workspace's latest build; 404 to who may not."""
    wanted, state = call.id("agent"), call.state
    for workspace in state.undeleted():
        for agent in agents_of(state, workspace):
            if agent["id"] == wanted:
                return _allowed(call, action, workspace, agent)
    raise not_found()


def _allowed(call: Call, action: str, workspace: Workspace, agent: Json) -> Json:
    if not call.subject.may_workspace(action, workspace):
        raise not_found()
    return agent


def get_agent(call: Call) -> Response:
    """``GET /workspaceagents/{agent}``."""
    return json_response(_agent(call, "read"))


def get_listening_ports(call: Call) -> Response:
    """``GET /workspaceagents/{agent}/listening-ports``: nothing listens in an emulated one; 400 unless connected."""
    _require_connected(_agent(call, "read"))
    return json_response({"ports": []})


def get_containers(call: Call) -> Response:
    """``GET /workspaceagents/{agent}/containers``, on servers that have it: none run in an emulated one."""
    if not call.state.flavour.prebuild_fields:
        raise Refused(404, "Route not found.")
    _require_connected(_agent(call, "read"))
    return json_response({"devcontainers": [], "containers": [], "warnings": None})


def _require_connected(agent: Json) -> None:
    if agent["status"] != "connected":
        raise Refused(400, f'Agent state is "{agent["status"]}", it must be in the "connected" state.')
