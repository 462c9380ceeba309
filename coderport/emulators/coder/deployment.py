"""What happens in the emulated deployment: to its workspaces, its templates, its builds to come."""

from __future__ import annotations

from dataclasses import fields as fields_of
from typing import Any, TypeVar

from coderport.emulators.coder import builds
from coderport.emulators.coder.audit import note_workspace
from coderport.emulators.coder.parameters import made_up_values
from coderport.emulators.coder.prebuilds import claim
from coderport.emulators.coder.records import Build, Group, Organization, Proxy, Template, User, Version, Workspace
from coderport.emulators.coder.seed import add_version
from coderport.emulators.coder.state import State
from coderport.emulators.coder.workspace_routes import set_dormant
from coderport.emulators.coder.written import nullable, read_time
from coderport.emulators.kit import EmulatorError

_Found = TypeVar("_Found")


class Deployment:
    """Finds objects by id or name and changes them; each change is done when its method returns.

    Workspaces are named by id or ``owner/name``, the others by id or name. Any thread may call.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def state(self) -> State:
        """The records. Hold `state.lock` while reading them next to a running server."""
        return self._state

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
        """Let happen what is due by now; requests do so by themselves."""
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
            used = self.template(template) if template else next(t for t in state.templates.values() if not t.deleted)
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
            values = made_up_values(version)
            builds.begin(state, workspace, "start", person.id, version_id=version.id, parameters=values, instant=True)
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
            note_workspace(self.state, self.user(found.owner_id), "write", found, {"name": (found.name, name)})
            found.name = name
            self.state.place(found)

    def claim_prebuild(self, owner: str, name: str, workspace: str | None = None) -> str:
        """Give an unclaimed prebuilt workspace (the first, unless named) to somebody, who starts it.

        Returns its id, which stays; so does its creation time.
        """
        with self.state.lock:
            pool = [found for found in self.state.undeleted() if found.is_prebuild]
            found = self.workspace(workspace) if workspace else pool[0] if pool else None
            if found is None or not found.is_prebuild:
                raise EmulatorError("there is no unclaimed prebuilt workspace to claim")
            person = self.user(owner)
            person.organizations = {found.organization_id: frozenset(), **person.organizations}
            claim(self.state, found, person, name)
            found.ttl_ms = self.template(found.template_id).default_ttl_ms or None
            builds.begin(self.state, found, "start", person.id, instant=True)
            return found.id

    def set_dormant(self, workspace: str, dormant: bool = True) -> None:
        """Put it to sleep, or wake it."""
        with self.state.lock:
            found = self.workspace(workspace)
            before = nullable(found.dormant_at)
            set_dormant(self.state, found, dormant)
            diff = {"dormant_at": (before, nullable(found.dormant_at))}
            note_workspace(self.state, self.user(found.owner_id), "write", found, diff)

    def set_workspace(self, workspace: str, **fields: Any) -> None:
        """Set fields of its record: `ttl_ms=None`, `autostart_schedule=""` clear.

        Times are aware datetimes.
        """
        with self.state.lock:
            self._set(self.workspace(workspace), fields)

    def set_build(self, workspace: str, **fields: Any) -> None:
        """Set fields of its latest build's record, say `deadline` or `reason`."""
        with self.state.lock:
            self._set(self.workspace(workspace).build, fields)
            self.state.place(self.workspace(workspace))

    def _set(
        self, record: Workspace | Template | User | Group | Proxy | Version | Build, fields: dict[str, Any]
    ) -> None:
        for key, value in fields.items():
            if key not in {field.name for field in fields_of(record)} or key in ("id", "rev"):
                raise EmulatorError(f"a {type(record).__name__.lower()} has no field {key!r} to set")
            current = getattr(record, key)
            if isinstance(value, str) and (key.endswith("_at") or key.endswith("deadline")):
                value = read_time(value)
            if isinstance(value, list):
                value = frozenset(value) if isinstance(current, frozenset) or key == "readers" else tuple(value)
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
                allow_workspace_renames=state.renames,
            )  # fmt: skip
            self._set(template, fields)
            state.templates[template.id] = template
            template.active_version_id = add_version(state, template, "v1").id
            return template.id

    def promote_version(self, template: str, name: str | None = None, **fields: Any) -> str:
        """Add a version to a template and make it the active one: its workspaces are outdated. Returns its id.

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
        """Set fields of its record.

        `readers` (user ids) keeps it from everybody else, None gives it back to all.
        """
        with self.state.lock:
            self._set(self.template(template), fields)

    # ------------------------------------------------------------ builds to come

    def fail_next_builds(self, *errors: str) -> None:
        """The next builds asked for over the API fail with these errors, one each."""
        with self.state.lock:
            self.state.fail_builds.extend(errors)

    def set_provisioners(self, count: int) -> None:
        """How many provisioners there are, each for one build at a time; with none, builds stay pending."""
        with self.state.lock:
            self.state.advance()
            self.state.provisioners = count
            builds.take_pending(self.state)

    def set_build_seconds(self, pending: float, running: float) -> None:
        """How long builds asked for from now on wait and run."""
        with self.state.lock:
            self.state.pending_seconds, self.state.running_seconds = pending, running

    def set_agents(self, seconds: float, *ends: str) -> None:
        """How long agents take to be ready after builds asked for from now on.

        `ends` are what those of the next starts come to instead: ``start_error``, ``start_timeout``, ``starting``, or
        ``timeout`` for an agent that never connects.
        """
        with self.state.lock:
            self.state.agent_seconds = seconds
            self.state.agent_ends.extend(ends)

    def set_build_log(self, *lines: str) -> None:
        """What builds print while they are applied, in this order."""
        with self.state.lock:
            self.state.build_log = lines


def _there(found: _Found | None, what: str, name: str) -> _Found:
    if found is None:
        raise EmulatorError(f"the Coder emulator has no {what} {name!r}")
    return found
