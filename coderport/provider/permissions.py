"""The resource `port:index/actionPermissions:ActionPermissions`: who may run an action, and who approves."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from coderport.catalog import resource_types
from coderport.port.client import PortClient
from coderport.provider.holdings import Holdings
from coderport.provider.protocol import UNKNOWN, Found, Kind, Problem, Properties, Recorded
from coderport.provider.translation import TEXT, Field, Json, Shape, Trail, compared

TOKEN = resource_types.ACTION_PERMISSIONS

SETS = ("users", "roles", "teams")
"""Whom a right is given to."""


class SetOf:
    """A list whose order and repetitions mean nothing."""

    def to_port(self, given: Any, trail: Trail) -> Any:
        return list(given) if isinstance(given, list) else given

    def to_input(self, live: Any) -> Any:
        return list(live) if isinstance(live, list) else None

    def seen(self, live: Any) -> Any:
        return sorted(set(live)) if isinstance(live, list) else live


_WHO = (*(Field(name, name, SetOf()) for name in SETS), Field("policy", "policy", TEXT))
_SHAPE = Shape(
    (
        Field("execute", "execute", Shape((*_WHO, Field("ownedByTeam", "ownedByTeam", idle=False)))),
        Field("approve", "approve", Shape(_WHO)),
    )
)


class PermissionsResource:
    """Set who may run and approve an action. They are there as long as the action is, so deleting them leaves them."""

    def __init__(self, client: PortClient, holdings: Holdings) -> None:
        self._client = client
        self._holdings = holdings

    def problems(self, inputs: Properties) -> list[Problem]:
        """What of the inputs cannot be accepted."""
        found = []
        if not inputs.get("actionIdentifier"):
            found.append(Problem("actionIdentifier", "permissions need an actionIdentifier"))
        given = inputs.get("permissions")
        for part in ("execute", "approve"):
            if given is None or (isinstance(given, Mapping) and given.get(part) is None):
                found.append(Problem("permissions", f"permissions need the part {part}"))
        trail = Trail("permissions")
        _SHAPE.to_port(given, trail)
        return found + [Problem("permissions", f"{path} {reason}") for path, reason in trail.complaints]

    async def diff(self, state: Recorded, news: Properties) -> Mapping[str, Kind]:
        """Where Port, or else the state, is not what the program wants."""
        identifier = _identifier(state)
        if news["actionIdentifier"] != identifier:
            return {"actionIdentifier": Kind.UPDATE}
        live = await self._holdings.action_permissions(identifier)
        if live is None:
            return {"actionIdentifier": Kind.ADD}
        recorded = _differences(body(state.inputs), news) if state.inputs else {}
        return {**recorded, **_differences(live, news)}

    async def create(self, news: Properties, preview: bool) -> tuple[str, Mapping[str, Any]]:
        """Set the permissions; (id, outputs)."""
        if preview:
            return "", outputs(news)
        await self._set(news)
        return news["actionIdentifier"], outputs(news)

    async def read(self, state: Recorded) -> Found | None:
        """What Port holds of the state's inputs; without those (an import) everything that it holds."""
        identifier = _identifier(state)
        live = await self._holdings.action_permissions(identifier)
        if live is None:
            return None
        inputs: Properties = state.inputs
        if not inputs or _differences(live, inputs):
            inputs = {"actionIdentifier": identifier, "permissions": _permissions(live)}
        return Found(identifier, inputs, outputs(inputs))

    async def update(self, state: Recorded, news: Properties, preview: bool) -> Mapping[str, Any]:
        """Bring Port to what the program wants; nothing is sent if it already is."""
        if not preview:
            live = await self._holdings.action_permissions(news["actionIdentifier"])
            if live is None or _differences(live, news):
                await self._set(news)
        return outputs(news)

    async def _set(self, news: Properties) -> None:
        identifier = news["actionIdentifier"]
        live = await self._client.patch_action_permissions(identifier, body(news))
        self._holdings.wrote_action_permissions(identifier, live)

    async def delete(self, state: Recorded) -> None:
        """Nothing: an action has permissions as long as it exists."""


def body(inputs: Properties) -> Json:
    """The permissions as Port's API takes them, whole: what the program leaves out is emptied."""
    given = _SHAPE.to_port(inputs.get("permissions"), Trail())
    if not isinstance(given, Mapping):
        return {"execute": given, "approve": given}
    execute: Json = {**_nobody(), "ownedByTeam": True, "policy": None}
    return {
        "execute": _over(execute, given.get("execute", {})),
        "approve": _over({**_nobody(), "policy": None}, given.get("approve", {})),
    }


def outputs(given: Properties) -> Json:
    """The outputs as the stock provider shapes them: the inputs with the lists that are empty, and the id."""
    result: Json = {key: copy.deepcopy(value) for key, value in given.items() if value is not None}
    permissions = result["permissions"]
    if isinstance(permissions, Mapping):
        result["permissions"] = {
            "execute": _over({**_nobody(), "ownedByTeam": True}, permissions["execute"]),
            "approve": _over(_nobody(), permissions["approve"]),
        }
    return {**result, "id": given["actionIdentifier"]}


def _nobody() -> Json:
    return {name: [] for name in SETS}


def _over(defaults: Json, given: Any) -> Any:
    """The part with its defaults; one that is not known before the update as it is."""
    if given == UNKNOWN:
        return given
    return {**defaults, **{key: value for key, value in given.items() if value is not None}}


def _differences(live: Mapping[str, Any], news: Properties) -> dict[str, Kind]:
    return compared(_SHAPE.seen(live), _SHAPE.seen(body(news)), "permissions")


def _permissions(live: Mapping[str, Any]) -> Json:
    """The inputs that make Port's permissions, with the lists that are empty."""
    seen: Json = _SHAPE.to_input(live)
    return {part: {**_nobody(), **seen.get(part, {})} for part in ("execute", "approve")}


def _identifier(state: Recorded) -> str:
    identifier = state.outputs.get("actionIdentifier")
    return identifier if isinstance(identifier, str) else state.id
