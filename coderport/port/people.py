"""The people of a Port organization, as far as they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coderport.port.client import PortClient
from coderport.port.errors import PortRejected

_ROLES: Final = "/v1/users?fields=email&fields=roles.name"
_FORBIDDEN: Final = 403


async def roles_in_use(client: PortClient) -> frozenset[str] | None:
    """The roles that any user has; None where this client may not read users (it takes Port's `read:users`)."""
    try:
        reply = await client._session.call("GET", _ROLES, "reading the roles of the users")
    except PortRejected as error:
        if error.status == _FORBIDDEN:
            return None
        raise
    held = (each.get("roles") for each in reply.rows("users") if isinstance(each, Mapping))
    return frozenset(
        role["name"]
        for roles in held
        if isinstance(roles, list)
        for role in roles
        if isinstance(role, Mapping) and isinstance(role.get("name"), str)
    )
