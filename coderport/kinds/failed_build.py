"""Failed builds: the workspaces whose latest build failed, and what Coder says of why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Property, Relation
from coderport.catalog.identifiers import FAILURES, VERSIONS, WORKSPACES
from coderport.catalog.values import Context, Entity, LeftOut, Ref
from coderport.kinds.filters import Filters
from coderport.kinds.kind import NOTHING, Chosen, Kind, Listing, Reading, part_of_workspaces
from coderport.kinds.mapping import DEPLOYMENT, MANAGED_BY, entity_of, page, related, when

if TYPE_CHECKING:
    from coderport.coder.models import Workspace

LONGEST = 2000
"""Characters of an error that are shown: Terraform may print whole files."""

FAILURE = Blueprint(
    identifier=FAILURES,
    title="Coder Failed Build",
    icon="Alert",
    description="The latest build of a workspace, where it failed",
    properties=(
        Property(
            "error",
            "string",
            "Error",
            description=f"What Coder says of why, its first {LONGEST:,} characters",
        ),
        Property("build_number", "number", "Build Number", description="Number of the build in its workspace"),
        Property("transition", "string", "Transition", description="What it was to do: start, stop or delete"),
        Property("reason", "string", "Reason", description="What caused it, such as initiator, autostart or autostop"),
        Property("initiator", "string", "Initiator", description="User name of whoever it was started by or for"),
        Property("template_name", "string", "Template Name", description="Name of the workspace's template"),
        Property("template_version", "string", "Template Version", description="Version that it used"),
        Property("owner_name", "string", "Owner Name", description="User name of the workspace's owner"),
        Property("requested_at", "string", "Requested At", format="date-time", description="When it was asked for"),
        Property("url", "string", "Coder Page", format="url", description="The build in Coder's dashboard"),
        DEPLOYMENT,
        MANAGED_BY,
    ),
    relations=(
        Relation("workspace", "Workspace", WORKSPACES, description="Whose build it is", with_target=True),
        Relation("version", "Version", VERSIONS, description="The version that it used", with_target=True),
    ),
)


async def _read(reading: Reading) -> Listing[Workspace]:
    """A part of the workspaces that were read. It ends with a build that succeeds, and with its workspace."""
    snapshot = reading.snapshot
    latest = {each.latest_build.id: each for each in snapshot.workspaces.values()}
    rows = {key: each for key, each in latest.items() if each.latest_build.status == "failed"}
    outside = {each.latest_build.id: each for each in snapshot.outside_workspaces.values()}
    if any(not latest[each].latest_build.status for each in reading.known & latest.keys()):
        return Listing(NOTHING, skipped="Coder did not say what became of the latest builds")
    # Each known workspace was seen with another build, or is gone.
    return part_of_workspaces(reading, rows, outside, "builds", lambda each: True)


def _entity(workspace: Workspace, context: Context, chosen: Chosen) -> Entity:
    build, owner = workspace.latest_build, workspace.owner_name
    return entity_of(
        FAILURE.identifier,
        build.id,
        f"{owner}/{workspace.name} #{build.build_number}",
        {
            "error": build.job.error[:LONGEST],
            "build_number": build.build_number,
            "transition": build.transition,
            "reason": build.reason,
            "initiator": build.initiator_name,
            "template_name": workspace.template_name,
            "template_version": build.template_version_name,
            "owner_name": owner,
            "requested_at": when(build.created_at),
            "url": page(context, f"@{owner}", workspace.name, "builds", str(build.build_number)),
        },
        related(FAILURE, {"workspace": workspace.id, "version": build.template_version_id}, chosen.shown),
        context,
    )


def _left_out(workspace: Workspace, filters: Filters, context: Context, chosen: Chosen) -> LeftOut | None:
    return chosen.left_out.get(Ref(WORKSPACES, workspace.id))


KIND: Kind[Workspace] = Kind(
    blueprint=FAILURE,
    words=("failure", "failures"),
    columns=("template_name", "template_version", "transition", "requested_at", "error"),
    needs=frozenset({"workspace"}),
    read=_read,
    entity=_entity,
    left_out=_left_out,
    ends="derived",
    end="no longer a workspace's latest build",
    proof="a whole read shows no workspace whose latest build it is",
)
