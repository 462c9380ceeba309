"""The actions on many workspaces at once, for the admins of the settings: on a template's entity and for a person."""

from __future__ import annotations

from typing import Final

from coderport.catalog.actions.values import Action, AdminsOnly, Input, Invocation, Permissions, Rule
from coderport.catalog.identifiers import TEMPLATES, USERS, WORKSPACES

UPDATE_OUTDATED: Final = "coder_update_outdated_workspaces"
STOP_OF_USER: Final = "coder_stop_workspaces_of_user"
STOP_OF_PERSON: Final = "coder_stop_workspaces_of_person"
"""The same as `STOP_OF_USER` where Port has no users of Coder: who it is stands in the form."""

BULK: Final = (UPDATE_OUTDATED, STOP_OF_USER, STOP_OF_PERSON)


def bulk_actions(
    invocation: Invocation, roles: tuple[str, ...], admins: tuple[str, ...], deployment_id: str, *, with_users: bool
) -> tuple[Action, ...]:
    """The actions of a deployment; `with_users` where the catalog has its users."""
    permissions = Permissions(roles, AdminsOnly(admins), approvers=admins)
    condition = (Rule("coder_deployment", "=", deployment_id),) if deployment_id else ()
    update = Action(
        UPDATE_OUTDATED,
        "Update all outdated",
        "Brings all outdated workspaces of the template to its active version; those that run are stopped before",
        "DAY-2",
        invocation,
        permissions,
        (
            _confirmation("The template's name in Coder, or organization/name, to be sure"),
            Input(
                "include_stopped",
                "boolean",
                "Stopped ones too",
                "Whether those that are stopped are updated too, which starts them; dormant ones are left alone",
                default=True,
            ),
        ),
        condition,
        blueprint=TEMPLATES,
    )
    named = _confirmation("The person's username in Coder, to be sure")
    title, description = "Stop all workspaces", "Stops all workspaces of a person, of one who left, say"
    if with_users:
        stop = Action(
            STOP_OF_USER,
            title,
            description,
            "DAY-2",
            invocation,
            permissions,
            (named,),
            condition,
            blueprint=USERS,
        )
    else:
        person = Input(
            "person", "string", "Person", "The person's e-mail address in Coder", required=True, format="email"
        )
        stop = Action(
            STOP_OF_PERSON,
            f"{title} of a person",
            description,
            "CREATE",
            invocation,
            permissions,
            (person, named),
            blueprint=WORKSPACES,
        )
    return update, stop


def _confirmation(what: str) -> Input:
    return Input("confirmation", "string", "Confirmation", what, required=True, min_length=1)
