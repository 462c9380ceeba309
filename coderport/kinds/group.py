"""Groups: who may use which templates, and how much. They need a licence of Coder's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Property, Relation
from coderport.catalog.identifiers import GROUPS, ORGANIZATIONS, USERS
from coderport.catalog.values import Context, Entity, Related
from coderport.coder.errors import CoderForbidden, CoderNotFound
from coderport.kinds.kind import NOTHING, Chosen, Kind, Listing, Reading, absent, refused
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
)

if TYPE_CHECKING:
    from coderport.coder.models import Group

GROUP = Blueprint(
    identifier=GROUPS,
    title="Coder Group",
    icon="Team",
    description="A group of users in an organization of a Coder deployment",
    properties=(
        Property("name", "string", "Name", description="Name of the group, unique in its organization"),
        Property("display_name", "string", "Display Name", description="Name shown to people, where one is set"),
        Property("organization_id", "string", "Organization ID", description="Id of the group's organization"),
        Property("organization_name", "string", "Organization Name", description="Name of the group's organization"),
        ORGANIZATION_DISPLAY_NAME,
        Property("member_count", "number", "Members", description="How many users are in it"),
        Property(
            "quota_allowance",
            "number",
            "Quota Allowance",
            description="Credits that it gives each of its members for workspaces",
        ),
        Property("source", "string", "Source", description="user, or oidc where an identity provider keeps it"),
        Property("url", "string", "Coder Page", format="url", description="The group in Coder's dashboard"),
        Property("icon_url", "string", "Icon", format="url", description="Picture of the group"),
        DEPLOYMENT,
        MANAGED_BY,
    ),
    relations=(
        Relation(
            "organization", "Organization", ORGANIZATIONS, description="The group's organization", with_target=True
        ),
        Relation("users", "Users", USERS, description="Who is in the group", many=True, with_target=True),
    ),
)


async def _read(reading: Reading) -> Listing[Group]:
    """One list of all. Each organization has the group of everybody: a list that lacks one of those is not whole.

    What the list and an answer by id lack is deleted, for a token that reads every group before and after them.
    """
    try:
        listed = {each.id: each for each in await reading.client.groups()}
    except CoderForbidden as error:
        return Listing(NOTHING, skipped=refused(error, "groups"))
    except CoderNotFound:
        return Listing(NOTHING, skipped="this version of Coder has no list of all groups")
    inside = {each.id for each in reading.snapshot.organizations}
    if missing := inside - listed.keys():
        return Listing(NOTHING, skipped=f"Coder's list of groups lacks {len(missing):,} of those that must be there")
    fates = await absent(reading, "group", reading.known - listed.keys(), reading.client.group)
    return Listing(
        {key: each for key, each in sorted(listed.items()) if reading.takes(each.organization_id)},
        {key: each for key, each in sorted(listed.items()) if not reading.takes(each.organization_id)},
        fates,
    )


def _entity(group: Group, context: Context, chosen: Chosen) -> Entity:
    organization, members = organization_names(group, context), group.whole
    candidates: dict[str, Related] = {"organization": group.organization_id}
    if members is not None:
        candidates["users"] = tuple(sorted(each.id for each in members))
    shown = len(members) if members is not None else None
    return entity_of(
        GROUP.identifier,
        group.id,
        group.display_name or group.name,
        {
            "name": group.name,
            "display_name": group.display_name,
            **organization_properties(group, context),
            "member_count": shown if group.total_member_count is None else max(group.total_member_count, shown or 0),
            "quota_allowance": group.quota_allowance,
            "source": group.source,
            "url": page(context, "organizations", organization.name, "groups", group.name),
            "icon_url": picture(context, group.avatar_url),
        },
        related(GROUP, candidates, chosen.shown, chosen.kinds),
        context,
    )


KIND: Kind[Group] = Kind(
    blueprint=GROUP,
    words=("group", "groups"),
    columns=("name", "organization_name", "member_count", "quota_allowance", "source"),
    needs=frozenset({"group"}),
    read=_read,
    entity=_entity,
    own_id=False,  # that of the group of everybody is its organization's
    proof="the list and the answer by its id lack it, for a token that sees every group",
)
