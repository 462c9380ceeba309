"""What Coder says of its own doings: provisioner jobs and the audit log. They are read for what they point at.

Recorded from 2.20: jobs come newest first, `offset` is refused, `limit=0` means all, and a deletion's job still names
its workspace. Who may not read jobs gets 404, who may not read the log 403.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import model_validator

from coderport.coder.client import CoderClient
from coderport.coder.models import CoderModel, Id, Time, read_as, rows_of

ACTIVE = ("pending", "running", "canceling")
"""Statuses of jobs that are not over; a status that Coder does not know is answered with 500."""


class ListedJob(CoderModel):
    """A provisioner job of an organization. `workspace_id` is empty where it builds no workspace."""

    id: Id
    created_at: Time = None
    started_at: Time = None
    completed_at: Time = None
    canceled_at: Time = None
    status: str = ""
    workspace_id: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_metadata(cls, row: Any) -> Any:
        return _with_workspace(row, "metadata")

    @property
    def active(self) -> bool:
        """Whether more is to come of it."""
        return self.status in ACTIVE

    @property
    def changed_at(self) -> datetime | None:
        """When it came into its status, as far as the job says."""
        return self.completed_at or self.canceled_at or self.started_at or self.created_at


class AuditLine(CoderModel):
    """A line of the audit log. `workspace_id` is that of the workspace that was built; it stands in the details."""

    id: Id
    time: Time = None
    resource_type: str = ""
    resource_id: str = ""
    action: str = ""
    workspace_id: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_details(cls, row: Any) -> Any:
        return _with_workspace(row, "additional_fields")


def _with_workspace(row: Any, member: str) -> Any:
    """The row with the workspace that its member names, where it has such a member."""
    about = row.get(member) if isinstance(row, Mapping) else None
    return {**row, "workspace_id": str(about.get("workspace_id") or "")} if isinstance(about, Mapping) else row


class Notices:
    """The jobs and the audit log of one Coder deployment, as its client's token sees them."""

    def __init__(self, client: CoderClient) -> None:
        self._client = client
        self.took = 0.0
        """Seconds from the sending of the last request that was answered to its answer."""

    async def jobs(self, organization_id: str, *, limit: int, active: bool = False) -> tuple[ListedJob, ...]:
        """The newest jobs of an organization, or the newest active ones; CoderNotFound to who may not read them."""
        path = f"/organizations/{organization_id}/provisionerjobs"
        params: dict[str, str | int] = {"limit": limit, **({"status": ",".join(ACTIVE)} if active else {})}
        rows = rows_of(await self._data(path, params), path)
        return tuple(read_as(ListedJob, row) for row in rows)

    async def audit(self, query: str, *, limit: int) -> tuple[AuditLine, ...]:
        """The newest lines that fit the query; CoderForbidden to who may not read the log."""
        data = await self._data("/audit", {"q": query, "limit": limit})
        rows = data.get("audit_logs") if isinstance(data, Mapping) else None
        return tuple(read_as(AuditLine, row) for row in rows_of(rows, "/audit"))

    async def _data(self, path: str, params: Mapping[str, str | int]) -> Any:
        answer = await self._client._get(path, params)
        self.took = answer.seconds
        return answer.data
