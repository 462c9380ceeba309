"""Quotas: what the workspaces of a member of an organization use there, and how much they may. They need a licence.

Coder has no list of them, so each is a request. They are known by the organization and the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coderport.catalog.blueprint import Blueprint, Property, Relation
from coderport.catalog.identifiers import ORGANIZATIONS, QUOTAS, USERS
from coderport.catalog.values import Context, Entity, is_named_id, named_id
from coderport.coder.errors import CoderForbidden
from coderport.coder.fate import Fate
from coderport.kinds.kind import NOTHING, Chosen, Kind, Listing, Reading, refused, still_sees
from coderport.kinds.mapping import (
    DEPLOYMENT,
    MANAGED_BY,
    ORGANIZATION_DISPLAY_NAME,
    entity_of,
    organization_names,
    organization_properties,
    related,
    workspaces_of,
)
from coderport.kinds.places import ended_organizations
from coderport.tasks import together

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from coderport.coder.facilities import Quota
    from coderport.coder.models import CoderPerson

NEEDS = frozenset({"user"})
NO_BUDGET = -1
"""What Coder answers for everybody without a licence (recorded from 2.20)."""
FIRST = 3
"""How many are asked for before the rest: they tell whether there are quotas at all."""

QUOTA = Blueprint(
    identifier=QUOTAS,
    title="Coder Quota",
    icon="User",
    description="What the workspaces of a user use in an organization of a Coder deployment, and how much they may",
    properties=(
        Property(
            "credits_consumed",
            "number",
            "Credits Consumed",
            description="Daily cost of the user's workspaces in the organization, in credits",
        ),
        Property(
            "budget",
            "number",
            "Budget",
            description="Credits that the user's groups in the organization allow together",
        ),
        Property(
            "remaining",
            "number",
            "Remaining",
            description="Budget without what is consumed; below 0 where more is consumed than allowed",
        ),
        Property("username", "string", "Username", description="Name of the user"),
        Property("organization_id", "string", "Organization ID", description="Id of the organization"),
        Property("organization_name", "string", "Organization Name", description="Name of the organization"),
        ORGANIZATION_DISPLAY_NAME,
        Property("url", "string", "Coder Page", format="url", description="The user's workspaces in Coder's dashboard"),
        DEPLOYMENT,
        MANAGED_BY,
    ),
    relations=(
        Relation("user", "User", USERS, description="Whose quota it is", with_target=True),
        Relation("organization", "Organization", ORGANIZATIONS, description="Where it counts", with_target=True),
    ),
)


@dataclass(frozen=True)
class Member:
    """A user as a member of an organization; `quota` is None where it was not asked for."""

    user: CoderPerson
    organization_id: str
    organization_name: str
    quota: Quota | None = None


async def _read(reading: Reading) -> Listing[Member]:
    """A request for each member in scope. A quota ends with the membership (see `_ends`)."""
    snapshot = reading.snapshot
    if snapshot.users is None:
        return Listing(NOTHING, skipped="Coder did not show its users to the token")
    if any(each.organization_ids is None for each in snapshot.users.values()):
        return Listing(NOTHING, skipped="this version of Coder does not say to which organizations users belong")
    found = reading.listings.get(USERS, Listing[Any](NOTHING))
    # Who was found by id, and is in no list.
    members = _members({**snapshot.users, **found.rows, **found.outside}.values())
    names = {each.id: each.name for each in snapshot.organizations}
    inside = {key: each for key, each in members.items() if each.organization_id in names}
    quotas, why = await _quotas(reading, inside)
    if why:
        return Listing(NOTHING, skipped=why)
    if lost := sorted(inside[each].user.username for each in reading.known & inside.keys() - quotas.keys()):
        return Listing(NOTHING, skipped=f"Coder did not show the quota of {len(lost):,} members, such as {lost[0]}")
    unseen = reading.known - inside.keys()
    shown = set(names)
    if unseen:
        shown |= {each.id for each in await reading.client.organizations()}
    outside = {key: members[key] for key in sorted(unseen & members.keys()) if members[key].organization_id in shown}
    if not reading.narrowed and outside:
        return Listing(NOTHING, skipped="Coder's list of organizations lacked some when the read began")
    fates = await _ends(reading, unseen - outside.keys(), shown)
    if doubtful := sorted(unseen - outside.keys() - fates.keys()):
        still = snapshot.users_whole and await still_sees(reading, NEEDS)
        if not still or any(await together(_is_member(reading, each) for each in doubtful)):
            why = "the read of users missed some, so it does not say who is no longer a member"
            return Listing(NOTHING, skipped=why)
    rows = {
        key: Member(each.user, each.organization_id, names[each.organization_id], quotas[key])
        for key, each in inside.items()
        if key in quotas
    }
    return Listing(rows, outside, fates)


async def _ends(reading: Reading, unseen: frozenset[str], shown: Collection[str]) -> dict[str, Fate]:
    """The fates that are known without a list of users: the organization or the user is proven deleted.

    An organization that the token does not see says nothing of its members.
    """
    places = {key: key.partition(":")[0] for key in sorted(unseen)}
    ended = await ended_organizations(reading, set(places.values()) - set(shown))
    users = [each.identifier for each in reading.gone if each.blueprint == USERS]
    gone = {named_id(place, user) for place in set(places.values()) for user in users}
    fates = {key: Fate.GONE for key, place in places.items() if place in ended or key in gone}
    return fates | {key: Fate.UNPROVEN for key, place in places.items() if key not in fates and place not in shown}


async def _is_member(reading: Reading, key: str) -> bool:
    """Whether the user whom Port names for that quota is a member after all, as Coder shows them alone."""
    from coderport.coder.people import People  # the provider loads this module, and has no need for it

    name, place = reading.in_port(QUOTA.identifier, key, "username"), key.partition(":")[0]
    user = await People(reading.client).user(name) if name else None
    return user is not None and named_id(place, user.id) == key and place in (user.organization_ids or ())


def _members(users: Iterable[CoderPerson]) -> dict[str, Member]:
    """By identifier, in its order."""
    found = {named_id(one, each.id): Member(each, one, "") for each in users for one in each.organization_ids or ()}
    return dict(sorted(found.items()))


async def _quotas(reading: Reading, members: Mapping[str, Member]) -> tuple[dict[str, Quota], str]:
    """The quotas that Coder shows, or why there are none: then no more than the first are asked for."""
    from coderport.coder.facilities import Facilities  # the provider loads this module, and has no need for it

    facilities, found, done = Facilities(reading.client), dict[str, "Quota"](), 0

    async def one(key: str) -> None:
        nonlocal done
        quota = await facilities.quota(members[key].organization_id, members[key].user.id)
        done += 1
        reading.progress("quotas", done, len(members))
        if quota is not None:
            found[key] = quota

    keys = list(members)
    try:
        for some in (keys[:FIRST], keys[FIRST:]):
            await together(one(each) for each in some)
            if any(each.budget == NO_BUDGET for each in found.values()):
                return {}, "Coder gives nobody a budget: quotas need a licence for groups (Premium)"
            if some and not found:
                return {}, (
                    "Coder does not show the quotas of members: this token may not read them, or this version of "
                    "Coder has none of each organization"
                )
    except CoderForbidden as error:
        return {}, refused(error, "quotas of members")
    return found, ""


def _entity(row: Member, context: Context, chosen: Chosen) -> Entity:
    user, organization, quota = row.user, organization_names(row, context), row.quota
    return entity_of(
        QUOTA.identifier,
        named_id(row.organization_id, user.id),
        f"{user.username} in {organization.display_name}",
        {
            "credits_consumed": quota.credits_consumed if quota else None,
            "budget": quota.budget if quota else None,
            "remaining": quota.budget - quota.credits_consumed if quota else None,
            "username": user.username,
            **organization_properties(row, context),
            "url": workspaces_of(context, user.username),
        },
        related(QUOTA, {"user": user.id, "organization": row.organization_id}, chosen.shown),
        context,
    )


KIND: Kind[Member] = Kind(
    blueprint=QUOTA,
    words=("quota", "quotas"),
    columns=("organization_name", "credits_consumed", "budget", "remaining"),
    needs=NEEDS,
    read=_read,
    entity=_entity,
    is_identifier=is_named_id,
    ends="derived",
    end="no longer that of a member",
    proof="a whole list of users does not show the membership",
)
