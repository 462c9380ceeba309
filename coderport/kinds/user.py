"""Users: the people of a Coder deployment, and its service accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Property, Relation
from coderport.catalog.identifiers import ORGANIZATIONS, PORT_USERS, USERS
from coderport.catalog.values import Context, Entity, Related
from coderport.coder.fate import Fate
from coderport.coder.mail import folded
from coderport.kinds.kind import NOTHING, Chosen, Kind, Listing, Reading, still_sees
from coderport.kinds.mapping import DEPLOYMENT, MANAGED_BY, entity_of, related, when, workspaces_of
from coderport.tasks import together

if TYPE_CHECKING:
    from coderport.coder.models import CoderPerson

NEEDS = frozenset({"user"})

USER = Blueprint(
    identifier=USERS,
    title="Coder User",
    icon="User",
    description="A user of a Coder deployment",
    properties=(
        Property("username", "string", "Username", description="Name in Coder's URLs and command line"),
        Property("name", "string", "Name", description="Full name, where one is set"),
        Property("email", "string", "E-mail", format="email", description="E-mail address"),
        # No enum: Coder may add a status, and Port would refuse the whole entity.
        Property("status", "string", "Status", description="Such as active, dormant or suspended"),
        Property(
            "login_type", "string", "Login Type", description="How they log in, such as password, github, oidc or token"
        ),
        Property(
            "roles",
            "array",
            "Roles",
            items="string",
            description="Roles in the whole deployment, in alphabetical order; none is that of a member",
        ),
        Property("url", "string", "Coder Page", format="url", description="The user's workspaces in Coder's dashboard"),
        Property("created_at", "string", "Created At", format="date-time", description="When Coder got to know them"),
        Property(
            "last_seen_at",
            "string",
            "Last Seen At",
            format="date-time",
            description="When they last used Coder; written once a refresh period, like other times of use",
        ),
        DEPLOYMENT,
        MANAGED_BY,
    ),
    relations=(
        Relation(
            "organizations",
            "Organizations",
            ORGANIZATIONS,
            description="The organizations that they belong to",
            many=True,
            with_target=True,
        ),
        Relation(
            "port_user", "Port User", PORT_USERS, description="The person in Port who has the same e-mail address"
        ),
    ),
)


async def _read(reading: Reading) -> Listing[CoderPerson]:
    """The users were read with their addresses. By id Coder still shows a deleted one, by name it does not.

    That counts only for a token that may read every user after all of them were asked for.
    """
    snapshot = reading.snapshot
    users = snapshot.users
    if users is None:
        return Listing(NOTHING, skipped="Coder did not show its users to the token")
    inside = {each.id for each in snapshot.organizations}

    def in_scope(one: CoderPerson) -> bool:
        return not reading.narrowed or one.organization_ids is None or bool(inside.intersection(one.organization_ids))

    from coderport.coder.people import People  # the provider loads this module, and has no need for the rest

    people = People(reading.client)
    unseen = sorted(reading.known - users.keys())
    answers = dict(zip(unseen, await together(people.fate(each) for each in unseen), strict=True))
    if Fate.GONE in answers.values() and not await still_sees(reading, NEEDS):
        answers |= {key: Fate.UNPROVEN for key, each in answers.items() if isinstance(each, Fate)}
    found = {**users, **{key: each for key, each in answers.items() if not isinstance(each, Fate)}}
    return Listing(
        {key: each for key, each in sorted(found.items()) if in_scope(each)},
        {key: each for key, each in sorted(found.items()) if not in_scope(each)},
        {key: each for key, each in answers.items() if isinstance(each, Fate)},
    )


def _entity(user: CoderPerson, context: Context, chosen: Chosen) -> Entity:
    candidates: dict[str, Related] = {}
    if user.organization_ids is not None:
        candidates["organizations"] = tuple(sorted(user.organization_ids))
    if person := context.people.get(folded(user.email) or ""):
        candidates["port_user"] = person
    return entity_of(
        USER.identifier,
        user.id,
        user.username,
        {
            "username": user.username,
            "name": user.name,
            "email": user.email,
            "status": user.status,
            "login_type": user.login_type,
            "roles": sorted(user.roles),
            "url": workspaces_of(context, user.username),
            "created_at": when(user.created_at),
            "last_seen_at": when(user.last_seen_at),
        },
        related(USER, candidates, chosen.shown, chosen.kinds),
        context,
    )


KIND: Kind[CoderPerson] = Kind(
    blueprint=USER,
    words=("user", "users"),
    columns=("name", "email", "status", "login_type", "roles", "last_seen_at"),
    needs=NEEDS,
    read=_read,
    entity=_entity,
    volatile=frozenset({"last_seen_at"}),
    last_used="last_seen_at",
    shared=True,
    proof="Coder shows it by its id and no longer by its name",
)
