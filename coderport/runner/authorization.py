"""Who asks, and whether they may: asked of Port and Coder, never of the run's inputs or the entity's properties.

The runner's own token may do more than the person may, so it asks before it acts.
"""

from __future__ import annotations

from dataclasses import dataclass

from coderport.catalog.blueprint import Blueprint
from coderport.catalog.values import is_id
from coderport.coder.errors import CoderForbidden, CoderNotFound
from coderport.coder.mail import same_address
from coderport.coder.models import PREBUILDS_OWNER_ID, CoderPerson, Template, Workspace
from coderport.coder.people import People, sought
from coderport.kinds.workspace import WORKSPACE
from coderport.port.client import PortClient
from coderport.port.models import PortEntity
from coderport.port.runs import Run, Runs
from coderport.runner.values import Order, Refused
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
    return Person(email, user, any(same_address(email, each) for each in actions.admins))


async def owner_of_new(person: Person, people: People, actions: Actions, port: PortClient) -> CoderPerson:
    """The user that a new workspace will belong to: the person's own, or the fallback user where one is set."""
    if person.user is not None:
        return person.user
    unknown = f"No Coder user has the e-mail {person.email}"
    if not sought(person.email):
        raise Refused(f"Nobody in Coder is you: {_nobody(person.email)}.")
    if actions.fallback_user is None:
        raise Refused(
            f"{unknown} that Port knows you by. Sign in to Coder once, or ask those "
            "who run it to make the two addresses the same."
        )
    user = await people.present(actions.fallback_user)
    if user is None:
        raise Refused(
            f"{unknown}, and the fallback user {actions.fallback_user} of coderport's settings does not exist."
        )
    if user.status == "suspended":
        raise Refused(f"{unknown}, and the fallback user {user.username} is suspended.")
    await _require_never_known(person, people, port)
    return user


def _nobody(email: str) -> str:
    """Why nobody is looked for by the address in Coder."""
    return f"{email} has quotes, blanks or letters other than ASCII, and such an address is never taken for anybody's"


async def _require_never_known(person: Person, people: People, port: PortClient) -> None:
    """Refused if Coder had a user of that address before: the fallback is for those who have never been there.

    Coder's audit log names deleted users; the catalog may still have their workspaces. Who is in neither was never
    there, as long as the whole log can be read and records anything.
    """
    try:
        left = await people.was_deleted(person.email)
        whole = left or await people.may_read_whole_log()
    except CoderNotFound:
        raise Refused(
            f"Whether Coder had and deleted a user with the e-mail {person.email} cannot be known: it has no audit "
            "log. Without one there is no fallback user: sign in to Coder once, or ask those who run it."
        ) from None
    except CoderForbidden:
        whole = False
    if not whole:
        raise Refused(
            f"Whether Coder had and deleted a user with the e-mail {person.email} cannot be seen with the runner's "
            "token: for the fallback user it needs to read the whole audit log, as the role auditor may."
        )
    if not left:
        async for entity in port.entities(WORKSPACE.identifier):
            left = same_address(str(entity.properties.get("owner_email") or ""), person.email) or left
    if left:
        raise Refused(
            f"Coder had a user with the e-mail {person.email} and has none any more. The fallback user is not for "
            "people whose access to Coder was taken away: ask those who run it."
        )
    if left is None:
        raise Refused(
            f"Whether Coder had and deleted a user with the e-mail {person.email} cannot be known: its audit log is "
            "empty, or names more deleted users than are looked through. Without it there is no fallback user: sign in "
            "to Coder once, or ask those who run it."
        )


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
    if person.is_admin or _owns(person, workspace):
        return
    mine = (
        f"you are {person.user.username} there"
        if person.user is not None
        else f"no Coder user has your e-mail {person.email}"
        if sought(person.email)
        else _nobody(person.email)
    )
    raise Refused(f"The workspace belongs to {workspace.owner_name} in Coder, and {mine}. Only its owner may do this.")


def require_admin(person: Person) -> None:
    """Refused unless the person may act on everybody's workspaces."""
    if not person.is_admin:
        raise Refused(
            "Only the admins of coderport's settings (coderport:actions.admins) may do this. Nothing was done."
        )


async def require_ours(port: PortClient, blueprint: Blueprint, identifier: str, deployment_id: str) -> PortEntity:
    """The entity; Refused unless it is one that coderport keeps for the deployment that this runner serves."""
    kind = blueprint.title.lower()
    held = await port.entity(blueprint.identifier, identifier)
    if held is None:
        raise Refused(f"Port has no {kind} {identifier} (any more).")
    if not held.properties.get("managed_by") or not is_id(identifier):
        raise Refused(f"This {kind} is not kept by coderport, so nobody knows which one it stands for.")
    if (held.properties.get("coder_deployment") or "") != deployment_id:
        raise Refused(f"This {kind} belongs to another Coder deployment than the one that runs these actions.")
    return held


def require_confirmed(person: Person, workspace: Workspace, order: Order) -> None:
    """Refused unless the person may do this to the workspace and has typed which one it is.

    The owner types its name, or owner/name; an admin, for whom several have one name, owner/name. Whoever guesses is
    told neither whose it is nor what it is called: both refusals are the same.
    """
    try:
        require_owner(person, workspace)
        allowed = True
    except Refused:
        allowed = False
    whole = f"{workspace.owner_name}/{workspace.name}"
    names = {workspace.name, whole} if _owns(person, workspace) else {whole}
    if not allowed or order.inputs.get("confirmation") not in names:
        raise Refused(
            "Nothing was done: the workspace is not yours in Coder, or the confirmation does not name it. Type its "
            "name; an admin types owner/name for a workspace of somebody else's."
        )


async def require_approved(run: Run, runs: Runs, actions: Actions) -> None:
    """Refused where deleting needs an approval by the settings and the run, as Port holds it, has none that counts.

    That of a person who has been removed from Port since does not. Port judged whether they might give it.
    """
    if not actions.approve_delete:
        return
    if not run.approved:
        raise Refused(
            "Deleting needs an approval (coderport:actions.approveDelete), and Port has none for this run. Was the "
            "approval taken out of the action by hand? The next `up` puts it back; then press the button again."
        )
    if await runs.approver_left(run):
        raise Refused(
            "This run was approved by somebody who is in your Port organization no more, so nothing was deleted. Press "
            "the button again, and have somebody else approve it."
        )


def _owns(person: Person, workspace: Workspace) -> bool:
    return person.user is not None and person.user.id == workspace.owner_id
