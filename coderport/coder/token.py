"""What a token of Coder is good for: until when, and which of the everyday acts on others' workspaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderForbidden, CoderNotFound
from coderport.coder.models import Organization

ACTS = ("create", "start", "stop", "update", "delete")
"""What the runner of the actions does with workspaces, as Coder's permissions call it."""


async def end_of(client: CoderClient, token: str) -> datetime | None:
    """When the token ends, aware; None where Coder does not show it. A token begins with the id of its key."""
    try:
        answer = await client._request("GET", f"/users/me/keys/{token.partition('-')[0]}", repeat=True)
        text = answer.data["expires_at"]
        return datetime.fromisoformat(text.partition(".")[0].removesuffix("Z") + "+00:00")
    except (CoderNotFound, CoderForbidden, KeyError, TypeError, AttributeError, ValueError):
        return None


async def acts_denied(client: CoderClient, scope: Iterable[Organization]) -> Mapping[str, tuple[str, ...]]:
    """By organization, what the token may not do with others' workspaces there; nothing where it may do all."""
    checks = {each.name: {"resource_type": "workspace", "organization_id": each.id} for each in scope}
    denied: dict[str, list[str]] = {}
    for act in ACTS if checks else ():
        for name, granted in (await client.authcheck(checks, action=act)).items():
            if not granted:
                denied.setdefault(name, []).append(act)
    return {name: tuple(acts) for name, acts in denied.items()}
