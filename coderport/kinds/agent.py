"""Agents: the programs inside of workspaces through which people reach them.

An agent has another id in each build. So it is known by its workspace and its name, and stays the same entity when the
workspace is built anew. A workspace that is stopped has none: where a template keeps its resource, Coder still lists
one that waits for a connection (recorded from 2.20).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Property, Relation
from coderport.catalog.identifiers import AGENTS, WORKSPACES
from coderport.catalog.values import Context, Entity, LeftOut, Ref, is_named_id, named_id
from coderport.coder.fate import Fate
from coderport.kinds.filters import Filters
from coderport.kinds.kind import Chosen, Kind, Listing, Reading, part_of_workspaces
from coderport.kinds.mapping import DEPLOYMENT, MANAGED_BY, entity_of, page, related

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coderport.coder.models import Agent, Workspace
    from coderport.coder.reading.snapshot import Snapshot

AGENT = Blueprint(
    identifier=AGENTS,
    title="Coder Agent",
    icon="DevTV",
    description="An agent of a workspace: the program inside of it through which people reach it",
    properties=(
        Property("name", "string", "Name", description="Name of the agent, unique in its workspace"),
        Property("version", "string", "Version", description="Version of Coder that it runs"),
        Property("api_version", "string", "API Version", description="Version of the API that it speaks"),
        # No enums: Coder may add a status, and Port would refuse the whole entity.
        Property("status", "string", "Status", description="Such as connected, connecting, disconnected or timeout"),
        Property(
            "lifecycle_state",
            "string",
            "Lifecycle State",
            description="How far its startup is, such as starting, ready or start_error",
        ),
        Property("healthy", "boolean", "Healthy", description="Whether Coder calls it healthy"),
        Property("health_reason", "string", "Health Reason", description="Why it is not, in Coder's words"),
        Property("operating_system", "string", "Operating System", description="Such as linux"),
        Property("architecture", "string", "Architecture", description="Such as amd64"),
        Property("owner_name", "string", "Owner Name", description="User name of the workspace's owner"),
        Property("template_name", "string", "Template Name", description="Name of the workspace's template"),
        Property("url", "string", "Coder Page", format="url", description="The workspace in Coder's dashboard"),
        DEPLOYMENT,
        MANAGED_BY,
    ),
    relations=(Relation("workspace", "Workspace", WORKSPACES, description="Whose agent it is", with_target=True),),
)


@dataclass(frozen=True)
class Row:
    """An agent of the latest build of a workspace."""

    workspace: Workspace
    agent: Agent


def _rows(workspaces: Iterable[Workspace]) -> dict[str, Row]:
    started = (each for each in workspaces if each.latest_build.transition == "start")
    return {named_id(each.id, one.name): Row(each, one) for each in started for one in each.agents}


async def _read(reading: Reading) -> Listing[Row]:
    """A part of the workspaces that were read. It ends with a build without one of its name, and with its workspace."""
    snapshot = reading.snapshot
    rows, outside = _rows(snapshot.workspaces.values()), _rows(snapshot.outside_workspaces.values())
    return part_of_workspaces(
        reading, rows, outside, "agents", lambda each: _has_ended(each.partition(":")[0], snapshot)
    )


def _has_ended(workspace_id: str, snapshot: Snapshot) -> bool:
    """Whether the workspace itself says that agents of it have ended: it is deleted, or its build is another.

    One that is running without any agent says so of none: it may be an answer without what its build has.
    """
    found = snapshot.workspaces.get(workspace_id) or snapshot.outside_workspaces.get(workspace_id)
    if found is None:
        return snapshot.workspace_fates.get(workspace_id) is Fate.GONE
    return bool(found.agents) or found.latest_build.status != "running"


def _entity(row: Row, context: Context, chosen: Chosen) -> Entity:
    workspace, agent = row.workspace, row.agent
    return entity_of(
        AGENT.identifier,
        named_id(workspace.id, agent.name),
        f"{workspace.owner_name}/{workspace.name}/{agent.name}",
        {
            "name": agent.name,
            "version": agent.version,
            "api_version": agent.api_version,
            "status": agent.status,
            "lifecycle_state": agent.lifecycle_state,
            "healthy": agent.healthy,
            "health_reason": agent.health_reason,
            "operating_system": agent.operating_system,
            "architecture": agent.architecture,
            "owner_name": workspace.owner_name,
            "template_name": workspace.template_name,
            "url": page(context, f"@{workspace.owner_name}", workspace.name),
        },
        related(AGENT, {"workspace": workspace.id}, chosen.shown),
        context,
    )


def _left_out(row: Row, filters: Filters, context: Context, chosen: Chosen) -> LeftOut | None:
    return chosen.left_out.get(Ref(WORKSPACES, row.workspace.id))


KIND: Kind[Row] = Kind(
    blueprint=AGENT,
    words=("agent", "agents"),
    columns=("template_name", "status", "healthy", "version", "operating_system", "architecture"),
    needs=frozenset({"workspace"}),
    read=_read,
    entity=_entity,
    left_out=_left_out,
    is_identifier=is_named_id,
    ends="derived",
    end="no longer in its workspace",
    proof="a whole read does not show it in the latest build",
)
