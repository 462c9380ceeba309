"""Records as the JSON that the API writes, in the fields of the deployment's flavour."""

from __future__ import annotations

from coderport.emulators.coder.build_rows import build_json
from coderport.emulators.coder.job_rows import job_json
from coderport.emulators.coder.records import (
    Organization,
    Parameter,
    Preset,
    Template,
    User,
    Version,
    Workspace,
)
from coderport.emulators.coder.roles import ORGANIZATION_ROLES, SITE_ROLES
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import Json, derived_id, nullable, stamp
from coderport.emulators.kit import compact_json


def organization_json(state: State, organization: Organization) -> Json:
    row: Json = {
        "id": organization.id,
        "name": organization.name,
        "display_name": organization.display_name,
        "icon": organization.icon,
        "description": organization.description,
        "created_at": stamp(organization.created_at),
        "updated_at": stamp(organization.updated_at),
        "is_default": organization.is_default,
    }
    if state.flavour.newest_fields:
        row["default_org_member_roles"] = []
    return row


def user_json(state: State, user: User) -> Json:
    row: Json = {
        "id": user.id,
        "username": user.username,
        "avatar_url": user.avatar_url,
        "name": user.name,
        "email": user.email,
        "created_at": stamp(user.created_at),
        "updated_at": stamp(user.updated_at),
        "last_seen_at": stamp(user.last_seen_at),
        "status": user.status,
        "login_type": user.login_type,
        "theme_preference": "",
        "organization_ids": sorted(user.organizations),
        "roles": [{"name": role, "display_name": SITE_ROLES.get(role, role)} for role in sorted(user.roles)],
    }
    if state.flavour.newest_fields:
        row["is_service_account"] = False
    return row


def reduced_user_json(state: State, user: User) -> Json:
    """A member of a group, who comes without roles and organizations (`codersdk.ReducedUser`)."""
    return {key: value for key, value in user_json(state, user).items() if key not in ("organization_ids", "roles")}


def member_roles_json(user: User, organization: Organization) -> list[Json]:
    """The roles of a member in one organization."""
    roles = sorted(user.organizations.get(organization.id, ()))
    return [{"name": role, "display_name": ORGANIZATION_ROLES.get(role, role)} for role in roles]


def template_json(state: State, template: Template) -> Json:
    organization = state.organizations[template.organization_id]
    creator = state.users[template.created_by_id]
    row: Json = {
        "id": template.id,
        "created_at": stamp(template.created_at),
        "updated_at": stamp(template.updated_at),
        "organization_id": template.organization_id,
        "organization_name": organization.name,
        "organization_display_name": organization.display_name,
        "organization_icon": organization.icon,
        "name": template.name,
        "display_name": template.display_name,
        "provisioner": template.provisioner,
        "active_version_id": template.active_version_id,
        "active_user_count": template.active_user_count,
        "build_time_stats": {
            transition: dict(zip(("P50", "P95"), template.build_times.get(transition, (None, None)), strict=True))
            for transition in ("delete", "start", "stop")
        },
        "description": template.description,
        "deprecated": template.deprecated,
        "deprecation_message": template.deprecation_message,
        "icon": template.icon,
        "default_ttl_ms": template.default_ttl_ms,
        "activity_bump_ms": template.activity_bump_ms,
        "autostop_requirement": {
            "days_of_week": list(template.autostop_days),
            "weeks": template.autostop_weeks,
        },
        "autostart_requirement": {"days_of_week": list(template.autostart_days)},
        "created_by_id": template.created_by_id,
        "created_by_name": creator.username,
        "allow_user_autostart": template.allow_user_autostart,
        "allow_user_autostop": template.allow_user_autostop,
        "allow_user_cancel_workspace_jobs": template.allow_user_cancel_workspace_jobs,
        "failure_ttl_ms": template.failure_ttl_ms,
        "time_til_dormant_ms": template.time_til_dormant_ms,
        "time_til_dormant_autodelete_ms": template.time_til_dormant_autodelete_ms,
        "require_active_version": template.require_active_version,
        "max_port_share_level": template.max_port_share_level,
    }
    if not state.flavour.organization_names:
        for key in ("organization_name", "organization_display_name", "organization_icon"):
            del row[key]
    if state.flavour.prebuild_fields:
        row |= {
            "deleted": template.deleted,
            "cors_behavior": template.cors_behavior,
            "use_classic_parameter_flow": template.use_classic_parameter_flow,
            "disable_module_cache": template.disable_module_cache,
        }
    if state.flavour.newest_fields:
        row |= {
            "agents_allowed": True,
            "allow_workspace_renames": template.allow_workspace_renames,
            "module_cache_disabled_by_deployment": False,
            "time_til_autostop_notify_ms": 0,
        }
    return row


def version_json(state: State, version: Version) -> Json:
    creator = state.users[version.created_by_id]
    row: Json = {
        "id": version.id,
        "template_id": version.template_id,
        "organization_id": version.organization_id,
        "created_at": stamp(version.created_at),
        "updated_at": stamp(version.created_at),
        "name": version.name,
        "message": version.message,
        "job": job_json(state, version),
        "readme": version.readme,
        "created_by": {"id": creator.id, "username": creator.username, "avatar_url": creator.avatar_url},
        "archived": version.archived,
    }
    if state.flavour.job_details and not version.imported:
        row["matched_provisioners"] = {"count": 0, "available": 0, "most_recently_seen": None}
    if state.flavour.sharing:
        row["has_external_agent"] = version.has_external_agent
    return row


def parameter_json(state: State, parameter: Parameter) -> Json:
    """A rich parameter; keys whose value is empty and that Go omits are absent."""
    row: Json = {
        "name": parameter.name,
        "display_name": parameter.display_name,
        "description": parameter.description,
        "description_plaintext": parameter.description,
        "type": parameter.type,
        "form_type": parameter.form_type,
        "mutable": parameter.mutable,
        "default_value": parameter.default_value,
        "icon": parameter.icon,
        "options": [
            {
                "name": option.name,
                "description": option.description,
                "value": option.value,
                "icon": option.icon,
            }
            for option in parameter.options
        ],
        "validation_error": parameter.validation_error,
        "validation_regex": parameter.validation_regex,
        "validation_min": parameter.validation_min,
        "validation_max": parameter.validation_max,
        "validation_monotonic": parameter.validation_monotonic,
        "required": parameter.required,
        "ephemeral": parameter.ephemeral,
    }
    omitted = {"display_name", "validation_error", "validation_regex", "validation_monotonic"}
    if not state.flavour.prebuild_fields:
        del row["form_type"]
    return {
        key: value
        for key, value in row.items()
        if not (key in omitted and value == "") and not (key in ("validation_min", "validation_max") and value is None)
    }


def preset_json(state: State, preset: Preset) -> Json:
    """A preset with the Go-cased keys that are on the wire; the newer ones came with the fields of 2025."""
    row: Json = {
        "ID": preset.id,
        "Name": preset.name,
        "Parameters": [{"Name": name, "Value": value} for name, value in preset.parameters.items()] or None,
    }
    if state.flavour.prebuild_fields:
        row |= {
            "Default": preset.default, "DesiredPrebuildInstances": preset.prebuilds, "Description": "", "Icon": "",
        }  # fmt: skip
    return row


def workspace_json(state: State, workspace: Workspace, requester_id: str = "", fresh: bool = False) -> Json:
    """A workspace with its latest build; `favorite` is true only for the requester's own."""
    template = state.templates[workspace.template_id]
    owner = state.users[workspace.owner_id]
    row: Json = {
        "id": workspace.id,
        "created_at": stamp(workspace.created_at),
        "updated_at": stamp(workspace.updated_at),
        "owner_id": owner.id,
        "owner_name": owner.username,
        "owner_avatar_url": owner.avatar_url,
        "organization_id": workspace.organization_id,
        "organization_name": state.organizations[workspace.organization_id].name,
        "template_id": template.id,
        "template_name": template.name,
        "template_display_name": template.display_name,
        "template_icon": template.icon,
        "template_allow_user_cancel_workspace_jobs": template.allow_user_cancel_workspace_jobs,
        "template_active_version_id": template.active_version_id,
        "template_require_active_version": template.require_active_version,
        "latest_build": build_json(state, workspace.build, fresh),
        "outdated": workspace.build.version_id != template.active_version_id,
        "name": workspace.name,
        "autostart_schedule": workspace.autostart_schedule or None,
        "ttl_ms": workspace.ttl_ms or None,
        "last_used_at": stamp(workspace.last_used_at),
    }
    row = {key: value for key, value in row.items() if value is not None} | {
        "deleting_at": nullable(workspace.deleting_at),
        "dormant_at": nullable(workspace.dormant_at),
        "health": {"healthy": not workspace.failing_agents, "failing_agents": list(workspace.failing_agents)},
        "automatic_updates": workspace.automatic_updates,
        "allow_renames": template.allow_workspace_renames,
        "favorite": workspace.favorite and workspace.owner_id == requester_id,
        "next_start_at": nullable(workspace.next_start_at),
    }
    if not state.flavour.organization_names:
        del row["organization_name"], row["next_start_at"]
    if state.flavour.prebuild_fields:
        row |= {
            "latest_app_status": None,
            "template_use_classic_parameter_flow": template.use_classic_parameter_flow,
            "is_prebuild": workspace.is_prebuild,
        }
    if state.flavour.sharing and workspace.shared_with:
        # A real server has them in an order of its own, another one each time.
        shuffled = sorted(workspace.shared_with, key=lambda actor: derived_id(actor["id"], f"{workspace.rev}"))
        row["shared_with"] = [dict(actor) for actor in shuffled]
    if state.flavour.task_fields:
        row["task_id"] = workspace.task_id
    return row


class RowCache:
    """Workspaces' rows as bytes, kept until a record that shows in one has changed."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._rows: dict[str, tuple[tuple[int, ...], bytes]] = {}

    def row(self, workspace: Workspace, requester_id: str) -> bytes:
        """The row of one workspace for one requester."""
        state = self._state
        if workspace.favorite and workspace.owner_id == requester_id:
            return compact_json(workspace_json(state, workspace, requester_id))
        owner = state.users[workspace.owner_id]
        key = (
            workspace.rev,
            workspace.build.rev,
            state.users[workspace.build.initiator_id].rev,
            owner.rev,
            state.templates[workspace.template_id].rev,
            state.versions[workspace.build.version_id].rev,
            state.organizations[workspace.organization_id].rev,
            state.provisioners,
        )
        cached = self._rows.get(workspace.id)
        if cached is None or cached[0] != key:
            cached = self._rows[workspace.id] = (key, compact_json(workspace_json(state, workspace)))
        return cached[1]
