"""Licences of a Coder deployment: what they grant, how many users of how many there are, and when they end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Property
from coderport.catalog.identifiers import LICENCES
from coderport.catalog.values import Context, Entity
from coderport.coder.errors import CoderForbidden, CoderNotFound
from coderport.coder.fate import Fate
from coderport.kinds.kind import NOTHING, Chosen, Kind, Listing, Reading, refused, still_sees
from coderport.kinds.mapping import DEPLOYMENT, MANAGED_BY, entity_of, page, when

if TYPE_CHECKING:
    from coderport.coder.facilities import Entitlements
    from coderport.coder.facilities import Licence as LicenceRow

NEEDS = frozenset({"license"})

LICENCE = Blueprint(
    identifier=LICENCES,
    title="Coder Licence",
    icon="Key",
    description="A licence of a Coder deployment, with what all its licences grant together",
    properties=(
        Property("number", "number", "Number", description="What Coder's command line calls it by"),
        Property("feature_set", "string", "Feature Set", description="What it is for, such as premium"),
        Property("trial", "boolean", "Trial", description="Whether it is for a trial"),
        Property("ends_at", "string", "Ends At", format="date-time", description="When it ends"),
        Property("uploaded_at", "string", "Uploaded At", format="date-time", description="When Coder was given it"),
        Property(
            "features",
            "array",
            "Features",
            items="string",
            description="What is on by all licences together, in alphabetical order",
        ),
        Property("users", "number", "Users", description="How many users count for the limit"),
        Property("user_limit", "number", "User Limit", description="How many users the licences are for"),
        Property("warnings", "array", "Warnings", items="string", description="What Coder has to say of the licences"),
        Property("url", "string", "Coder Page", format="url", description="The licences in Coder's dashboard"),
        DEPLOYMENT,
        MANAGED_BY,
    ),
)


@dataclass(frozen=True)
class Row:
    """A licence, and what all of them grant."""

    licence: LicenceRow
    granted: Entitlements


async def _read(reading: Reading) -> Listing[Row]:
    """One list, of those that ended too. What two of them lack was deleted, for a token that reads them all.

    An empty list is no proof by itself: what all licences together grant has to say that there is none.
    """
    from coderport.coder.facilities import Facilities  # the provider loads this module, and has no need for it

    facilities = Facilities(reading.client)
    try:
        listed = {each.id: each for each in await facilities.licences()}
        granted = await facilities.entitlements()
        if reading.known - listed.keys():
            listed |= {each.id: each for each in await facilities.licences()}
    except (CoderForbidden, CoderNotFound) as error:
        return Listing(NOTHING, skipped=refused(error, "licences"))
    unseen = reading.known - listed.keys()
    if unseen and not await still_sees(reading, NEEDS):
        return Listing(NOTHING, skipped="the token lost the right to read them meanwhile")
    if unseen and not listed and granted.has_license:
        return Listing(NOTHING, skipped="Coder lists no licence, and says that it has one")
    rows = {key: Row(each, granted) for key, each in sorted(listed.items())}
    if listed or granted.has_license is None:
        return Listing(rows, blank=frozenset() if listed else unseen)
    return Listing(rows, fates=dict.fromkeys(sorted(unseen), Fate.GONE))


def _entity(row: Row, context: Context, chosen: Chosen) -> Entity:
    licence, features = row.licence, row.granted.features
    users = features.get("user_limit")
    return entity_of(
        LICENCE.identifier,
        licence.id,
        f"Licence {licence.number}",
        {
            "number": licence.number,
            "feature_set": licence.claims.feature_set,
            "trial": licence.claims.trial,
            "ends_at": when(licence.claims.license_expires),
            "uploaded_at": when(licence.uploaded_at),
            "features": sorted(name for name, each in features.items() if each.enabled),
            "users": users.actual if users else None,
            "user_limit": users.limit if users else None,
            "warnings": [*row.granted.errors, *row.granted.warnings],
            "url": page(context, "deployment", "licenses"),
        },
        {},
        context,
    )


KIND: Kind[Row] = Kind(
    blueprint=LICENCE,
    words=("licence", "licences"),
    columns=("feature_set", "trial", "ends_at", "users", "user_limit"),
    needs=NEEDS,
    read=_read,
    entity=_entity,
    shared=True,
    ends="derived",
    proof="two lists lack it, for a token that reads all",
)
