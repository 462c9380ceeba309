"""Deployments to begin with: a made-up company of any size, and the one that the recording was made on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from coderport.emulators.coder.people import (
    DISPLAY_NAMES,
    FIRST_NAMES,
    LAST_NAMES,
    TEMPLATES,
    WORKSPACE_NAMES,
)
from coderport.emulators.coder.records import (
    PREBUILDS_USER_ID,
    AgentSpec,
    Build,
    Option,
    Organization,
    Parameter,
    Preset,
    ResourceSpec,
    Template,
    Token,
    User,
    Version,
    Workspace,
)
from coderport.emulators.coder.schedule import next_start
from coderport.emulators.coder.state import State, prebuilds_user

BASE_TIME = datetime(2025, 9, 1, 8, 0, 0, 123456, tzinfo=timezone.utc)
"""When the made-up past of a seeded deployment ends; what happens later has the clock's time."""

SECRET_MARK = "emulated-secret"
"""Part of every value in agents' environment, scripts and resource metadata.

Finding it elsewhere is a leak.
"""

TOKEN_LIFETIME = timedelta(days=7)


OWNER_TOKEN = "emulator00-ownerOfTheEmulatedCode"
"""The owner's session token, whatever the seed: the dev stack's config has it, and it opens nothing but an emulator."""


@dataclass(frozen=True)
class Size:
    """How much of everything a seeded deployment has.

    `workspaces` does not count the unclaimed prebuilt ones.
    """

    workspaces: int = 12
    templates: int = 4
    organizations: int = 1
    users: int | None = None
    prebuilds: int = 0

    @property
    def people(self) -> int:
        """Users beside the owner; where `users` is left open, one for about four workspaces, 500 at most."""
        users = min(500, max(6, self.workspaces // 4)) if self.users is None else self.users
        return max(users - 1, 1)


def seed(state: State, size: Size) -> str:
    """Fill an empty state with a company; returns the owner's token.

    The same state and size give the same ids.
    """
    organizations = _organizations(state, size.organizations)
    admin = _admin(state, organizations)
    key, secret = OWNER_TOKEN.split("-")
    state.tokens[key] = Token(admin.id, secret)
    people = [_person(state, index, organizations) for index in range(size.people)]
    templates = [_template(state, index, organizations, admin) for index in range(size.templates)]
    for index in range(size.workspaces if templates else 0):
        _workspace(state, index, people, templates)
    for index in range(size.prebuilds if templates else 0):
        _prebuild(state, index, templates[0])
    state.place_all()
    state.refresh_stats()
    return OWNER_TOKEN


def _organizations(state: State, count: int) -> list[Organization]:
    made = []
    for index in range(max(count, 1)):
        name = "coder" if index == 0 else DISPLAY_NAMES[(index - 1) % len(DISPLAY_NAMES)].lower()
        if index > len(DISPLAY_NAMES):
            name += f"-{index}"
        description = "Builtin default organization." if index == 0 else f"The {name} group"
        made.append(
            Organization(
                state.new_id(), name, name.title(), description, BASE_TIME - timedelta(days=400),
                BASE_TIME - timedelta(days=400 - index), icon="" if index == 0 else "/emojis/1f3e2.png",
                is_default=index == 0,
            )
        )  # fmt: skip
    state.organizations.update((organization.id, organization) for organization in made)
    return made


def _admin(state: State, organizations: list[Organization]) -> User:
    at = BASE_TIME - timedelta(days=399)
    membership: dict[str, frozenset[str]] = {organizations[0].id: frozenset()}
    admin = User(
        state.new_id(), "admin", "admin@example.com", "Ada Admin", at, at, BASE_TIME, roles=frozenset({"owner"}),
        organizations=membership,
    )  # fmt: skip
    state.users[admin.id] = admin
    state.users[PREBUILDS_USER_ID] = prebuilds_user(at)
    return admin


def _person(state: State, index: int, organizations: list[Organization]) -> User:
    first = FIRST_NAMES[index % len(FIRST_NAMES)]
    last = LAST_NAMES[(index // len(FIRST_NAMES) + index) % len(LAST_NAMES)]
    again = index // (len(FIRST_NAMES) * len(LAST_NAMES))
    username = f"{first}-{last}".lower() + (f"-{again + 1}" if again else "")
    at = BASE_TIME - timedelta(days=state.rng.randrange(20, 380), seconds=state.rng.randrange(86_400))
    member_of = {organizations[index % len(organizations)].id: frozenset[str]()}
    person = User(
        state.new_id(), username, f"{username.replace('-', '.')}@example.com", f"{first} {last}", at, at,
        BASE_TIME - timedelta(hours=state.rng.randrange(200)), organizations=member_of,
    )  # fmt: skip
    state.users[person.id] = person
    return person


def _template(state: State, index: int, organizations: list[Organization], admin: User) -> Template:
    name, display_name, description, icon = TEMPLATES[index % len(TEMPLATES)]
    again = index // len(TEMPLATES)
    if again:
        name, display_name = f"{name}-{again + 1}", f"{display_name} {again + 1}" if display_name else ""
    at = BASE_TIME - timedelta(days=300 - index % 200, minutes=index)
    template = Template(
        state.new_id(), organizations[index % len(organizations)].id, name, at, at + timedelta(days=30), admin.id,
        display_name=display_name, description=description, icon=icon,
        deprecation_message="Use a newer template." if state.licensed and index % 10 == 7 else "",
        default_ttl_ms=8 * 3_600_000 if index % 3 else 0, failure_ttl_ms=3_600_000 if index % 4 == 2 else 0,
        time_til_dormant_ms=14 * 86_400_000 if index % 4 == 1 else 0,
        time_til_dormant_autodelete_ms=30 * 86_400_000 if index % 4 == 1 else 0,
        allow_workspace_renames=state.renames, allow_user_cancel_workspace_jobs=index % 2 == 0,
        autostop_days=("saturday", "sunday") if index % 5 == 3 else (),
        build_times={
            "start": (40_000 + 500 * index, 95_000 + 900 * index), "stop": (9_000, 21_000), "delete": (11_000, 30_000),
        },
    )  # fmt: skip
    state.templates[template.id] = template
    for number in range(2 + index % 2):
        template.active_version_id = add_version(state, template, f"v{number + 1}", at + timedelta(days=7 * number)).id
    return template


def add_version(state: State, template: Template, name: str, at: datetime | None = None) -> Version:
    """One more version of a template, shaped like its versions so far; it is not made the active one."""
    before = state.versions_of(template.id)
    version = Version(
        state.new_id(), template.id, template.organization_id, name, at or state.now(), template.created_by_id,
        parameters=before[-1].parameters if before else _parameters(),
        resources=before[-1].resources if before else _resources(template.name),
        readme=f"# {template.display_name or template.name}\n",
    )  # fmt: skip
    if not before or before[-1].presets:
        values = {"region": "eu", "cpu": "4"}
        version.presets = (Preset(state.new_id(), "Standard", values, default=True, prebuilds=2),)
    state.versions[version.id] = version
    state.jobs.add(version.organization_id, version)
    return version


def _parameters() -> tuple[Parameter, ...]:
    regions = (Option("Europe", "eu", icon="/emojis/1f1ea-1f1fa.png"), Option("United States", "us"))
    return (
        Parameter("cpu", "number", "CPUs", "Cores", default_value="2", validation_min=1, validation_max=16),
        Parameter("region", "string", "Region", "Where it runs", False, "eu", options=regions, form_type="radio"),
        Parameter("dotfiles", "string", "Dotfiles", "A repository to start from"),
    )


def _resources(name: str) -> tuple[ResourceSpec, ...]:
    agent = AgentSpec(
        environment={"GIT_AUTHOR_NAME": "dev", "API_TOKEN": f"{SECRET_MARK}-environment-{name}"},
        apps=(("code-server", f"code-server --auth none  # {SECRET_MARK}-command"),),
        script=f"#!/bin/sh\nexport KEY={SECRET_MARK}-script\ncode-server &\n",
    )
    return (
        ResourceSpec("docker_container", "workspace", (agent,), daily_cost=3, icon="/icon/docker.svg"),
        ResourceSpec(
            "docker_volume", "home", kept=True, daily_cost=1,
            metadata=(("password", f"{SECRET_MARK}-metadata", True), ("size", "20 GiB", False)),
        ),
    )  # fmt: skip


def _workspace(state: State, index: int, people: list[User], templates: list[Template]) -> Workspace:
    rng = state.rng
    owner = people[index % len(people)]
    template = templates[(index + index // len(people)) % len(templates)]
    owner.organizations = {template.organization_id: frozenset(), **owner.organizations}
    name = WORKSPACE_NAMES[index // len(people) % len(WORKSPACE_NAMES)]
    again = index // (len(people) * len(WORKSPACE_NAMES))
    created = BASE_TIME - timedelta(seconds=rng.randrange(86_400, 86_400 * 90), microseconds=rng.randrange(999_999))
    used = BASE_TIME - timedelta(seconds=rng.randrange(86_400))
    workspace = Workspace(
        state.new_id(), owner.id, template.organization_id, template.id, name + (f"-{again + 1}" if again else ""),
        created, created, used, ttl_ms=template.default_ttl_ms or None,
        autostart_schedule="CRON_TZ=Europe/Berlin 30 9 * * 1-5" if index % 4 == 0 else "",
        automatic_updates="always" if index % 6 == 0 else "never",
    )  # fmt: skip
    _past_builds(state, workspace, index, rng.random())
    if index % 25 == 13:
        workspace.dormant_at = used
        workspace.last_used_at = used - timedelta(days=20)
        keep = template.time_til_dormant_autodelete_ms
        workspace.deleting_at = used + timedelta(milliseconds=keep) if keep else None
    return workspace


def _past_builds(state: State, workspace: Workspace, index: int, luck: float) -> None:
    """Give the workspace a first start and, for most, what came after it."""
    template = state.templates[workspace.template_id]
    versions = state.versions_of(template.id)
    version = versions[-1] if index % 5 else versions[0]
    made = [_past_build(state, workspace, "start", version, workspace.created_at)]
    later = BASE_TIME - timedelta(seconds=3_600 + index % 7_200)
    if index % 25 == 13 or luck < 0.35:
        made.append(_past_build(state, workspace, "stop", version, later, len(made) + 1))
    elif luck < 0.42:
        error = "exit status 1: quota exceeded"
        made.append(_past_build(state, workspace, "start", version, later, len(made) + 1, error))
    elif luck < 0.75:
        made.append(_past_build(state, workspace, "stop", version, later - timedelta(hours=10), len(made) + 1))
        made.append(_past_build(state, workspace, "start", version, later, len(made) + 1))
    workspace.builds = tuple(made)
    state.workspaces[workspace.id] = workspace
    if workspace.dormant_at is None:
        workspace.next_start_at = next_start(workspace.autostart_schedule, BASE_TIME)


def _past_build(
    state: State,
    workspace: Workspace,
    transition: str,
    version: Version,
    at: datetime,
    number: int = 1,
    error: str = "",
) -> Build:
    ended = at + timedelta(seconds=41, microseconds=number)
    ttl = workspace.ttl_ms
    build = Build(
        state.new_id(), workspace.id, number, transition, version.id, workspace.owner_id, at, ended,
        job_status="failed" if error else "succeeded", started_at=at + timedelta(seconds=1), completed_at=ended,
        error=error, deadline=ended + timedelta(milliseconds=ttl) if ttl and not error else None,
        parameters={parameter.name: parameter.default_value for parameter in version.parameters},
        reason="autostart" if number > 2 else "initiator",
        worker_id=state.daemon_ids[len(state.builds) % state.provisioners],
    )  # fmt: skip
    state.builds[build.id] = build
    return build


def _prebuild(state: State, index: int, template: Template) -> Workspace:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    workspace = Workspace(
        state.new_id(), PREBUILDS_USER_ID, template.organization_id, template.id,
        "prebuild-" + "".join(state.rng.choices(letters, k=15)), BASE_TIME, BASE_TIME, BASE_TIME,
    )  # fmt: skip
    version = state.versions[template.active_version_id]
    build = _past_build(state, workspace, "start", version, BASE_TIME - timedelta(minutes=index))
    build.preset_id = version.presets[0].id if version.presets else None
    workspace.builds = (build,)
    state.workspaces[workspace.id] = workspace
    return workspace


# ---------------------------------------------------------------- the recorded deployment


def seed_like_recording(state: State) -> str:
    """The recorded deployment (Coder 2.20.0, no licence).

    Thirteen workspaces of four people and a deleted one.
    """
    organization = Organization(
        state.new_id(),
        "coder",
        "Coder",
        "Builtin default organization.",
        BASE_TIME,
        BASE_TIME,
        is_default=True,
    )
    state.organizations[organization.id] = organization
    people = {}
    for name, roles in (
        ("admin", ("owner",)),
        ("alice", ()),
        ("bob", ()),
        ("carol", ()),
        ("tadmin", ("template-admin",)),
    ):
        user = User(
            state.new_id(), name, f"{name}@example.com", "", BASE_TIME, BASE_TIME, roles=frozenset(roles),
            organizations={organization.id: frozenset()},
            status="dormant" if name in ("bob", "carol") else "active",
        )  # fmt: skip
        people[name] = state.users[user.id] = user
    token = state.new_token(people["admin"].id)
    container = ResourceSpec("docker_container", "dev", (AgentSpec(connects=False),), kept=True, daily_cost=3)
    templates = {}
    for name, versions, display, icon, ttl in (
        ("docker", ("v1", "v2"), "Docker", "/icon/docker.png", 28_800_000),
        ("gpu", ("v1",), "", "", 0),
        ("old", ("v1",), "", "", 0),
    ):
        template = Template(
            state.new_id(), organization.id, name, BASE_TIME, BASE_TIME, people["admin"].id, display_name=display,
            icon=icon, provisioner="echo", default_ttl_ms=ttl,
        )  # fmt: skip
        templates[name] = state.templates[template.id] = template
        for version_name in versions:
            version = Version(
                state.new_id(), template.id, organization.id, version_name, BASE_TIME, people["admin"].id,
                parameters=_recorded_parameters() if (name, version_name) in (("docker", "v2"), ("gpu", "v1")) else (),
                resources=(container,),
            )  # fmt: skip
            state.versions[version.id] = version
            state.jobs.add(version.organization_id, version)
            template.active_version_id = version.id
    for index, owner in enumerate(("alice", "bob", "carol", "admin") * 3):
        template = templates["old" if index % 3 == 0 else "docker"]
        _recorded_workspace(state, people[owner], f"dev-{index}", template, people["admin"])
    gpu = _recorded_workspace(state, people["alice"], "gpu-1", templates["gpu"], people["admin"], 3_600_000)
    gpu.autostart_schedule, gpu.automatic_updates = "CRON_TZ=Europe/Berlin 30 9 * * 1-5", "always"
    gpu.next_start_at = next_start(gpu.autostart_schedule, state.now())
    _recorded_workspace(state, people["alice"], "p7", templates["old"], people["admin"])
    for owner, name, transition in (("bob", "dev-1", "stop"), ("carol", "dev-2", "delete")):
        workspace = next(
            found for found in state.workspaces.values() if (found.owner_id, found.name) == (people[owner].id, name)
        )
        build = _past_build(state, workspace, transition, state.versions[workspace.build.version_id], BASE_TIME, 2)
        workspace.builds = (*workspace.builds, build)
        workspace.deleted = transition == "delete"
    for build in state.builds.values():
        build.initiator_id = people["admin"].id
    state.place_all()
    state.stats_at = state.clock()
    return token


def _recorded_workspace(
    state: State, owner: User, name: str, template: Template, admin: User, ttl_ms: int | None = None
) -> Workspace:
    workspace = Workspace(
        state.new_id(), owner.id, template.organization_id, template.id, name, BASE_TIME, BASE_TIME, BASE_TIME,
        ttl_ms=ttl_ms or template.default_ttl_ms or None,
    )  # fmt: skip
    version = state.versions_of(template.id)[0]
    workspace.builds = (_past_build(state, workspace, "start", version, BASE_TIME),)
    state.workspaces[workspace.id] = workspace
    return workspace


def _recorded_parameters() -> tuple[Parameter, ...]:
    regions = (Option("Europe", "eu"), Option("US", "us"))
    return (
        Parameter("cpu", "number", "CPUs", default_value="2", validation_min=1, validation_max=16),
        Parameter("gpu", "bool", mutable=False, default_value="false"),
        Parameter("region", "string", "Region", "Where", default_value="eu", options=regions),
        Parameter("repo", "string", validation_error="lowercase only", validation_regex="^[a-z/]+$", required=True),
    )  # fmt: skip
