"""Organizations, with what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Property
from coderport.catalog.identifiers import ORGANIZATIONS
from coderport.catalog.values import Context, Entity
from coderport.kinds.kind import Chosen, Kind, Listing, Reading, absent
from coderport.kinds.mapping import DEPLOYMENT, MANAGED_BY, entity_of, page, picture, when

if TYPE_CHECKING:
    from coderport.coder.models import Organization

ORGANIZATION = Blueprint(
    identifier=ORGANIZATIONS,
    title="Coder Organization",
    icon="Organization",
    description="An organization of a Coder deployment",
    properties=(
        Property("name", "string", "Name", description="Name in Coder's URLs and command line"),
        Property("display_name", "string", "Display Name", description="Name shown to people, where one is set"),
        Property("description", "string", "Description", description="What the organization says of itself"),
        Property("url", "string", "Coder Page", format="url", description="The organization in Coder's dashboard"),
        Property("icon_url", "string", "Icon", format="url", description="Picture of the organization"),
        Property("is_default", "boolean", "Default", description="Whether people belong to it without being asked"),
        Property(
            "members", "number", "Members", description="How many users belong to it, where the token may read users"
        ),
        Property("templates", "number", "Templates", description="How many templates it has"),
        Property(
            "workspaces",
            "number",
            "Workspaces",
            description="How many workspaces it has, stopped ones and unclaimed prebuilt ones too",
        ),
        Property("created_at", "string", "Created At", format="date-time", description="When it was made"),
        DEPLOYMENT,
        MANAGED_BY,
    ),
)


@dataclass(frozen=True)
class Row:
    """An organization and how much is in it; `members` is None where users were not all shown with theirs."""

    organization: Organization
    members: int | None
    templates: int
    workspaces: int


async def _read(reading: Reading) -> Listing[Row]:
    """One more list. What neither it, nor the one before, nor an answer by its name has is deleted, for a token that
    reads every organization before and after them.
    """
    snapshot = reading.snapshot
    inside = {each.id for each in snapshot.organizations}
    listed = {each.id: each for each in await reading.client.organizations()}
    chosen = {each.id: listed.get(each.id, each) for each in snapshot.organizations}
    others = {key: each for key, each in listed.items() if key not in inside}
    if not reading.narrowed:  # the list before lacked it
        chosen, others = {**chosen, **others}, {}
    unseen = reading.known - chosen.keys() - others.keys()
    fates = await absent(reading, "organization", unseen, reading.client.organization)
    users = snapshot.users if snapshot.users_whole else None
    if users is not None and any(each.organization_ids is None for each in users.values()):
        users = None

    def row(organization: Organization) -> Row:
        key = organization.id
        return Row(
            organization,
            None if users is None else sum(key in (each.organization_ids or ()) for each in users.values()),
            sum(each.organization_id == key for each in snapshot.templates.values()),
            sum(each.organization_id == key for each in snapshot.workspaces.values()),
        )

    return Listing(
        {key: row(each) for key, each in sorted(chosen.items())},
        {key: row(each) for key, each in sorted(others.items())},
        fates,
    )


def _entity(row: Row, context: Context, chosen: Chosen) -> Entity:
    organization = row.organization
    return entity_of(
        ORGANIZATION.identifier,
        organization.id,
        organization.display_name or organization.name,
        {
            "name": organization.name,
            "display_name": organization.display_name,
            "description": organization.description,
            "url": page(context, "organizations", organization.name),
            "icon_url": picture(context, organization.icon),
            "is_default": organization.is_default,
            "members": row.members,
            "templates": row.templates,
            "workspaces": row.workspaces,
            "created_at": when(organization.created_at),
        },
        {},
        context,
    )


KIND: Kind[Row] = Kind(
    blueprint=ORGANIZATION,
    words=("organization", "organizations"),
    columns=("name", "members", "templates", "workspaces", "is_default"),
    uses=frozenset({"user"}),
    read=_read,
    entity=_entity,
    proof="the list and the answer by its name lack it, for a token that sees every organization",
)
