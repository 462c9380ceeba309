"""Workspace proxies: the servers near their users, and the deployment itself as the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Property
from coderport.catalog.identifiers import PROXIES
from coderport.catalog.values import Context, Entity
from coderport.coder.errors import CoderForbidden, CoderNotFound
from coderport.coder.fate import Fate
from coderport.kinds.kind import NOTHING, Chosen, Kind, Listing, Reading, refused
from coderport.kinds.mapping import DEPLOYMENT, MANAGED_BY, entity_of, picture, site

if TYPE_CHECKING:
    from coderport.coder.facilities import WorkspaceProxy

PROXY = Blueprint(
    identifier=PROXIES,
    title="Coder Workspace Proxy",
    icon="Network",
    description="A server through which people reach their workspaces; the deployment itself is one",
    properties=(
        Property("name", "string", "Name", description="Name in Coder's command line"),
        Property("display_name", "string", "Display Name", description="Name shown to people, where one is set"),
        Property("icon_url", "string", "Icon", format="url", description="Picture of the proxy"),
        Property("healthy", "boolean", "Healthy", description="Whether the last look at it found nothing wrong"),
        # No enum: Coder may add a status, and Port would refuse the whole entity.
        Property("status", "string", "Status", description="Such as ok, unhealthy, unreachable or unregistered"),
        Property("errors", "array", "Errors", items="string", description="What keeps it from being healthy"),
        Property("warnings", "array", "Warnings", items="string", description="What should be looked at"),
        Property("version", "string", "Version", description="Version of Coder that it runs"),
        Property("url", "string", "Address", format="url", description="Where it is reached"),
        Property("wildcard_hostname", "string", "Wildcard Hostname", description="Names of apps that it serves"),
        DEPLOYMENT,
        MANAGED_BY,
    ),
)


async def _read(reading: Reading) -> Listing[WorkspaceProxy]:
    """One list. By id Coder still shows a deleted one, and says so."""
    from coderport.coder.facilities import Facilities  # the provider loads this module, and has no need for it

    facilities = Facilities(reading.client)
    fates: dict[str, Fate] = {}
    try:
        listed = {each.id: each for each in await facilities.proxies() if not each.deleted}
        for unseen in sorted(reading.known - listed.keys()):
            found = await facilities.proxy(unseen)
            if found is None or found.id != unseen:
                fates[unseen] = Fate.UNPROVEN
            elif found.deleted:
                fates[unseen] = Fate.GONE
            else:
                listed[unseen] = found
    except (CoderForbidden, CoderNotFound) as error:
        return Listing(NOTHING, skipped=refused(error, "workspace proxies"))
    return Listing(dict(sorted(listed.items())), fates=fates)


def _entity(proxy: WorkspaceProxy, context: Context, chosen: Chosen) -> Entity:
    return entity_of(
        PROXY.identifier,
        proxy.id,
        proxy.display_name or proxy.name,
        {
            "name": proxy.name,
            "display_name": proxy.display_name,
            "icon_url": picture(context, proxy.icon_url),
            "healthy": proxy.healthy,
            "status": proxy.status.status,
            "errors": list(proxy.status.report.errors),
            "warnings": list(proxy.status.report.warnings),
            "version": proxy.version,
            "url": site(proxy.path_app_url),
            "wildcard_hostname": proxy.wildcard_hostname,
        },
        {},
        context,
    )


KIND: Kind[WorkspaceProxy] = Kind(
    blueprint=PROXY,
    words=("proxy", "proxies"),
    columns=("name", "status", "healthy", "version", "url"),
    needs=frozenset({"workspace_proxy"}),
    read=_read,
    entity=_entity,
    shared=True,
)
