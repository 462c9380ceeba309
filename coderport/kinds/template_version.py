"""Template versions: the active ones, and those that workspaces are built with.

A template leads to its active version and a workspace to its own. A relation from a version to its template as well
would run in a circle, in which Port can take neither blueprint first: a version has the id and name of its template.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Property, Relation
from coderport.catalog.identifiers import ORGANIZATIONS, VERSIONS
from coderport.catalog.values import Context, Entity, LeftOut
from coderport.coder.fate import Fate
from coderport.kinds.filters import Filters
from coderport.kinds.kind import NOTHING, Chosen, Kind, Listing, Reading, is_whole
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

if TYPE_CHECKING:
    from coderport.coder.facilities import TemplateVersion
    from coderport.coder.reading.snapshot import Snapshot

VERSION = Blueprint(
    identifier=VERSIONS,
    title="Coder Template Version",
    icon="Git",
    description="A version of a template that is the active one, or that workspaces are built with",
    properties=(
        Property("name", "string", "Name", description="Name of the version, unique in its template"),
        Property("message", "string", "Message", description="What its author said of it"),
        Property("template_id", "string", "Template ID", description="Id of its template"),
        Property("template_name", "string", "Template Name", description="Name of its template"),
        Property("active", "boolean", "Active", description="Whether new workspaces get this version"),
        Property(
            "workspaces",
            "number",
            "Workspaces",
            description="How many workspaces are built with it, stopped ones and unclaimed prebuilt ones too",
        ),
        Property(
            "job_status",
            "string",
            "Job Status",
            description="What became of its import, such as succeeded, failed or running",
        ),
        Property("archived", "boolean", "Archived", description="Whether it is archived, so that nobody can choose it"),
        Property("created_by_name", "string", "Created By Name", description="User name of its author"),
        Property("created_by_id", "string", "Created By Id", description="Id of its author"),
        Property("created_at", "string", "Created At", format="date-time", description="When it was made"),
        Property("organization_id", "string", "Organization ID", description="Id of its organization"),
        Property("organization_name", "string", "Organization Name", description="Name of its organization"),
        ORGANIZATION_DISPLAY_NAME,
        Property("url", "string", "Coder Page", format="url", description="The version in Coder's dashboard"),
        DEPLOYMENT,
        MANAGED_BY,
    ),
    relations=(
        Relation(
            "organization", "Organization", ORGANIZATIONS, description="The version's organization", with_target=True
        ),
    ),
)


@dataclass(frozen=True)
class Row:
    """A version, the names of what it belongs to, and how many workspaces are built with it."""

    version: TemplateVersion
    template_name: str
    organization_name: str
    active: bool
    workspaces: int

    @property
    def organization_id(self) -> str:
        """Its organization's."""
        return self.version.organization_id


async def _read(reading: Reading) -> Listing[Row]:
    """Each by id. One that is neither active nor used any more is none of these, where the read of those is whole."""
    from coderport.coder.facilities import Facilities  # the provider loads this module, and has no need for it

    snapshot = reading.snapshot
    templates = {**snapshot.templates, **snapshot.outside_templates}
    workspaces = {**snapshot.workspaces, **snapshot.outside_workspaces}
    names = {each.template_id: (each.template_name, each.organization_name) for each in workspaces.values()}
    names |= {each.id: (each.name, each.organization_name) for each in templates.values()}
    used = Counter(each.latest_build.template_version_id for each in workspaces.values())
    active = {each.active_version_id for each in templates.values()}
    wanted = (_inside(snapshot) | reading.known) & {*used, *active}
    whole = is_whole(snapshot) and "" not in used and "" not in active
    if not whole:
        wanted |= reading.known
    found = await Facilities(reading.client).versions(
        wanted, lambda done: reading.progress("versions", done, len(wanted))
    )
    if lost := sorted(reading.known & wanted - found.keys()):
        return Listing(NOTHING, skipped=f"Coder did not show {len(lost):,} of the versions in use, such as {lost[0]}")
    rows = {
        key: Row(each, *names.get(each.template_id, ("", "")), active=key in active, workspaces=used[key])
        for key, each in sorted(found.items())
    }
    return Listing(
        {key: each for key, each in rows.items() if reading.takes(each.organization_id)},
        {key: each for key, each in rows.items() if not reading.takes(each.organization_id)},
        # Each known template and workspace was seen with another version, or is gone.
        dict.fromkeys(sorted(reading.known - rows.keys()), Fate.GONE),
    )


def _inside(snapshot: Snapshot) -> set[str]:
    """The versions that what is in scope has."""
    found = {each.active_version_id for each in snapshot.templates.values()}
    found |= {each.latest_build.template_version_id for each in snapshot.workspaces.values()}
    return found - {""}


def _entity(row: Row, context: Context, chosen: Chosen) -> Entity:
    version, organization = row.version, organization_names(row, context)
    return entity_of(
        VERSION.identifier,
        version.id,
        f"{row.template_name}/{version.name}" if row.template_name else version.name,
        {
            "name": version.name,
            "message": version.message,
            "template_id": version.template_id,
            "template_name": row.template_name,
            "active": row.active,
            "workspaces": row.workspaces,
            "job_status": version.job.status,
            "archived": version.archived,
            "created_by_name": version.created_by.username,
            "created_by_id": version.created_by.id,
            "created_at": when(version.created_at),
            **organization_properties(row, context),
            "url": page(context, "templates", organization.name, row.template_name, "versions", version.name),
        },
        related(VERSION, {"organization": version.organization_id}, chosen.shown),
        context,
    )


def _left_out(row: Row, filters: Filters, context: Context, chosen: Chosen) -> LeftOut | None:
    taken = filters.takes(organization_names(row, context).name, row.template_name)
    return None if taken or not row.template_name else LeftOut.TEMPLATE


KIND: Kind[Row] = Kind(
    blueprint=VERSION,
    words=("version", "versions"),
    columns=("template_name", "active", "workspaces", "job_status", "created_by_name", "created_at"),
    needs=frozenset({"template", "workspace"}),
    read=_read,
    entity=_entity,
    left_out=_left_out,
    ends="derived",
    end="no longer in use",
    proof="a whole read shows it neither as the active one nor with a workspace",
)
