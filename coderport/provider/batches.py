"""Operations that arrive one by one and leave in bulk calls.

A batch is sent when it is full, or when the engine has been quiet for long enough. Long enough is

- 50 ms, or twice the longest pause that the engine made lately;
- up to 1 s, while such waits cost less than a tenth of the run: an engine on a busy machine fills its batches, too;
- longer while other calls of the kind are under way, because their answers free the engine to send more.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from coderport.port.client import BYTES_PER_CALL, PortClient
from coderport.port.errors import PortError, PortRejected
from coderport.port.models import ItemOutcome

IDLE_SECONDS = 0.05
_LONGEST_IDLE = 2.0
_TICK = 0.001
_IDLE_IN_FLIGHT = 0.5
_SHARE_OF_RUN = 0.1
_LONGEST_SHARE = 1.0
_PAUSES = 256
_CALLS_IN_FLIGHT = 16

# Room for the JSON around the entities.
_BYTES = BYTES_PER_CALL - 1024

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Cancelled(PortError):
    """The engine cancelled before this was sent."""


@dataclass
class _Batch(Generic[Item, Answer]):
    waiting: list[tuple[Item, asyncio.Future[Answer]]] = field(default_factory=list)
    size: int = 0
    timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


class Pulse:
    """When the engine asked for anything, and how long it lately paused between two questions (s)."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last: float | None = None
        self._waited: float | None = None
        self._in_vain = 0.0
        self._pauses: deque[float] = deque(maxlen=_PAUSES)

    def beat(self) -> None:
        """The engine asked for something just now."""
        now = asyncio.get_running_loop().time()
        if self._first is None:
            self._first = now
        if self._last is not None:
            self._pauses.append(now - self._last)
        self._last = now
        self._waited = None

    def rest(self, now: float) -> None:
        """The engine seems to wait for our answers. If it asks for more before it has one, it made a pause."""
        self._waited = 0.0 if self._last is None else now - self._last

    def answered(self) -> None:
        """The engine got an answer. If it waited for it, the time until its next question is no pause of its own."""
        if self._waited is not None:
            self._in_vain += self._waited
            self._last = self._waited = None

    def quiet(self, now: float) -> float:
        """How long the engine has asked for nothing."""
        return now - self._last if self._last is not None else float("inf")

    def patience(self, now: float) -> float:
        """How long the engine may ask for nothing and still be about to."""
        lasted = now - self._first if self._first is not None else 0.0
        longest = max(self._pauses, default=0.0)
        return max(min(2 * longest, _LONGEST_IDLE), min(_SHARE_OF_RUN * lasted - self._in_vain, _LONGEST_SHARE))


class Gatherer(Generic[Key, Item, Answer]):
    """Collects items by key and hands each batch to `send`, which answers in the items' order.

    An answer that is an exception fails its own item only; an exception out of `send` fails the batch.
    """

    def __init__(
        self,
        send: Callable[[Key, list[Item]], Awaitable[Sequence[Answer | PortError]]],
        *,
        most: Callable[[], int],
        size: Callable[[Item], int] = lambda _: 0,
        flights: asyncio.Semaphore,
        pulse: Pulse,
        idle: float = IDLE_SECONDS,
        landed: Callable[[], None] = lambda: None,
    ) -> None:
        self._send = send
        self._most = most
        self._size = size
        self._flights = flights
        self._pulse = pulse
        self._idle = idle
        self._landed = landed
        self._batches: dict[Key, _Batch[Item, Answer]] = {}
        self._flying: set[asyncio.Task[None]] = set()
        self._cancelled = False

    async def submit(self, key: Key, item: Item) -> Answer:
        """Wait until the item's batch was answered, and return the item's answer or raise its error."""
        if self._cancelled:
            raise Cancelled("cancelled before anything was sent to Port")
        self._pulse.beat()
        loop = asyncio.get_running_loop()
        size = self._size(item)
        batch = self._batches.get(key)
        if batch is not None and batch.size + size > _BYTES:
            self._dispatch(key)
            batch = None
        if batch is None:
            batch = self._batches[key] = _Batch()
        answer: asyncio.Future[Answer] = loop.create_future()
        batch.waiting.append((item, answer))
        batch.size += size
        if len(batch.waiting) >= self._most():
            self._dispatch(key)
        elif batch.timer is None:
            self._look_in(key, batch, self._idle)
        return await answer

    def _look_in(self, key: Key, batch: _Batch[Item, Answer], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        batch.timer = loop.call_at(loop.time() + seconds, self._look, key, batch, loop.time() + seconds)

    def _look(self, key: Key, batch: _Batch[Item, Answer], due: float) -> None:
        """Send the batch if the engine is quiet; else look again when it could be."""
        now = asyncio.get_running_loop().time()
        idle = max(self._idle, self._pulse.patience(now), _IDLE_IN_FLIGHT if self._flying else 0.0)
        quiet = self._pulse.quiet(now)
        if now - due > self._idle:  # this process did not get to run: calls may have come that it has not read yet
            self._look_in(key, batch, self._idle)
        elif quiet < idle - _TICK:
            self._look_in(key, batch, idle - quiet)
        else:
            self._pulse.rest(now)
            self._dispatch(key)

    def cancel(self) -> None:
        """Drop what was not sent; what is in flight runs to its end."""
        self._cancelled = True
        for batch in self._batches.values():
            batch.stop()
            for _, answer in batch.waiting:
                if not answer.done():
                    answer.set_exception(Cancelled("cancelled before anything was sent to Port"))
        self._batches.clear()

    def _dispatch(self, key: Key) -> None:
        batch = self._batches.pop(key)
        batch.stop()
        task = asyncio.create_task(self._fly(key, batch.waiting))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)

    async def _fly(self, key: Key, waiting: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        async with self._flights:
            try:
                answers = await self._send(key, [item for item, _ in waiting])
                answered = list(zip(waiting, answers, strict=True))
            except Exception as error:  # handed on to every waiting call, none may wait for ever
                for _, future in waiting:
                    if not future.done():
                        future.set_exception(error)
                return
            finally:
                self._pulse.answered()
                self._landed()
        for (_, future), answer in answered:
            if future.done():
                continue
            if isinstance(answer, PortError):
                future.set_exception(answer)
            else:
                future.set_result(answer)


@dataclass(frozen=True)
class UpsertKey:
    """What the entities of one bulk upsert have in common."""

    blueprint: str
    create_missing: bool = False
    run_id: str | None = None
    only_new: bool = False


class Batches:
    """The gatherers of one client: upserts and deletions of entities."""

    def __init__(
        self, client: PortClient, *, idle: float = IDLE_SECONDS, landed: Callable[[], None] = lambda: None
    ) -> None:
        self._client = client
        self.pulse = Pulse()
        flights = asyncio.Semaphore(_CALLS_IN_FLIGHT)
        self._upserts: Gatherer[UpsertKey, Mapping[str, Any], ItemOutcome] = Gatherer(
            self._send_upserts,
            most=lambda: client.bulk.upserts.most,
            size=_bytes,
            flights=flights,
            pulse=self.pulse,
            idle=idle,
            landed=landed,
        )
        self._checks: Gatherer[str, Mapping[str, Any], ItemOutcome] = Gatherer(
            self._send_checks,
            most=lambda: client.bulk.upserts.most,
            size=_bytes,
            flights=flights,
            pulse=self.pulse,
            idle=idle,
            landed=landed,
        )
        self._deletes: Gatherer[str, str, None] = Gatherer(
            self._send_deletes,
            most=lambda: client.bulk.deletes.most,
            flights=flights,
            pulse=self.pulse,
            idle=idle,
            landed=landed,
        )

    async def upsert(self, key: UpsertKey, body: Mapping[str, Any]) -> ItemOutcome:
        """Send the entity with the next bulk call; raises what Port says against it."""
        return await self._upserts.submit(key, body)

    async def validate(self, blueprint: str, bodies: Sequence[Mapping[str, Any]]) -> list[ItemOutcome]:
        """What Port would say to each of the entities; nothing is written."""
        return list(await asyncio.gather(*(self._checks.submit(blueprint, body) for body in bodies)))

    async def delete(self, blueprint: str, identifier: str) -> None:
        """Delete the entity with the next bulk call; one that is not there is deleted."""
        await self._deletes.submit(blueprint, identifier)

    def cancel(self) -> None:
        """Drop what was not sent."""
        self._upserts.cancel()
        self._deletes.cancel()
        self._checks.cancel()

    async def _send_upserts(self, key: UpsertKey, bodies: list[Mapping[str, Any]]) -> Sequence[ItemOutcome | PortError]:
        try:
            outcomes = await self._client.upsert(
                key.blueprint,
                bodies,
                create_missing=key.create_missing,
                run_id=key.run_id,
                only_new=key.only_new,
            )
        except PortRejected as error:
            return [error] * len(bodies)
        return [outcome.error or outcome for outcome in outcomes]

    async def _send_checks(self, blueprint: str, bodies: list[Mapping[str, Any]]) -> Sequence[ItemOutcome | PortError]:
        return await self._client.upsert(blueprint, bodies, validate_only=True)

    async def _send_deletes(self, blueprint: str, identifiers: list[str]) -> Sequence[PortError | None]:
        try:
            if len(identifiers) == 1:
                await self._client.delete_entity(blueprint, identifiers[0])
            else:
                await self._client.delete(blueprint, identifiers)
        except PortRejected as error:
            if len(identifiers) == 1:
                return [error]
            return await _apart(lambda part: self._send_deletes(blueprint, part), identifiers)
        return [None] * len(identifiers)


async def _apart(send: Callable[[list[Item]], Awaitable[Sequence[Answer]]], items: list[Item]) -> list[Answer]:
    """Send a batch that was rejected as a whole again in two halves."""
    middle = len(items) // 2
    return [*await send(items[:middle]), *await send(items[middle:])]


def _bytes(body: Mapping[str, Any]) -> int:
    return len(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()) + 1
