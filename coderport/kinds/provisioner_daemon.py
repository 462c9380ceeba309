"""Provisioner daemons: the processes that build workspaces, those of the server and those beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Property, Relation
from coderport.catalog.identifiers import ORGANIZATIONS, PROVISIONERS
from coderport.catalog.values import Context, Entity
from coderport.coder.errors import CoderForbidden, CoderNotFound
from coderport.coder.fate import Fate
from coderport.kinds.kind import NOTHING, Chosen, Kind, Listing, Reading, refused, still_sees
from coderport.kinds.mapping import (
    DEPLOYMENT,
    MANAGED_BY,
    ORGANIZATION_DISPLAY_NAME,
    entity_of,
    organization_properties,
    related,
    when,
)
from coderport.kinds.places import ended_organizations, sees_every_organization
from coderport.tasks import together

if TYPE_CHECKING:
    from coderport.coder.facilities import ProvisionerDaemon

NEEDS = frozenset({"provisioner_daemon", "provisioner_jobs"})
"""Who may not read jobs gets 404 for the daemons as well (recorded from 2.20)."""
IDS_PER_REQUEST = 50

PROVISIONER = Blueprint(
    identifier=PROVISIONERS,
    title="Coder Provisioner",
    icon="Server",
    description="A provisioner daemon: a process that builds workspaces of an organization",
    properties=(
        Property(
            "name",
            "string",
            "Name",
            description="Name of the process, unique in its organization and owner tag",
        ),
        # No enum: Coder may add a status, and Port would refuse the whole entity.
        Property("status", "string", "Status", description="Such as idle, busy or offline"),
        Property("version", "string", "Version", description="Version of Coder that it runs"),
        Property("api_version", "string", "API Version", description="Version of the API that it speaks"),
        Property("tags", "array", "Tags", items="string", description="Which jobs it takes, each as key=value"),
        Property(
            "provisioners", "array", "Provisioners", items="string", description="What it can run, such as terraform"
        ),
        Property("key_name", "string", "Key", description="Name of the key that it signs in with, such as built-in"),
        Property("current_job_id", "string", "Current Job", description="Id of the job that it does"),
        Property("current_job_template", "string", "Current Template", description="Template of the job that it does"),
        Property("previous_job_id", "string", "Previous Job", description="Id of the job that it did last"),
        Property("previous_job_status", "string", "Previous Job Status", description="What became of that job"),
        Property("previous_job_template", "string", "Previous Template", description="Template of that job"),
        Property(
            "created_at", "string", "Created At", format="date-time", description="When it came for the first time"
        ),
        Property(
            "last_seen_at",
            "string",
            "Last Seen At",
            format="date-time",
            description="When it last gave a sign of life; written once a refresh period, like times of use",
        ),
        Property("organization_id", "string", "Organization ID", description="Id of its organization"),
        Property("organization_name", "string", "Organization Name", description="Name of its organization"),
        ORGANIZATION_DISPLAY_NAME,
        DEPLOYMENT,
        MANAGED_BY,
    ),
    relations=(
        Relation(
            "organization",
            "Organization",
            ORGANIZATIONS,
            description="The provisioner's organization",
            with_target=True,
        ),
    ),
)


async def _read(reading: Reading) -> Listing[ProvisionerDaemon]:
    """A list of each organization, and a question by id for what the lists lack.

    Coder forgets a daemon a week after its last sign of life. Then neither has it, in an organization that is shown.
    """
    from coderport.coder.facilities import Facilities  # the provider loads this module, and has no need for it

    facilities = Facilities(reading.client)
    inside = [each.id for each in reading.snapshot.organizations]

    async def of(organizations: Iterable[str], ids: Sequence[str] = ()) -> dict[str, ProvisionerDaemon]:
        lists = await together(facilities.daemons(each, ids) for each in organizations)
        return {each.id: each for rows in lists for each in sorted(rows, key=lambda one: one.id)}

    organizations = set(inside)
    try:
        found = await of(inside)
        if reading.known - found.keys():
            others = {each.id for each in await reading.client.organizations()} - organizations
            organizations |= others
            found |= await of(sorted(others))
        unseen = sorted(reading.known - found.keys())
        for start in range(0, len(unseen), IDS_PER_REQUEST):
            found |= await of(sorted(organizations), unseen[start : start + IDS_PER_REQUEST])
    except (CoderForbidden, CoderNotFound) as error:
        return Listing(NOTHING, skipped=refused(error, "provisioners of each organization"))
    unseen = sorted(reading.known - found.keys())
    if unseen and not await still_sees(reading, NEEDS):
        return Listing(NOTHING, skipped="the token lost the right to read them meanwhile")
    fates, blank = await _ends(reading, unseen, organizations, {each.organization_id for each in found.values()})
    return Listing(
        {key: each for key, each in found.items() if reading.takes(each.organization_id)},
        {key: each for key, each in found.items() if not reading.takes(each.organization_id)},
        fates,
        blank=blank,
    )


async def _ends(
    reading: Reading, unseen: Iterable[str], shown: set[str], with_daemons: set[str]
) -> tuple[dict[str, Fate], frozenset[str]]:
    """The fates of those that are known without a list, and those of which an empty list is the only word.

    Port says in which organization one was. An organization that is not shown says nothing of those in it.
    """
    places = {each: reading.in_port(PROVISIONER.identifier, each, "organization_id") for each in unseen}
    ended = await ended_organizations(reading, set(places.values()) - shown - {""})
    whole = "" in places.values() and await sees_every_organization(reading, shown)
    fates: dict[str, Fate] = {}
    blank: set[str] = set()
    for each, place in places.items():
        if place in ended:
            fates[each] = Fate.GONE
        elif place not in shown and not (whole and not place):
            fates[each] = Fate.UNPROVEN
        elif place not in with_daemons if place else not with_daemons:
            blank.add(each)
    return fates, frozenset(blank)


def _entity(daemon: ProvisionerDaemon, context: Context, chosen: Chosen) -> Entity:
    current, previous = daemon.current_job, daemon.previous_job
    return entity_of(
        PROVISIONER.identifier,
        daemon.id,
        daemon.name,
        {
            "name": daemon.name,
            "status": daemon.status,
            "version": daemon.version,
            "api_version": daemon.api_version,
            "tags": sorted(f"{key}={value}" for key, value in daemon.tags.items() if value),
            "provisioners": sorted(daemon.provisioners),
            "key_name": daemon.key_name,
            "current_job_id": current.id if current else None,
            "current_job_template": current.template_name if current else None,
            "previous_job_id": previous.id if previous else None,
            "previous_job_status": previous.status if previous else None,
            "previous_job_template": previous.template_name if previous else None,
            "created_at": when(daemon.created_at),
            "last_seen_at": when(daemon.last_seen_at),
            **organization_properties(daemon, context),
        },
        related(PROVISIONER, {"organization": daemon.organization_id}, chosen.shown),
        context,
    )


KIND: Kind[ProvisionerDaemon] = Kind(
    blueprint=PROVISIONER,
    words=("provisioner", "provisioners"),
    columns=("organization_name", "status", "version", "tags", "current_job_template", "last_seen_at"),
    needs=NEEDS,
    read=_read,
    entity=_entity,
    volatile=frozenset({"last_seen_at"}),
    last_used="last_seen_at",
    ends="derived",
    end="forgotten by Coder",
    proof="the lists of the organizations lack it, and so do those by its id",
)
