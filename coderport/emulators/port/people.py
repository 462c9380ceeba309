"""The people of the emulated organization, and how the API shows them.

A run names the person who started it by the user's id (``auth0|…`` in Port's examples), never by e-mail. Port documents
two ways from the one to the other: ``GET /v1/users?fields=id&fields=email`` and the runs filter ``user_email``;
``GET /v1/users/{e-mail}`` goes the other way about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from coderport.emulators.port.problems import not_found
from coderport.emulators.port.records import Json

USER_FIELDS: Final = frozenset(
    {"id", "email", "firstName", "lastName", "picture", "status", "type", "providers", "createdAt", "updatedAt"}
    | {"managedByScim"}
    | {"teams.name", "teams.provider", "teams.createdAt", "teams.updatedAt"}
    | {"roles.name", "roles.description", "roles.isAdmin", "roles.protected", "roles.createdAt", "roles.updatedAt"}
)
"""What the `fields` of ``GET /v1/users`` may name."""


USERS: Final = "_user"
"""The blueprint of Port's own in which each person is an entity, known by the e-mail address (source: port-labs'
script that maps GitHub's users to Port's, which looks them up so)."""

USER_BLUEPRINT: Final[Json] = {
    "identifier": USERS,
    "title": "User",
    "icon": "User",
    "schema": {
        "properties": {
            "status": {"type": "string", "title": "Status"},
            "port_role": {"type": "string", "title": "Role"},
        },
        "required": [],
    },
    "mirrorProperties": {},
    "calculationProperties": {},
    "aggregationProperties": {},
    "relations": {},
}
"""As much of it as is looked at here: Port's own has more properties."""


@dataclass(frozen=True)
class User:
    """One person; `roles` are Port's (``Admin``, ``Member``, …), `teams` their names."""

    id: str
    email: str
    roles: tuple[str, ...]
    teams: tuple[str, ...]
    created_at: str
    by_scim: bool = False
    """Whether an identity provider manages the person."""

    @property
    def is_admin(self) -> bool:
        return "Admin" in self.roles

    @property
    def names(self) -> tuple[str, str]:
        """First and last name, made up from the e-mail."""
        first, _, last = self.email.partition("@")[0].partition(".")
        return first.capitalize(), last.capitalize()

    def entity(self) -> Json:
        """The person as the body of an entity of Port's own blueprint."""
        role = self.roles[0] if self.roles else None
        title = " ".join(self.names).strip() or self.email
        return {"identifier": self.email, "title": title, "properties": {"status": "Active", "port_role": role}}

    def profile(self) -> Json:
        """The person as ``.trigger.by.user`` of an action's payload has it."""
        first, last = self.names
        return {
            "email": self.email,
            "firstName": first,
            "lastName": last,
            "phoneNumber": "",
            "picture": "",
            "providers": [],
            "status": "ACTIVE",
            "id": self.id,
            "createdAt": self.created_at,
            "updatedAt": self.created_at,
        }

    def in_form(self) -> Json:
        """The person as the jq of forms and of policies sees it (``.user``)."""
        return {
            "picture": "",
            "userId": self.id,
            "id": self.id,
            "email": self.email,
            "name": " ".join(self.names).strip(),
            "mainRole": self.roles[0] if self.roles else None,
            "roles": [{"name": role} for role in self.roles],
            "teams": [{"name": team, "provider": "port"} for team in self.teams],
            "teamsIdentifiers": list(self.teams),
        }

    def shown(self, organization_id: str, fields: Iterable[str] = (), *, scim: bool = True) -> Json:
        """The person as the users routes answer it, cut down to `fields` where there are any."""
        first, last = self.names
        whole = {
            "id": self.id,
            "email": self.email,
            "firstName": first,
            "lastName": last,
            "picture": "",
            "status": "ACTIVE",
            "type": "Standard",
            "providers": [],
            "createdAt": self.created_at,
            "updatedAt": self.created_at,
            "orgs": [{"id": organization_id}],
            "teams": list(self.teams),
            "roles": [{"name": role} for role in self.roles],
            **({"managedByScim": self.by_scim} if scim else {}),
        }
        wanted = {name.partition(".")[0] for name in fields}
        return {key: value for key, value in whole.items() if not wanted or key in wanted}


def person(users: Mapping[str, User], email: str) -> User:
    """The user of exactly that e-mail, or 404."""
    found = users.get(email)
    if found is None:
        raise not_found("User", email)
    return found


def by_id(users: Mapping[str, User], user_id: str) -> User | None:
    """The user of that id; None for a client of the API, which has no user."""
    return next((user for user in users.values() if user.id == user_id), None)
