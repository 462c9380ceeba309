"""Port's two bulk routes: the size of a call, what is tried again of one, and what became of each of its items.

An item that answers 429, 409, 408 or 5xx, or that the answer does not mention, is sent again as a request would be:
both calls have the same result however often they are sent. A call that is refused as a whole is taken apart, so that
what is wrong with one item, or with their number, stops no other.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

from coderport.port.errors import PortError, PortRateLimited, PortRejected, PortUnreachable, words
from coderport.port.models import ItemOutcome
from coderport.port.session import Reply, Session, traced
from coderport.transport.patience import Again, is_momentary

TAKEN = "identifier_taken"
UPSERTS_PER_CALL = 20
DELETES_PER_CALL = 100

# Statuses of a whole call that may be about one of its items, or about their number: it is taken apart.
_APART = (400, 413, 422)
# They may be about the number.
_TOO_MANY = (413, 422)
# Port's own name of a status; others are those of HTTP (`service_unavailable`).
_OF_PORT = {"INTERNAL_ERROR": 500}

Item = TypeVar("Item")


class Size:
    """How many items a call may have. An answer may say that it is fewer (`maxBulkSize`), and a refusal too."""

    def __init__(self, most: int) -> None:
        self.most = most

    def announced(self, number: object) -> None:
        """What an answer said; larger calls than Port documents are never made."""
        if isinstance(number, (int, float)) and not isinstance(number, bool) and number >= 1:
            self.most = int(min(self.most, number))

    def parts(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        """The items in calls, each as large as may be when it is its turn: the call before it may have said less."""
        start = 0
        while start < len(items):
            part = items[start : start + self.most]
            start += len(part)
            yield part


class Bulk:
    """The bulk calls of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.upserts, self.deletes = Size(UPSERTS_PER_CALL), Size(DELETES_PER_CALL)

    async def upsert(
        self, blueprint: str, bodies: Sequence[Mapping[str, Any]], query: Mapping[str, str], *, changes: bool = True
    ) -> list[ItemOutcome]:
        """The outcome of each entity, in order, in as few calls as Port takes. A final refusal of a call raises."""
        found: list[ItemOutcome] = []
        for part in self.upserts.parts(bodies):
            found += await self._upserted(blueprint, part, query, changes)
        return [ItemOutcome(at, each.identifier, each.created, each.error) for at, each in enumerate(found)]

    async def _upserted(
        self, blueprint: str, bodies: Sequence[Mapping[str, Any]], query: Mapping[str, str], changes: bool
    ) -> list[ItemOutcome]:
        """One call and its repeats; those of its items that failed only for a moment are sent again alone."""
        outcomes: dict[int, ItemOutcome] = {}
        waiting = list(range(len(bodies)))

        async def attempt() -> None:
            nonlocal waiting
            sent, failed = list(waiting), list[int]()
            names = [str(bodies[at]["identifier"]) for at in sent]
            reply = await self._call(blueprint, "entities/bulk", [bodies[at] for at in sent], query, changes)
            self.upserts.announced(reply.json.get("maxBulkSize"))
            for at, outcome, again in zip(sent, *_outcomes(self._session, blueprint, names, reply), strict=True):
                outcomes[at] = outcome
                if again:
                    failed.append(at)
            waiting = failed
            if failed:
                error = outcomes[failed[0]].error
                assert error is not None
                raise Again(error, limited=isinstance(error, PortRateLimited))

        try:
            await self._session.persistence.repeated(attempt)
        except PortRejected as error:
            if outcomes or error.status not in _APART:  # of single items, or nothing that fewer items would change
                if len(outcomes) < len(bodies):
                    raise
            elif not changes:  # a question is not worth many
                raise
            elif len(bodies) == 1:
                return [ItemOutcome(0, str(bodies[0]["identifier"]), error=error)]
            else:
                parts = await _apart(lambda part: self._upserted(blueprint, part, query, changes), bodies)
                if error.status in _TOO_MANY and not any(each.error for each in parts):
                    self.upserts.announced(len(bodies) // 2)
                return parts
        except PortError:
            if len(outcomes) < len(bodies):
                raise
        return [outcomes[at] for at in range(len(bodies))]

    async def delete(
        self,
        blueprint: str,
        identifiers: Sequence[str],
        query: Mapping[str, str],
        is_there: Callable[[str], Awaitable[bool]],
    ) -> frozenset[str]:
        """Delete them; those that Port says it deleted. What it does not name is asked for by itself (`is_there`)."""
        deleted: set[str] = set()
        for part in self.deletes.parts(identifiers):
            deleted |= await self._deleted(blueprint, part, query, is_there)
        return frozenset(deleted)

    async def _deleted(
        self,
        blueprint: str,
        identifiers: Sequence[str],
        query: Mapping[str, str],
        is_there: Callable[[str], Awaitable[bool]],
    ) -> set[str]:
        deleted: set[str] = set()

        async def attempt() -> None:
            rest = [each for each in identifiers if each not in deleted]
            reply = await self._call(blueprint, "bulk/entities/delete", rest, query, True)
            self.deletes.announced(reply.json.get("maxBulkSize"))
            named = reply.json.get("deletedEntities")
            deleted.update(each for each in (named if isinstance(named, list) else ()) if each in rest)
            left = [each for each in rest if each not in deleted and await is_there(each)]
            if left:
                raise Again(
                    PortError(
                        f"Port answered that the deletion of {len(rest):,} entities of blueprint {blueprint} went well"
                        f", and {len(left):,} of them are still there ({', '.join(left[:3])}, …)"
                    )
                )

        try:
            await self._session.persistence.repeated(attempt)
        except PortRejected as error:
            if error.status not in _TOO_MANY or len(identifiers) == 1:
                raise
            middle = len(identifiers) // 2
            for part in (identifiers[:middle], identifiers[middle:]):
                deleted |= await self._deleted(blueprint, part, query, is_there)
            self.deletes.announced(middle)
        return deleted

    async def _call(
        self, blueprint: str, route: str, items: Sequence[Any], query: Mapping[str, str], changes: bool
    ) -> Reply:
        verb = "deleting " if "delete" in route else ""
        what = f"{verb}{len(items):,} entities of blueprint {blueprint}"
        if len(items) == 1:
            named = items[0]["identifier"] if isinstance(items[0], Mapping) else items[0]
            what = f"{verb}entity {blueprint}:{named}"
        try:
            return await self._session.call(
                "POST",
                f"/v1/blueprints/{quote(blueprint, safe='')}/{route}",
                what,
                query=query,
                body={"entities": list(items)},
                changes=changes,
            )
        except PortRejected as error:
            if error.status == 409:  # somebody else writes the same at this moment
                raise Again(error) from None
            raise


def _outcomes(
    session: Session, blueprint: str, identifiers: Sequence[str], reply: Reply
) -> tuple[list[ItemOutcome], list[bool]]:
    """What became of each item, by its position (the only reliable link), and which of them are to be sent again."""
    found: dict[int, tuple[ItemOutcome, bool]] = {}
    for row in _rows(reply.json.get("entities")):
        if (at := _index(row, len(identifiers))) is not None:
            found[at] = ItemOutcome(at, identifiers[at], created=row.get("created") is True), False
    for row in _rows(reply.json.get("errors")):
        if (at := _index(row, len(identifiers))) is not None:
            error, again = _error_of(session, f"entity {blueprint}:{identifiers[at]}", row, reply.trace_id)
            found[at] = ItemOutcome(at, identifiers[at], error=error), again
    for at, identifier in enumerate(identifiers):
        if at not in found:
            lost = f"Port's answer to the bulk call does not say what became of entity {blueprint}:{identifier}"
            found[at] = ItemOutcome(at, identifier, error=PortError(lost)), True
    every = [found[at] for at in range(len(identifiers))]
    return [outcome for outcome, _ in every], [again for _, again in every]


def _error_of(session: Session, what: str, row: Mapping[str, Any], trace: str | None) -> tuple[PortError, bool]:
    """What an item's error says, and whether to send the item again."""
    code = session.shown.text(row.get("error")) or "unknown error"
    status = _status(row.get("statusCode"), code)
    message = session.shown.text(row.get("message"))
    details = session.details(row.get("details"))
    if status == 429:
        return PortRateLimited(f"Port limits the rate of requests ({what})"), True
    if is_momentary(status):
        return PortUnreachable(f"Port answered {status} ({what}): {words(code, message, details)}{traced(trace)}"), True
    # An identifier that is taken stays so; other conflicts are of the moment.
    return PortRejected(what, code, status, message, trace, details=details), status == 409 and code != TAKEN


def _index(row: Mapping[str, Any], items: int) -> int | None:
    at = _whole(row.get("index"))
    return at if at is not None and 0 <= at < items else None


def _status(given: object, code: str) -> int:
    """The status of an item. Where it has none that can be read: the one that its code is the name of, else 0."""
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = int(given[:4])
    status = _whole(given)
    if status is not None and 100 <= status < 600:
        return status
    named = re.sub(r"[^A-Z]+", "_", code.upper())
    return _OF_PORT.get(named) or (HTTPStatus[named].value if named in HTTPStatus.__members__ else 0)


def _whole(number: object) -> int | None:
    """The whole number; JSON may write it as 3.0 (Port's schema says `number`)."""
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _rows(value: object) -> Iterable[Mapping[str, Any]]:
    return (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()


async def _apart(
    send: Callable[[Sequence[Item]], Awaitable[list[ItemOutcome]]], items: Sequence[Item]
) -> list[ItemOutcome]:
    """Send what was refused as a whole again in two halves."""
    middle = len(items) // 2
    first, second = await send(items[:middle]), await send(items[middle:])
    return [*first, *(ItemOutcome(middle + each.index, each.identifier, each.created, each.error) for each in second)]
