"""The parts of Coder's objects that coderport uses, as frozen values.

Tolerant of versions: unknown keys are ignored, a null or absent optional field takes its default, enums are
open strings. Strict on ids and structure: one bad row fails the read, with the object and the field in the
message and never the row itself. Agents' environment, scripts and resource metadata hold secrets and are not
kept at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)

from coderport.coder.errors import CoderAnswerError
from coderport.terminal.wording import told_by_kind

PREBUILDS_OWNER_ID = "c42fdf75-3097-471c-8c33-fb52454d81c0"
"""The system user that owns every prebuilt workspace until somebody claims it."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _lower_case_uuid(value: object) -> str:
    if isinstance(value, str) and _UUID.fullmatch(lowered := value.lower()):
        return lowered
    raise ValueError("must be a UUID")


def _utc_or_none(value: object) -> datetime | None:
    # Go prints RFC 3339 with 0 to 9 fractional digits; its zero time means "never".
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("must be a time of RFC 3339")
    if value.startswith("0001-01-01"):
        return None
    match = _TIME.fullmatch(value)
    if match is None:
        raise ValueError("must be a time of RFC 3339")
    seconds, fraction, zone = match.groups()
    micros = (fraction or "").ljust(6, "0")[:6]
    time = datetime.fromisoformat(f"{seconds.replace(' ', 'T')}.{micros}{'+00:00' if zone in 'Zz' else zone}")
    try:
        return time.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("must be a time within the calendar") from None


_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")

Id = Annotated[str, BeforeValidator(_lower_case_uuid)]
Time = Annotated[datetime | None, BeforeValidator(_utc_or_none)]


class CoderModel(BaseModel):
    """Base of all: frozen, unknown keys ignored, and null is the same as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, row: Any) -> Any:
        if isinstance(row, Mapping):
            return {key: value for key, value in row.items() if value is not None}
        return row


class BuildInfo(CoderModel):
    """`GET /buildinfo`. `deployment_id` identifies the deployment; it is "" on servers before 2024."""

    version: str = ""
    deployment_id: str = ""
    dashboard_url: str = ""


class Organization(CoderModel):
    """One organization; `display_name` may be ""."""

    id: Id
    name: str
    display_name: str = ""
    description: str = ""
    icon: str = ""
    is_default: bool = False
    created_at: Time = None


class User(CoderModel):
    """A person or a service account; system users (prebuilds) are never listed by Coder."""

    id: Id
    username: str
    name: str = ""
    email: str = ""
    status: str = ""


class CoderPerson(User):
    """A user with what decides on their rights. `organization_ids` is None where the server does not say."""

    organization_ids: tuple[str, ...] | None = None
    roles: frozenset[str] = frozenset()
    """Site-wide roles by name, e.g. `owner`."""
    login_type: str = ""
    created_at: Time = None
    last_seen_at: Time = None

    @model_validator(mode="before")
    @classmethod
    def _role_names(cls, row: Any) -> Any:
        if not isinstance(row, Mapping):
            return row
        roles = objects_of(row.get("roles"))
        return {**row, "roles": frozenset(str(role.get("name")) for role in roles if not role.get("organization_id"))}


class Group(CoderModel):
    """A group of an organization; that of everybody has the id of its organization."""

    id: Id
    name: str
    display_name: str = ""
    organization_id: Id
    organization_name: str = ""
    members: tuple[User, ...] | None = None
    total_member_count: int | None = None
    """All, those among them whom the token may not see (Coder's API description); older servers do not say."""
    avatar_url: str = ""
    quota_allowance: int = 0
    source: str = ""

    @property
    def whole(self) -> tuple[User, ...] | None:
        """The members, if Coder showed as many as it counts; None where it did not."""
        shown, count = self.members or (), self.total_member_count
        if count is None:
            return self.members
        return shown if len(shown) >= count else None


class Template(CoderModel):
    """A template. Durations end in `_ms` and are milliseconds; 0 means off or no default."""

    id: Id
    name: str
    organization_id: Id
    organization_name: str = ""
    display_name: str = ""
    description: str = ""
    icon: str = ""
    active_version_id: str = ""
    active_user_count: int = 0
    created_at: Time = None
    updated_at: Time = None
    created_by_id: str = ""
    created_by_name: str = ""
    default_ttl_ms: int = 0
    activity_bump_ms: int = 0
    require_active_version: bool = False
    failure_ttl_ms: int = 0
    time_til_dormant_ms: int = 0
    time_til_dormant_autodelete_ms: int = 0
    deprecated: bool = False
    deprecation_message: str = ""
    use_classic_parameter_flow: bool = True
    """False where Coder evaluates the parameters anew for each set of values (dynamic parameters, from 2.24 on)."""
    deleted: bool | None = None
    """None where the server's version does not say."""
    access_groups: tuple[str, ...] | None = None
    """Ids of the groups that may use it; no list has them, so None until its access list was asked for."""


class Job(CoderModel):
    """The provisioner job of a build; `error` is "" unless it failed."""

    status: str = ""
    error: str = ""


class Build(CoderModel):
    """The newest build of a workspace. `status` is Coder's computed one (running, stopped, failed, …)."""

    id: Id
    build_number: int
    transition: str = ""
    status: str = ""
    reason: str = ""
    template_version_id: str = ""
    template_version_name: str = ""
    template_version_preset_id: str = ""
    initiator_id: str = ""
    initiator_name: str = ""
    daily_cost: int = 0
    """Credits as the build reports them: 0 without a licence, whatever its resources say."""
    created_at: Time = None
    deadline: Time = None
    max_deadline: Time = None
    job: Job = Job()


class Health(CoderModel):
    """Of the agents; a stopped workspace is healthy. `failing_agents` are agent ids."""

    healthy: bool
    failing_agents: tuple[str, ...] = ()


class Agent(CoderModel):
    """An agent of a workspace's latest build: what it is and how it is. `healthy` is None where Coder does not say."""

    name: str
    status: str = ""
    lifecycle_state: str = ""
    version: str = ""
    api_version: str = ""
    operating_system: str = ""
    architecture: str = ""
    healthy: bool | None = None
    health_reason: str = ""


class Actor(CoderModel):
    """A user or a group that a workspace is shared with."""

    id: Id
    actor_type: str = ""


class Workspace(CoderModel):
    """A workspace that is not deleted. Optional fields are None where Coder has no value."""

    id: Id
    name: str
    owner_id: Id
    owner_name: str = ""
    organization_id: Id
    organization_name: str = ""
    template_id: Id
    template_name: str = ""
    template_active_version_id: str = ""
    template_use_classic_parameter_flow: bool = True
    created_at: Time = None
    updated_at: Time = None
    last_used_at: Time = None
    deleting_at: Time = None
    dormant_at: Time = None
    next_start_at: Time = None
    ttl_ms: int | None = None
    autostart_schedule: str | None = None
    automatic_updates: str = ""
    outdated: bool = False
    is_prebuild: bool = False
    """True only while unclaimed: claiming keeps the id and changes owner and name."""
    health: Health | None = None
    failing_agent_names: tuple[str, ...] = ()
    """Names of `health.failing_agents`, in their order; the id where the build's resources do not name it."""
    agents_ready: bool = False
    """Of an unclaimed prebuilt workspace: whether it has agents, and each has ended its startup."""
    agents: tuple[Agent, ...] = ()
    """In alphabetical order; their environment, scripts and metadata are not among it."""
    shared_with: tuple[Actor, ...] = ()
    """Nobody where the server's version does not say: rows have it since coder#21049 (2025-12)."""
    latest_build: Build

    @model_validator(mode="before")
    @classmethod
    def _derived(cls, row: Any) -> Any:
        if not isinstance(row, Mapping):
            return row
        names, agents = _failing_agent_names(row), _agents_by_name(row)
        derived: dict[str, Any] = {**row, "failing_agent_names": names, "agents": agents}
        if row.get("is_prebuild") is None:
            derived["is_prebuild"] = str(row.get("owner_id")).lower() == PREBUILDS_OWNER_ID
        states = [agent.get("lifecycle_state") for agent in _agents(row)] if derived["is_prebuild"] else []
        return {**derived, "agents_ready": bool(states) and set(states) == {"ready"}}


def _failing_agent_names(row: Mapping[str, Any]) -> tuple[str, ...]:
    health = row.get("health")
    failing = health.get("failing_agents") if isinstance(health, Mapping) else None
    if not isinstance(failing, list) or not failing:
        return ()
    names = {agent.get("id"): str(agent["name"]) for agent in _agents(row) if agent.get("name")}
    return tuple(names.get(agent_id, str(agent_id)) for agent_id in failing)


def _agents_by_name(row: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """What is kept of the agents, by name; of several of one name that of the least id, in whatever order they come."""
    found: dict[str, dict[str, Any]] = {}
    for agent in sorted(_agents(row), key=lambda each: str(each.get("id"))):
        health = agent.get("health")
        health = health if isinstance(health, Mapping) else {}
        healthy = health.get("healthy")
        kept = {key: value for key in _OF_AGENT if isinstance(value := agent.get(key), str)}
        if kept.get("name"):
            reason = health.get("reason")
            more = {
                "healthy": healthy if isinstance(healthy, bool) else None,
                "health_reason": reason if isinstance(reason, str) else "",
            }
            found.setdefault(kept["name"], {**kept, **more})
    return tuple(found[name] for name in sorted(found))


_OF_AGENT = ("name", "status", "lifecycle_state", "version", "api_version", "operating_system", "architecture")


def _agents(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The agents of the latest build's resources."""
    build = row.get("latest_build")
    resources = build.get("resources") if isinstance(build, Mapping) else None
    for resource in resources if isinstance(resources, list) else ():
        agents = resource.get("agents") if isinstance(resource, Mapping) else None
        yield from (each for each in (agents if isinstance(agents, list) else ()) if isinstance(each, Mapping))


M = TypeVar("M", bound=CoderModel)


def read_as(model: type[M], row: object) -> M:
    """`row` of an answer as `model`.

    Raises CoderAnswerError naming the object and each wrong field ("workspace 3f…: field latest_build.id: must be
    a text (it is a number)"), never a value of the row.
    """
    try:
        return model.model_validate(row)
    except ValidationError as error:
        wrong = "; ".join(
            f"field {'.'.join(str(part) for part in problem['loc'])}: {told_by_kind(problem)}"
            if problem["loc"]
            else told_by_kind(problem)
            for problem in error.errors(include_url=False)[:5]
        )
    # Raised outside the handler: the validation error in the chain would carry the row.
    raise CoderAnswerError(f"Coder answered with a malformed object: {_label(model, row)}: {wrong}")


def _label(model: type[CoderModel], row: object) -> str:
    kind = model.__name__.lower()
    row_id = row.get("id") if isinstance(row, Mapping) else None
    if isinstance(row_id, str) and _UUID.fullmatch(row_id.lower()):
        return f"{kind} {row_id.lower()}"
    return f"{kind} without a valid id" if isinstance(row, Mapping) else f"{kind} that is no object"


class Identified(Protocol):
    """What Coder knows by an id."""

    @property
    def id(self) -> str: ...


Known = TypeVar("Known", bound=Identified)


def same_id(found: Known, asked: str) -> Known:
    """What was found, where it is what was asked for; else CoderAnswerError."""
    if found.id != asked:
        raise CoderAnswerError(f"Coder was asked for {asked} and answered with {found.id}")
    return found


def rows_of(data: object, path: str) -> Sequence[Any]:
    """The rows of an answer that has to be a list; CoderAnswerError for anything else, null included."""
    if isinstance(data, list):
        return data
    raise CoderAnswerError(f"Coder answered GET {path} without the list that belongs there")


def objects_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; none of what is no list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def rows_or_none_of(data: object, path: str) -> Sequence[Any]:
    """The same where Coder answers null for a list without anything in it."""
    return () if data is None else rows_of(data, path)
