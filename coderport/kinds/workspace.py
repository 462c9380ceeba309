"""Workspaces; of their properties holds what `coderport.kinds.template` says."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Ownership, Property, Relation
from coderport.catalog.identifiers import (
    GROUPS,
    ORGANIZATIONS,
    OWNER_GROUPS,
    USERS,
    VERSIONS,
    WORKSPACE_ICON,
    WORKSPACES,
)
from coderport.catalog.values import Context, Entity, LeftOut, Ref, Related
from coderport.kinds.filters import Filters
from coderport.kinds.kind import Chosen, Kind, Listing
from coderport.kinds.mapping import (
    DEPLOYMENT,
    MANAGED_BY,
    ORGANIZATION_DISPLAY_NAME,
    entity_of,
    organization_names,
    organization_properties,
    page,
    related,
    when,
)
from coderport.kinds.template import TEMPLATE

if TYPE_CHECKING:
    from coderport.coder.models import Workspace
    from coderport.coder.reading.snapshot import Snapshot

WORKSPACE = Blueprint(
    identifier=WORKSPACES,
    title="Coder Workspace",
    icon=WORKSPACE_ICON,
    description="A workspace in the coder platform",
    properties=(
        Property("owner_name", "string", "Owner Name"),
        Property("ttl_ms", "number", "TTL", description="The time to live in milliseconds"),
        Property(
            "daily_cost",
            "number",
            "Daily Cost",
            description="The daily cost for the workspace's latest build",
        ),
        Property("owner_id", "string", "Owner ID"),
        Property("automatic_updates", "string", "Automatic Updates"),
        Property("autostart_schedule", "string", "Autostart Schedule"),
        Property("created_at", "string", "Created At", format="date-time"),
        Property("deleting_at", "string", "Deleting At", format="date-time"),
        Property("dormant_at", "string", "Dormant At", format="date-time"),
        Property("updated_at", "string", "Updated At", format="date-time"),
        Property("last_used_at", "string", "Last Used At", format="date-time"),
        Property("next_start_at", "string", "Next Start At", format="date-time"),
        Property("organization_id", "string", "Organization ID"),
        Property("organization_name", "string", "Organization Name"),
        Property("latest_build_number", "number", "Latest Build Number"),
        Property("healthy", "boolean", "Healthy"),
        # From here on: additions to the original blueprint.
        Property("name", "string", "Name", description="Name of the workspace, unique among its owner's workspaces"),
        # No enum: Coder may add a status, and Port would refuse the whole entity.
        Property(
            "status",
            "string",
            "Status",
            description="State of the latest build, such as running, stopped, starting, failed or pending",
        ),
        Property(
            "build_transition",
            "string",
            "Build Transition",
            description="What the latest build does: start, stop or delete",
        ),
        Property(
            "build_reason",
            "string",
            "Build Reason",
            description="What caused the latest build, such as initiator, autostart, autostop or dormancy",
        ),
        Property(
            "build_initiator",
            "string",
            "Build Initiator",
            description="User name of whoever the latest build was started by or for",
        ),
        Property(
            "latest_build_at",
            "string",
            "Latest Build At",
            format="date-time",
            description="When the latest build was requested",
        ),
        Property("template_version", "string", "Template Version", description="Version that the latest build used"),
        Property(
            "outdated",
            "boolean",
            "Outdated",
            description="Whether the latest build used another version than the active one",
        ),
        Property("url", "string", "Coder Page", format="url", description="The workspace in Coder's dashboard"),
        Property(
            "owner_email",
            "string",
            "Owner E-mail",
            format="email",
            description="E-mail address of the owner, where the token may read users",
        ),
        ORGANIZATION_DISPLAY_NAME,
        Property(
            "failing_agents",
            "array",
            "Failing Agents",
            items="string",
            description="Names of the agents that Coder calls unhealthy, in alphabetical order",
        ),
        Property(
            "is_prebuild",
            "boolean",
            "Prebuild",
            description="Whether this is a prebuilt workspace that nobody has claimed yet",
        ),
        Property(
            "deadline",
            "string",
            "Autostop At",
            format="date-time",
            description="When Coder will stop the running workspace; activity pushes it on",
        ),
        Property(
            "max_deadline",
            "string",
            "Latest Autostop At",
            format="date-time",
            description="The moment beyond which activity cannot push the autostop",
        ),
        DEPLOYMENT,
        MANAGED_BY,
    ),
    relations=(
        Relation("template_id", "Template", TEMPLATE.identifier, description="The template for the workspace"),
        Relation(
            "organization", "Organization", ORGANIZATIONS, description="The workspace's organization", with_target=True
        ),
        Relation("owner", "Owner", USERS, description="Whose workspace it is", with_target=True),
        Relation(
            "version", "Version", VERSIONS, description="The version that the latest build used", with_target=True
        ),
        Relation(
            OWNER_GROUPS,
            "Owner's Groups",
            GROUPS,
            description="The groups of the workspace's organization that its owner is in; empty without users",
            many=True,
            with_target=True,
        ),
        Relation(
            "shared_with_users",
            "Shared With Users",
            USERS,
            description="Who else may use it, by the workspace's own list (Coder 2.29 or later says so)",
            many=True,
            with_target=True,
        ),
        Relation(
            "shared_with_groups",
            "Shared With Groups",
            GROUPS,
            description="Whose members may use it, by the workspace's own list (Coder 2.29 or later says so)",
            many=True,
            with_target=True,
        ),
    ),
)


OWNING_TEAMS = Ownership(path="owner.port_user", title="Owning Teams")
"""By it, a workspace is owned by the teams in Port of the person whose it is."""


def workspace_entity(
    workspace: Workspace,
    context: Context,
    shown: Container[Ref],
    kinds: Container[str] | None = (),
    owner_groups: tuple[str, ...] | None = None,
) -> Entity:
    """The entity of a workspace, related to those of `shown`, the entities that Port will have, that are its own.

    `kinds` are as for `related`: by default those of the stack are not known. `owner_groups` is None where the groups
    of the owner are not known either.
    """
    build = workspace.latest_build
    email = context.emails.get(workspace.owner_id, "")
    return entity_of(
        WORKSPACE.identifier,
        workspace.id,
        f"{workspace.owner_name}/{workspace.name}",
        {
            "owner_name": workspace.owner_name,
            "owner_id": workspace.owner_id,
            "owner_email": email,
            "ttl_ms": workspace.ttl_ms,
            "daily_cost": build.daily_cost,
            "automatic_updates": workspace.automatic_updates,
            "autostart_schedule": workspace.autostart_schedule,
            "created_at": when(workspace.created_at),
            "deleting_at": when(workspace.deleting_at),
            "dormant_at": when(workspace.dormant_at),
            "updated_at": when(workspace.updated_at),
            "last_used_at": when(workspace.last_used_at),
            "next_start_at": when(workspace.next_start_at),
            **organization_properties(workspace, context),
            "latest_build_number": build.build_number,
            "healthy": workspace.health.healthy if workspace.health else None,
            "failing_agents": sorted(workspace.failing_agent_names),
            "name": workspace.name,
            "status": build.status,
            "build_transition": build.transition,
            "build_reason": build.reason,
            "build_initiator": build.initiator_name,
            "latest_build_at": when(build.created_at),
            "template_version": build.template_version_name,
            "outdated": workspace.outdated,
            "is_prebuild": workspace.is_prebuild,
            "url": page(context, f"@{workspace.owner_name}", workspace.name),
            "deadline": when(build.deadline),
            "max_deadline": when(build.max_deadline),
        },
        related(WORKSPACE, _candidates(workspace, owner_groups), shown, kinds),
        context,
    )


def _candidates(workspace: Workspace, owner_groups: tuple[str, ...] | None) -> dict[str, Related]:
    found: dict[str, Related] = {
        "template_id": workspace.template_id,
        "organization": workspace.organization_id,
        "owner": workspace.owner_id,
        "version": workspace.latest_build.template_version_id,
        "shared_with_users": _shared_with(workspace, "user"),
        "shared_with_groups": _shared_with(workspace, "group"),
    }
    return found if owner_groups is None else {**found, OWNER_GROUPS: owner_groups}


def _shared_with(workspace: Workspace, kind: str) -> tuple[str, ...]:
    """In an order of our own: Coder's is another one each time."""
    return tuple(sorted(each.id for each in workspace.shared_with if each.actor_type == kind))


def _entity(workspace: Workspace, context: Context, chosen: Chosen) -> Entity:
    groups = _groups_of_owner(workspace, chosen) if chosen.kinds is None or USERS in chosen.kinds else ()
    return workspace_entity(workspace, context, chosen.shown, chosen.kinds, groups)


def _groups_of_owner(workspace: Workspace, chosen: Chosen) -> tuple[str, ...]:
    return tuple(
        sorted(
            each.identifier
            for each in chosen.pointing.get(Ref(USERS, workspace.owner_id), ())
            if each.blueprint == GROUPS and each.properties.get("organization_id") == workspace.organization_id
        )
    )


def _left_out(workspace: Workspace, filters: Filters, context: Context, chosen: Chosen) -> LeftOut | None:
    template = Ref(TEMPLATE.identifier, workspace.template_id)
    template_is_out = template in chosen.left_out
    if template not in chosen.shown and not template_is_out:
        # The read did not see the template: the workspace's row has its name.
        organization = organization_names(workspace, context)
        template_is_out = not filters.takes(organization.name, workspace.template_name)
    if template_is_out:
        return LeftOut.TEMPLATE
    return LeftOut.PREBUILD if workspace.is_prebuild and not filters.include_prebuilds else None


def _read(snapshot: Snapshot) -> Listing[Workspace]:
    return Listing(snapshot.workspaces, snapshot.outside_workspaces, snapshot.workspace_fates)


KIND: Kind[Workspace] = Kind(
    blueprint=WORKSPACE,
    words=("workspace", "workspaces"),
    columns=("template_id", "status", "template_version", "outdated", "last_used_at"),
    needs=frozenset({"workspace", "workspace_dormant"}),
    part=_read,
    entity=_entity,
    left_out=_left_out,
    volatile=frozenset({"last_used_at", "next_start_at", "deadline", "max_deadline"}),
    last_used="last_used_at",
    always=True,
)
