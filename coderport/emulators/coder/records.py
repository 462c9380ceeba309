"""What the emulated deployment holds.

Ids are lower-case UUID strings, times aware UTC datetimes, durations milliseconds.

Records may change; each counts its changes in `rev`, which is what cached JSON is judged by. So containers in
them are replaced, never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PREBUILDS_USER_ID = "c42fdf75-3097-471c-8c33-fb52454d81c0"
"""The system user that owns unclaimed prebuilt workspaces on every Coder deployment."""


class Record:
    """Counts every change of an attribute in `rev`."""

    rev = 0

    def __setattr__(self, name: str, value: object) -> None:
        attributes = self.__dict__
        attributes[name] = value
        attributes["rev"] = attributes.get("rev", 0) + 1


@dataclass(eq=False)
class Organization(Record):
    id: str
    name: str
    display_name: str
    description: str
    created_at: datetime
    updated_at: datetime
    icon: str = ""
    is_default: bool = False


@dataclass(eq=False)
class User(Record):
    """`roles` are site-wide.

    `organizations` holds the roles in each organization that the user is a member of.
    """

    id: str
    username: str
    email: str
    name: str
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime | None = None
    status: str = "active"
    login_type: str = "password"
    avatar_url: str = ""
    roles: frozenset[str] = frozenset()
    organizations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    system: bool = False
    deleted: bool = False
    """In no list and found by no name, but still read by id."""


@dataclass(frozen=True)
class Token:
    """A session token's user and what it is narrowed to; `allow_list` None is no narrowing by id.

    A token that was made as one has a `name` and is listed; a session has none.
    """

    user_id: str
    secret: str
    scopes: frozenset[str] = frozenset({"all"})
    allow_list: frozenset[str] | None = None
    expires_at: datetime | None = None
    name: str | None = None
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    lifetime_seconds: int = 86_400


@dataclass(frozen=True)
class Option:
    name: str
    value: str
    description: str = ""
    icon: str = ""


@dataclass(frozen=True)
class Parameter:
    """A template's rich parameter; `default_value` is text, whatever the type."""

    name: str
    type: str = "string"
    display_name: str = ""
    description: str = ""
    mutable: bool = True
    default_value: str = ""
    icon: str = ""
    options: tuple[Option, ...] = ()
    validation_error: str = ""
    validation_regex: str = ""
    validation_min: int | None = None
    validation_max: int | None = None
    validation_monotonic: str = ""
    required: bool = False
    ephemeral: bool = False
    form_type: str = "input"


@dataclass(frozen=True)
class Preset:
    id: str
    name: str
    parameters: Mapping[str, str]
    default: bool = False
    prebuilds: int | None = None


@dataclass(frozen=True)
class AgentSpec:
    """An agent of a resource. `environment` and the scripts are where secrets live on a real server."""

    name: str = "main"
    environment: Mapping[str, str] | None = None
    connects: bool = True
    apps: tuple[tuple[str, str], ...] = ()
    script: str = ""


@dataclass(frozen=True)
class ResourceSpec:
    """What a build of a version makes. A resource that is not `kept` is gone from a stop build's list."""

    type: str
    name: str
    agents: tuple[AgentSpec, ...] = ()
    metadata: tuple[tuple[str, str, bool], ...] = ()
    kept: bool = False
    daily_cost: int = 0
    icon: str = ""


@dataclass(eq=False)
class Version(Record):
    id: str
    template_id: str
    organization_id: str
    name: str
    created_at: datetime
    created_by_id: str
    parameters: tuple[Parameter, ...] = ()
    presets: tuple[Preset, ...] = ()
    resources: tuple[ResourceSpec, ...] = ()
    message: str = ""
    readme: str = ""
    archived: bool = False
    imported: bool = True
    has_external_agent: bool = False
    rendered: Callable[[Mapping[str, str]], tuple[Parameter, ...]] | None = None
    """What the version asks for with given values, as Terraform evaluates it for dynamic parameters; None where it is
    always `parameters`, which is what the import saw."""

    def asked(self, values: Mapping[str, str], *, classic: bool) -> tuple[Parameter, ...]:
        """What it asks for with these values. The classic flow knows what the import saw alone."""
        return self.parameters if classic or self.rendered is None else self.rendered(values)


@dataclass(eq=False)
class Proxy(Record):
    """A workspace proxy beside the server itself. A deleted one is in no list and found by no name, but read by id."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    display_name: str = ""
    icon: str = ""
    url: str = ""
    wildcard_hostname: str = ""
    version: str = ""
    status: str = "ok"
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    deleted: bool = False


@dataclass(eq=False)
class Group(Record):
    """A group beside that of everybody; `members` are ids of users."""

    id: str
    organization_id: str
    name: str
    display_name: str = ""
    members: frozenset[str] = frozenset()
    quota_allowance: int = 0


@dataclass(eq=False)
class Template(Record):
    """`readers` are the ids of the users whose groups may use it; None: every member of its organization."""

    id: str
    organization_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    created_by_id: str
    active_version_id: str = ""
    display_name: str = ""
    description: str = ""
    icon: str = ""
    provisioner: str = "terraform"
    deprecation_message: str = ""
    deleted: bool = False
    default_ttl_ms: int = 0
    activity_bump_ms: int = 3_600_000
    autostop_days: tuple[str, ...] = ()
    autostop_weeks: int = 1
    autostart_days: tuple[str, ...] = (
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    )  # fmt: skip
    allow_user_autostart: bool = True
    allow_user_autostop: bool = True
    allow_user_cancel_workspace_jobs: bool = False
    failure_ttl_ms: int = 0
    time_til_dormant_ms: int = 0
    time_til_dormant_autodelete_ms: int = 0
    require_active_version: bool = False
    max_port_share_level: str = "public"
    cors_behavior: str = "simple"
    use_classic_parameter_flow: bool = True
    disable_module_cache: bool = False
    allow_workspace_renames: bool = False
    build_times: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    active_user_count: int = 0
    readers: frozenset[str] | None = None

    @property
    def deprecated(self) -> bool:
        return self.deprecation_message != ""


@dataclass(frozen=True)
class Following:
    """The start that follows a stop by itself; without a version it has the one that is active by then."""

    version_id: str | None
    parameters: Mapping[str, str]


@dataclass(eq=False)
class Build(Record):
    """`job_status` is the provisioner job's; `status` is the workspace's, computed from it as Coder does."""

    id: str
    workspace_id: str
    number: int
    transition: str
    version_id: str
    initiator_id: str
    created_at: datetime
    updated_at: datetime
    job_status: str = "pending"
    reason: str = "initiator"
    started_at: datetime | None = None
    completed_at: datetime | None = None
    canceled_at: datetime | None = None
    error: str = ""
    fails_with: str = ""
    deadline: datetime | None = None
    max_deadline: datetime | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    preset_id: str | None = None
    matched: tuple[int, int] = (0, 0)
    worker_id: str | None = None
    """The provisioner daemon that has or had the job."""
    state: bytes | None = None
    """The provisioner's state that was pushed with it; None: the one that its resources stand for."""
    logs: tuple[Mapping[str, Any], ...] | None = None
    agents: str = "ready"
    """How far its agents are, once it has succeeded: a lifecycle state, or ``timeout`` for one that never connects."""
    agents_end: str = "ready"
    agents_after: float = 0.0
    """What its agents come to, and how many seconds after its end."""
    then: Following | None = None

    @property
    def active(self) -> bool:
        """Whether no other build may begin yet."""
        return self.job_status in ("pending", "running", "canceling")

    @property
    def status(self) -> str:
        if self.job_status == "running":
            return {"start": "starting", "stop": "stopping", "delete": "deleting"}[self.transition]
        if self.job_status == "succeeded":
            return {"start": "running", "stop": "stopped", "delete": "deleted"}[self.transition]
        return self.job_status


@dataclass(eq=False)
class DryRun(Record):
    """A plan of a version that nobody applies; its id is its job's."""

    id: str
    version_id: str
    initiator_id: str
    created_at: datetime
    updated_at: datetime
    workspace_name: str = ""
    fails_with: str = ""
    job_status: str = "pending"
    started_at: datetime | None = None
    completed_at: datetime | None = None
    canceled_at: datetime | None = None
    error: str = ""
    worker_id: str | None = None
    logs: tuple[Mapping[str, Any], ...] | None = None

    @property
    def active(self) -> bool:
        """Whether it has not ended yet."""
        return self.job_status in ("pending", "running", "canceling")


@dataclass(eq=False)
class Workspace(Record):
    """`builds` are oldest first and never empty once the workspace is in the deployment."""

    id: str
    owner_id: str
    organization_id: str
    template_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None
    builds: tuple[Build, ...] = ()
    deleted: bool = False
    autostart_schedule: str = ""
    ttl_ms: int | None = None
    dormant_at: datetime | None = None
    deleting_at: datetime | None = None
    next_start_at: datetime | None = None
    automatic_updates: str = "never"
    favorite: bool = False
    failing_agents: tuple[str, ...] = ()
    shared_with: tuple[Mapping[str, Any], ...] = ()
    task_id: str | None = None

    @property
    def build(self) -> Build:
        """The latest build."""
        return self.builds[-1]

    @property
    def is_prebuild(self) -> bool:
        return self.owner_id == PREBUILDS_USER_ID

    @property
    def running(self) -> bool:
        """As Coder's order means it: the latest build is a start that ended without an error."""
        build = self.build
        return build.transition == "start" and build.job_status == "succeeded"
