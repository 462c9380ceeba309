"""Whether Port has the roles that `coderport:actions.roles` names: an action of a role that nobody has is nobody's."""

from __future__ import annotations

from collections.abc import Iterator

from coderport.catalog.identifiers import BUILT_IN_ROLES
from coderport.errors import SettingsError
from coderport.port.client import PortClient
from coderport.port.people import roles_in_use
from coderport.settings import NAMESPACE, Settings
from coderport.settings.corrections import correction
from coderport.terminal.text import short
from coderport.terminal.wording import known_and_nearest, nearest

_MODERATOR = "-moderator"
"""Ends the name of the role that Port makes with each blueprint (Port's docs, sso-rbac/rbac)."""


async def unproven_roles(client: PortClient, settings: Settings) -> tuple[str, ...]:
    """Those of the actions' roles of which Port does not tell whether there are such.

    Nothing is asked for the built-in ones.

    Port documents no list of its roles (OpenAPI, August 2026), but three sorts of them, and the roles of each user.
    SettingsError, with the remedy, where one is of no such sort and nobody has it.
    """
    roles = settings.actions.roles
    asked = [each for each in roles if each not in BUILT_IN_ROLES and not await _moderates(client, each)]
    if not asked:
        return ()
    in_use = await roles_in_use(client)
    if in_use is None:
        return tuple(asked)
    known = {*BUILT_IN_ROLES, *in_use}
    for role in asked:
        if role not in known:
            raise SettingsError(
                f"Nobody in Port has the role {short(role)}, which {settings.path('actions', 'roles')} names, and it "
                f"is none of Port's own. Nothing was written.\nRoles {known_and_nearest(role, known)}\n"
                "To correct it:\n"
                f"  {correction(settings, ('actions', 'roles', roles.index(role)), nearest(role, known))}\n"
                "If it is a role of your own, give it to somebody in Port first."
            )
    return ()


def notes_of_roles(unproven: tuple[str, ...]) -> Iterator[str]:
    """What a person should know of roles that could not be looked at."""
    if unproven:
        yield (
            f"{NAMESPACE}:actions.roles names roles that are none of Port's own ({', '.join(BUILT_IN_ROLES)}), and "
            f"this client may not read which there are: {', '.join(map(short, unproven))}. Where nobody has such a "
            "role, nobody may press a button by it."
        )


async def _moderates(client: PortClient, role: str) -> bool:
    blueprint = role.removesuffix(_MODERATOR)
    return blueprint not in ("", role) and await client.blueprint(blueprint) is not None
