"""Permissions of an action that Port has not made yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from coderport.port.errors import PortError, PortRejected
from coderport.port.session import Reply
from coderport.transport.patience import Again, Persistence

PERMISSIONS_SECONDS: Final = 15.0
"""How long the permissions of a new action are waited for."""


class PermissionsNotMade(PortError):
    """Port has an action and not its permissions."""


async def once_made(
    ask: Callable[[], Awaitable[Reply]],
    is_there: Callable[[], Awaitable[bool]],
    action: str,
    what: str,
    persistence: Persistence,
) -> dict[str, Any] | None:
    """The permissions in the answer to `ask`, which is repeated; None where the action itself `is_there` no more.

    Port makes them a moment after the action (so says a comment in the clients of its Terraform provider and its
    Kubernetes exporter, which repeat the request). Until then it answers 404, or without permissions.
    """
    seconds = min(PERMISSIONS_SECONDS, persistence.patience.outage)

    async def attempt() -> dict[str, Any] | None:
        found = await _permissions(ask)
        if found or not await is_there():
            return found or None
        late = PermissionsNotMade(
            f"Port has the action {action} and made no permissions for it within {seconds:g} s ({what}). "
            "Run again; if it stays so, delete the action in Port: the next run makes it anew."
        )
        raise Again(late, within=seconds)

    return await persistence.repeated(attempt)


async def _permissions(ask: Callable[[], Awaitable[Reply]]) -> dict[str, Any] | None:
    try:
        found = (await ask()).json.get("permissions")
    except PortRejected as error:
        if error.status == 404:
            return None
        raise
    return found if isinstance(found, dict) else None
