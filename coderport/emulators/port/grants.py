"""Rights: what one may say, and whom it may name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from coderport.emulators.port.problems import invalid
from coderport.emulators.port.shapes import member, only, strings, typed
from coderport.emulators.port.store import Store

_ROLES: Final = frozenset({"Admin", "Member"})
_NAMED: Final = ("users", "roles", "teams")


def check_grant(store: Store, rule: Any, path: str, more: Collection[str] | None = ()) -> None:
    """One right: the users, roles and teams that have it, and `more` members; any others where that is None.

    A policy is for the caller to check: those of blueprints and actions differ.
    """
    typed(rule, dict, path)
    if more is not None:
        only(rule, {*_NAMED, *more}, path)
    for key in _NAMED:
        if key in rule:
            strings(rule[key], f"{path}.{key}")
    member(rule, "ownedByTeam", bool, path)
    _check_named(store, rule, path)


def _check_named(store: Store, rule: Mapping[str, Any], path: str) -> None:
    """Refuse people, teams and roles that do not exist, unless permissions may name anybody."""
    if store.behaviour.permissions_name_anybody:
        return
    teams = {team for user in store.users.values() for team in user.teams} | set(store.teams)
    roles = (
        _ROLES
        | {f"{name}-moderator" for name in store.blueprints}
        | {role for user in store.users.values() for role in user.roles}
    )
    known = {"users": frozenset(store.users), "teams": frozenset(teams), "roles": roles}
    for key, names in known.items():
        for name in rule.get(key) or ():
            if name not in names:
                raise invalid(f"{path}.{key}", f"names '{name}', which does not exist")
