"""The routes of users: enough to find a person's e-mail by id."""

from __future__ import annotations

from starlette.responses import Response

from coderport.emulators.port.http import Call, answer
from coderport.emulators.port.people import USER_FIELDS, person
from coderport.emulators.port.shapes import one_of


def read_users(call: Call) -> Response:
    """All users, with no paging; ``?fields=`` (repeated) cuts each one down."""
    fields = [one_of(name, USER_FIELDS, "querystring.fields") for name in call.several("fields")]
    store = call.store
    scim = store.behaviour.users_have_scim
    return answer(users=[user.shown(store.organization_id, fields, scim=scim) for user in store.users.values()])


def read_user(call: Call) -> Response:
    """One user by e-mail; by id there is no documented route, so an id is 404 here."""
    store = call.store
    user = person(store.users, call.names["email"])
    shown = user.shown(store.organization_id, scim=store.behaviour.users_have_scim)
    return answer(user={**shown, "teamsIdentifiers": list(user.teams)})
