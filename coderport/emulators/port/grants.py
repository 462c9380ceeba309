"""Rights: what one may say, and whom it may name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from coderport.emulators.port.behaviour import NAMED, Named
from coderport.emulators.port.problems import invalid
from coderport.emulators.port.shapes import member, only, strings, typed
from coderport.emulators.port.store import Store

_ROLES: Final = frozenset({"Admin", "Member"})


def check_grant(
    store: Store, rule: Any, path: str, unknown: Collection[Named], more: Collection[str] | None = ()
) -> None:
    """One right: the users, roles and teams that have it, and `more` members; any others where that is None.

    Of those that are `unknown` the names need not exist. A policy is for the caller to check: those of blueprints and
    actions differ.
    """
    typed(rule, dict, path)
    if more is not None:
        only(rule, {*NAMED, *more}, path)
    for key in sorted(NAMED):
        if key in rule:
            strings(rule[key], f"{path}.{key}")
    member(rule, "ownedByTeam", bool, path)
    for key in sorted(NAMED - set(unknown)):
        names = _names(store, key)
        for name in rule.get(key, ()):
            if name not in names:
                raise invalid(f"{path}.{key}", f"names '{name}', which does not exist")


def _names(store: Store, key: Named) -> Collection[str]:
    if key == "users":
        return store.users
    if key == "teams":
        return {team for user in store.users.values() for team in user.teams} | set(store.teams)
    moderators = {f"{name}-moderator" for name in store.blueprints}
    return _ROLES | moderators | {role for user in store.users.values() for role in user.roles}
