"""What coderport does to workspaces: creating them, building them, following a build, changing their settings.

A request that makes something is sent once: after a lost answer it is for the caller to look whether it was done.
Settings, cancelling and reading may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from pydantic import Field, model_validator

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderAnswerError, CoderNotFound
from coderport.coder.models import Build, CoderModel, Id, Job, Workspace, objects_of, read_as, rows_or_none_of

ENDED = frozenset({"succeeded", "failed", "canceled"})
ACTIVE = frozenset({"pending", "running", "canceling"})


class Agent(CoderModel):
    """An agent of a build's resources, without anything that could be a secret.

    `lifecycle` is Coder's (`created`, `starting`, `ready`, `start_error`, `start_timeout`, …), `status` how it is
    connected. One with a parent lives inside of another (a dev container) and is nobody's to wait for.
    """

    name: str = ""
    status: str = ""
    lifecycle: str = Field(default="", validation_alias="lifecycle_state")
    parent_id: str = ""


class Provisioners(CoderModel):
    """The provisioners that fit a pending build's tags; `count` 0 means that nobody will ever take it."""

    count: int = 0
    available: int = 0


class QueuedJob(Job):
    """A build's job with its place in the queue; 0 where it does not wait."""

    queue_position: int = 0
    queue_size: int = 0


class WatchedBuild(Build):
    """A build as it is followed. `provisioners` is None where the server does not say (before 2024-12)."""

    workspace_id: Id
    workspace_name: str = ""
    workspace_owner_id: str = ""
    workspace_owner_name: str = ""
    job: QueuedJob = QueuedJob()
    agents: tuple[Agent, ...] = ()
    provisioners: Provisioners | None = Field(default=None, validation_alias="matched_provisioners")

    @model_validator(mode="before")
    @classmethod
    def _agents_of_resources(cls, row: Any) -> Any:
        if not isinstance(row, Mapping):
            return row
        agents = [
            agent for resource in objects_of(row.get("resources")) for agent in objects_of(resource.get("agents"))
        ]
        return {**row, "agents": agents}

    @property
    def ended(self) -> bool:
        """Whether its job has come to an end, good or bad."""
        return self.job.status in ENDED

    @property
    def succeeded(self) -> bool:
        """Whether it did what it was asked for."""
        return self.job.status == "succeeded"


class LogLine(CoderModel):
    """One line of a build's log; `id` grows, `output` is "" where only the stage begins."""

    id: int
    log_level: str = "info"
    stage: str = ""
    output: str = ""


class BuildParameter(CoderModel):
    """A value that a build has."""

    name: str
    value: str = ""


@dataclass(frozen=True)
class NewWorkspace:
    """What `create_workspace` asks for. `parameters` are name and text, `ttl_ms` None is the template's default."""

    name: str
    template_version_id: str
    parameters: Mapping[str, str]
    ttl_ms: int | None = None
    autostart_schedule: str | None = None
    automatic_updates: str = "never"
    preset_id: str | None = None

    def body(self) -> dict[str, Any]:
        """The request's JSON, without what was not chosen."""
        body: dict[str, Any] = {
            "name": self.name,
            "template_version_id": self.template_version_id,
            "rich_parameter_values": _pairs(self.parameters),
            "automatic_updates": self.automatic_updates,
        }
        if self.ttl_ms is not None:
            body["ttl_ms"] = self.ttl_ms
        if self.autostart_schedule:
            body["autostart_schedule"] = self.autostart_schedule
        if self.preset_id is not None:
            body["template_version_preset_id"] = self.preset_id
        return body


@dataclass(frozen=True)
class ThenStart:
    """The start that the server begins by itself after a stop.

    Without `version_id` it has the template's active version. To name one, the token needs the right to update the
    template: 403 without it, and nothing is stopped.
    """

    version_id: str | None = None

    def body(self) -> dict[str, str]:
        """The value of `on_success`."""
        return {"transition": "start", **({"template_version_id": self.version_id} if self.version_id else {})}


class Builds:
    """The writing side of one CoderClient, and the reading of builds."""

    def __init__(self, client: CoderClient) -> None:
        self._client = client

    async def create_workspace(self, owner_id: str, wanted: NewWorkspace) -> Workspace:
        """Ask for a workspace that belongs to the user; its first build is queued. Sent once.

        409: the name is taken. A claimed prebuilt workspace comes back with an old id and age.
        """
        answer = await self._client._request("POST", f"/users/{owner_id}/workspaces", body=wanted.body(), repeat=False)
        return read_as(Workspace, answer.data)

    async def workspace_by_name(self, owner_id: str, name: str) -> Workspace | None:
        """The user's workspace of that name, or None where there is none that the token may see."""
        path = f"/users/{owner_id}/workspace/{quote(name, safe='')}"
        try:
            return read_as(Workspace, (await self._client._request("GET", path, repeat=True)).data)
        except CoderNotFound:
            return None

    async def post_build(
        self,
        workspace_id: str,
        transition: str,
        *,
        version_id: str | None = None,
        parameters: Mapping[str, str] | None = None,
        then_start: ThenStart | None = None,
    ) -> WatchedBuild:
        """Queue a build: `start`, `stop` or `delete`. Sent once; 409 while another one is active.

        Without `version_id` it is the previous build's version, whatever the template's active one is; `parameters`
        are only those that change. `then_start` has the server start the workspace once the stop has succeeded:
        servers before 2.36 ignore it without a word.
        """
        body: dict[str, Any] = {"transition": transition}
        if version_id is not None:
            body["template_version_id"] = version_id
        if parameters:
            body["rich_parameter_values"] = _pairs(parameters)
        if then_start is not None:
            body["on_success"] = then_start.body()
        path = f"/workspaces/{workspace_id}/builds"
        answer = await self._client._request("POST", path, body=body, repeat=False)
        return _of(read_as(WatchedBuild, answer.data), workspace_id)

    async def build(self, build_id: str) -> WatchedBuild:
        """One build; it stays readable after its workspace was deleted."""
        data = (await self._client._request("GET", f"/workspacebuilds/{build_id}", repeat=True)).data
        found = read_as(WatchedBuild, data)
        if found.id != build_id:
            raise CoderAnswerError(f"Coder was asked for build {build_id} and answered with {found.id}")
        return found

    async def builds(self, workspace_id: str, *, limit: int = 10) -> tuple[WatchedBuild, ...]:
        """The workspace's newest builds, newest first."""
        path = f"/workspaces/{workspace_id}/builds"
        data = (await self._client._request("GET", path, params={"limit": limit}, repeat=True)).data
        return tuple(read_as(WatchedBuild, row) for row in rows_or_none_of(data, path))

    async def build_logs(self, build_id: str, *, after: int = 0) -> tuple[LogLine, ...]:
        """The lines logged so far whose id is greater than `after`."""
        path = f"/workspacebuilds/{build_id}/logs"
        params = {"after": after} if after else None
        data = (await self._client._request("GET", path, params=params, repeat=True)).data
        return tuple(read_as(LogLine, row) for row in rows_or_none_of(data, path))

    async def build_parameters(self, build_id: str) -> dict[str, str]:
        """The values that a build has, by parameter name."""
        path = f"/workspacebuilds/{build_id}/parameters"
        rows = rows_or_none_of((await self._client._request("GET", path, repeat=True)).data, path)
        return {value.name: value.value for value in (read_as(BuildParameter, row) for row in rows)}

    async def cancel(self, build_id: str, *, expect: str) -> None:
        """Cancel a build that is `pending` or `running`, as `expect` says.

        412 (where the server knows the parameter) or 400 when it is something else by now; 403 unless the template
        lets its users cancel or the token is an owner's.
        """
        path = f"/workspacebuilds/{build_id}/cancel"
        await self._client._request("PATCH", path, params={"expect_status": expect}, repeat=False)

    async def put_ttl(self, workspace_id: str, ttl_ms: int | None) -> None:
        """Set the time to live in milliseconds; None turns autostop off, for the running build too."""
        await self._put(workspace_id, "ttl", {"ttl_ms": ttl_ms})

    async def put_autostart(self, workspace_id: str, schedule: str | None) -> None:
        """Set the weekly schedule, a cron line that may begin with `CRON_TZ=…`; None turns autostart off."""
        await self._put(workspace_id, "autostart", {"schedule": schedule} if schedule else {})

    async def extend(self, workspace_id: str, deadline: datetime) -> None:
        """Move the running build's deadline: at least half an hour from now, at most its `max_deadline`."""
        text = deadline.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        await self._put(workspace_id, "extend", {"deadline": text})

    async def put_dormant(self, workspace_id: str, dormant: bool) -> None:
        """Put it to sleep or wake it; nothing happens where it is so already (304)."""
        await self._put(workspace_id, "dormant", {"dormant": dormant})

    async def _put(self, workspace_id: str, setting: str, body: Mapping[str, Any]) -> None:
        await self._client._request("PUT", f"/workspaces/{workspace_id}/{setting}", body=body, repeat=True)


def _pairs(parameters: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in parameters.items()]


def _of(build: WatchedBuild, workspace_id: str) -> WatchedBuild:
    if build.workspace_id != workspace_id:
        raise CoderAnswerError(f"Coder was asked to build {workspace_id} and built {build.workspace_id}")
    return build
