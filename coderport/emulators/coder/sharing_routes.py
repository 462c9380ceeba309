"""Routes of a workspace's sharing, on servers that have it (source: `codersdk/workspaces.go`, swagger of [M]).

Who may look at it or change it is not written there; it is taken to be who may update the workspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from coderport.emulators.coder.audit import note_workspace
from coderport.emulators.coder.http import Call, Refused, empty_response, json_response
from coderport.emulators.coder.member_routes import everyone_json
from coderport.emulators.coder.records import Workspace
from coderport.emulators.coder.workspace_routes import workspace_of

_ROLES = ("admin", "use")
_REMOVED = ""


def _shareable(call: Call) -> Workspace:
    if not call.state.flavour.sharing:
        raise Refused(404, "Route not found.")
    return workspace_of(call, "update")


def get_acl(call: Call) -> Response:
    """``GET /workspaces/{workspace}/acl``: people and groups with their role."""
    state, workspace = call.state, _shareable(call)
    users, groups = [], []
    for actor in workspace.shared_with:
        role = actor["roles"][0]
        if actor["actor_type"] == "group":
            groups.append({**everyone_json(state, state.organizations[actor["id"]]), "role": role})
        else:
            user = state.users[actor["id"]]
            users.append({"id": user.id, "username": user.username, "name": user.name, "avatar_url": user.avatar_url,
                          "role": role})  # fmt: skip
    return json_response({"users": users, "group": groups})


def patch_acl(call: Call) -> Response:
    """``PATCH``: 204; a role of "" takes somebody out, others stay as they are."""
    workspace, body = _shareable(call), call.body()
    actors = {actor["id"]: dict(actor) for actor in workspace.shared_with}
    wrong: list[tuple[str, str]] = []
    for field, kind in (("user_roles", "user"), ("group_roles", "group")):
        for id, role in (body.mapping(field) or {}).items():
            known = _actor(call, kind, id)
            if role not in (*_ROLES, _REMOVED):
                wrong.append((field, f'role "{role}" is not a valid workspace role'))
            elif known is None:
                wrong.append((field, f'{kind} with ID "{id}" does not exist'))
            elif role == _REMOVED:
                actors.pop(id, None)
            else:
                actors[id] = {**known, "roles": [role]}
    if wrong:
        raise Refused(400, "Invalid request to update workspace ACL", validations=wrong)
    workspace.shared_with = tuple(actors.values())
    note_workspace(call.state, call.subject.user, "write", workspace)
    return empty_response()


def _actor(call: Call, kind: str, id: str) -> Mapping[str, Any] | None:
    if kind == "group":
        organization = call.state.organizations.get(id)
        return None if organization is None else {"id": id, "actor_type": kind, "name": "Everyone"}
    user = call.state.users.get(id)
    return None if user is None or user.system else {"id": id, "actor_type": kind, "name": user.username}


def delete_acl(call: Call) -> Response:
    """``DELETE``: shared with nobody, 204."""
    _shareable(call).shared_with = ()
    return empty_response()
