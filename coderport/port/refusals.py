"""One value that Port does not take stops no entity: which of an entity's values it is, and the entity without it.

Port says so by 422 for the whole entity. Where it names the property (in `details` or in its message) that is believed;
else Port is asked about each value by itself, by writes that only validate.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from coderport.port.errors import PortRejected
from coderport.port.models import ItemOutcome

Json = Mapping[str, Any]
T = TypeVar("T")

INDISPENSABLE = frozenset({"managed_by", "coder_deployment"})
"""Without these nobody could tell whose an entity is: one whose mark is refused is not written."""

_NAMED_ROUNDS = 4
_SEARCHES = 20
_STATUSES = (400, 422)
_NO_VALUE = frozenset(
    {"required_relation", "relation_many_violation", "team_inheritance_enabled", "inherited_ownership_enabled"}
    | {"run_exhausted", "missing_permissions", "identifier_taken"}
    # Known by name alone, from port-labs/port-cli, which calls them configuration and a value that is not there.
    | {"protected_resource", "protected_entity", "missing_property"}
)
_PATH = re.compile(r"properties[./]([A-Za-z0-9@_=-]+)")


class Refusals:
    """What Port refuses, found out for the entities of one process.

    `validate` asks Port about bodies of a blueprint without writing them. A property that was refused once is looked at
    first the next time.
    """

    def __init__(self, validate: Callable[[str, Sequence[Json]], Awaitable[Sequence[ItemOutcome]]]) -> None:
        self._validate = validate
        self._suspects: defaultdict[str, set[str]] = defaultdict(set)
        self._searching: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._searches: Counter[str] = Counter()

    async def written(
        self, blueprint: str, body: Json, clear: Collection[str], send: Callable[[Json], Awaitable[T]]
    ) -> tuple[T, frozenset[str]]:
        """What `send` gave for the body without the values that Port refuses, and the names of those.

        A refused value is null in what is sent where its name is in `clear`: Port holds an older one there. Raises the
        refusal where no value is the reason, or one that is indispensable.
        """
        refused: set[str] = set()
        rounds = 0
        while True:
            sent = without(body, refused, clear)
            try:
                return await send(sent), frozenset(refused)
            except PortRejected as error:
                rounds += 1
                more = await self._refused(blueprint, sent, error, believed=rounds <= _NAMED_ROUNDS)
                if not more or more & INDISPENSABLE:
                    raise
                refused |= more

    async def _refused(self, blueprint: str, body: Json, error: PortRejected, *, believed: bool) -> set[str]:
        if error.status not in _STATUSES or error.code in _NO_VALUE:
            return set()
        given = {key for key, value in body["properties"].items() if value is not None}
        named = (_named(error) & given) if believed else set()
        if named:
            return named
        asked = self._suspects[blueprint] & given
        if asked and (found := await self._ask(blueprint, body, asked)):
            return found
        async with self._searching[blueprint]:
            since = (self._suspects[blueprint] & given) - asked
            if since and (found := await self._ask(blueprint, body, since)):
                return found
            self._searches[blueprint] += 1
            if self._searches[blueprint] > _SEARCHES:
                return set()
            found = await self._ask(blueprint, body, given)
            self._suspects[blueprint] |= found
            return found

    async def _ask(self, blueprint: str, body: Json, keys: Collection[str]) -> set[str]:
        """Which of the values Port refuses, each by itself; none where it refuses the entity without any, too."""
        bare = {"identifier": body["identifier"], "title": body["title"], "properties": {}}
        order = sorted(keys)
        asked = [bare, *({**bare, "properties": {key: body["properties"][key]}} for key in order)]
        try:
            control, *answers = await self._validate(blueprint, asked)
        except PortRejected:  # not an entity is refused, but the question
            return set()
        if control.error is not None:
            return set()
        return {
            key
            for key, answer in zip(order, answers, strict=True)
            if isinstance(answer.error, PortRejected) and answer.error.status in _STATUSES
        }


def without(body: Json, refused: Collection[str], clear: Collection[str]) -> dict[str, Any]:
    """The body without the refused values; null for those that are in `clear`."""
    properties = {key: value for key, value in body["properties"].items() if key not in refused}
    return {**body, "properties": {**properties, **{key: None for key in refused if key in clear}}}


def _named(error: PortRejected) -> set[str]:
    """The properties that a refusal names."""
    names = set(_PATH.findall(error.message))
    listed = error.details.get("invalidProperties")
    names |= {str(each) for each in listed} if isinstance(listed, list) else set()
    if isinstance(error.details.get("property"), str):
        names.add(error.details["property"])
    return names
