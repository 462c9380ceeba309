"""Routes of builds: starting one, following it, cancelling it."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from coderport.emulators.coder import builds
from coderport.emulators.coder.build_rows import build_json, log_json
from coderport.emulators.coder.following import Followed
from coderport.emulators.coder.http import (
    FORBIDDEN_DETAIL,
    Body,
    Call,
    Refused,
    forbidden,
    invalid,
    json_response,
    not_found,
)
from coderport.emulators.coder.parameters import refuse_parameters, resolved_parameters
from coderport.emulators.coder.prebuilds import matching_preset, named_preset
from coderport.emulators.coder.prices import workspace_seconds
from coderport.emulators.coder.records import Build, Following, Template, Version, Workspace
from coderport.emulators.coder.workspace_routes import set_dormant, workspace_of
from coderport.emulators.coder.written import stamp

_PAST = {"start": "started", "stop": "stopped"}
_ONLY_MANAGERS = "Only template managers may provide custom state"
_REASONS = ("dashboard", "cli", "ssh_connection", "vscode_connection", "jetbrains_connection")


def create_build(call: Call) -> Response:
    """``POST /workspaces/{workspace}/builds``: 201, queued; 409 while another build is active."""
    workspace, body = workspace_of(call), call.body()
    transition = body.text("transition")
    if transition not in ("start", "stop", "delete"):
        raise invalid("transition", f'Validation failed for tag "oneof" with value: "{transition}"')
    reason = _reason(call, body, transition)
    _refuse_log_level(call, body.text("log_level"))
    _refuse_by_right(call, workspace, transition)
    _refuse_by_state(call, workspace, transition)
    wakes = transition == "start" and workspace.dormant_at is not None
    template = call.state.templates[workspace.template_id]
    pushed = body.bytes("state")
    if (pushed or body.flag("orphan")) and not call.subject.may_template("update", template):
        raise Refused(403, _ONLY_MANAGERS, _ONLY_MANAGERS)
    version = _version(call, workspace, template, body)
    _refuse_old_version(call, template, version, transition)
    then = _then(call, workspace, template, body, transition)
    if workspace.build.active:
        raise Refused(409, "A workspace build is already active.", "A workspace build is already active.")
    preset = named_preset(call.state, version, body)
    given = {**body.pairs("rich_parameter_values"), **(preset.parameters if preset else {})}
    values, wrong = resolved_parameters(template, version, given, workspace.build.parameters)
    fails_with = ""
    if wrong and all(item.missing for item in wrong) and not call.state.flavour.checks_parameters_at_build:
        fails_with = wrong[0].detail if transition == "start" else ""  # accepted, and the build is where it fails
    else:
        refuse_parameters(template, wrong)
    if preset is None:
        preset = matching_preset(call.state, version, values)
    if wakes:
        set_dormant(call.state, workspace, False)
    build = builds.begin(
        call.state, workspace, transition, call.subject.user.id, version_id=version.id, parameters=values,
        reason=reason, preset_id=preset.id if preset else None,
        provisioner_state=pushed or None, fails_with=fails_with, then=then,
    )  # fmt: skip
    return json_response(build_json(call.state, build, fresh=True), 201)


def _reason(call: Call, body: Body, transition: str) -> str:
    reason = body.text("reason")
    allowed = (*_REASONS, "task_manual_pause") if call.state.flavour.task_fields else _REASONS
    if reason and call.state.flavour.prebuild_fields and reason not in allowed:
        raise invalid("reason", f'Validation failed for tag "oneof" with value: "{reason}"')
    return reason if reason in allowed and transition != "delete" else "initiator"


def _refuse_log_level(call: Call, level: str) -> None:
    if level and not call.subject.may("read", "deployment_config"):
        text = "Workspace builds with a custom log level are restricted to administrators only."
        raise Refused(400, text, text)
    if level:
        text = "Terraform debug mode is disabled in the deployment configuration."
        raise Refused(400, text, text)


def _insert_forbidden() -> Refused:
    return Refused(403, "insert workspace build", "authorize context: unauthorized: rbac: forbidden")


def _refuse_by_right(call: Call, workspace: Workspace, transition: str) -> None:
    """403 to who may read but not build. Starts and stops are updates (source: `authorize` in `wsbuilder.go`)."""
    action = "delete" if transition == "delete" else "update"
    allowed = call.subject.may_workspace(action, workspace) or call.subject.shares(workspace, transition)
    if not allowed:
        raise Refused(403, f"You do not have permission to {action} this workspace.", FORBIDDEN_DETAIL)


def _refuse_by_state(call: Call, workspace: Workspace, transition: str) -> None:
    """A deletion of what is deleted is accepted; so were other builds of it, until 2.28."""
    flavour = call.state.flavour
    if workspace.deleted and transition != "delete" and flavour.start_of_deleted_conflicts:
        raise Refused(409, f"Workspace is deleted and cannot be {_PAST[transition]}.")
    if transition == "start" and workspace.dormant_at is not None and not flavour.start_wakes_dormant:
        raise _insert_forbidden()


def _version(call: Call, workspace: Workspace, template: Template, body: Body) -> Version:
    wanted = body.id("template_version_id") or workspace.build.version_id
    version = call.state.versions.get(wanted)
    if version is None:
        raise Refused(400, "template version does not exist", "sql: no rows in result set")
    if version.template_id != template.id:
        detail = f"templateVersion.TemplateID = {version.template_id}, template.ID = {template.id}"
        raise Refused(400, "template version doesn't match template", detail)
    if not version.imported:
        text = "The provided template version is running. Wait for it to complete importing!"
        raise Refused(406, text, text)
    return version


def _refuse_old_version(call: Call, template: Template, version: Version, transition: str) -> None:
    binding = template.require_active_version and transition == "start"
    outdated = version.id != template.active_version_id
    if binding and outdated and not call.subject.may_template("update", template):
        raise _insert_forbidden()


def _then(call: Call, workspace: Workspace, template: Template, body: Body, transition: str) -> Following | None:
    """What follows a successful build; servers before 2026 do not know the key and ignore it.

    Only who may update the template may name its version. That the version is judged as one that a build names, and
    the words, are assumed: no source of that release was read.
    """
    following = body.object("on_success")
    if following is None or not call.state.flavour.builds_chain:
        return None
    if transition != "stop" or following.text("transition") != "start":
        raise invalid("on_success", "only a start may follow, and only a stop")
    version_id = following.id("template_version_id")
    if version_id is not None:
        if not call.subject.may_template("update", template):
            raise forbidden()
        _version(call, workspace, template, following)
    return Following(version_id, following.pairs("rich_parameter_values"))


# ---------------------------------------------------------------- following


def list_builds(call: Call) -> Response:
    """``GET /workspaces/{workspace}/builds``: newest first."""
    workspace = workspace_of(call)
    limit, offset = call.number("limit"), call.number("offset")
    newest_first = workspace.builds[::-1]
    page = newest_first[offset : offset + limit] if limit else newest_first[offset:]
    return json_response([build_json(call.state, build) for build in page])


def build_of(call: Call) -> Build:
    """The build that the path names; it stays readable after its workspace was deleted."""
    build = call.state.builds.get(call.id("build"))
    if build is None or not call.subject.may_workspace("read", call.state.workspaces[build.workspace_id]):
        raise not_found()
    return build


def get_build(call: Call) -> Response:
    """``GET /workspacebuilds/{build}``."""
    call.charge(workspace_seconds())
    return json_response(build_json(call.state, build_of(call)))


def get_build_by_number(call: Call) -> Response:
    """``GET /users/{user}/workspace/{name}/builds/{number}``."""
    owner = call.state.user(call.path["user"]) if call.path["user"] != "me" else call.subject.user
    workspace = call.state.workspace_of(owner.id, call.path["name"], include_deleted=True) if owner else None
    if workspace is None or not call.subject.may_workspace("read", workspace):
        raise not_found()
    number = call.path["number"]
    if not number.isdigit() or not 1 <= int(number) <= len(workspace.builds):
        raise not_found()
    return json_response(build_json(call.state, workspace.builds[int(number) - 1]))


def get_logs(call: Call) -> Response:
    """``GET …/logs``: the lines so far, after the id in `after`; following needs a WebSocket, so 426."""
    build = build_of(call)
    if "follow" in call.query:
        return PlainTextResponse("WebSocket protocol violation: Connection header does not contain Upgrade", 426)
    after = call.number("after")
    lines = [line for line in builds.logs_of(call.state, build) if line["id"] > after]
    if call.query.get("format") == "text" and call.state.flavour.prebuild_fields:
        text = "".join(f"{stamp(line['created_at'])} [{line['log_level']}] {line['output']}\n" for line in lines)
        return PlainTextResponse(text)
    return json_response([log_json(line) for line in lines])


def followed_build(call: Call) -> Followed:
    """``GET …/logs?follow`` as a WebSocket."""
    state, build = call.state, build_of(call)
    return Followed(lambda: builds.logs_of(state, build), lambda: not build.active)


def get_build_parameters(call: Call) -> Response:
    """``GET …/parameters``."""
    return json_response([{"name": name, "value": value} for name, value in build_of(call).parameters.items()])


def cancel_build(call: Call) -> Response:
    """``PATCH …/cancel``: by the owner role, or where the template lets its users cancel."""
    build = build_of(call)
    workspace = call.state.workspaces[build.workspace_id]
    template = call.state.templates[workspace.template_id]
    allowed = template.allow_user_cancel_workspace_jobs and call.subject.may_workspace("update", workspace)
    if not allowed and "owner" not in call.subject.user.roles:
        raise forbidden("User is not allowed to cancel workspace builds. Owner role is required.")
    expected = call.query.get("expect_status")
    if expected not in (None, "running", "pending"):
        raise invalid("expect_status", "must be running or pending", "Invalid expect_status.")
    if build.job_status in ("succeeded", "failed", "canceled"):
        raise Refused(400, "Job has already completed!")
    if build.job_status == "canceling":
        raise Refused(400, "Job has already been marked as canceled!")
    if expected is not None and build.job_status != expected:
        raise Refused(412, f"Job is not in the expected state: it is {build.job_status}.")
    builds.cancel(call.state, build)
    return json_response({"message": "Job has been marked as canceled..."})
