"""Who somebody is in Coder, found by e-mail address, and which templates they may use.

Coder finds users by a part of their e-mail or username only, so the exact one is picked here. Its search is split at
blanks, `:` and `"` (coderd/searchquery), none of which stands in the addresses that are looked for; `%` and `_` match
more than themselves there, which finds too many and never too few.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from coderport.coder.access import access_list
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderAnswerError, CoderBadRequest, CoderForbidden, CoderNotFound
from coderport.coder.fate import Fate, shown_by_name
from coderport.coder.mail import same_address
from coderport.coder.models import CoderPerson, read_as, rows_of

PAGE = 100
DELETIONS_PAGE = 100
MOST_DELETIONS = 1000
"""How many deleted users are looked through, newest first."""

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
"""The characters that an address may have (RFC 5322, 3.2.3); one in quotes or of other letters is never found."""


_DELETIONS = "resource_type:user action:delete"


def sought(email: str) -> bool:
    """Whether anybody is looked for by this address: it has no quotes, blanks or letters other than ASCII."""
    return _ADDRESS.fullmatch(email) is not None


class People:
    """The users of one Coder deployment, as its client's token sees them."""

    def __init__(self, client: CoderClient) -> None:
        self._client = client

    async def by_email(self, email: str) -> tuple[CoderPerson, ...]:
        """The users whose address is exactly that one, whatever the case: none, one, or (a broken server) more.

        None for an address that is not `sought`, without asking.
        """
        if not sought(email):
            return ()
        found: dict[str, CoderPerson] = {}
        offset = 0
        while True:
            params: dict[str, str | int] = {"q": email.lower(), "limit": PAGE, "offset": offset}
            data = (await self._client._request("GET", "/users", params=params, repeat=True)).data
            rows = rows_of(data.get("users") if isinstance(data, Mapping) else None, "/users")
            before = len(found)
            found |= {each.id: each for each in (read_as(CoderPerson, row) for row in rows)}
            offset += PAGE
            if len(rows) < PAGE:
                return tuple(each for each in found.values() if same_address(each.email, email))
            if len(found) == before:
                raise CoderAnswerError("Coder answers GET /users with the same page again and again")

    async def user(self, name_or_id: str) -> CoderPerson | None:
        """By username or id; None where there is no such user or the token may not see them."""
        path = f"/users/{quote(name_or_id, safe='')}"
        try:
            return read_as(CoderPerson, (await self._client._request("GET", path, repeat=True)).data)
        except (CoderNotFound, CoderBadRequest):  # an unknown user is 404, on older servers 400
            return None

    async def present(self, name_or_id: str) -> CoderPerson | None:
        """As `user`, but None for one that was deleted: by id Coder still shows those, by name it does not."""
        user = await self.user(name_or_id)
        by_name = await self.user(user.username) if user is not None else None
        return user if user is not None and by_name is not None and by_name.id == user.id else None

    async def fate(self, user_id: str) -> CoderPerson | Fate:
        """What became of somebody whom no list shows. Gone takes an answer by id and none by the name that it says.

        By id Coder shows a deleted user for good (see `shown_by_name`). A token that shows neither has lost its right.
        Whether it still has that right after all this is for the caller to ask (`POST /authcheck`).
        """
        found = await shown_by_name(self.user, user_id, lambda user: user.username)
        return Fate.UNPROVEN if found is None else found

    async def may_read_whole_log(self) -> bool:
        """Whether the audit log is read whole. An admin of an organization sees that one's lines: none on users."""
        return (await self._client.authcheck({"log": {"resource_type": "audit_log"}}))["log"]

    async def was_deleted(self, email: str) -> bool | None:
        """Whether Coder once had a user of that address and deleted it, as far as its audit log goes back.

        No list has deleted users, but the log names them by id, and by id they can still be read. Needs the right to
        read the audit log (CoderForbidden without it, CoderNotFound on a server that has no such log). None where it
        cannot be known: the log is empty, as where nothing is recorded, or has more deletions than are looked through.
        """
        asked: set[str] = set()
        for offset in range(0, MOST_DELETIONS, DELETIONS_PAGE):
            params: dict[str, str | int] = {"q": _DELETIONS, "limit": DELETIONS_PAGE, "offset": offset}
            rows = await self._log(params)
            for row in rows:
                user_id = str(row.get("resource_id", "")) if isinstance(row, Mapping) else ""
                if not user_id or user_id in asked:
                    continue
                asked.add(user_id)
                user = await self.user(user_id)
                if same_address(_deleted_address(row) or (user.email if user is not None else ""), email):
                    return True
            if len(rows) < DELETIONS_PAGE:
                records_anything = bool(asked) or bool(await self._log({"limit": 1}))
                return False if records_anything else None
        return None

    async def _log(self, params: dict[str, str | int]) -> Sequence[Any]:
        data = (await self._client._request("GET", "/audit", params=params, repeat=True)).data
        return rows_of(data.get("audit_logs") if isinstance(data, Mapping) else None, "/audit")

    async def template_users(self, template_id: str) -> frozenset[str] | None:
        """The ids of the users whose groups may use a template; None where everybody in its organization may.

        Access lists need a licence. Without one the route is not there: 404, on newer servers 403 with a text that
        names the licence. A 403 for any other reason is raised.
        """
        try:
            found = await access_list(self._client, template_id)
        except CoderNotFound:
            return None
        except CoderForbidden as error:
            if "premium" in error.reason.lower() or "enterprise" in error.reason.lower():
                return None
            raise
        members = frozenset(each.id for group in found.groups for each in group.members)
        return members | {each.id for each in found.users}


def _deleted_address(row: Mapping[str, Any]) -> str:
    """The address that the log's row has itself; only with a licence."""
    change = row.get("diff")
    email = change.get("email") if isinstance(change, Mapping) else None
    return str(email.get("old") or "") if isinstance(email, Mapping) else ""
