"""What differs between Coder versions, as one value that the handlers ask."""

from __future__ import annotations

from dataclasses import dataclass

from coderport.emulators.kit import EmulatorError


@dataclass(frozen=True)
class Flavour:
    """One generation of Coder: each flag is a behaviour, or a set of fields, that came or went."""

    name: str
    version: str
    organization_names: bool = True
    """Workspaces and templates carry their organization's name, and workspaces are queried by it."""
    template_queries: bool = True
    """`GET /templates` takes `q`; before, it ignored it and listed everything."""
    job_details: bool = True
    """Jobs say their organization, type, input and metadata; builds say their matched provisioners."""
    job_lists: bool = True
    """Provisioner jobs and daemons are listed for each organization."""
    hides_deprecated: bool = False
    """`GET /templates` leaves deprecated ones out unless `q` names `deprecated`."""
    prebuild_fields: bool = False
    """`is_prebuild`, `latest_app_status`, preset ids, classic parameter flow: the fields of 2025."""
    task_fields: bool = False
    """`task_id` on workspaces and `has_ai_task` on builds; came in 2025, gone again in 2026."""
    sharing_queries: bool = False
    """The keys `shared`, `shared_with_user`, `shared_with_group`, `has_external_agent` and `healthy`."""
    limit_required: bool = False
    """A limit of 0 or above 1,000 is refused, an absent one means 1,000."""
    dormant_read_for_template_admins: bool = False
    """A template admin may open a dormant workspace by id; before, it only saw it in the list."""
    start_wakes_dormant: bool = False
    """Starting a dormant workspace wakes it; before, 403."""
    start_of_deleted_conflicts: bool = False
    """A build of a deleted workspace is 409; before, 403."""
    unknown_user_is_400: bool = True
    """An unknown `{user}` in a path is 400; later 404."""
    checks_parameters_at_build: bool = False
    """A start that lacks a required parameter is 400; before, it was accepted and the build failed."""
    builds_chain: bool = False
    """`on_success` in a build request starts a second build; before, the key was ignored."""
    newest_fields: bool = False
    """`default_org_member_roles`, `is_service_account`, `allow_workspace_renames` and others of 2026."""


_FLAVOURS = {
    flavour.name: flavour
    for flavour in (
        Flavour(
            "2.13", "v2.13.0", organization_names=False, template_queries=False, job_details=False, job_lists=False
        ),
        Flavour("2.20", "v2.20.0"),
        Flavour(
            "2.29",
            "v2.29.0",
            hides_deprecated=True,
            prebuild_fields=True,
            task_fields=True,
            sharing_queries=True,
            start_wakes_dormant=True,
            start_of_deleted_conflicts=True,
            unknown_user_is_400=False,
            checks_parameters_at_build=True,
        ),
        Flavour(
            "newest",
            "v2.36.0",
            hides_deprecated=True,
            prebuild_fields=True,
            sharing_queries=True,
            limit_required=True,
            dormant_read_for_template_admins=True,
            start_wakes_dormant=True,
            start_of_deleted_conflicts=True,
            unknown_user_is_400=False,
            checks_parameters_at_build=True,
            builds_chain=True,
            newest_fields=True,
        ),
    )
}


def flavour(name: str) -> Flavour:
    """The flavour of that name: ``2.13``, ``2.20``, ``2.29`` or ``newest``."""
    try:
        return _FLAVOURS[name]
    except KeyError:
        raise EmulatorError(f"unknown Coder flavour {name!r}; one of {', '.join(_FLAVOURS)}") from None
