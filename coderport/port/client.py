"""The client of Port's API: blueprints, entities one by one and in bulk, actions, and the organization."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from coderport import __version__
from coderport.port.bulk import Bulk
from coderport.port.errors import PortError, PortRejected, PortUnreachable
from coderport.port.models import DeleteResult, ItemOutcome, Organization, PortEntity
from coderport.port.permissions import once_made
from coderport.port.session import Reply, Session
from coderport.transport.patience import Patience, Say, Waits

BYTES_PER_CALL = 1024 * 1024
ROWS_PER_PAGE = 1000

_V2 = {"version": "v2"}
_PLAIN = {"exclude_calculated_properties": "true"}


class PortClient:
    """Port's API for one organization; an async context manager.

    `base_url` is taken with or without `/v1`. `token` replaces the pair of id and secret. A failed
    request is repeated as `patience` says where sending it twice has the same result as once (5xx, lost
    and late answers), and after a 429, which did nothing. `say` tells a person of such a wait. `share` is the
    part of each of Port's buckets that it takes at most. Nothing is bound to an event loop before the first request.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        token: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        user_agent: str = f"coderport/{__version__}",
        patience: Patience | None = None,
        say: Say | None = None,
        waits: Waits | None = None,
        share: float = 1.0,
    ) -> None:
        self.client_id = client_id
        self._session = Session(
            base_url,
            client_id,
            client_secret,
            token=token,
            transport=transport,
            user_agent=user_agent,
            patience=patience or Patience.of(),
            say=say,
            waits=waits,
            share=share,
        )
        self._bulk = Bulk(self._session)

    def __repr__(self) -> str:
        return f"PortClient({self.base_url!r})"

    async def __aenter__(self) -> PortClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the counters stay readable."""
        await self._session.close()

    @property
    def base_url(self) -> str:
        """The address without `/v1`."""
        return self._session.base_url

    @property
    def requests(self) -> int:
        """HTTP requests sent so far, repeats and those for tokens included."""
        return self._session.requests

    @property
    def writes(self) -> int:
        """Those of the requests that change something at Port."""
        return self._session.writes

    @property
    def clock(self) -> datetime | None:
        """Port's own time of its last answer, to the second; None where it did not say."""
        return self._session.clock

    @property
    def retries(self) -> int:
        """Those of the requests that were repeats."""
        return self._session.persistence.retries

    @property
    def waited(self) -> float:
        """Seconds in which Port, or another server of the command, failed."""
        return self._session.persistence.waits.seconds

    async def organization(self) -> Organization:
        """The organization of the credentials: `GET /v1/organization`, else the token's `orgId`.

        Port's Kubernetes exporter reads the id from the same route's `organization.id`.
        """
        try:
            body = (await self._session.call("GET", "/v1/organization", "reading the organization")).member(
                "organization"
            )
        except PortRejected:
            claim = self._session.claims().get("orgId")
            if not isinstance(claim, str):
                raise
            return Organization(claim, "")
        if not isinstance(body.get("id"), str):
            raise PortError("Port's answer about the organization has no id")
        return Organization(body["id"], body.get("name") or "")

    async def blueprint(self, identifier: str) -> dict[str, Any] | None:
        """The blueprint as Port holds it, or None where there is none."""
        return await self._member_of(_blueprint(identifier), f"reading blueprint {identifier}", "blueprint")

    async def blueprints(self) -> list[dict[str, Any]]:
        """All blueprints of the organization, whoever made them."""
        return (await self._session.call("GET", "/v1/blueprints", "reading the blueprints")).rows("blueprints")

    async def create_blueprint(self, body: Mapping[str, Any], *, catalog_page: bool = True) -> dict[str, Any]:
        """Create a blueprint; 409 `identifier_taken` if it exists.

        Creating twice is not the same as once, so after a lost answer the blueprint is looked for
        before a second try.
        """
        try:
            return await self._create_blueprint(body, catalog_page)
        except PortUnreachable:
            held = await self.blueprint(body["identifier"])
            return await self._create_blueprint(body, catalog_page) if held is None else held

    async def _create_blueprint(self, body: Mapping[str, Any], catalog_page: bool) -> dict[str, Any]:
        reply = await self._session.call(
            "POST",
            "/v1/blueprints",
            f"creating blueprint {body['identifier']}",
            query={"create_catalog_page": _flag(catalog_page)},
            body=body,
            repeat=False,
        )
        return reply.member("blueprint")

    async def replace_blueprint(self, identifier: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the whole blueprint (`PUT`): what `body` does not name is gone afterwards."""
        what = f"changing blueprint {identifier}"
        return (await self._session.call("PUT", _blueprint(identifier), what, body=body)).member("blueprint")

    async def delete_blueprint(self, identifier: str) -> bool:
        """Delete an empty blueprint; False if there was none. 403 `has_dependents` while it has entities."""
        return await self._delete(_blueprint(identifier), f"deleting blueprint {identifier}")

    async def entities(self, blueprint: str, *, query: Mapping[str, Any] | None = None) -> AsyncIterator[PortEntity]:
        """Every entity of a blueprint that matches `query` (all without one), 1,000 a page, each once.

        Calculated properties are left out. 404 if there is no such blueprint.
        """
        what = f"reading the entities of blueprint {blueprint}"
        body: dict[str, Any] = {"limit": ROWS_PER_PAGE}
        if query is not None:
            body["query"] = query
        seen: set[str] = set()
        pages: set[str] = set()
        while True:
            reply = await self._session.call(
                "POST", f"{_blueprint(blueprint)}/entities/search", what, query=_PLAIN, body=body
            )
            before = len(seen)
            for row in reply.rows("entities"):
                entity = PortEntity.from_json(blueprint, row)
                if entity.identifier not in seen:
                    seen.add(entity.identifier)
                    yield entity
            following = reply.json.get("next")
            if not following:
                return
            if str(following) in pages or (pages and len(seen) == before):
                raise PortError(f"Port's pages do not end ({what})")
            pages.add(str(following))
            body = {**body, "from": following}

    async def entity(self, blueprint: str, identifier: str) -> PortEntity | None:
        """One entity, or None where Port knows no such entity or blueprint."""
        what = f"reading entity {blueprint}:{identifier}"
        try:
            reply = await self._session.call("GET", _entity(blueprint, identifier), what, query=_PLAIN)
        except PortRejected as error:
            if error.status == 404:
                return None
            raise
        return PortEntity.from_json(blueprint, reply.member("entity"))

    async def count(self, blueprint: str) -> int:
        """How many entities a blueprint has."""
        what = f"counting the entities of blueprint {blueprint}"
        reply = await self._session.call("GET", f"{_blueprint(blueprint)}/entities-count", what)
        count = reply.json.get("count")
        if not isinstance(count, int):
            raise PortError(f"Port's answer has no count in it ({what})")
        return count

    @property
    def bulk(self) -> Bulk:
        """The bulk routes with the sizes that this Port takes."""
        return self._bulk

    async def upsert(
        self,
        blueprint: str,
        entities: Sequence[Mapping[str, Any]],
        *,
        merge: bool = True,
        create_missing: bool = False,
        run_id: str | None = None,
        validate_only: bool = False,
        only_new: bool = False,
    ) -> list[ItemOutcome]:
        """Create or change entities in bulk; the outcomes are in the order of the request.

        With `only_new` nothing is changed: one that exists has the error `identifier_taken`.

        With `merge` a property that a body does not name keeps its value and null clears it; without, the entity is
        replaced. An entity that fails has its error in its outcome and does not stop the others; only a request that
        was rejected as a whole raises. With `validate_only` nothing is written, and Port says what it would say.
        """
        query = {
            "upsert": _flag(not only_new),
            "merge": _flag(merge and not only_new),
            "create_missing_related_entities": _flag(create_missing),
        }
        if run_id:
            query["run_id"] = run_id
        if validate_only:
            query["validation_only"] = "true"
        return await self._bulk.upsert(blueprint, entities, query, changes=not validate_only)

    async def replace_entity(
        self, blueprint: str, identifier: str, body: Mapping[str, Any], *, run_id: str | None = None
    ) -> PortEntity:
        """Replace one whole entity (`PUT`), which is how it gets another identifier."""
        reply = await self._session.call(
            "PUT",
            _entity(blueprint, identifier),
            f"changing entity {blueprint}:{identifier}",
            query={"run_id": run_id} if run_id else None,
            body=body,
        )
        return PortEntity.from_json(blueprint, reply.member("entity"))

    async def rename_entity(
        self, blueprint: str, identifier: str, new: str, values: Mapping[str, Any] | None = None
    ) -> bool:
        """Give an entity another identifier (`PATCH`); all else of it stays, and relations to it follow.

        `values` are properties and relations to set with it, as in a body. False where the entity is not there. A lost
        answer may hide that it was renamed, so one that is not there is looked for under the new name. 409
        `identifier_taken` where another entity has that, PortError where Port keeps the old one and says nothing.
        """
        what = f"renaming entity {blueprint}:{identifier} to {new}"
        try:
            body = {"identifier": new, **(values or {})}
            reply = await self._session.call("PATCH", _entity(blueprint, identifier), what, body=body)
        except PortRejected as error:
            if error.status != 404:
                raise
            return await self.entity(blueprint, new) is not None
        if PortEntity.from_json(blueprint, reply.member("entity")).identifier != new:
            raise PortError(f"Port took the request and left the identifier as it is ({what})")
        return True

    async def delete_entity(self, blueprint: str, identifier: str) -> bool:
        """Delete one entity; False if there was none. 403 `has_dependents` if another one requires it."""
        return await self._delete(
            _entity(blueprint, identifier),
            f"deleting entity {blueprint}:{identifier}",
            {"delete_dependents": "false"},
        )

    async def delete(self, blueprint: str, identifiers: Sequence[str], *, run_id: str | None = None) -> DeleteResult:
        """Delete entities in bulk, as part of the run of an action where one is named; what Port says it deleted.

        One that others require (`has_dependents`) fails the whole call. What Port does not name is looked for: where
        that is still there, it is a PortError.
        """
        query = {"delete_dependents": "false"}
        if run_id:
            query["run_id"] = run_id

        async def is_there(identifier: str) -> bool:
            return await self.entity(blueprint, identifier) is not None

        return DeleteResult(await self._bulk.delete(blueprint, identifiers, query, is_there))

    async def actions(self) -> dict[str, dict[str, Any]]:
        """All actions of the organization, by identifier; whatever they do and whoever made them."""
        reply = await self._session.call("GET", "/v1/actions", "reading the actions", query=_V2)
        return {each["identifier"]: each for each in reply.rows("actions")}

    async def action(self, identifier: str) -> dict[str, Any] | None:
        """The action as Port holds it, or None where there is none."""
        return await self._member_of(_action(identifier), f"reading action {identifier}", "action")

    async def create_action(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an action; 409 `identifier_taken` if it exists, 422 for a member that Port does not know.

        After a lost answer the action is looked for before a second try.
        """
        try:
            return await self._create_action(body)
        except PortUnreachable:
            held = await self.action(body["identifier"])
            return await self._create_action(body) if held is None else held

    async def _create_action(self, body: Mapping[str, Any]) -> dict[str, Any]:
        what = f"creating action {body['identifier']}"
        return (await self._session.call("POST", "/v1/actions", what, body=body, repeat=False)).member("action")

    async def replace_action(self, identifier: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the whole action (`PUT`), which is also how it gets another identifier; its permissions stay."""
        reply = await self._session.call("PUT", _action(identifier), f"changing action {identifier}", body=body)
        return reply.member("action")

    async def delete_action(self, identifier: str) -> bool:
        """Delete an action; False if there was none."""
        return await self._delete(_action(identifier), f"deleting action {identifier}")

    async def action_permissions(self, identifier: str) -> dict[str, Any] | None:
        """Who may run and approve an action (`execute`, `approve`), or None where there is no such action.

        Those of a new action are waited for; PortError where Port does not make them.
        """
        what = f"reading the permissions of action {identifier}"
        return await self._permissions(identifier, "GET", what)

    async def patch_action_permissions(self, identifier: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change who may run and approve an action: a list or a policy that `body` names is replaced whole.

        Those of a new action are waited for, as when they are read; 404 where there is no such action.
        """
        what = f"changing the permissions of action {identifier}"
        changed = await self._permissions(identifier, "PATCH", what, body)
        if changed is None:
            raise PortRejected(what, "not_found", 404, f'Action with identifier "{identifier}" was not found')
        return changed

    async def _permissions(
        self, identifier: str, method: str, what: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        async def ask() -> Reply:
            return await self._session.call(method, f"{_action(identifier)}/permissions", what, body=body)

        async def is_there() -> bool:
            return await self.action(identifier) is not None

        return await once_made(ask, is_there, identifier, what, self._session.persistence)

    async def _member_of(self, path: str, what: str, name: str) -> dict[str, Any] | None:
        try:
            return (await self._session.call("GET", path, what)).member(name)
        except PortRejected as error:
            if error.status == 404:
                return None
            raise

    async def _delete(self, path: str, what: str, query: Mapping[str, str] | None = None) -> bool:
        try:
            await self._session.call("DELETE", path, what, query=query)
        except PortRejected as error:
            if error.status == 404:
                return False
            raise
        return True


def _blueprint(identifier: str) -> str:
    return f"/v1/blueprints/{quote(identifier, safe='')}"


def _entity(blueprint: str, identifier: str) -> str:
    return f"{_blueprint(blueprint)}/entities/{quote(identifier, safe='')}"


def _action(identifier: str) -> str:
    return f"/v1/actions/{quote(identifier, safe='')}"


def _flag(value: bool) -> str:
    return "true" if value else "false"
