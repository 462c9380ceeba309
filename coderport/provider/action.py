"""The resource `port:index/action:Action`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coderport.catalog import resource_types
from coderport.port.client import PortClient
from coderport.port.errors import PortRejected
from coderport.provider import action_values
from coderport.provider.action_values import body, differences, merged
from coderport.provider.holdings import Holdings
from coderport.provider.protocol import Found, Kind, Problem, Properties, Recorded

TOKEN = resource_types.ACTION


class ActionResource:
    """Create, read, change and delete actions.

    One that exists is made ours: whether that may happen was decided before the first resource.
    """

    def __init__(self, client: PortClient, holdings: Holdings) -> None:
        self._client = client
        self._holdings = holdings

    def problems(self, inputs: Properties) -> list[Problem]:
        """What of the inputs cannot be accepted."""
        return action_values.problems(inputs)

    async def diff(self, state: Recorded, news: Properties) -> Mapping[str, Kind]:
        """Where Port, or else the state, is not what the program wants."""
        live = await self._holdings.action(_identifier(state))
        if live is None:
            return {"identifier": Kind.ADD}
        recorded = differences(body(state.inputs), news, state.inputs) if state.inputs else {}
        return {**recorded, **differences(live, news, state.inputs)}

    async def create(self, news: Properties, preview: bool) -> tuple[str, Mapping[str, Any]]:
        """Create the action, or make the one that exists ours; (id, outputs)."""
        if preview:
            return "", action_values.outputs(news)
        await self._create(news)
        return news["identifier"], action_values.outputs(news)

    async def _create(self, news: Properties) -> None:
        try:
            written = await self._client.create_action(body(news))
        except PortRejected as error:
            if error.status != 409:
                raise
            live = await self._client.action(news["identifier"])
            if live is None:
                raise
            await self._replace(live, news, {})
        else:
            self._holdings.wrote_action(written, created=True)

    async def read(self, state: Recorded) -> Found | None:
        """What Port holds of the state's inputs; without those (an import) everything that it holds."""
        live = await self._holdings.action(_identifier(state))
        if live is None:
            return None
        inputs: Properties = state.inputs
        if not inputs:
            inputs = action_values.inputs(live)
        elif differences(live, inputs, {}):
            inputs = action_values.restricted(live, inputs)
        return Found(live["identifier"], inputs, action_values.outputs(inputs))

    async def update(self, state: Recorded, news: Properties, preview: bool) -> Mapping[str, Any]:
        """Bring Port to what the program wants; nothing is sent if it already is."""
        if not preview:
            # Not from memory: what a colleague did since then must survive the replacement.
            live = await self._client.action(_identifier(state))
            if live is None:
                await self._create(news)
            else:
                await self._replace(live, news, state.inputs)
        return action_values.outputs(news)

    async def _replace(self, live: Mapping[str, Any], news: Properties, old: Properties) -> None:
        if differences(live, news, old):
            former = live["identifier"]
            live = await self._client.replace_action(former, merged(live, news, old))
            if live["identifier"] != former:
                self._holdings.deleted_action(former)
        self._holdings.wrote_action(live)

    async def delete(self, state: Recorded) -> None:
        """Delete the action; one that is gone is fine. Its runs stay in Port's history."""
        identifier = _identifier(state)
        await self._client.delete_action(identifier)
        self._holdings.deleted_action(identifier)


def _identifier(state: Recorded) -> str:
    identifier = state.outputs.get("identifier")
    return identifier if isinstance(identifier, str) else state.id
