"""Who asks, and whether they may: asked of Port and Coder, never of the run's inputs or the entity's properties.

The runner's own token may do more than the person may, so it asks before it acts.
"""

from __future__ import annotations

from dataclasses import dataclass

from coderport.coder.errors import CoderForbidden
from coderport.coder.models import PREBUILDS_OWNER_ID, Template, Workspace
from coderport.coder.people import CoderPerson, People
from coderport.port.runs import Run, Runs
from coderport.runner.values import Refused
from coderport.settings import Actions

_MAY_USE_EVERY_TEMPLATE = frozenset({"owner", "template-admin"})


@dataclass(frozen=True)
class Person:
    """Whoever pressed the button. `user` is their Coder user, None if nobody there has exactly their e-mail."""

    email: str
    user: CoderPerson | None
    is_admin: bool
    """Named in the settings as one who may act on everybody's workspaces."""


async def person_of(run: Run, runs: Runs, people: People, actions: Actions) -> Person:
    """The person who started the run, as Port names them, and their Coder user."""
    if run.impersonated:
        raise Refused(
            "This run was started or approved by somebody who acted as another person in Port (View as). Port does not "
            "say for which of the two it may be done, so nothing was done. Leave View as and press the button yourself."
        )
    email = await runs.email_of(run)
    if email is None:
        raise Refused(
            "This run was not started by a person of your Port organization (a client of Port's API, or somebody who "
            "left), so nobody is known whose workspace this could be."
        )
    found = await people.by_email(email)
    if len(found) > 1:
        names = ", ".join(sorted(each.username for each in found))
        raise Refused(f"Several Coder users have the e-mail {email} ({names}). Only one may, before any can be served.")
    user = found[0] if found else None
    if user is not None and user.status == "suspended":
        raise Refused(f"Your Coder user {user.username} is suspended.")
    return Person(email, user, email.lower() in {each.lower() for each in actions.admins})


async def owner_of_new(person: Person, people: People, actions: Actions) -> CoderPerson:
    """The user that a new workspace will belong to: the person's own, or the fallback user where one is set."""
    if person.user is not None:
        return person.user
    if actions.fallback_user is None:
        raise Refused(
            f"No Coder user has the e-mail {person.email} that Port knows you by. Sign in to Coder once, or ask those "
            "who run it to make the two addresses the same."
        )
    user = await people.user(actions.fallback_user)
    if user is None:
        raise Refused(
            f"No Coder user has the e-mail {person.email}, and the fallback user {actions.fallback_user} of "
            "coderport's settings does not exist."
        )
    if user.status == "suspended":
        raise Refused(
            f"No Coder user has the e-mail {person.email}, and the fallback user {user.username} is suspended."
        )
    return user


async def require_use(owner: CoderPerson, template: Template, people: People) -> None:
    """Refused unless the owner-to-be may use the template in Coder themselves."""
    if owner.roles & _MAY_USE_EVERY_TEMPLATE:
        return
    if owner.organization_ids is not None and template.organization_id not in owner.organization_ids:
        organization = template.organization_name or template.organization_id
        raise Refused(
            f"{owner.username} is no member of the organization {organization} in Coder, which the template "
            f"{template.name} belongs to."
        )
    try:
        users = await people.template_users(template.id)
    except CoderForbidden:
        raise Refused(
            f"Whether {owner.username} may use the template {template.name} cannot be seen with the runner's token: "
            "it needs the role of an owner, or of an administrator of the template's organization."
        ) from None
    if users is not None and owner.id not in users:
        raise Refused(f"{owner.username} may not use the template {template.name} in Coder.")


def require_owner(person: Person, workspace: Workspace) -> None:
    """Refused unless the workspace, as Coder has it now, is the person's own, or the person is an admin."""
    if workspace.is_prebuild or workspace.owner_id == PREBUILDS_OWNER_ID:
        raise Refused("This is a prebuilt workspace that nobody has claimed yet: it belongs to Coder.")
    if person.is_admin or (person.user is not None and person.user.id == workspace.owner_id):
        return
    mine = (
        f"you are {person.user.username} there"
        if person.user is not None
        else f"no Coder user has your e-mail {person.email}"
    )
    raise Refused(f"The workspace belongs to {workspace.owner_name} in Coder, and {mine}. Only its owner may do this.")
