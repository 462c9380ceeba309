"""Who is in the emulated deployment: organizations, users, their tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from coderport.emulators.coder.audit import note
from coderport.emulators.coder.deployment import Deployment
from coderport.emulators.coder.records import Group, Organization, Proxy, User
from coderport.emulators.coder.roles import ORGANIZATION_ROLES, SITE_ROLES
from coderport.emulators.kit import EmulatorError


class Members(Deployment):
    """Adds people to a deployment, and tokens that see all of it or less."""

    def create_organization(self, name: str, display_name: str | None = None) -> str:
        """A new organization; returns its id."""
        with self.state.lock:
            now = self.state.now()
            shown = name.title() if display_name is None else display_name
            made = Organization(self.state.new_id(), name, shown, "", now, now)
            self.state.organizations[made.id] = made
            return made.id

    def delete_organization(self, organization: str) -> None:
        """Delete an organization without templates and workspaces. Its members stay users; by its id it is shown."""
        with self.state.lock:
            found = self.organization(organization)
            if any(each.organization_id == found.id and not each.deleted for each in self.state.templates.values()):
                raise EmulatorError(f"the organization {organization!r} has templates")
            self.state.deleted_organizations[found.id] = self.state.organizations.pop(found.id)
            for user in self.state.users.values():
                user.organizations = {key: roles for key, roles in user.organizations.items() if key != found.id}

    def create_group(self, name: str, *, organization: str = "default", members: Iterable[str] = ()) -> str:
        """A new group of these users; returns its id."""
        with self.state.lock:
            ids = frozenset(self.user(each).id for each in members)
            made = Group(self.state.new_id(), self.organization(organization).id, name, members=ids)
            self.state.groups[made.id] = made
            return made.id

    def set_group(self, group: str, **fields: Any) -> None:
        """Set fields of a group's record."""
        with self.state.lock:
            self._set(self.state.groups[group], fields)

    def delete_group(self, group: str) -> None:
        """Delete a group for good."""
        with self.state.lock:
            del self.state.groups[group]

    def create_proxy(self, name: str, **fields: Any) -> str:
        """A workspace proxy beside the server; returns its id."""
        with self.state.lock:
            now, version = self.state.now(), self.state.flavour.version
            made = Proxy(
                self.state.new_id(), name, now, now, name.title(), url=f"https://{name}.example.com", version=version,
            )  # fmt: skip
            self._set(made, fields)
            self.state.proxies[made.id] = made
            return made.id

    def set_proxy(self, proxy: str, **fields: Any) -> None:
        """Set fields of a proxy's record, such as its `status`."""
        with self.state.lock:
            self._set(self.state.proxies[proxy], fields)

    def delete_proxy(self, proxy: str) -> None:
        """Delete a proxy: it is in no list any more, and still read by id."""
        self.set_proxy(proxy, deleted=True)

    def set_licensed(self, licensed: bool) -> None:
        """Give the deployment a licence, or withdraw it."""
        with self.state.lock:
            self.state.licensed = licensed

    def create_user(
        self, name: str, *, roles: Iterable[str] = (), organizations: dict[str, Iterable[str]] | None = None
    ) -> str:
        """A new user with site roles and, by organization, membership and roles there; returns the id.

        Without `organizations` they are a member of the default one. The e-mail is ``<name>@example.com``.
        """
        state = self.state
        with state.lock:
            now = state.now()
            if state.user(name) is not None:
                raise EmulatorError(f"there is a user {name!r} already")
            membership = {
                self.organization(key).id: _roles(value, ORGANIZATION_ROLES)
                for key, value in (organizations or {"default": ()}).items()
            }
            user = User(
                state.new_id(), name, f"{name}@example.com", name.title(), now, now, roles=_roles(roles, SITE_ROLES),
                organizations=membership,
            )  # fmt: skip
            state.users[user.id] = user
            return user.id

    def set_user(self, user: str, **fields: Any) -> None:
        """Set fields of a user's record; a new username moves their workspaces in the order."""
        with self.state.lock:
            found = self.user(user)
            owned = [self.state.workspaces[place[3]] for place in self.state.listed("owner", found.id)]
            for workspace in owned:
                self.state.displace(workspace)
            before = dict(found.organizations)
            self._set(found, fields)
            for workspace in owned:
                self.state.place(workspace)
            self._note_memberships(found, before)

    def delete_user(self, user: str) -> None:
        """Delete a user for good; EmulatorError while they have workspaces, where Coder answers 417.

        The audit log names them by id, and with a licence by e-mail as well.
        """
        with self.state.lock:
            found = self.user(user)
            if self.state.listed("owner", found.id):
                raise EmulatorError(f"the user {user!r} has workspaces")
            self.state.tokens = {key: each for key, each in self.state.tokens.items() if each.user_id != found.id}
            found.deleted = True
            diff = {"email": (found.email, "")} if self.state.licensed else {}
            note(
                self.state, self._owner().id, "delete", "user", found.id, resource_target=found.username, diff=diff,
            )  # fmt: skip

    def _owner(self) -> User:
        return next(found for found in self.state.users.values() if "owner" in found.roles and not found.deleted)

    def _note_memberships(self, user: User, before: Mapping[str, frozenset[str]]) -> None:
        """Note new roles in the audit log, as given by an owner."""
        giver = self._owner()
        for organization, roles in user.organizations.items():
            earlier = before.get(organization, frozenset())
            if roles != earlier:
                note(
                    self.state, giver.id, "write", "organization_member", user.id, resource_target=user.username,
                    organization_id=organization, diff={"roles": (sorted(earlier), sorted(roles))},
                )  # fmt: skip

    def create_token(
        self,
        role: str = "owner",
        *,
        user: str | None = None,
        organization: str = "default",
        scopes: Iterable[str] = ("all",),
        allow_list: Iterable[str] | None = None,
        expires_at: datetime | None = None,
        name: str | None = None,
    ) -> str:
        """A token of an existing `user`, or else of a new one with that role. With a `name` it is listed among tokens.

        `role` is a site role, ``member``, or an organization's role (`organization` says whose). `scopes`
        such as ``workspace:read`` and `allow_list` (``<type>:<id>``, ``<type>:*``) narrow what the token may
        do.
        """
        with self.state.lock:
            if user is None:
                site = () if role == "member" or role in ORGANIZATION_ROLES else (role,)
                own = (role,) if role in ORGANIZATION_ROLES else ()
                user = self.create_user(
                    f"{role}-{len(self.state.users)}", roles=site, organizations={organization: own}
                )
            person = self.user(user)
            if name is None:
                note(self.state, person.id, "login", "api_key", person.id, status_code=201)
            return self.state.new_token(
                person.id,
                scopes=frozenset(scopes),
                allow_list=None if allow_list is None else frozenset(allow_list),
                expires_at=expires_at,
                name=name,
                created_at=self.state.now(),
            )

    def revoke_token(self, token: str) -> None:
        """Forget a token: it is 401 from now on."""
        with self.state.lock:
            self.state.tokens.pop(token.partition("-")[0], None)


def _roles(names: Iterable[str], known: dict[str, str]) -> frozenset[str]:
    roles = frozenset(names)
    if roles - set(known):
        raise EmulatorError(f"unknown role {', '.join(sorted(roles - set(known)))}; known: {', '.join(known)}")
    return roles
