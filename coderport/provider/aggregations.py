"""The resource `port:index/aggregationProperties:AggregationProperties`: what a blueprint counts of its relatives."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from coderport.catalog import resource_types
from coderport.catalog.overlay import declarable
from coderport.port.client import PortClient
from coderport.port.errors import PortRejected
from coderport.provider.holdings import Holdings
from coderport.provider.protocol import UNKNOWN, Found, Kind, Problem, Properties, Recorded
from coderport.provider.translation import TEXT, Each, Field, Json, Shape, Trail, compared, same

TOKEN = resource_types.AGGREGATIONS


class _Method:
    """One of four methods, and Port's `calculationSpec` for it."""

    _METHODS: Mapping[str, tuple[str, ...]] = {
        "countEntities": (),
        "averageEntities": ("averageOf", "measureTimeBy"),
        "averageByProperty": ("averageOf", "measureTimeBy", "property"),
        "aggregateByProperty": ("func", "property"),
    }

    def to_port(self, given: Any, trail: Trail) -> Any:
        chosen = {key: value for key, value in given.items() if value not in (None, False)}
        if len(chosen) != 1 or not chosen.keys() <= self._METHODS.keys():
            trail.complain(f"needs one of {', '.join(self._METHODS)}")
            return None
        ((name, value),) = chosen.items()
        if value == UNKNOWN:
            return UNKNOWN
        by = "property" if name in ("averageByProperty", "aggregateByProperty") else "entities"
        spec: Json = {"calculationBy": by, "func": "count" if name == "countEntities" else "average"}
        inner = value if isinstance(value, Mapping) else {}
        return {**spec, **{key: inner[key] for key in self._METHODS[name] if inner.get(key) is not None}}

    def to_input(self, live: Any) -> Any:
        if not isinstance(live, Mapping):
            return None
        by_property, function = live.get("calculationBy") == "property", live.get("func")
        if by_property:
            name = "averageByProperty" if function == "average" and "averageOf" in live else "aggregateByProperty"
        else:
            name = "countEntities" if function == "count" else "averageEntities"
        if name == "countEntities":
            return {name: True}
        return {name: {key: live[key] for key in self._METHODS[name] if live.get(key) is not None}}

    def seen(self, live: Any) -> Any:
        return self.to_input(live)


_PATHS = Each(Shape((*same("fromBlueprint"), Field("paths", "path"))))
_SHAPE = Shape(
    (
        *same("title", "description", "icon"),
        Field("targetBlueprintIdentifier", "target"),
        Field("method", "calculationSpec", _Method()),
        Field("query", "query", TEXT),
        Field("pathFilters", "pathFilter", _PATHS),
    )
)
_EACH = Each(_SHAPE)


class AggregationsResource:
    """Create, read, change and delete the aggregations of a blueprint; those of others stay."""

    def __init__(self, client: PortClient, holdings: Holdings) -> None:
        self._client = client
        self._holdings = holdings

    def problems(self, inputs: Properties) -> list[Problem]:
        """What of the inputs cannot be accepted."""
        found = [
            Problem(name, f"aggregations need {name}")
            for name in ("blueprintIdentifier", "properties")
            if not inputs.get(name)
        ]
        trail = Trail("properties")
        _EACH.to_port(inputs.get("properties") or {}, trail)
        return found + [Problem("properties", f"{path} {reason}") for path, reason in trail.complaints]

    async def diff(self, state: Recorded, news: Properties) -> Mapping[str, Kind]:
        """Where Port, or else the state, is not what the program wants."""
        identifier = _identifier(state)
        if news["blueprintIdentifier"] != identifier:
            return {"blueprintIdentifier": Kind.UPDATE}
        live = await self._holdings.blueprint(identifier)
        if live is None:
            return {"blueprintIdentifier": Kind.ADD}
        recorded = _differences(body(state.inputs), news, state.inputs) if state.inputs else {}
        return {**recorded, **_differences(_live(live), news, state.inputs)}

    async def create(self, news: Properties, preview: bool) -> tuple[str, Mapping[str, Any]]:
        """Add them to the blueprint; (id, outputs)."""
        if preview:
            return "", outputs(news)
        await self._put(news["blueprintIdentifier"], news, {})
        return news["blueprintIdentifier"], outputs(news)

    async def read(self, state: Recorded) -> Found | None:
        """What Port holds of the state's inputs; without those (an import) everything that it holds."""
        identifier = _identifier(state)
        blueprint = await self._holdings.blueprint(identifier)
        if blueprint is None:
            return None
        live, inputs = _live(blueprint), state.inputs
        if not inputs:
            inputs = {"blueprintIdentifier": identifier, "properties": _EACH.to_input(live)}
        elif _differences(live, inputs, {}):
            ours = {key: each for key, each in live.items() if key in (inputs.get("properties") or {})}
            if not ours:
                return None
            inputs = {"blueprintIdentifier": identifier, "properties": _EACH.to_input(ours)}
        return Found(identifier, inputs, outputs(inputs))

    async def update(self, state: Recorded, news: Properties, preview: bool) -> Mapping[str, Any]:
        """Bring Port to what the program wants; nothing is sent if it already is."""
        if not preview:
            former, identifier = _identifier(state), news["blueprintIdentifier"]
            await self._put(identifier, news, state.inputs if former == identifier else {})
            if former != identifier:
                await self.delete(state)
        return outputs(news)

    async def delete(self, state: Recorded) -> None:
        """Take them off the blueprint; a blueprint that is gone is fine."""
        identifier = _identifier(state)
        live = await self._client.blueprint(identifier)
        if live is None:
            return
        gone = (state.inputs or state.outputs).get("properties") or {}
        if gone.keys() & _live(live).keys():
            await self._write(live, {key: each for key, each in _live(live).items() if key not in gone})

    async def _put(self, identifier: str, news: Properties, old: Properties) -> None:
        live = await self._client.blueprint(identifier)
        if live is None:
            what = f"adding aggregations to blueprint {identifier}"
            raise PortRejected(what, "not_found", 404, f'Blueprint with identifier "{identifier}" was not found')
        if _differences(_live(live), news, old):
            await self._write(live, _merged(_live(live), news, old))

    async def _write(self, live: Mapping[str, Any], aggregations: Mapping[str, Any]) -> None:
        whole = {**declarable(live), "aggregationProperties": aggregations}
        self._holdings.wrote_blueprint(await self._client.replace_blueprint(live["identifier"], whole))


def body(inputs: Properties) -> Json:
    """The aggregations as they stand under `aggregationProperties` of Port's blueprint."""
    return dict(_EACH.to_port(inputs.get("properties") or {}, Trail()))


def outputs(given: Properties) -> Json:
    """The outputs as the stock provider shapes them."""
    result: Json = {key: copy.deepcopy(value) for key, value in given.items() if value is not None}
    return {**result, "id": given["blueprintIdentifier"]}


def _merged(live: Mapping[str, Any], new: Properties, old: Properties) -> Json:
    """All of the blueprint's: ours over those of others, without what was ours once and is no longer wished for."""
    once = (old.get("properties") or {}).keys()
    return {**{key: each for key, each in live.items() if key not in once}, **body(new)}


def _differences(live: Mapping[str, Any], new: Properties, old: Properties) -> dict[str, Kind]:
    return compared(_EACH.seen(live), _EACH.seen(_merged(live, new, old)), "properties")


def _live(blueprint: Mapping[str, Any]) -> Mapping[str, Any]:
    found = blueprint.get("aggregationProperties")
    return found if isinstance(found, Mapping) else {}


def _identifier(state: Recorded) -> str:
    identifier = state.outputs.get("blueprintIdentifier")
    return identifier if isinstance(identifier, str) else state.id
