"""The resources `port:index/scorecard:Scorecard` and `port:index/page:Page`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from coderport.catalog import resource_types
from coderport.port.client import PortClient
from coderport.port.definitions import Definitions, placed
from coderport.port.errors import PortRejected
from coderport.provider.definition_values import PAGE, SCORECARD, Form, computed, outputs
from coderport.provider.holdings import Holdings
from coderport.provider.protocol import Found, Kind, Problem, Properties, Recorded
from coderport.provider.times import stamps_of

SCORECARD_TOKEN = resource_types.SCORECARD
PAGE_TOKEN = resource_types.PAGE

FORMS: Mapping[str, Form] = {SCORECARD_TOKEN: SCORECARD, PAGE_TOKEN: PAGE}


class DefinitionResource:
    """Create, read, change and delete definitions of one form.

    One that exists is made ours: whether that may happen was decided before the first resource.
    """

    def __init__(self, form: Form, client: PortClient, holdings: Holdings) -> None:
        self._form = form
        self._client = client
        self._holdings = holdings

    def problems(self, inputs: Properties) -> list[Problem]:
        """What of the inputs cannot be accepted."""
        return self._form.problems(inputs)

    async def diff(self, state: Recorded, news: Properties) -> Mapping[str, Kind]:
        """Where Port, or else the state, is not what the program wants."""
        within, identifier = self._place(state)
        live = await self._held(within, identifier)
        if live is None:
            return {"identifier": Kind.ADD}
        moved = {self._form.within: Kind.UPDATE} if self._within(news) != within else {}
        inputs = state.inputs
        recorded = self._form.differences(self._form.body(inputs), news, inputs) if inputs else {}
        return {**moved, **recorded, **self._form.differences(live, news, inputs)}

    async def create(self, news: Properties, preview: bool) -> tuple[str, Mapping[str, Any]]:
        """Create it, or make the one that exists ours; (id, outputs)."""
        identifier = self._id(self._within(news), news["identifier"])
        if preview:
            return "", outputs(news, identifier, computed({}))
        written = await self._create(news)
        return identifier, outputs(news, identifier, stamps_of(written))

    async def _create(self, news: Properties) -> Mapping[str, Any]:
        within, several = self._within(news), self._all(self._within(news))
        try:
            written = await several.create(self._form.body(news))
        except PortRejected as error:
            if error.status != 409:
                raise
            live = await several.one(news["identifier"])
            if live is None:
                raise
            return await self._replace(within, live, news, {})
        self._holdings.wrote_definition(self._form.what, within, written)
        return written

    async def read(self, state: Recorded) -> Found | None:
        """What Port holds of the state's inputs; without those (an import) everything that it holds."""
        within, identifier = self._place(state)
        live = await self._held(within, identifier)
        if live is None:
            return None
        inputs: Properties = state.inputs
        if not inputs:
            inputs = self._form.inputs(live, within)
        elif self._form.differences(live, inputs, {}):
            inputs = self._form.restricted(live, inputs, within)
        named = self._id(within, live["identifier"])
        return Found(named, inputs, outputs(inputs, named, stamps_of(live)))

    async def update(self, state: Recorded, news: Properties, preview: bool) -> Mapping[str, Any]:
        """Bring Port to what the program wants; nothing is sent if it already is."""
        named = self._id(self._within(news), news["identifier"])
        if preview:
            return outputs(news, named, computed(state.outputs))
        within, identifier = self._place(state)
        # Not from memory: what a colleague did since then must survive the replacement.
        live = await self._all(within).one(identifier)
        if live is None or within != self._within(news):
            written = await self._create(news)
            if live is not None:
                await self.delete(state)
        else:
            written = await self._replace(within, live, news, state.inputs)
        return outputs(news, named, stamps_of(written))

    async def _replace(
        self, within: str, live: Mapping[str, Any], news: Properties, old: Properties
    ) -> Mapping[str, Any]:
        if self._form.differences(live, news, old):
            former = live["identifier"]
            body = self._form.merged(live, news, old)
            replace = partial(self._all(within).replace, former)
            live = await (replace(body) if news.get("after") is not None else placed(replace, body))
            if live["identifier"] != former:
                self._holdings.deleted_definition(self._form.what, within, former)
        self._holdings.wrote_definition(self._form.what, within, live)
        return live

    async def delete(self, state: Recorded) -> None:
        """Delete it; one that is gone is fine."""
        within, identifier = self._place(state)
        await self._all(within).delete(identifier)
        self._holdings.deleted_definition(self._form.what, within, identifier)

    async def _held(self, within: str, identifier: str) -> Mapping[str, Any] | None:
        return await self._holdings.definition(self._form.what, within, identifier, self._all(within))

    def _all(self, within: str) -> Definitions:
        if self._form.within:
            return Definitions.scorecards(self._client, within)
        return Definitions.pages(self._client)

    def _within(self, given: Properties) -> str:
        return str(given.get(self._form.within, "")) if self._form.within else ""

    def _id(self, within: str, identifier: str) -> str:
        return f"{within}:{identifier}" if within else identifier

    def _place(self, state: Recorded) -> tuple[str, str]:
        """Where it is: by what we answered, else by its id (an import), which names a blueprint before a colon."""
        identifier = state.outputs.get("identifier")
        if isinstance(identifier, str):
            return self._within(state.outputs), identifier
        if not self._form.within:
            return "", state.id
        within, _, identifier = state.id.partition(":")
        return within, identifier
