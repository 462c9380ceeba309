"""Organizations that a read does not show: what is known in one of them is not listed, and has not ended by that.

A token that loses an organization gets lists without what is there, and no error. So what a list lacks has ended only
where its organization is shown, or is proven deleted itself.
"""

from __future__ import annotations

from collections.abc import Collection

from coderport.catalog.identifiers import ORGANIZATIONS
from coderport.catalog.values import Ref
from coderport.coder.fate import Fate
from coderport.kinds.kind import Reading, absent


async def ended_organizations(reading: Reading, ids: Collection[str]) -> frozenset[str]:
    """Those of the organizations that are proven deleted; of the others nothing is known."""
    proven = {each for each in ids if Ref(ORGANIZATIONS, each) in reading.gone}
    fates = await absent(reading, "organization", set(ids) - proven, reading.client.organization)
    return frozenset(proven | {each for each, fate in fates.items() if fate is Fate.GONE})


async def sees_every_organization(reading: Reading, shown: Collection[str]) -> bool:
    """Whether no organization is missing among those shown: for what is known, and nobody knows where.

    The token reads all, and each that something belongs to is among them or was deleted.
    """
    if "organization" not in reading.snapshot.breadth.site:
        return False
    unseen = named_organizations(reading) - set(shown)
    return unseen == await ended_organizations(reading, unseen)


def named_organizations(reading: Reading) -> set[str]:
    """All organizations that something in this read belongs to."""
    snapshot = reading.snapshot
    placed = (snapshot.templates, snapshot.outside_templates, snapshot.workspaces, snapshot.outside_workspaces)
    found = {each.organization_id for several in placed for each in several.values()}
    return found.union(*(each.organization_ids or () for each in (snapshot.users or {}).values()))
