"""Who somebody is in Coder, found by e-mail address, and which templates they may use.

Coder finds users by a part of their e-mail or username only, so the exact one is picked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import model_validator

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderAnswerError, CoderBadRequest, CoderForbidden, CoderNotFound
from coderport.coder.models import User, read_as

PAGE = 100
_PLAIN = re.compile(r"[^\s\"':@]+@[^\s\"':@]+")
"""Addresses that stand in a search as one word."""


class CoderPerson(User):
    """A user with what decides on their rights. `organization_ids` is None where the server does not say."""

    organization_ids: tuple[str, ...] | None = None
    roles: frozenset[str] = frozenset()
    """Site-wide roles by name, e.g. `owner`."""

    @model_validator(mode="before")
    @classmethod
    def _role_names(cls, row: Any) -> Any:
        if not isinstance(row, Mapping):
            return row
        roles = [role for role in row.get("roles") or () if isinstance(role, Mapping)]
        return {**row, "roles": frozenset(str(role.get("name")) for role in roles if not role.get("organization_id"))}


class People:
    """The users of one Coder deployment, as its client's token sees them."""

    def __init__(self, client: CoderClient) -> None:
        self._client = client

    async def by_email(self, email: str) -> tuple[CoderPerson, ...]:
        """The users whose address is exactly that one, whatever the case: none, one, or (a broken server) more."""
        wanted = email.strip().lower()
        if not _PLAIN.fullmatch(wanted):
            return ()
        found: list[CoderPerson] = []
        offset = 0
        while True:
            params: dict[str, str | int] = {"q": wanted, "limit": PAGE, "offset": offset}
            data = (await self._client._request("GET", "/users", params=params, repeat=True)).data
            rows = data.get("users") if isinstance(data, Mapping) else None
            if not isinstance(rows, list):
                raise CoderAnswerError("Coder answered GET /users without the list that belongs there")
            found += [read_as(CoderPerson, row) for row in rows]
            offset += PAGE
            if len(rows) < PAGE:
                return tuple({each.id: each for each in found if each.email.lower() == wanted}.values())

    async def user(self, name_or_id: str) -> CoderPerson | None:
        """By username or id; None where there is no such user or the token may not see them."""
        path = f"/users/{quote(name_or_id, safe='')}"
        try:
            return read_as(CoderPerson, (await self._client._request("GET", path, repeat=True)).data)
        except (CoderNotFound, CoderBadRequest):  # an unknown user is 404, on older servers 400
            return None

    async def template_users(self, template_id: str) -> frozenset[str] | None:
        """The ids of the users whose groups may use a template; None where everybody in its organization may.

        Access lists need a licence. Without one the route is not there: 404, on newer servers 403 with a text that
        names the licence. A 403 for any other reason is raised.
        """
        path = f"/templates/{template_id}/acl"
        try:
            data = (await self._client._request("GET", path, repeat=True)).data
        except CoderNotFound:
            return None
        except CoderForbidden as error:
            if "premium" in error.reason.lower() or "enterprise" in error.reason.lower():
                return None
            raise
        if not isinstance(data, Mapping):
            raise CoderAnswerError(f"Coder answered {path} with something other than a JSON object")
        users = [row for row in data.get("users") or () if row.get("role")]
        groups = [row for row in data.get("group") or () if row.get("role")]
        members = [member for group in groups for member in group.get("members") or ()]
        return frozenset(str(row.get("id")).lower() for row in (*users, *members))
