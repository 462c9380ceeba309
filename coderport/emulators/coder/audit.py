"""The audit log as recorded from Coder 2.20, which keeps one without a licence as well.

A build is noted when its job ends, everything else when it was asked for. Extending a deadline is not noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from coderport.emulators.coder.records import Build, Template, User, Workspace
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import NIL_ID, Json, derived_id

Diff = Mapping[str, tuple[Any, Any]]
"""What changed: a field's value before and after."""


@dataclass(frozen=True)
class Entry:
    """One line of the log. `organization_id` is None for what belongs to none, say a login."""

    id: str
    at: datetime
    user_id: str
    action: str
    resource_type: str
    resource_id: str
    resource_target: str = ""
    organization_id: str | None = None
    request_id: str = NIL_ID
    status_code: int = 200
    diff: Diff = field(default_factory=dict)
    additional_fields: Json = field(default_factory=dict)
    user_agent: str = ""


def note(
    state: State,
    user_id: str,
    action: str,
    resource_type: str,
    resource_id: str,
    **more: Any,
) -> None:
    """Add a line; `more` are the other fields of an `Entry`."""
    more.setdefault("request_id", state.new_audit_id())
    entry = Entry(state.new_audit_id(), state.now(), user_id, action, resource_type, resource_id, **more)
    state.audit.append(entry)
    state.noted(entry)


def note_build(state: State, build: Build) -> None:
    """A build whose job has ended; its request is the job."""
    workspace = state.workspaces[build.workspace_id]
    fields = _additional(build_number=str(build.number), build_reason=build.reason)
    fields |= {"workspace_id": workspace.id, "workspace_name": workspace.name}
    note(
        state, build.initiator_id, build.transition, "workspace_build", build.id,
        organization_id=workspace.organization_id, request_id=derived_id(build.id, "job"),
        status_code=200 if build.job_status == "succeeded" else 500, additional_fields=fields,
    )  # fmt: skip


def note_workspace(state: State, user: User, action: str, workspace: Workspace, diff: Diff | None = None) -> None:
    """A workspace that was created (action ``create``) or whose settings changed (``write``)."""
    owner = state.users[workspace.owner_id].username
    note(
        state, user.id, action, "workspace", workspace.id, resource_target=workspace.name,
        organization_id=workspace.organization_id, status_code=201 if action == "create" else 200, diff=diff or {},
        additional_fields=_additional(workspace_owner=owner) if action == "create" else {},
    )  # fmt: skip


def note_template(state: State, user: User, action: str, template: Template, diff: Diff | None = None) -> None:
    """A template that was changed (``write``) or deleted (``delete``)."""
    note(
        state, user.id, action, "template", template.id, resource_target=template.name,
        organization_id=template.organization_id, diff=diff or {},
    )  # fmt: skip


def _additional(**given: str) -> Json:
    blank = dict.fromkeys(("build_number", "build_reason", "workspace_name", "workspace_owner"), "")
    return {**blank, "workspace_id": NIL_ID, **given}
