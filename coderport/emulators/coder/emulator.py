"""The emulated Coder deployment: what tests, the demo and the control routes do to it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import fields as fields_of
from datetime import datetime
from typing import Any, TypeVar

from starlette.routing import Route

from coderport.emulators.coder import builds
from coderport.emulators.coder.app import Api
from coderport.emulators.coder.flavour import flavour as flavour_named
from coderport.emulators.coder.listing import ListFaults
from coderport.emulators.coder.records import Build, Organization, Template, User, Version, Workspace
from coderport.emulators.coder.roles import ORGANIZATION_ROLES, SITE_ROLES
from coderport.emulators.coder.seed import Size, add_version, seed, seed_like_recording
from coderport.emulators.coder.state import State
from coderport.emulators.coder.workspace_routes import claim, set_dormant
from coderport.emulators.kit import (
    Clock,
    EmulatorError,
    Faults,
    Instrumented,
    RateBuckets,
    RequestLog,
    Served,
    serve,
)

_Found = TypeVar("_Found")

_READS = frozenset({"/api/v2/authcheck"})


def _is_write(method: str, path: str) -> bool:
    return method not in ("GET", "HEAD", "OPTIONS") and path not in _READS


class CoderEmulator:
    """A Coder deployment in memory, seeded; `app` is its ASGI application, `token` its owner's session token.

    The same arguments give the same ids, names and token. Objects are named in the methods by id, workspaces also
    as ``owner/name``, templates and users by name. Methods may be called from any thread while it serves. Changes
    made by them are done when they return (a started workspace runs); builds asked for over the API go on with the
    `clock`: `pending_seconds` in the queue, then `running_seconds`.

    `flavour` is ``2.13``, ``2.20``, ``2.29`` or ``newest``; without a licence (`licensed`) deprecation and the
    scheduling settings of templates have no effect. `rate_limit` is requests a minute for each user and path
    (Coder's default is 512), 0 is none.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        workspaces: int = 12,
        templates: int = 4,
        organizations: int = 1,
        users: int = 6,
        prebuilds: int = 0,
        flavour: str = "2.20",
        licensed: bool = True,
        rate_limit: int = 0,
        latency_ms: float = 0,
        clock: Clock = time.time,
        pending_seconds: float = 0.02,
        running_seconds: float = 0.05,
    ) -> None:
        self.url: str | None = None
        self.faults, self.log = Faults(seed), RequestLog(_is_write)
        self.faults.latency_ms = latency_ms
        self._clock, self._durations = clock, (pending_seconds, running_seconds)
        self._flavour, self._licensed = flavour, licensed
        self._churn: threading.Event | None = None
        state = self._new_state(seed)
        self._api = Api(state, RateBuckets(rate_limit, clock=clock))
        self._fill(state, Size(workspaces, templates, organizations, users, prebuilds))
        self.app = Instrumented(self._api.application(), self.faults, self.log)

    @classmethod
    def like_recording(cls, *, clock: Clock = time.time, **settings: Any) -> CoderEmulator:
        """A deployment like the one that was recorded: 2.20.0 without a licence, rate limit 512."""
        emulator = cls(workspaces=0, templates=0, licensed=False, rate_limit=512, clock=clock, **settings)
        state = emulator._new_state(1)
        emulator._api.reset(state)
        emulator.token = seed_like_recording(state)
        return emulator

    def _new_state(self, seed_number: int) -> State:
        state = State(seed_number, flavour_named(self._flavour), self._clock, self._licensed)
        state.pending_seconds, state.running_seconds = self._durations
        return state

    def _fill(self, state: State, size: Size) -> None:
        self.token = seed(state, size)
        self._chance = random.Random(state.deployment_id)

    def reseed(self, seed: int = 0, **size: int) -> None:
        """Become another deployment: new ids, a new token. Sizes that are not named are `Size`'s defaults."""
        state = self._new_state(seed)
        with self._api.state.lock:
            self._fill(state, Size(**size))
            self._api.list_faults = ListFaults()
            self._api.reset(state)

    def serve(self, port: int = 0) -> Served:
        """Serve the application on loopback; sets `url`."""
        served = serve(self.app, port)
        self.url = served.url
        return served

    def control_routes(self) -> list[Route]:
        """Routes to seed, mutate and break it, for a server of their own."""
        from coderport.emulators.coder.control import routes  # it drives this class

        return routes(self)

    # ------------------------------------------------------------ looking

    @property
    def state(self) -> State:
        """The records. Hold `state.lock` while reading them next to a running server."""
        return self._api.state

    @property
    def deployment_id(self) -> str:
        """What `GET /buildinfo` calls this deployment."""
        return self.state.deployment_id

    def workspace(self, name: str) -> Workspace:
        """A workspace by id or ``owner/name``; a deleted one only by id."""
        owner_name, slash, own_name = name.partition("/")
        found = self.state.workspaces.get(name)
        if slash:
            owner = self.state.user(owner_name)
            found = self.state.workspace_of(owner.id, own_name) if owner else None
        return _there(found, "workspace", name)

    def template(self, name: str) -> Template:
        """A template by id or name; a deleted one only by id."""
        found = self.state.templates.get(name)
        if found is None:
            found = next((t for t in self.state.templates.values() if t.name == name and not t.deleted), None)
        return _there(found, "template", name)

    def user(self, name: str) -> User:
        """A user by id or username."""
        return _there(self.state.user(name), "user", name)

    def organization(self, name: str) -> Organization:
        """An organization by id, name or ``default``."""
        return _there(self.state.organization(name), "organization", name)

    def workspace_ids(self, prebuilds: bool = False) -> set[str]:
        """Ids of the workspaces that exist; unclaimed prebuilt ones only if asked for."""
        with self.state.lock:
            return {found.id for found in self.state.undeleted() if prebuilds or not found.is_prebuild}

    def template_ids(self) -> set[str]:
        """Ids of the templates that exist, deprecated ones included."""
        with self.state.lock:
            return {template.id for template in self.state.templates.values() if not template.deleted}

    def advance(self) -> None:
        """Let happen what is due by the clock; requests do so by themselves."""
        with self.state.lock:
            self.state.advance()

    # ------------------------------------------------------------ workspaces

    def create_workspace(
        self,
        owner: str | None = None,
        template: str | None = None,
        name: str | None = None,
        *,
        running: bool = True,
        **fields: Any,
    ) -> str:
        """A new workspace, stopped again unless `running`; returns its id. Fields as in `set_workspace`."""
        state = self.state
        with state.lock:
            state.advance()
            person = self.user(owner) if owner else next(u for u in state.users.values() if not u.system)
            used = (
                self.template(template)
                if template
                else next(t for t in state.templates.values() if not t.deleted)
            )
            name = name or self._free_name(person)
            if state.workspace_of(person.id, name) is not None:
                raise EmulatorError(f"{person.username} has a workspace {name!r} already")
            now = state.now()
            person.organizations = {used.organization_id: frozenset(), **person.organizations}
            workspace = Workspace(
                state.new_id(), person.id, used.organization_id, used.id, name, now, now, now,
                ttl_ms=used.default_ttl_ms or None,
            )  # fmt: skip
            state.workspaces[workspace.id] = workspace
            version = state.versions[used.active_version_id]
            values = {parameter.name: parameter.default_value for parameter in version.parameters}
            builds.begin(
                state, workspace, "start", person.id, version_id=version.id, parameters=values, instant=True
            )
            if not running:
                builds.begin(state, workspace, "stop", person.id, instant=True)
            self._set(workspace, fields)
            return workspace.id

    def _free_name(self, person: User) -> str:
        number = 1
        while self.state.workspace_of(person.id, f"new-{number}") is not None:
            number += 1
        return f"new-{number}"

    def start(self, workspace: str) -> None:
        """Have it running, by a build that has ended."""
        self._build(workspace, "start")

    def stop(self, workspace: str) -> None:
        """Have it stopped, by a build that has ended."""
        self._build(workspace, "stop")

    def fail(self, workspace: str, error: str = "exit status 1") -> None:
        """Have its latest build be a start that failed."""
        with self.state.lock:
            self.start(workspace)
            build = self.workspace(workspace).build
            build.job_status, build.error, build.deadline = "failed", error, None
            self.state.place(self.workspace(workspace))

    def delete_workspace(self, workspace: str) -> None:
        """Have it deleted: gone from lists, 410 by id."""
        self._build(workspace, "delete")

    def _build(self, name: str, transition: str) -> None:
        with self.state.lock:
            self.state.advance()
            workspace = self.workspace(name)
            if workspace.deleted:
                raise EmulatorError(f"workspace {name!r} is deleted")
            builds.begin(self.state, workspace, transition, workspace.owner_id, instant=True)

    def update_workspace(self, workspace: str) -> None:
        """Have it running on its template's active version."""
        with self.state.lock:
            found = self.workspace(workspace)
            active = self.template(found.template_id).active_version_id
            builds.begin(self.state, found, "start", found.owner_id, version_id=active, instant=True)

    def rename_workspace(self, workspace: str, name: str) -> None:
        """Give it another name; its `updated_at` stays, as on a real server."""
        with self.state.lock:
            found = self.workspace(workspace)
            if self.state.workspace_of(found.owner_id, name) not in (None, found):
                raise EmulatorError(f"the owner of {workspace!r} has a workspace {name!r} already")
            found.name = name
            self.state.place(found)

    def claim_prebuild(self, owner: str, name: str, workspace: str | None = None) -> str:
        """Give an unclaimed prebuilt workspace (the first, unless named) to somebody; returns its id, which stays."""
        with self.state.lock:
            pool = [found for found in self.state.undeleted() if found.is_prebuild]
            found = self.workspace(workspace) if workspace else pool[0] if pool else None
            if found is None or not found.is_prebuild:
                raise EmulatorError("there is no unclaimed prebuilt workspace to claim")
            claim(self.state, found, self.user(owner), name)
            return found.id

    def set_dormant(self, workspace: str, dormant: bool = True) -> None:
        """Put it to sleep, or wake it."""
        with self.state.lock:
            set_dormant(self.state, self.workspace(workspace), dormant)

    def set_workspace(self, workspace: str, **fields: Any) -> None:
        """Set fields of its record: `ttl_ms=None`, `autostart_schedule=""` clear; times are aware datetimes."""
        with self.state.lock:
            self._set(self.workspace(workspace), fields)

    def set_build(self, workspace: str, **fields: Any) -> None:
        """Set fields of its latest build's record, say `deadline` or `reason`."""
        with self.state.lock:
            self._set(self.workspace(workspace).build, fields)
            self.state.place(self.workspace(workspace))

    def _set(self, record: Workspace | Template | User | Version | Build, fields: dict[str, Any]) -> None:
        for key, value in fields.items():
            if key not in {field.name for field in fields_of(record)} or key in ("id", "rev"):
                raise EmulatorError(f"a {type(record).__name__.lower()} has no field {key!r} to set")
            current = getattr(record, key)
            if isinstance(value, str) and (key.endswith("_at") or key.endswith("deadline")):
                value = datetime.fromisoformat(value.replace("Z", "+00:00"))
            if isinstance(value, list):
                value = (
                    frozenset(value) if isinstance(current, frozenset) or key == "readers" else tuple(value)
                )
            setattr(record, key, value)
        if isinstance(record, Workspace):
            self.state.place(record)

    # ------------------------------------------------------------ templates

    def create_template(self, name: str, *, organization: str = "default", **fields: Any) -> str:
        """A new template with one version; returns its id. Fields as in `set_template`."""
        state = self.state
        with state.lock:
            now = state.now()
            creator = next(user for user in state.users.values() if "owner" in user.roles)
            template = Template(
                state.new_id(), self.organization(organization).id, name, now, now, creator.id,
                allow_workspace_renames=state.flavour.newest_fields,
            )  # fmt: skip
            self._set(template, fields)
            state.templates[template.id] = template
            template.active_version_id = add_version(state, template, "v1").id
            return template.id

    def promote_version(self, template: str, name: str | None = None, **fields: Any) -> str:
        """Add a version to a template and make it the active one, so that its workspaces are outdated; returns its id.

        `fields` are the new version's, say `parameters`.
        """
        with self.state.lock:
            found = self.template(template)
            version = add_version(self.state, found, name or f"v{len(self.state.versions_of(found.id)) + 1}")
            self._set(version, fields)
            found.active_version_id, found.updated_at = version.id, self.state.now()
            return version.id

    def deprecate(self, template: str, message: str = "Use another template.") -> None:
        """Mark it as deprecated; an empty message takes the mark away."""
        self.set_template(template, deprecation_message=message, updated_at=self.state.now())

    def delete_template(self, template: str) -> None:
        """Delete it; like Coder it refuses while workspaces use it."""
        with self.state.lock:
            found = self.template(template)
            if self.state.listed("template", found.id):
                raise EmulatorError(f"template {template!r} still has workspaces")
            found.deleted, found.updated_at = True, self.state.now()

    def set_template(self, template: str, **fields: Any) -> None:
        """Set fields of its record; `readers` (user ids) keeps it from everybody else, None gives it back to all."""
        with self.state.lock:
            self._set(self.template(template), fields)

    # ------------------------------------------------------------ people

    def create_organization(self, name: str, display_name: str | None = None) -> str:
        """A new organization; returns its id."""
        with self.state.lock:
            now = self.state.now()
            shown = name.title() if display_name is None else display_name
            made = Organization(self.state.new_id(), name, shown, "", now, now)
            self.state.organizations[made.id] = made
            return made.id

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
            self._set(found, fields)
            for workspace in owned:
                self.state.place(workspace)

    def create_token(
        self,
        role: str = "owner",
        *,
        user: str | None = None,
        organization: str = "default",
        scopes: Iterable[str] = ("all",),
        allow_list: Iterable[str] | None = None,
        expires_at: datetime | None = None,
    ) -> str:
        """A token of an existing `user`, or else of a new one with that role.

        `role` is a site role, ``member``, or an organization's role (`organization` says whose). `scopes` such as
        ``workspace:read`` and `allow_list` (``<type>:<id>``, ``<type>:*``) narrow what the token may do.
        """
        with self.state.lock:
            if user is None:
                site = () if role == "member" or role in ORGANIZATION_ROLES else (role,)
                own = (role,) if role in ORGANIZATION_ROLES else ()
                name = f"{role}-{len(self.state.users)}"
                user = self.create_user(name, roles=site, organizations={organization: own})
            return self.state.new_token(
                self.user(user).id,
                scopes=frozenset(scopes),
                allow_list=None if allow_list is None else frozenset(allow_list),
                expires_at=expires_at,
            )

    def revoke_token(self, token: str) -> None:
        """Forget a token: it is 401 from now on."""
        with self.state.lock:
            self.state.tokens.pop(token.partition("-")[0], None)

    # ------------------------------------------------------------ builds to come

    def fail_next_builds(self, *errors: str) -> None:
        """The next builds asked for over the API fail with these errors, one each."""
        with self.state.lock:
            self.state.fail_builds.extend(errors)

    def set_provisioners(self, count: int) -> None:
        """How many provisioners there are; with none, builds stay pending until there are some again."""
        with self.state.lock:
            had, self.state.provisioners = self.state.provisioners, count
            if count and not had:
                builds.resume_pending(self.state)

    def set_build_seconds(self, pending: float, running: float) -> None:
        """How long builds asked for from now on wait and run."""
        with self.state.lock:
            self.state.pending_seconds, self.state.running_seconds = pending, running

    # ------------------------------------------------------------ a busy deployment

    def change_states(self, count: int = 1) -> None:
        """Start or stop that many workspaces at random (seeded), each of which thereby moves in the list."""
        with self.state.lock:
            self.state.advance()
            places = self.state.listed()
            for _ in range(min(count, len(places))):
                workspace = self.state.workspaces[self._chance.choice(places)[3]]
                if not workspace.build.active and not workspace.is_prebuild and workspace.dormant_at is None:
                    transition = "stop" if workspace.running else "start"
                    builds.begin(self.state, workspace, transition, workspace.owner_id, instant=True)

    def between_lists(self, hook: Callable[[], None]) -> None:
        """Call `hook` after each answered ``GET /workspaces``, before the next is looked at: rows move meanwhile."""
        self._api.list_faults.between.append(hook)

    def churn_between_lists(self, count: int) -> None:
        """Change the state of `count` workspaces between every two list requests: a busy deployment without a clock."""
        self.between_lists(lambda: self.change_states(count))

    def drop_rows(self, *workspaces: str) -> None:
        """Leave these out of every page, after its limit was applied; the count still has them."""
        ids = frozenset(self.workspace(name).id for name in workspaces)
        self._api.list_faults.dropped |= ids

    def set_count_off(self, by: int) -> None:
        """Have the list's count be wrong by so many."""
        self._api.list_faults.count_off = by

    def clear_list_faults(self) -> None:
        """No dropped rows, no wrong count, no hooks."""
        self._api.list_faults = ListFaults()

    def start_churn(self, per_second: float) -> None:
        """Change workspaces' states in the background until `stop_churn`; a second call changes the pace."""
        self.stop_churn()
        stopping = self._churn = threading.Event()

        def work() -> None:
            due = time.monotonic()
            while not stopping.is_set():
                due += 1 / per_second
                if stopping.wait(max(0.0, due - time.monotonic())):
                    return
                self.change_states()

        threading.Thread(target=work, daemon=True, name="coder-churn").start()

    def stop_churn(self) -> None:
        """End the background changes."""
        if self._churn is not None:
            self._churn.set()
            self._churn = None


def _roles(names: Iterable[str], known: dict[str, str]) -> frozenset[str]:
    roles = frozenset(names)
    if roles - set(known):
        raise EmulatorError(
            f"unknown role {', '.join(sorted(roles - set(known)))}; known: {', '.join(known)}"
        )
    return roles


def _there(found: _Found | None, what: str, name: str) -> _Found:
    if found is None:
        raise EmulatorError(f"the Coder emulator has no {what} {name!r}")
    return found
