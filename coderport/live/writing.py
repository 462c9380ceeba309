"""Orders carried out at Port: of each key only the newest, in bulk, templates before what refers to them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from coderport.catalog.meaning import time_text
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


class Writer:
    """Carries orders out, one batch after the other, so that of two orders for a key the later one stands.

    `done` is told of each that Port has taken, `refused` of each that it does not take, `hinted` takes what has
    to be looked at again.
    """

    def __init__(self, port: PortClient, catalog: Catalog, done: Told, refused: Told, hinted: Hinted) -> None:
        self._port, self._catalog, self._done, self._refused = port, catalog, done, refused
        self._hinted = hinted
        self._waiting: dict[Ref, Order] = {}
        self._at_work: dict[Ref, Order] = {}
        self._written: dict[Ref, float] = {}
        self._came, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._refusals = Refusals(self._validated)
        self.failing: str = ""

    def __len__(self) -> int:
        return len(self._waiting.keys() | self._at_work.keys())

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
            ours = [each for each in going if await self._is_still_ours(each)]
            if ours:
                await self._port.delete(blueprint.identifier, [each.key.identifier for each in ours])
            for order in going:
                self._is_done(order)

    async def _is_still_ours(self, order: Order) -> bool:
        """Looks at an entity once more before it is deleted: somebody else may have signed it since."""
        held = await self._port.entity(*order.key)
        return held is not None and self._catalog.is_ours(held)

    async def _upserted(self, blueprint: str, orders: Sequence[Order], *, only_new: bool) -> None:
        """Writes them; one that should be new, and which somebody has made since, is looked at again."""
        bodies = [entity_body(order.entity) for order in orders if order.entity is not None]
        outcomes = await self._port.upsert(blueprint, bodies, only_new=only_new)
        for order, body, outcome in zip(orders, bodies, outcomes, strict=True):
            error = outcome.error
            if error is None:
                self._is_done(order)
            elif isinstance(error, PortRejected) and error.code == TAKEN:
                held = await self._port.entity(*order.key)
                self._at_work.pop(order.key, None)
                self._taken(order, held)
            elif isinstance(error, PortRejected):
                await self._without_what_is_refused(order, body)
            else:
                raise error

    async def _without_what_is_refused(self, order: Order, body: Mapping[str, Any]) -> None:
        """Writes what Port takes of an entity, or tells why it takes nothing."""
        assert order.entity is not None
        held = self._catalog.has(order.key)

        async def send(body: Mapping[str, Any]) -> None:
            (outcome,) = await self._port.upsert(order.key.blueprint, [body])
            if outcome.error is not None:
                raise outcome.error

        try:
            clear = frozenset(held.properties) if held is not None else frozenset[str]()
            _, refused = await self._refusals.written(order.key.blueprint, body, clear, send)
        except PortRejected as error:
            if lost := [each for each in _targets(order.entity) if await self._port.entity(*each) is None]:
                self._made_again(order, lost)
                return
            self._catalog.rejected(order.entity, frozenset(body["properties"]))
            self._at_work.pop(order.key, None)
            self._refused(order)
            _LOG.error("entity refused", extra={"entity": order.entity.title, "reason": str(error)})
        else:
            self._is_done(order)
            self._catalog.rejected(order.entity, refused)

    def _made_again(self, order: Order, lost: Sequence[Ref]) -> None:
        """Somebody has deleted in Port what the entity refers to: that is made again, and then the entity."""
        self._at_work.pop(order.key, None)
        for key in lost:
            self._catalog.forget(key)
        self._catalog.forget(order.key)
        again = (*lost, order.key)
        self._hinted(tuple(Hint(key, event) for key in again for event in order.events or (Event("port"),)))

    def _taken(self, order: Order, held: PortEntity | None) -> None:
        """An entity that should be new is there already: whose it is and what it should be is judged anew.

        It is our own where the answer to an earlier try was lost.
        """
        self._catalog.forget(order.key)
        if held is not None:
            self._catalog.seen(held)
        self._hinted(tuple(Hint(order.key, event) for event in order.events) or (Hint(order.key, Event("port")),))

    async def _validated(self, blueprint: str, bodies: Sequence[Mapping[str, Any]]) -> list[ItemOutcome]:
        return await self._port.upsert(blueprint, bodies, validate_only=True)

    def _is_done(self, order: Order) -> None:
        self._at_work.pop(order.key, None)
        self._written[order.key] = time.monotonic()
        self._catalog.written(order.key, time_text(datetime.now(timezone.utc)))
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
