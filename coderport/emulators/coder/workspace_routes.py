"""Routes of one workspace: reading it, creating it, its settings."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from starlette.responses import Response

from coderport.emulators.coder import builds
from coderport.emulators.coder.audit import note_workspace
from coderport.emulators.coder.http import (
    Body,
    Call,
    Refused,
    empty_response,
    forbidden,
    invalid,
    json_response,
    not_found,
)
from coderport.emulators.coder.parameters import refuse_parameters, resolved_parameters
from coderport.emulators.coder.prebuilds import claimed, matching_preset, named_preset
from coderport.emulators.coder.prices import workspace_seconds
from coderport.emulators.coder.reading import organization_of, user_of
from coderport.emulators.coder.records import Template, User, Version, Workspace
from coderport.emulators.coder.rows import workspace_json
from coderport.emulators.coder.schedule import ScheduleError, next_start
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import nullable

_NAME = re.compile(r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*")
_MINUTE, _MONTH = 60_000, 30 * 24 * 3_600_000
_PREBUILT = "This action is not valid for a prebuilt workspace that nobody has claimed."


def workspace_of(call: Call, action: str = "read") -> Workspace:
    """The workspace that the path names, for an action on it; 404 where it may not be read, 403 else."""
    workspace = call.state.workspaces.get(call.id("workspace"))
    if workspace is None or not call.subject.may_workspace("read", workspace):
        raise not_found()
    if not call.subject.may_workspace(action, workspace):
        raise forbidden()
    return workspace


def get_workspace(call: Call) -> Response:
    """``GET /workspaces/{workspace}``: 404 unseen, else 410 deleted, else 403 for an unreadable template."""
    call.charge(workspace_seconds())
    workspace = workspace_of(call)
    if workspace.deleted and not call.flag("include_deleted"):
        raise Refused(
            410,
            f'Workspace "{workspace.id}" was deleted, you can view this workspace by specifying '
            "'?deleted=true' and trying again.",
        )
    return _shown(call, workspace)


def get_workspace_by_name(call: Call) -> Response:
    """``GET /users/{user}/workspace/{name}``."""
    owner = user_of(call)
    workspace = call.state.workspace_of(owner.id, call.path["name"], call.flag("include_deleted"))
    if workspace is None or not call.subject.may_workspace("read", workspace):
        raise not_found()
    return _shown(call, workspace)


def _shown(call: Call, workspace: Workspace, status: int = 200, fresh: bool = False) -> Response:
    template = call.state.templates[workspace.template_id]
    if not call.subject.may_template("read", template):
        raise Refused(403, "Unable to read template for workspace")
    return json_response(workspace_json(call.state, workspace, call.subject.user.id, fresh), status)


# ---------------------------------------------------------------- creating


def create_workspace(call: Call) -> Response:
    """``POST /users/{user}/workspaces``: 201, the first build queued.

    The refusals come in the server's order.
    """
    return _create(call, user_of(call))


def create_member_workspace(call: Call) -> Response:
    """``POST /organizations/{organization}/members/{user}/workspaces``: the same, deprecated."""
    organization, owner = organization_of(call), user_of(call)
    if organization.id not in owner.organizations:
        raise not_found()
    return _create(call, owner)


def _create(call: Call, owner: User) -> Response:
    state, subject, body = call.state, call.subject, call.body()
    name, updates = _checked_name(body), _checked_updates(body, "never")
    template, version = _template_and_version(call, body)
    if not subject.may("create", "workspace", organization=template.organization_id, owner=owner.id):
        raise forbidden("Unauthorized to create workspace.")
    if not subject.may_template("use", template):
        raise forbidden("Unauthorized access to use the template.")
    # A deployment may answer with the name first: both orders were seen, the taken name on a real 2.20.
    if state.workspace_of(owner.id, name) is not None:
        raise _name_taken(name)
    if template.deprecated:
        raise Refused(400, f'Template "{template.name}" is deprecated and takes no new workspaces.')
    schedule = body.text("autostart_schedule")
    _checked_schedule(schedule)
    ttl = _checked_ttl(body.number("ttl_ms")) or template.default_ttl_ms or None
    preset = named_preset(state, version, body)
    given = {**body.pairs("rich_parameter_values"), **(preset.parameters if preset else {})}
    values, wrong = resolved_parameters(template, version, given, None)
    refuse_parameters(template, wrong)
    preset = preset or matching_preset(state, version, given)
    if not version.imported:
        text = "The provided template version is running. Wait for it to complete importing!"
        raise Refused(406, text, text)
    workspace = claimed(state, owner, name, version, preset) if preset else None
    if workspace is None:
        now = state.now()
        workspace = Workspace(state.new_id(), owner.id, template.organization_id, template.id, name, now, now, now)
    workspace.autostart_schedule, workspace.ttl_ms, workspace.automatic_updates = schedule, ttl, updates
    state.workspaces[workspace.id] = workspace
    builds.begin(
        state, workspace, "start", subject.user.id, version_id=version.id, parameters=values,
        preset_id=preset.id if preset else None,
    )  # fmt: skip
    note_workspace(state, subject.user, "create", workspace)
    return _shown(call, workspace, 201, fresh=True)


def is_workspace_name(name: str) -> bool:
    """Whether Coder takes it as the name of a workspace."""
    return bool(_NAME.fullmatch(name)) and len(name) <= 32 and name.lower() not in ("new", "create")


def _checked_name(body: Body) -> str:
    name = body.text("name")
    if not name:
        raise invalid("name", 'Validation failed for tag "required" with value: ""')
    if not is_workspace_name(name):
        raise invalid("name", f'Validation failed for tag "workspace_name" with value: "{name}"')
    return name


def _checked_updates(body: Body, default: str) -> str:
    updates = body.text("automatic_updates") or default
    if updates not in ("always", "never"):
        raise invalid("automatic_updates", "must be always or never", "Invalid value for automatic updates.")
    return updates


def _name_taken(name: str) -> Refused:
    detail = "This value is already in use and should be unique."
    return Refused(409, f'Workspace "{name}" already exists.', validations=[("name", detail)])


def _template_and_version(call: Call, body: Body) -> tuple[Template, Version]:
    state = call.state
    template_id, version_id = body.id("template_id"), body.id("template_version_id")
    if (template_id is None) == (version_id is None):
        detail = 'Validation failed for tag "required_without" with value: exactly one of the two is needed'
        raise Refused(400, "Validation failed.", validations=[("template_id", detail), ("template_version_id", detail)])
    if version_id is not None:
        found = state.versions.get(version_id)
        if found is None:
            raise invalid("template_version_id", "template not found", "Invalid template version.")
        template_id = found.template_id
    template = state.templates.get(template_id or "")
    if template is None or not call.subject.may_template("read", template):
        raise invalid("template_id", "template not found", f'Template "{template_id}" doesn\'t exist.')
    if template.deleted:
        raise Refused(404, f'Template "{template.name}" has been deleted!')
    version = state.versions[version_id or template.active_version_id]
    if version.archived:
        raise Refused(500, "The template version is archived.")
    return template, version


# ---------------------------------------------------------------- settings


def _checked_ttl(ttl_ms: int | None) -> int | None:
    if not ttl_ms:
        return None
    if ttl_ms < _MINUTE:
        detail = "time until shutdown must be at least one minute"
    elif ttl_ms > _MONTH:
        detail = "time until shutdown must be less than 30 days"
    else:
        return ttl_ms // _MINUTE * _MINUTE
    raise invalid("ttl_ms", detail, "Invalid Workspace Time to Shutdown.")


def _checked_schedule(schedule: str) -> None:
    try:
        next_start(schedule, datetime.now(timezone.utc))
    except ScheduleError as error:
        raise invalid("schedule", str(error), "Invalid autostart schedule.") from None


def _note_change(call: Call, workspace: Workspace, **diff: tuple[object, object]) -> None:
    """Note what a request changes; what stays as it is has no place in a diff."""
    changed = {key: values for key, values in diff.items() if values[0] != values[1]}
    note_workspace(call.state, call.subject.user, "write", workspace, changed)


def put_ttl(call: Call) -> Response:
    """``PUT …/ttl``: null or 0 turns autostop off."""
    workspace = _settable(call)
    template = call.state.templates[workspace.template_id]
    if not template.allow_user_autostop:
        raise invalid("ttl_ms", "the template does not let its users choose", "Invalid Workspace Time to Shutdown.")
    ttl = _checked_ttl(call.body().number("ttl_ms"))
    if ttl is None and workspace.build.deadline is not None:
        workspace.build.deadline = workspace.build.max_deadline
    _note_change(call, workspace, ttl=(workspace.ttl_ms, ttl))
    workspace.ttl_ms = ttl
    return empty_response()


def put_autostart(call: Call) -> Response:
    """``PUT …/autostart``: an empty or absent schedule turns it off."""
    workspace = _settable(call)
    schedule = call.body().text("schedule")
    _checked_schedule(schedule)
    if schedule and not call.state.templates[workspace.template_id].allow_user_autostart:
        raise Refused(400, "Autostart is not allowed for workspaces using this template.")
    _note_change(call, workspace, autostart_schedule=(workspace.autostart_schedule, schedule))
    workspace.autostart_schedule = schedule
    builds.schedule_next_start(call.state, workspace)
    return empty_response()


def put_autoupdates(call: Call) -> Response:
    """``PUT …/autoupdates``."""
    workspace = workspace_of(call, "update")
    updates = _checked_updates(call.body(), "")
    _note_change(call, workspace, automatic_updates=(workspace.automatic_updates, updates))
    workspace.automatic_updates = updates
    return empty_response()


def put_dormant(call: Call) -> Response:
    """``PUT …/dormant``: 304 where it is so already. Going dormant does not stop a running workspace."""
    workspace = _settable(call)
    dormant = bool(call.body().flag("dormant"))
    if dormant == (workspace.dormant_at is not None):
        return empty_response(304)
    before = nullable(workspace.dormant_at)
    set_dormant(call.state, workspace, dormant)
    _note_change(call, workspace, dormant_at=(before, nullable(workspace.dormant_at)))
    return _shown(call, workspace)


def set_dormant(state: State, workspace: Workspace, dormant: bool) -> None:
    """Put a workspace to sleep or wake it, with the times that follow from it."""
    now = state.now()
    template = state.templates[workspace.template_id]
    workspace.dormant_at = now if dormant else None
    keep = template.time_til_dormant_autodelete_ms
    workspace.deleting_at = now + timedelta(milliseconds=keep) if dormant and keep else None
    if not dormant:
        workspace.last_used_at = now
    builds.schedule_next_start(state, workspace)


def put_extend(call: Call) -> Response:
    """``PUT …/extend``: the new deadline is at least half an hour off and no later than the longest."""
    workspace = _settable(call)
    build, now = workspace.build, call.state.now()
    if build.transition != "start":
        raise Refused(409, f"Workspace must be started, current status: {build.transition}")
    if build.active:
        raise Refused(409, "Workspace is still building!")
    if build.deadline is None:
        raise Refused(409, "Workspace shutdown is manual.")
    deadline = call.body().time("deadline")
    if deadline is None or deadline < now + timedelta(minutes=29):
        raise invalid("deadline", "new deadline must be at least 30 minutes in the future", "Cannot extend workspace.")
    if build.max_deadline is not None and deadline > build.max_deadline:
        raise invalid("deadline", "new deadline is greater than the longest allowed", "Cannot extend workspace.")
    build.deadline = deadline
    return json_response({"message": "Deadline updated to " + deadline.isoformat() + "."})


def _settable(call: Call) -> Workspace:
    workspace = workspace_of(call, "update")
    if workspace.is_prebuild:
        raise Refused(409, _PREBUILT)
    return workspace


def patch_workspace(call: Call) -> Response:
    """``PATCH /workspaces/{workspace}``: renames, where that is switched on.

    204 also where the name stays.
    """
    workspace = workspace_of(call, "update")
    body = call.body()
    if "name" not in body or body.text("name") == workspace.name:
        return empty_response()
    name = _checked_name(body)
    if not call.state.templates[workspace.template_id].allow_workspace_renames:
        raise Refused(400, "Workspace renames are not allowed.")
    if workspace.deleted:
        raise Refused(405, f'Workspace "{workspace.name}" is deleted and cannot be updated.')
    taken = call.state.workspace_of(workspace.owner_id, name)
    if taken is not None and taken is not workspace:
        raise _name_taken(name)
    _note_change(call, workspace, name=(workspace.name, name))
    workspace.name = name
    call.state.place(workspace)
    return empty_response()


def put_favorite(call: Call) -> Response:
    """``PUT …/favorite``: only by the owner."""
    return _favourite(call, True)


def delete_favorite(call: Call) -> Response:
    """``DELETE …/favorite``."""
    return _favourite(call, False)


def _favourite(call: Call, wanted: bool) -> Response:
    workspace = workspace_of(call)
    if workspace.owner_id != call.subject.user.id:
        raise forbidden("You can only favorite workspaces that you own.")
    _note_change(call, workspace, favorite=(workspace.favorite, wanted))
    workspace.favorite = wanted
    return empty_response()


def resolve_autostart(call: Call) -> Response:
    """``GET …/resolve-autostart``.

    Whether the active version asks for a parameter that the workspace lacks.
    """
    workspace = workspace_of(call)
    template = call.state.templates[workspace.template_id]
    mismatch = False
    if workspace.automatic_updates == "always" or template.require_active_version:
        version = call.state.versions[template.active_version_id]
        mismatch = bool(resolved_parameters(template, version, {}, workspace.build.parameters)[1])
    return json_response({"parameter_mismatch": mismatch})
