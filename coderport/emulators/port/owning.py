"""Which teams own an entity (docs.port.io, sso-rbac/ownership and sso-rbac/rbac/as-blueprints).

A blueprint with `Direct` ownership has the teams in its entities. With `Inherited` ownership they are those of the
entities at the end of a path of relations. The teams of a person are those of the entity of ``_user``.
"""

from __future__ import annotations

from coderport.emulators.port.people import USERS
from coderport.emulators.port.records import Entity
from coderport.emulators.port.relating import along
from coderport.emulators.port.store import Store


def teams_of(store: Store, entity: Entity) -> tuple[str, ...]:
    """The identifiers of the teams, each once."""
    inherited = store.blueprints[entity.blueprint].rules.inherited_team
    if inherited is None:
        return _own(store, entity)
    ends = [entity]
    for relation in inherited.path:
        ends = [near for each in ends for near in along(store, each, relation)]
    if not store.behaviour.users_own_by_team:
        ends = [each for each in ends if each.blueprint != USERS]
    return tuple(dict.fromkeys(team for each in ends for team in _own(store, each)))


def _own(store: Store, entity: Entity) -> tuple[str, ...]:
    if entity.blueprint == USERS and (user := store.users.get(entity.identifier)) is not None:
        return user.teams
    return entity.team
