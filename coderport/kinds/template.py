"""Templates.

Port never changes the type of a property, and people already use the blueprints of the original integration:
each property that existed there keeps its identifier, type, title, format and description. The rest is added.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Calculation, Property, Relation
from coderport.catalog.identifiers import GROUPS, ORGANIZATIONS, TEMPLATE_GROUPS, TEMPLATES, VERSIONS
from coderport.catalog.values import Context, Entity, LeftOut, Ref, Related
from coderport.coder.errors import CoderError
from coderport.kinds.filters import Filters
from coderport.kinds.kind import Chosen, Kind, Listing, Reading
from coderport.kinds.mapping import (
    DEPLOYMENT,
    MANAGED_BY,
    ORGANIZATION_DISPLAY_NAME,
    entity_of,
    organization_names,
    organization_properties,
    page,
    picture,
    related,
    when,
)
from coderport.tasks import together

if TYPE_CHECKING:
    from coderport.coder.models import Template
    from coderport.coder.reading.snapshot import Snapshot

FIRST = 3
"""How many access lists are asked for before the rest: they tell whether the token may read any."""

TEMPLATE = Blueprint(
    identifier=TEMPLATES,
    title="Coder Template",
    icon="Template",
    description="A workspace template in the coder platform",
    properties=(
        Property("owner_name", "string", "Owner Name"),
        Property("owner_id", "string", "Owner ID"),
        Property("organization_id", "string", "Organization ID"),
        Property("organization_name", "string", "Organization Name"),
        Property("active_version_id", "string", "Active Version Id"),
        Property("active_user_count", "string", "Active User Count"),
        Property("created_at", "string", "Created At", format="date-time"),
        Property("created_by_id", "string", "Created By Id"),
        Property("created_by_name", "string", "Created By Name"),
        Property("default_ttl_ms", "number", "Default TTL", description="Default TTL in ms"),
        Property("deprecated", "boolean", "Deprecated"),
        Property("deprecation_message", "string", "Deprecation Message"),
        Property("description", "string", "Description"),
        # From here on: additions to the original blueprint.
        Property(
            "name",
            "string",
            "Name",
            description="Name of the template in Coder's URLs and command line, unique in its organization",
        ),
        Property("display_name", "string", "Display Name", description="Name shown to people, where one is set"),
        Property("url", "string", "Coder Page", format="url", description="The template in Coder's dashboard"),
        Property("icon_url", "string", "Icon", format="url", description="Picture of the template"),
        ORGANIZATION_DISPLAY_NAME,
        Property(
            "updated_at",
            "string",
            "Updated At",
            format="date-time",
            description="When the template's settings last changed or a version was last promoted",
        ),
        Property(
            "require_active_version",
            "boolean",
            "Requires Active Version",
            description="Whether workspaces must start with the active version",
        ),
        Property(
            "activity_bump_ms",
            "number",
            "Activity Bump",
            description="How far activity pushes the autostop of a workspace, in ms; 0 for not at all",
        ),
        Property(
            "failure_ttl_ms",
            "number",
            "Failure Cleanup",
            description="Time after which a workspace whose start failed is stopped, in ms; 0 for never",
        ),
        Property(
            "time_til_dormant_ms",
            "number",
            "Dormancy Threshold",
            description="Time without use after which a workspace becomes dormant, in ms; 0 for never",
        ),
        Property(
            "time_til_dormant_autodelete_ms",
            "number",
            "Dormancy Auto-Deletion",
            description="Time after which a dormant workspace is deleted, in ms; 0 for never",
        ),
        DEPLOYMENT,
        MANAGED_BY,
    ),
    calculations=(
        Calculation(
            "active_users",
            "number",
            "Active Users",
            jq="(.properties.active_user_count | tonumber?) // null",
            description="Active User Count as a number, for sorting and charts",
        ),
    ),
    relations=(
        Relation(
            "organization", "Organization", ORGANIZATIONS, description="The template's organization", with_target=True
        ),
        Relation(
            "active_version",
            "Active Version",
            VERSIONS,
            description="The version that new workspaces get",
            with_target=True,
        ),
        Relation(
            TEMPLATE_GROUPS,
            "Groups",
            GROUPS,
            description="Whose members may use it; that of everybody stands for its whole organization",
            many=True,
            with_target=True,
        ),
    ),
)


def template_entity(
    template: Template, context: Context, shown: Container[Ref] = (), kinds: Container[str] | None = ()
) -> Entity:
    """The entity of a template, related to those of `shown`, the entities that Port will have, that are its own.

    `kinds` are as for `related`: by default those of the stack are not known.

    Its owner, in the original blueprint, is its creator: Coder has no other.
    """
    organization = organization_names(template, context)
    candidates: dict[str, Related] = {
        "organization": template.organization_id,
        "active_version": template.active_version_id,
    }
    if template.access_groups is not None:
        candidates[TEMPLATE_GROUPS] = template.access_groups
    return entity_of(
        TEMPLATE.identifier,
        template.id,
        template.display_name or template.name,
        {
            "owner_name": template.created_by_name,
            "owner_id": template.created_by_id,
            **organization_properties(template, context),
            "active_version_id": template.active_version_id,
            # Documented as -1 while Coder is still counting.
            "active_user_count": str(template.active_user_count) if template.active_user_count >= 0 else None,
            "created_at": when(template.created_at),
            "updated_at": when(template.updated_at),
            "created_by_id": template.created_by_id,
            "created_by_name": template.created_by_name,
            "default_ttl_ms": template.default_ttl_ms,
            "activity_bump_ms": template.activity_bump_ms,
            "failure_ttl_ms": template.failure_ttl_ms,
            "time_til_dormant_ms": template.time_til_dormant_ms,
            "time_til_dormant_autodelete_ms": template.time_til_dormant_autodelete_ms,
            "require_active_version": template.require_active_version,
            "deprecated": template.deprecated,
            "deprecation_message": template.deprecation_message,
            "description": template.description,
            "name": template.name,
            "display_name": template.display_name,
            "url": page(context, "templates", organization.name, template.name),
            "icon_url": picture(context, template.icon),
        },
        related(TEMPLATE, candidates, shown, kinds),
        context,
    )


def _left_out(template: Template, filters: Filters, context: Context, chosen: Chosen) -> LeftOut | None:
    return None if filters.takes(organization_names(template, context).name, template.name) else LeftOut.TEMPLATE


def _part(snapshot: Snapshot) -> Listing[Template]:
    return Listing(snapshot.templates, snapshot.outside_templates, snapshot.template_fates)


async def _read(reading: Reading) -> Listing[Template]:
    """With the groups that may use each, where groups were read: a request for each template in scope."""
    from coderport.coder.facilities import Facilities  # the provider loads this module, and has no need for these
    from coderport.coder.failing import reason_of

    listing, facilities = _part(reading.snapshot), Facilities(reading.client)
    if GROUPS not in reading.read:
        return listing
    keys = list(listing.rows)
    try:
        found = await together(facilities.template_groups(each) for each in keys[:FIRST])
        if any(each is not None for each in found):
            found += await together(facilities.template_groups(each) for each in keys[FIRST:])
    except CoderError as error:
        why = await reason_of(reading.client, error)
        return replace(listing, failures={"groups that may use a template": why})
    groups = dict(zip(keys, found, strict=False))  # of the rest nothing is known
    return replace(
        listing,
        rows={key: each.model_copy(update={"access_groups": groups.get(key)}) for key, each in listing.rows.items()},
    )


KIND: Kind[Template] = Kind(
    blueprint=TEMPLATE,
    words=("template", "templates"),
    columns=("name", "organization_name", "active_version", "deprecated", "active_user_count", "updated_at"),
    needs=frozenset({"template"}),
    part=_part,
    read=_read,
    entity=lambda template, context, chosen: template_entity(template, context, chosen.shown, chosen.kinds),
    left_out=_left_out,
    volatile=frozenset({"active_user_count"}),
    always=True,
    proof="Coder lists it among its deleted templates, and shows none of this id",
)
