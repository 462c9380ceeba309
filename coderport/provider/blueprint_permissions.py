"""The resource `port:index/blueprintPermissions:BlueprintPermissions`: who may write the entities of a blueprint."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from coderport.catalog import resource_types
from coderport.port.client import PortClient
from coderport.port.definitions import BlueprintGrants
from coderport.provider.holdings import Holdings
from coderport.provider.permissions import SETS, SetOf
from coderport.provider.protocol import UNKNOWN, Found, Kind, Problem, Properties, Recorded
from coderport.provider.translation import TEXT, Each, Field, Json, Shape, Trail, compared

TOKEN = resource_types.BLUEPRINT_PERMISSIONS

_META = ("icon", "identifier", "team", "title")
_NEEDED = ("register", "unregister", "update", "updateMetadataProperties")


class _Grant:
    """Who has a right, whole: a list that is not given is empty."""

    def __init__(self, *, policy: bool = False) -> None:
        fields = (*(Field(name, name, SetOf()) for name in SETS), Field("ownedByTeam", "ownedByTeam", idle=False))
        self._shape = Shape((*fields, Field("policy", "policy", TEXT)) if policy else fields)

    def to_port(self, given: Any, trail: Trail) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {**{name: [] for name in SETS}, "ownedByTeam": False, **self._shape.to_port(given, trail)}

    def to_input(self, live: Any) -> Any:
        if not isinstance(live, Mapping):
            return None
        return {**{name: [] for name in SETS}, "ownedByTeam": False, **self._shape.to_input(live)}

    def seen(self, live: Any) -> Any:
        return self._shape.seen(live)


_RIGHTS = Shape(
    (
        *(Field(name, name, _Grant()) for name in ("register", "unregister", "update")),
        Field("read", "read", _Grant(policy=True)),
        Field("updateRelations", "updateRelations", Each(_Grant())),
    )
)


class _Entities:
    """`entities`: the rights, and by property who may change it, where Port names its own with a dollar."""

    def to_port(self, given: Any, trail: Trail) -> Any:
        if not isinstance(given, Mapping):
            return given
        rest = {key: value for key, value in given.items() if key not in ("updateProperties", _NEEDED[-1])}
        result: Json = _RIGHTS.to_port(rest, trail)
        own = given.get(_NEEDED[-1]) or {}
        several = {} if own == UNKNOWN else {f"${key}": value for key, value in own.items()}
        several |= given.get("updateProperties") or {}
        if several:
            result["updateProperties"] = Each(_Grant()).to_port(several, trail.at("updateProperties"))
        return result

    def to_input(self, live: Any) -> Any:
        return self._read(live, _RIGHTS.to_input(live), Each(_Grant()).to_input)

    def seen(self, live: Any) -> Any:
        return self._read(live, _RIGHTS.seen(live), Each(_Grant()).seen)

    def _read(self, live: Any, result: Json, read: Any) -> Json:
        several = read(live.get("updateProperties") or {})
        own = {key[1:]: value for key, value in several.items() if key.startswith("$")}
        others = {key: value for key, value in several.items() if not key.startswith("$")}
        found = {**result, _NEEDED[-1]: own, "updateProperties": others}
        return {key: value for key, value in found.items() if value}


_ENTITIES = _Entities()


class BlueprintPermissionsResource:
    """Set and read who may write the entities of a blueprint; what the program does not name stays.

    A blueprint has permissions as long as it exists: deleting them leaves them.
    """

    def __init__(self, client: PortClient, holdings: Holdings) -> None:
        self._grants = BlueprintGrants(client)
        self._holdings = holdings

    def problems(self, inputs: Properties) -> list[Problem]:
        """What of the inputs cannot be accepted."""
        found = []
        if not inputs.get("blueprintIdentifier"):
            found.append(Problem("blueprintIdentifier", "permissions need a blueprintIdentifier"))
        given = inputs.get("entities")
        for part in _NEEDED:
            if given is None or (isinstance(given, Mapping) and given.get(part) is None):
                found.append(Problem("entities", f"permissions need the part {part}"))
        trail = Trail("entities")
        _ENTITIES.to_port(given, trail)
        return found + [Problem("entities", f"{path} {reason}") for path, reason in trail.complaints]

    async def diff(self, state: Recorded, news: Properties) -> Mapping[str, Kind]:
        """Where Port, or else the state, is not what the program wants."""
        identifier = _identifier(state)
        if news["blueprintIdentifier"] != identifier:
            return {"blueprintIdentifier": Kind.UPDATE}
        live = await self._holdings.blueprint_permissions(identifier)
        if live is None:
            return {"blueprintIdentifier": Kind.ADD}
        recorded = _differences(body(state.inputs), news) if state.inputs else {}
        return {**recorded, **_differences(live, news)}

    async def create(self, news: Properties, preview: bool) -> tuple[str, Mapping[str, Any]]:
        """Set the permissions; (id, outputs)."""
        if not preview:
            await self._set(news)
        return "" if preview else news["blueprintIdentifier"], outputs(news)

    async def read(self, state: Recorded) -> Found | None:
        """What Port holds of the state's inputs; without those (an import) everything that it holds."""
        identifier = _identifier(state)
        live = await self._holdings.blueprint_permissions(identifier)
        if live is None:
            return None
        inputs: Properties = state.inputs
        if not inputs:
            inputs = {"blueprintIdentifier": identifier, "entities": _ENTITIES.to_input(live["entities"])}
        elif _differences(live, inputs):
            held = _ENTITIES.to_input(_named(live["entities"], body(inputs)["entities"]))
            inputs = {"blueprintIdentifier": identifier, "entities": held}
        return Found(identifier, inputs, outputs(inputs))

    async def update(self, state: Recorded, news: Properties, preview: bool) -> Mapping[str, Any]:
        """Bring Port to what the program wants; nothing is sent if it already is."""
        if not preview:
            live = await self._holdings.blueprint_permissions(news["blueprintIdentifier"])
            if live is None or _differences(live, news):
                await self._set(news)
        return outputs(news)

    async def _set(self, news: Properties) -> None:
        identifier = news["blueprintIdentifier"]
        live = await self._grants.change(identifier, body(news))
        self._holdings.wrote_blueprint_permissions(identifier, live)

    async def delete(self, state: Recorded) -> None:
        """Nothing: a blueprint has permissions as long as it exists."""


def body(inputs: Properties) -> Json:
    """The permissions as Port's API takes them."""
    return {"entities": _ENTITIES.to_port(inputs.get("entities") or {}, Trail())}


def outputs(given: Properties) -> Json:
    """The outputs as the stock provider shapes them."""
    result: Json = {key: copy.deepcopy(value) for key, value in given.items() if value is not None}
    return {**result, "id": given["blueprintIdentifier"]}


def _differences(live: Mapping[str, Any], news: Properties) -> dict[str, Kind]:
    wish = body(news)["entities"]
    return compared(_ENTITIES.seen(_named(live["entities"], wish)), _ENTITIES.seen(wish), "entities")


def _named(live: Mapping[str, Any], wish: Mapping[str, Any]) -> Json:
    """Of what is live, the parts that the wish names; within the rights by property and relation, their keys."""
    found: Json = {}
    for key, value in wish.items():
        have = live.get(key)
        if key in ("updateProperties", "updateRelations") and isinstance(have, Mapping):
            found[key] = {name: have[name] for name in value if name in have}
        elif have is not None:
            found[key] = have
    return found


def _identifier(state: Recorded) -> str:
    identifier = state.outputs.get("blueprintIdentifier")
    return identifier if isinstance(identifier, str) else state.id
