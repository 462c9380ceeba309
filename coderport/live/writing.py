"""Orders carried out at Port: of each key only the newest, in bulk, templates before what refers to them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from coderport.catalog.values import Entity, Ref
from coderport.kinds.body import entity_body
from coderport.live.catalog import Catalog
from coderport.live.values import KEPT, Event, Hint, Order
from coderport.port.bulk import TAKEN, UPSERTS_PER_CALL
from coderport.port.client import PortClient
from coderport.port.errors import PortError, PortRejected
from coderport.port.models import ItemOutcome, PortEntity
from coderport.port.refusals import Refusals
from coderport.tasks import together

CALLS_AT_ONCE = 4
MOST_AT_ONCE = CALLS_AT_ONCE * UPSERTS_PER_CALL
LONGEST_PAUSE = 30.0
"""Seconds between two tries while Port does not answer."""

_LOG = logging.getLogger(__name__)

Told = Callable[[Order], None]
Hinted = Callable[[tuple[Hint, ...]], None]
Permitted = Callable[[], Awaitable[None]]
Revived = Callable[[Ref], None]


class Writer:
    """Carries orders out, one batch after the other, so that of two orders for a key the later one stands.

    `done` is told of each that Port has taken, `refused` of each that it does not take, `hinted` takes what has
    to be looked at again. `refuses` is set where Port does not take something of an entity. Before each batch it waits
    for `permitted`; `revived` is told of each entity that somebody has deleted in Port, and that is made again.
    """

    def __init__(
        self,
        port: PortClient,
        catalog: Catalog,
        done: Told,
        refused: Told,
        hinted: Hinted,
        permitted: Permitted,
        revived: Revived,
    ) -> None:
        self._port, self._catalog, self._done, self._refused = port, catalog, done, refused
        self._hinted, self._permitted, self._revived = hinted, permitted, revived
        self._waiting: dict[Ref, Order] = {}
        self._at_work: dict[Ref, Order] = {}
        self._written: dict[Ref, float] = {}
        self._came, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._refusals = Refusals(self._validated)
        self.refuses = asyncio.Event()
        self.failing: str = ""

    def __len__(self) -> int:
        return len(self._waiting.keys() | self._at_work.keys())

    def events(self) -> Iterator[Event]:
        """The events of all orders that are not carried out."""
        for order in (*self._waiting.values(), *self._at_work.values()):
            yield from order.events

    def put(self, orders: Iterable[Order]) -> None:
        """Takes orders; one for a key that still waits replaces the older one and keeps its events."""
        for order in orders:
            before = self._waiting.get(order.key)
            if before is None or order.asked >= before.asked:
                self._waiting[order.key] = order if before is None else _merged(before, order)
            self._idle.clear()
            self._came.set()

    def touched_since(self, key: Ref, moment: float) -> bool:
        """Whether the key was written since that moment (monotonic), or is about to be."""
        return key in self._waiting or key in self._at_work or self._written.get(key, -1.0) >= moment

    async def idle(self) -> None:
        """Returns once nothing is to be written."""
        await self._idle.wait()

    async def run(self) -> None:
        """Carries out what comes, until it is cancelled. While Port does not answer it waits, and loses nothing."""
        pause = 1.0
        while True:
            while not self._waiting:
                self._came.clear()
                self._idle.set()
                await self._came.wait()
            await self._permitted()
            self._at_work = _batch(self._waiting)
            for key in self._at_work:
                del self._waiting[key]
            try:
                await self._carried_out(list(self._at_work.values()))
                pause, self.failing = 1.0, ""
            except PortError as error:
                self._back()
                self.failing = str(error)
                _LOG.warning("port fails", extra={"reason": str(error), "orders": len(self)})
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            finally:
                self._at_work = {}

    def _back(self) -> None:
        """What was not carried out waits again, unless there is something newer for its key."""
        for key, order in reversed(self._at_work.items()):
            newer = self._waiting.get(key)
            self._waiting = {key: order if newer is None else _merged(order, newer), **self._waiting}

    async def _carried_out(self, orders: Sequence[Order]) -> None:
        for blueprint in KEPT:  # a template before the workspaces that refer to it
            mine = [each for each in orders if each.key.blueprint == blueprint.identifier and each.entity is not None]
            parts = [
                (several[start : start + UPSERTS_PER_CALL], new)
                for new in (True, False)
                for several in ([each for each in mine if each.created is new],)
                for start in range(0, len(several), UPSERTS_PER_CALL)
            ]
            await together(self._upserted(blueprint.identifier, part, only_new=new) for part, new in parts)
        for blueprint in reversed(KEPT):
            going = [each for each in orders if each.key.blueprint == blueprint.identifier and each.entity is None]
            if going:
                await self._deleted(blueprint.identifier, going)

    async def _deleted(self, blueprint: str, orders: Sequence[Order]) -> None:
        """Deletes what is still ours; somebody else may have signed it since. What Port keeps is told and waits."""
        ours: dict[Ref, PortEntity] = {}
        for order in orders:
            held = await self._port.entity(*order.key)
            if held is not None and self._catalog.is_ours(held):
                ours[order.key] = held
        try:
            if ours:
                await self._port.delete(blueprint, [key.identifier for key in ours])
        except PortRejected:  # one of them fails the whole call
            for order in orders:
                if order.key in ours:
                    await self._deleted_alone(order, ours[order.key])
        for order in orders:
            if order.key in self._at_work:
                self._is_done(order)

    async def _deleted_alone(self, order: Order, held: PortEntity) -> None:
        try:
            await self._port.delete(order.key.blueprint, [order.key.identifier])
        except PortRejected as error:
            self._at_work.pop(order.key, None)
            self._catalog.refused_to_delete(held)
            self._is_refused(order, held.title or order.key.identifier, error)

    async def _upserted(self, blueprint: str, orders: Sequence[Order], *, only_new: bool) -> None:
        """Writes them; one that should be new, and which somebody has made since, is looked at again."""
        bodies = [entity_body(order.entity) for order in orders if order.entity is not None]
        outcomes = await self._port.upsert(blueprint, bodies, only_new=only_new)
        for order, body, outcome in zip(orders, bodies, outcomes, strict=True):
            error = outcome.error
            if error is None:
                self._look_at(order, outcome)
                self._is_done(order)
            elif isinstance(error, PortRejected) and error.code == TAKEN:
                self._taken(order, await self._port.entity(*order.key), error)
            elif isinstance(error, PortRejected):
                await self._without_what_is_refused(order, body)
            else:
                raise error

    def _look_at(self, order: Order, outcome: ItemOutcome) -> None:
        if outcome.created and not order.created:
            self._revived(order.key)

    async def _without_what_is_refused(self, order: Order, body: Mapping[str, Any]) -> None:
        """Writes what Port takes of an entity, or tells why it takes nothing."""
        assert order.entity is not None
        held = self._catalog.has(order.key)

        async def send(body: Mapping[str, Any]) -> None:
            (outcome,) = await self._port.upsert(order.key.blueprint, [body])
            if outcome.error is not None:
                raise outcome.error
            self._look_at(order, outcome)

        try:
            clear = frozenset(held.properties) if held is not None else frozenset[str]()
            _, refused = await self._refusals.written(order.key.blueprint, body, clear, send)
        except PortRejected as error:
            await self._without(order, order.entity, error)
            return
        self._is_done(order)
        if refused:
            self._catalog.refused_in_part(order.entity, refused)
            self.refuses.set()
            _LOG.warning("values refused", extra={"entity": order.entity.title, "values": sorted(refused)})

    async def _without(self, order: Order, entity: Entity, error: PortRejected) -> None:
        """Port takes nothing of the entity. What it refers to and Port lacks is made again, once in a pause."""
        lacks = [each for each in _targets(entity) if await self._port.entity(*each) is None]
        now = datetime.now(timezone.utc)
        refused = self._catalog.refused
        wanted = [each for each in lacks if not refused.waits(each, now)]
        if wanted and refused.may_lead_to_another_look(order.key, now):
            for key in (order.key, *wanted):
                self._revived(key)
            self._again(order, *wanted)
            return
        self._catalog.refused_whole(entity, await self._port.entity(*order.key), lacks)
        self._at_work.pop(order.key, None)
        self._is_refused(order, entity.title, error)

    def _is_refused(self, order: Order, title: str, error: PortRejected) -> None:
        self._refused(order)
        self.refuses.set()
        _LOG.error("entity refused", extra={"entity": title, "reason": str(error)})

    def _again(self, order: Order, *lost: Ref) -> None:
        """Looks at the entity once more, and before it at what was `lost` in Port: that is made again."""
        self._at_work.pop(order.key, None)
        again = (*lost, order.key)
        for key in again:
            self._catalog.forget(key)
        self._hinted(tuple(Hint(key, event) for key in again for event in order.events or (Event("port"),)))

    def _taken(self, order: Order, held: PortEntity | None, error: PortRejected) -> None:
        """An entity that should be new is there already: whose it is and what it should be is judged anew.

        It is our own where the answer to an earlier try was lost.
        """
        now = datetime.now(timezone.utc)
        if held is not None:
            self._again(order)
            self._catalog.seen(held)
        elif self._catalog.refused.may_lead_to_another_look(order.key, now):  # Port contradicts itself
            self._again(order)
        else:
            assert order.entity is not None
            self._at_work.pop(order.key, None)
            self._catalog.refused_whole(order.entity, None)
            self._is_refused(order, order.entity.title, error)

    async def _validated(self, blueprint: str, bodies: Sequence[Mapping[str, Any]]) -> list[ItemOutcome]:
        return await self._port.upsert(blueprint, bodies, validate_only=True)

    def _is_done(self, order: Order) -> None:
        self._at_work.pop(order.key, None)
        self._written[order.key] = time.monotonic()
        self._catalog.written(order.key)
        self._done(order)


def _targets(entity: Entity) -> list[Ref]:
    """What the entity's relations lead to."""
    declared = next(each for each in KEPT if each.identifier == entity.blueprint)
    found: list[Ref] = []
    for relation in declared.relations:
        value = entity.relations.get(relation.identifier, ())
        found += [Ref(relation.target, each) for each in ((value,) if isinstance(value, str) else value)]
    return found


def _batch(waiting: Mapping[Ref, Order]) -> dict[Ref, Order]:
    return {key: waiting[key] for key in list(waiting)[:MOST_AT_ONCE]}


def _merged(older: Order, newer: Order) -> Order:
    """The newer order with the events and properties of both: none of them has reached Port yet."""
    return Order(
        newer.key,
        newer.entity,
        newer.asked,
        tuple(sorted({*older.properties, *newer.properties})),
        (*older.events, *newer.events),
        older.created or newer.created,
    )
