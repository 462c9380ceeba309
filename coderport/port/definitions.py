"""Scorecards, pages, and who may write the entities of a blueprint: definitions beside blueprints and actions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from coderport.port.client import PortClient
from coderport.port.errors import PortRejected, PortUnreachable
from coderport.port.session import Reply

Json = dict[str, Any]


class Definitions:
    """The definitions of one kind: `name` is the member of an answer that holds one, `path` where all of them are.

    `within` is the blueprint that has them, if one has. A page and a scorecard are replaced as a whole (`PUT`).
    """

    def __init__(
        self, client: PortClient, name: str, path: str, within: str = "", query: Mapping[str, str] | None = None
    ) -> None:
        self._session = client._session
        self._name = name
        self._path = path
        self._query = query
        self._of = f" of blueprint {within}" if within else ""

    @classmethod
    def scorecards(cls, client: PortClient, blueprint: str) -> Definitions:
        """The scorecards of a blueprint."""
        return cls(client, "scorecard", f"/v1/blueprints/{quote(blueprint, safe='')}/scorecards", blueprint)

    @classmethod
    def pages(cls, client: PortClient) -> Definitions:
        """The pages of the organization."""
        return cls(client, "page", "/v1/pages", query={"compact": "false"})

    async def all(self) -> dict[str, Json]:
        """All of them by identifier, whoever made them."""
        what = f"reading the {self._name}s{self._of}"
        reply = await self._session.call("GET", self._path, what, query=self._query)
        return {str(each["identifier"]): each for each in reply.rows(f"{self._name}s")}

    async def one(self, identifier: str) -> Json | None:
        """That of the identifier, or None where there is none."""
        try:
            reply = await self._session.call("GET", self._at(identifier), self._what("reading", identifier))
        except PortRejected as error:
            if error.status == 404:
                return None
            raise
        return reply.member(self._name)

    async def create(self, body: Mapping[str, Any]) -> Json:
        """Create one; 409 `identifier_taken` if it exists. After a lost answer it is looked for before a second try."""
        identifier = str(body["identifier"])
        try:
            return await self._create(identifier, body)
        except PortUnreachable:
            held = await self.one(identifier)
            return await self._create(identifier, body) if held is None else held

    async def _create(self, identifier: str, body: Mapping[str, Any]) -> Json:
        what = self._what("creating", identifier)
        return await self._written(await self._session.call("POST", self._path, what, body=body, repeat=False), body)

    async def replace(self, identifier: str, body: Mapping[str, Any]) -> Json:
        """Replace the whole one, which is also how it gets another identifier."""
        what = self._what("changing", identifier)
        return await self._written(await self._session.call("PUT", self._at(identifier), what, body=body), body)

    async def _written(self, reply: Reply, body: Mapping[str, Any]) -> Json:
        """What was written. Port answers a written page with its identifier alone (source: its Terraform provider)."""
        if isinstance(reply.json.get(self._name), dict):
            return reply.member(self._name)
        return await self.one(str(reply.json.get("identifier") or body["identifier"])) or dict(body)

    async def delete(self, identifier: str) -> bool:
        """Delete one; False if there was none."""
        try:
            await self._session.call("DELETE", self._at(identifier), self._what("deleting", identifier))
        except PortRejected as error:
            if error.status == 404:
                return False
            raise
        return True

    def _at(self, identifier: str) -> str:
        return f"{self._path}/{quote(identifier, safe='')}"

    def _what(self, doing: str, identifier: str) -> str:
        return f"{doing} {self._name} {identifier}{self._of}"


_NOT_THERE = ("not_found", "after_item_not_in_parent")
"""Port's words for an `after` that names nothing, or something in another folder (source: port-labs/port-cli)."""


async def placed(write: Callable[[Mapping[str, Any]], Awaitable[Json]], body: Mapping[str, Any]) -> Json:
    """What `write` answers, for a page whose place in the menu is as others set it.

    A page keeps the name of the one that it stands after, also when that one is gone or in another folder, and Port
    then refuses the name. The page is written without it.
    """
    try:
        return await write(body)
    except PortRejected as error:
        if error.code not in _NOT_THERE or "after" not in body:
            raise
    return await write({key: value for key, value in body.items() if key != "after"})


class BlueprintGrants:
    """Who may read and write the entities of blueprints."""

    def __init__(self, client: PortClient) -> None:
        self._session = client._session

    async def of(self, blueprint: str) -> Json | None:
        """The permissions (`entities`), or None where there is no such blueprint."""
        what = f"reading the permissions of blueprint {blueprint}"
        try:
            return (await self._session.call("GET", _permissions(blueprint), what)).member("permissions")
        except PortRejected as error:
            if error.status == 404:
                return None
            raise

    async def change(self, blueprint: str, body: Mapping[str, Any]) -> Json:
        """Change them: what `body` does not name stays."""
        what = f"changing the permissions of blueprint {blueprint}"
        return (await self._session.call("PATCH", _permissions(blueprint), what, body=body)).member("permissions")


def _permissions(blueprint: str) -> str:
    return f"/v1/blueprints/{quote(blueprint, safe='')}/permissions"
