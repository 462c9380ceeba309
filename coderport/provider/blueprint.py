"""The resource `port:index/blueprint:Blueprint`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import stamina

from coderport.catalog import resource_types
from coderport.catalog.blueprint import Ownership
from coderport.catalog.overlay import merged, restricted
from coderport.port.client import PortClient
from coderport.port.errors import PortError, PortRejected
from coderport.provider import blueprint_values
from coderport.provider.blueprint_values import body, differences, refuse_conflicts
from coderport.provider.holdings import Holdings
from coderport.provider.protocol import UNKNOWN, Found, Kind, Problem, Properties, Recorded
from coderport.provider.times import stamps_of
from coderport.terminal.remedy import CLI

TOKEN = resource_types.BLUEPRINT

_EMPTYING_SECONDS = 10.0


class _StillEmptying(Exception):
    """Port refuses because of entities that are already gone: deleting them takes it seconds."""

    def __init__(self, error: PortRejected) -> None:
        super().__init__(str(error))
        self.error = error


class BlueprintResource:
    """Create, read, change and delete blueprints; whatever others added to one stays.

    `properties` and `relations` name by blueprint what is ours: an import of one of these leaves out what
    others added, or the next update would take it for ours and remove it. `with_target` are relations of ours that come
    and go with the blueprint that they lead to, `ownerships` what is ours where the settings ask for it.
    """

    def __init__(
        self,
        client: PortClient,
        holdings: Holdings,
        *,
        properties: Mapping[str, frozenset[str]],
        relations: Mapping[str, frozenset[str]],
        with_target: Mapping[str, frozenset[str]],
        ownerships: Mapping[str, Ownership],
    ) -> None:
        self._client = client
        self._holdings = holdings
        self._properties = properties
        self._relations = relations
        self._with_target = with_target
        self._ownerships = ownerships

    def problems(self, inputs: Properties) -> list[Problem]:
        """What of the inputs cannot be accepted."""
        return blueprint_values.problems(inputs)

    async def diff(self, state: Recorded, news: Properties) -> Mapping[str, Kind]:
        """Where Port, or else the state's outputs, are not what the program wants."""
        live = await self._holdings.blueprint(_identifier(state))
        if live is None:
            return {"identifier": Kind.ADD}
        new, old = body(news), self._once(state, live)
        refuse_conflicts(live, new)
        recorded = differences(body(state.outputs), new, old) if state.outputs else {}
        found = {**recorded, **differences(live, new, old)}
        if state.outputs and _catalog_page(news) != _catalog_page(state.outputs):
            found["createCatalogPage"] = Kind.UPDATE
        return found

    async def create(self, news: Properties, preview: bool) -> tuple[str, Mapping[str, Any]]:
        """Create the blueprint, or add to the one that exists; (id, outputs)."""
        if preview:
            return "", _foreseen(news, None)
        written = await self._create(news)
        return written["identifier"], blueprint_values.outputs(news, stamps_of(written))

    async def _create(self, news: Properties) -> Mapping[str, Any]:
        wish = body(news)
        try:
            written = await self._client.create_blueprint(wish, catalog_page=_catalog_page(news))
        except PortRejected as error:
            if error.status != 409:
                raise
            live = await self._client.blueprint(wish["identifier"])
            if live is None:
                raise
            return await self._replace(live, wish, {})
        self._holdings.wrote_blueprint(written, created=True)
        return written

    async def read(self, state: Recorded) -> Found | None:
        """What Port holds of the state's inputs; without those (an import) everything that it holds."""
        live = await self._holdings.blueprint(_identifier(state))
        if live is None:
            return None
        inputs: Properties = state.inputs
        if not inputs:
            inputs = blueprint_values.inputs(self._declared(live))
        elif differences(live, body(inputs), {}):
            seen = blueprint_values.inputs(restricted(live, body(inputs)))
            inputs = {
                **seen,
                **{key: inputs[key] for key in ("createCatalogPage", "forceDeleteEntities") if key in inputs},
            }
        outputs = blueprint_values.outputs(inputs, stamps_of(live))
        if "createCatalogPage" in state.outputs:
            outputs["createCatalogPage"] = state.outputs["createCatalogPage"]
        return Found(live["identifier"], inputs, outputs)

    def _once(self, state: Recorded, live: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the program stated before, so that what it states no longer is removed from the `live` blueprint.

        Of the blueprints of the catalog only relations that come and go with their target, and an ownership that Port
        still has as we state it: their old inputs can hold what others added (after an import, or a refresh by the
        stock provider), and the judge of a run does not see them.
        """
        old = body(state.inputs)
        identifier = str(old.get("identifier"))
        if identifier not in self._properties:
            return old
        related = self._with_target.get(identifier, frozenset())
        once: dict[str, Any] = {
            "relations": {key: each for key, each in (old.get("relations") or {}).items() if key in related}
        }
        ownership = self._ownerships.get(identifier)
        if ownership is not None and ownership.is_live(old) and ownership.is_live(live):
            once["ownership"] = live["ownership"]
        return once

    def _declared(self, live: Mapping[str, Any]) -> Mapping[str, Any]:
        identifier = live["identifier"]
        if identifier not in self._properties:
            return live
        related = self._relations.get(identifier, frozenset()) | self._with_target.get(identifier, frozenset())
        return blueprint_values.declared(live, self._properties[identifier], related)

    async def update(self, state: Recorded, news: Properties, preview: bool) -> Mapping[str, Any]:
        """Bring Port to what the program wants; nothing is sent if it already is."""
        if preview:
            return _foreseen(news, state)
        # Not from memory: what a colleague did since then must survive the replacement.
        live = await self._client.blueprint(_identifier(state))
        if live is None:
            written = await self._create(news)
        else:
            written = await self._replace(live, body(news), self._once(state, live))
        return blueprint_values.outputs(news, stamps_of(written))

    async def _replace(
        self, live: Mapping[str, Any], new: Mapping[str, Any], old: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        refuse_conflicts(live, new)
        if not differences(live, new, old):
            self._holdings.wrote_blueprint(live)
            return live
        written = await self._client.replace_blueprint(live["identifier"], merged(live, new, old))
        self._holdings.wrote_blueprint(written)
        return written

    async def delete(self, state: Recorded) -> None:
        """Delete the blueprint; one that is gone is fine, one with entities of others is refused.

        Port deletes entities behind the scenes and may refuse for seconds after the last one went.
        """
        identifier = _identifier(state)
        try:
            async for attempt in stamina.retry_context(
                on=_StillEmptying, attempts=None, timeout=_EMPTYING_SECONDS, wait_initial=0.25, wait_max=2.0
            ):
                with attempt:
                    await self._delete(identifier, state)
        except _StillEmptying as failure:
            raise failure.error from None
        self._holdings.deleted_blueprint(identifier)

    async def _delete(self, identifier: str, state: Recorded) -> None:
        try:
            await self._client.delete_blueprint(identifier)
        except PortRejected as error:
            if error.code != "has_dependents" and "has_dependents" not in error.message:
                raise
            remaining = await self._client.count(identifier)
            if remaining == 0:
                raise _StillEmptying(error) from None
            raise PortError(
                f"blueprint {identifier} stays in Port: it still has {remaining} entities that this stack does "
                "not manage. Delete them in Port first, or take the blueprint out of the stack with "
                f"`{CLI} state delete --stack {state.stack} {shlex.quote(state.urn)}`."
            ) from None


def _identifier(state: Recorded) -> str:
    identifier = state.outputs.get("identifier")
    return identifier if isinstance(identifier, str) else state.id


def _catalog_page(values: Properties) -> bool:
    return values.get("createCatalogPage") is not False


def _foreseen(news: Properties, state: Recorded | None) -> Mapping[str, Any]:
    """The outputs of a preview: what only Port can know is unknown."""
    computed = dict.fromkeys(("createdAt", "createdBy", "updatedAt", "updatedBy"), UNKNOWN)
    if state is not None:
        computed |= {key: state.outputs[key] for key in ("createdAt", "createdBy") if key in state.outputs}
    return blueprint_values.outputs(news, computed)
