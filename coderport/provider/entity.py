"""The resource `port:index/entity:Entity`."""

from __future__ import annotations

import secrets
import string
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from coderport.catalog import resource_types
from coderport.catalog.meaning import same_targets, same_value
from coderport.guard.ownership import MANAGED_BY, Mark, Owner, Whose
from coderport.port.bulk import TAKEN
from coderport.port.client import PortClient
from coderport.port.errors import PortError, PortRejected
from coderport.port.models import PortEntity
from coderport.port.refusals import Refusals
from coderport.provider import entity_values
from coderport.provider.batches import Batches, UpsertKey
from coderport.provider.blueprint_values import item_types
from coderport.provider.entity_values import Owned, Wanted, differences, wanted
from coderport.provider.holdings import Holdings
from coderport.provider.protocol import UNKNOWN, Found, Kind, Problem, Properties, Recorded
from coderport.provider.times import now, stamps
from coderport.terminal.text import short

TOKEN = resource_types.ENTITY

_STAYING_SHOWN = 5
"""A stack that hands an organization over takes thousands of entities out of its state at once."""

Warn = Callable[[str], Awaitable[None]]


class EntityResource:
    """Create, read, change and delete entities, in bulk and only where Port differs.

    `properties` and `relations` name by blueprint what is ours even without a value, so that a value
    that went away in the program is cleared at Port although the state says nothing about it.
    """

    def __init__(
        self,
        client: PortClient,
        holdings: Holdings,
        batches: Batches,
        *,
        properties: Mapping[str, frozenset[str]],
        relations: Mapping[str, frozenset[str]],
    ) -> None:
        self._client = client
        self._holdings = holdings
        self._batches = batches
        self._properties = properties
        self._relations = relations
        self._refusals = Refusals(batches.validate)
        self._staying = 0

    def problems(self, inputs: Properties) -> list[Problem]:
        """What of the inputs cannot be accepted."""
        return entity_values.problems(inputs)

    async def diff(self, state: Recorded, news: Properties) -> Mapping[str, Kind]:
        """Where Port, or else the state's outputs, are not what the program wants."""
        wish = wanted(news)
        owned = self._owned(wish, state.inputs)
        blueprint, identifier = _address(state)
        held = await self._holdings.entity(blueprint, identifier)
        if held is None:
            return {"identifier": Kind.ADD}
        # An empty identifier in the program means: the one that it has.
        wish = replace(wish, identifier=wish.identifier or identifier)
        recorded = _entity_of(state.outputs) if "title" in state.outputs else held
        found = {**differences(wish, owned, recorded), **differences(wish, owned, held)}
        for key in ("createMissingRelatedEntities", "runId"):
            if (news.get(key) or None) != (state.outputs.get(key) or None):
                found[key] = Kind.UPDATE
        return found

    async def create(self, news: Properties, preview: bool) -> tuple[str, Mapping[str, Any]]:
        """Create the entity, merge into the one that exists, or send nothing if that is as wanted; (id, outputs)."""
        if preview:
            return "", _foreseen(news, None)
        wish = wanted(news)
        identifier = wish.identifier or _new_identifier()
        held = await self._holdings.entity(wish.blueprint, identifier, confirm=False)
        owned = self._owned(wish, {})
        if held is not None and not differences(replace(wish, identifier=identifier), owned, held):
            written, refused = held, frozenset[str]()  # an action run put it there, or the state was lost
        elif held is None and (mark := Mark.read(wish.properties.get(MANAGED_BY))):
            written, refused = await self._write_new(wish, identifier, owned, mark)
        else:
            written, refused = await self._write(wish, identifier, owned, held)
        taken = entity_values.without_values(news, wish, refused)
        outputs = entity_values.outputs(taken, identifier, _stamps(written))
        return outputs["id"], outputs

    async def read(self, state: Recorded) -> Found | None:
        """What Port holds, in the form of the state's inputs.

        Without those (an import) everything that it holds.
        """
        blueprint, identifier = _address(state)
        held = await self._holdings.entity(blueprint, identifier)
        if held is None:
            return None
        if state.inputs:
            owned = self._owned(wanted(state.inputs), {})
            inputs = entity_values.refreshed(state.inputs, owned, held)
        else:
            inputs = entity_values.imported(held, item_types(await self._holdings.blueprint(blueprint)))
        return Found(f"{blueprint}:{identifier}", inputs, entity_values.outputs(inputs, identifier, _stamps(held)))

    async def update(self, state: Recorded, news: Properties, preview: bool) -> Mapping[str, Any]:
        """Bring Port to what the program wants; nothing is sent if it already is."""
        blueprint, identifier = _address(state)
        if preview:
            return _foreseen({**news, "identifier": news.get("identifier") or identifier}, state)
        wish = wanted(news)
        target = wish.identifier or identifier
        owned = self._owned(wish, state.inputs)
        held = await self._holdings.entity(blueprint, identifier)
        refused: frozenset[str] = frozenset()
        if wish.blueprint != blueprint:
            there = await self._holdings.entity(wish.blueprint, target)
            written, refused = await self._write(wish, target, owned, there)
            await self._drop(blueprint, identifier)
        elif held is not None and not differences(replace(wish, identifier=target), owned, held):
            written = held
        else:
            written, refused = await self._write(wish, target, owned, held)
        taken = entity_values.without_values(news, wish, refused)
        return entity_values.outputs(taken, target, _stamps(written))

    async def delete(self, state: Recorded, warn: Warn) -> None:
        """Delete the entity, unless another stack made it its own meanwhile; one that is gone is fine."""
        blueprint, identifier = _address(state)
        signed = _entity_of(state.outputs).properties.get(MANAGED_BY) if "title" in state.outputs else None
        if mark := Mark.read(signed):
            held = await self._holdings.entity(blueprint, identifier)
            if held is None:
                return
            if not _is_of(mark, held):
                self._staying += 1
                if self._staying <= _STAYING_SHOWN:
                    more = f" No more than {_STAYING_SHOWN} are named." if self._staying == _STAYING_SHOWN else ""
                    await warn(
                        f"{blueprint}:{identifier} stays in Port: it belongs to {held.properties.get(MANAGED_BY)} now, "
                        f"no longer to {mark}. It is only taken out of this stack.{more}"
                    )
                return
        await self._drop(blueprint, identifier)

    def _owned(self, wish: Wanted, old_inputs: Properties) -> Owned:
        """What is ours: what the program says something about, and what we declare even without a value.

        Where nothing is known to be declared, what the program once said is ours too, so that it is cleared
        when the program no longer says it. Not otherwise: after an import, or a refresh by the stock
        provider, the old inputs hold everybody's values.
        """
        owned = Owned.by(wish)
        if wish.blueprint in self._properties:
            return owned.and_also(self._properties[wish.blueprint], self._relations.get(wish.blueprint, frozenset()))
        return Owned.by(wish, wanted(old_inputs)) if old_inputs else owned

    async def _write_new(
        self, wish: Wanted, identifier: str, owned: Owned, mark: Mark
    ) -> tuple[PortEntity, frozenset[str]]:
        """Write what Port did not show. One that is there after all is written over only if it has our mark.

        It may be ours: a repeated request after a lost answer, a run that was killed, an action's run.
        """
        try:
            return await self._write(wish, identifier, owned, None, only_new=True)
        except PortRejected as error:
            if error.code != TAKEN:
                raise
        held = await self._client.entity(wish.blueprint, identifier)
        if held is None:
            return await self._write(wish, identifier, owned, None, only_new=True)
        theirs = held.properties.get(MANAGED_BY)
        if not theirs or not _is_of(mark, held):
            raise PortError(
                f"Port holds {wish.blueprint}:{identifier} already, and its search did not show it: it belongs to "
                f"{short(str(theirs or 'no stack'))}, created by {short(str(held.created_by))}. It was left as it is."
            )
        return await self._write(wish, identifier, owned, held)

    async def _write(
        self, wish: Wanted, identifier: str, owned: Owned, held: PortEntity | None, *, only_new: bool = False
    ) -> tuple[PortEntity, frozenset[str]]:
        """Write the entity; what Port holds afterwards, and which of its properties Port does not take.

        The values of the catalog's own entities are worth less than the entity: one that Port refuses is left out, and
        the program says so. Of other blueprints nothing is known to be dispensable.
        """

        async def send(body: Mapping[str, Any]) -> PortEntity:
            if held is not None and wish.blueprint in self._properties and _holds(held, body):
                return held  # all that was to be written is what Port refused
            if held is not None and (identifier != held.identifier or entity_values.clears_icon(wish, owned, held)):
                return await self._replace(wish, body, owned, held)
            return await self._upsert(wish, body, held, only_new)

        body = entity_values.body(wish, identifier, owned, held)
        if wish.blueprint not in self._properties:
            return await send(body), frozenset()
        older = frozenset(key for key, value in held.properties.items() if value is not None) if held else frozenset()
        return await self._refusals.written(wish.blueprint, body, older, send)

    async def _upsert(
        self, wish: Wanted, sent: Mapping[str, Any], held: PortEntity | None, only_new: bool
    ) -> PortEntity:
        """Upsert, and what Port holds afterwards.

        A bulk answer has no times, and reading each entity back would double the requests: the time of
        an upsert is taken from our clock and its author is the client id, which is what Port writes. A
        refresh makes them exact.
        """
        key = UpsertKey(wish.blueprint, wish.create_missing, wish.run_id, only_new)
        outcome = await self._batches.upsert(key, sent)
        time, author = now(), self._client.client_id
        before = None if outcome.created else held
        written = replace(
            entity_values.merged(before, wish.blueprint, sent),
            created_at=before.created_at if before else time,
            created_by=before.created_by if before else author,
            updated_at=time,
            updated_by=author,
        )
        self._holdings.wrote(written)
        return written

    async def _replace(self, wish: Wanted, body: Mapping[str, Any], owned: Owned, held: PortEntity) -> PortEntity:
        """Give the entity another identifier, or take its icon away: the route replaces the whole entity.

        So all that it holds is sent, as it holds it now, whoever wrote it; what is null is left out, which clears it.
        """
        fresh = await self._client.entity(held.blueprint, held.identifier)
        whole = entity_values.merged(fresh or held, wish.blueprint, body)
        sent: dict[str, Any] = {
            "identifier": whole.identifier,
            "title": whole.title,
            "properties": {key: value for key, value in whole.properties.items() if value is not None},
            "relations": {key: value for key, value in whole.relations.items() if value is not None},
        }
        if whole.icon and not entity_values.clears_icon(wish, owned, held):
            sent["icon"] = whole.icon
        if whole.team:
            sent["team"] = list(whole.team)
        written = await self._client.replace_entity(wish.blueprint, held.identifier, sent, run_id=wish.run_id)
        if whole.identifier != held.identifier:
            self._holdings.deleted(wish.blueprint, held.identifier)
        self._holdings.wrote(written)
        return written

    async def _drop(self, blueprint: str, identifier: str) -> None:
        try:
            await self._batches.delete(blueprint, identifier)
        except PortRejected as error:
            if error.status != 404:
                raise
        self._holdings.deleted(blueprint, identifier)


def _holds(held: PortEntity, body: Mapping[str, Any]) -> bool:
    """Whether a merging write of the body would change nothing."""
    return (
        (body["identifier"], body["title"]) == (held.identifier, held.title)
        and body.get("icon", held.icon) == held.icon
        and set(body.get("team", held.team)) == set(held.team)
        and all(same_value(each, held.properties.get(key), times=True) for key, each in body["properties"].items())
        and all(same_targets(each, held.relations.get(key)) for key, each in body["relations"].items())
    )


def _address(state: Recorded) -> tuple[str, str]:
    """(blueprint, identifier), from the outputs: the resource's id keeps the first identifier after a rename.

    After an import, which has no outputs yet, from the id.
    """
    blueprint, identifier = state.outputs.get("blueprint"), state.outputs.get("identifier")
    if isinstance(blueprint, str) and isinstance(identifier, str):
        return blueprint, identifier
    blueprint, separator, identifier = state.id.partition(":")
    if not (blueprint and separator and identifier):
        raise PortError(f"{state.id!r} is not the id of an entity: it is <blueprint>:<identifier>")
    return blueprint, identifier


def _entity_of(outputs: Properties) -> PortEntity:
    """The state's outputs as the entity that they describe."""
    recorded = wanted(outputs)
    return PortEntity(
        identifier=recorded.identifier or "",
        blueprint=recorded.blueprint,
        title=recorded.title,
        icon=recorded.icon,
        team=recorded.teams or (),
        properties=recorded.properties,
        relations=recorded.relations,
    )


def _is_of(mark: Mark, held: PortEntity) -> bool:
    """Whether Port's entity is still that of the state whose record has it under this mark."""
    return Owner(mark, {held.blueprint: frozenset({held.identifier})}).whose(held) is Whose.OURS


def _stamps(entity: PortEntity) -> Mapping[str, Any]:
    return stamps(entity.created_at, entity.created_by, entity.updated_at, entity.updated_by)


def _foreseen(news: Properties, state: Recorded | None) -> Mapping[str, Any]:
    """The outputs of a preview: what only Port can know is unknown."""
    computed = dict.fromkeys(("createdAt", "createdBy", "updatedAt", "updatedBy"), UNKNOWN)
    if state is not None:
        computed |= {key: state.outputs[key] for key in ("createdAt", "createdBy") if key in state.outputs}
    identifier = news.get("identifier") or UNKNOWN
    outputs = entity_values.outputs(news, identifier, computed)
    if UNKNOWN in (identifier, news["blueprint"]):
        outputs["id"] = UNKNOWN
    return outputs


def _new_identifier() -> str:
    """An identifier as Port would generate one; made here, so that a repeated request means the same entity."""
    alphabet = string.ascii_letters + string.digits
    return "e_" + "".join(secrets.choice(alphabet) for _ in range(16))
