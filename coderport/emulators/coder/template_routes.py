"""Routes of templates and their versions."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from coderport.emulators.coder.audit import note_template
from coderport.emulators.coder.http import (
    Body,
    Call,
    Refused,
    bad_search,
    empty_response,
    forbidden,
    invalid,
    json_response,
    not_found,
)
from coderport.emulators.coder.member_routes import everyone_json, require_licence
from coderport.emulators.coder.parameters import Wrong, resolved_parameters
from coderport.emulators.coder.query import QueryError, Terms
from coderport.emulators.coder.reading import organization_of
from coderport.emulators.coder.records import Organization, Parameter, Template, Version
from coderport.emulators.coder.rows import parameter_json, preset_json, template_json, user_json, version_json

_NUMBERS = (
    "default_ttl_ms", "activity_bump_ms", "failure_ttl_ms", "time_til_dormant_ms", "time_til_dormant_autodelete_ms",
)  # fmt: skip
_TEXTS = ("name", "display_name", "description", "icon")
_FLAGS = (
    "allow_user_autostart", "allow_user_autostop", "allow_user_cancel_workspace_jobs", "require_active_version",
    "use_classic_parameter_flow", "disable_module_cache", "allow_workspace_renames",
)  # fmt: skip
_LICENSED = frozenset({
    "deprecation_message", "failure_ttl_ms", "time_til_dormant_ms", "time_til_dormant_autodelete_ms",
    "allow_user_autostart", "allow_user_autostop", "require_active_version",
})  # fmt: skip
"""Settings that a deployment without a licence takes without effect."""


def list_templates(call: Call) -> Response:
    """``GET /templates``: everything at once, most used first."""
    return _list(call, None)


def list_organization_templates(call: Call) -> Response:
    """``GET /organizations/{organization}/templates``."""
    return _list(call, organization_of(call))


def _list(call: Call, organization: Organization | None) -> Response:
    try:
        found = _matching(call)
    except QueryError as error:
        raise bad_search("template", error) from None
    found = [
        template
        for template in found
        if (organization is None or template.organization_id == organization.id)
        and call.subject.may_template("read", template)
    ]
    found.sort(key=lambda template: (-template.active_user_count, template.name.lower(), template.id))
    return json_response([template_json(call.state, template) for template in found])


def _matching(call: Call) -> list[Template]:
    state = call.state
    if not state.flavour.template_queries:
        return [template for template in state.templates.values() if not template.deleted]
    terms = Terms(call.query.get("q", ""), lambda word: [("display_name", word)])
    deleted = terms.flag("deleted") or False
    deprecated = terms.flag("deprecated")
    if deprecated is None and state.flavour.hides_deprecated:
        deprecated = False
    organization = None
    organization_name = terms.text("organization")
    if organization_name is not None:
        organization = state.organization(organization_name)
        if organization is None:
            detail = f'Query param "organization" has invalid value: "{organization_name}" not found'
            raise QueryError([("organization", detail)])
    exact, exact_display = terms.text("exact_name"), terms.text("exact_display_name")
    name, display_name = terms.text("name"), " ".join(terms.all("display_name")) or None
    ids = terms.ids("ids")
    author, author_id = terms.text("author"), terms.ids("author_id")
    external = None
    if state.flavour.sharing:
        external = terms.flag("has_external_agent")
    if state.flavour.task_fields:
        terms.flag("has-ai-task")
    if author is not None:
        user = call.subject.user if author == "me" else state.user(author)
        author_id = [*(author_id or []), user.id if user else ""]
    terms.done()
    return [
        template
        for template in state.templates.values()
        if template.deleted is deleted
        and deprecated in (None, template.deprecated)
        and (organization is None or template.organization_id == organization.id)
        and exact in (None, template.name.lower())
        and exact_display in (None, template.display_name.lower())
        and (name is None or name in template.name.lower())
        and (display_name is None or display_name in (template.display_name or template.name).lower())
        and (ids is None or template.id in ids)
        and (author_id is None or template.created_by_id in author_id)
        and external in (None, state.versions[template.active_version_id].has_external_agent)
    ]


def template_of(call: Call, action: str = "read") -> Template:
    """The template that the path names.

    Deleted, invisible and unknown ones are 404, forbidden actions 403.
    """
    template = call.state.templates.get(call.id("template"))
    if template is None or template.deleted or not call.subject.may_template("read", template):
        raise not_found()
    if not call.subject.may_template(action, template):
        raise forbidden()
    return template


def get_template(call: Call) -> Response:
    """``GET /templates/{template}``."""
    return json_response(template_json(call.state, template_of(call)))


def get_acl(call: Call) -> Response:
    """``GET /templates/{template}/acl``: who may use it; for deployments with a licence only.

    The group of everybody has its organization's id.
    """
    state = call.state
    require_licence(call, "Template RBAC")
    template = template_of(call, "update")
    organization = state.organizations[template.organization_id]
    if template.readers is not None:
        people = [
            user for user in state.users.values() if user.id in template.readers and not (user.system or user.deleted)
        ]
        return json_response({"users": [{**user_json(state, user), "role": "use"} for user in people], "group": []})
    return json_response({"users": [], "group": [{**everyone_json(state, organization), "role": "use"}]})


def get_template_by_name(call: Call) -> Response:
    """``GET /organizations/{organization}/templates/{name}``."""
    return json_response(template_json(call.state, _template_by_name(call)))


def _template_by_name(call: Call) -> Template:
    organization, name = organization_of(call), call.path["name"].lower()
    for template in call.state.templates.values():
        named = template.organization_id == organization.id and template.name.lower() == name
        if named and not template.deleted and call.subject.may_template("read", template):
            return template
    raise not_found()


def patch_template(call: Call) -> Response:
    """``PATCH /templates/{template}``: 200 with the template; 304 where nothing would change."""
    template = template_of(call, "update")
    body = call.body()
    before, diff = template.rev, {}
    for key, value in _settings(body).items():
        if key in _LICENSED and not call.state.licensed:
            continue
        if getattr(template, key) != value:
            diff[key] = (getattr(template, key), value)
            setattr(template, key, value)
    if template.rev == before and "deprecation_message" not in body:
        return empty_response(304)
    template.updated_at = call.state.now()
    note_template(call.state, call.subject.user, "write", template, diff)
    return json_response(template_json(call.state, template))


def _settings(body: Body) -> dict[str, object]:
    found: dict[str, object] = {key: body.text(key) for key in _TEXTS if key in body}
    for key in _NUMBERS:
        number = body.number(key)
        if number is not None:
            if number < 0:
                raise invalid(key, "Must be a positive integer.", "Invalid request to update template metadata!")
            found[key] = number
    for key in _FLAGS:
        flag = body.flag(key)
        if flag is not None:
            found[key] = flag
    if body.has("deprecation_message"):
        found["deprecation_message"] = body.text("deprecation_message")
    if found.get("name") == "":
        del found["name"]
    return found


def delete_template(call: Call) -> Response:
    """``DELETE /templates/{template}``: 400 while an undeleted workspace uses it, prebuilt ones included."""
    template = template_of(call, "delete")
    if call.state.listed("template", template.id):
        raise Refused(400, "All workspaces must be deleted before a template can be removed.")
    template.deleted, template.updated_at = True, call.state.now()
    note_template(call.state, call.subject.user, "delete", template)
    return json_response({"message": "Template has been deleted!"})


# ---------------------------------------------------------------- versions


def list_versions(call: Call) -> Response:
    """``GET /templates/{template}/versions``: oldest first."""
    template = template_of(call)
    versions = call.state.versions_of(template.id)
    if not call.flag("include_archived"):
        versions = [version for version in versions if not version.archived]
    limit, offset = call.number("limit"), call.number("offset")
    page = versions[offset : offset + limit] if limit else versions[offset:]
    return json_response([version_json(call.state, version) for version in page])


def promote_version(call: Call) -> Response:
    """``PATCH /templates/{template}/versions``: makes one of its versions the active one."""
    template = template_of(call, "update")
    version_id = call.body().id("id")
    version = call.state.versions.get(version_id or "")
    if version is None:
        raise Refused(404, "Template version not found.")
    if version.template_id != template.id:
        raise Refused(400, "The provided template version doesn't belong to the specified template.")
    if version.archived:
        raise Refused(400, "The provided template version is archived.")
    if not version.imported:
        raise Refused(400, "Only versions that have been built successfully can be promoted.")
    diff = {"active_version_id": (template.active_version_id, version.id)}
    template.active_version_id, template.updated_at = version.id, call.state.now()
    note_template(call.state, call.subject.user, "write", template, diff)
    return json_response({"message": "Updated the active template version!"})


def version_of(call: Call) -> Version:
    """The version that the path names; it is read by who reads its template, also after that was deleted."""
    version = call.state.versions.get(call.id("version"))
    if version is None or not call.subject.may_template("read", call.state.templates[version.template_id]):
        raise not_found()
    return version


def get_version(call: Call) -> Response:
    """``GET /templateversions/{version}``."""
    return json_response(version_json(call.state, version_of(call)))


def get_version_by_name(call: Call) -> Response:
    """``GET /templates/{template}/versions/{name}``."""
    return json_response(version_json(call.state, _named_version(call, template_of(call))))


def get_organization_version(call: Call) -> Response:
    """``GET /organizations/{organization}/templates/{name}/versions/{version}``."""
    return json_response(version_json(call.state, _named_version(call, _template_by_name(call))))


def _named_version(call: Call, template: Template) -> Version:
    for version in call.state.versions_of(template.id):
        if version.name == call.path["version"]:
            return version
    raise not_found()


def get_external_auth(call: Call) -> Response:
    """``GET /templateversions/{version}/external-auth``: no version here needs a sign-in elsewhere."""
    version_of(call)
    return json_response([])


def get_variables(call: Call) -> Response:
    """``GET /templateversions/{version}/variables``: no version here has any."""
    version_of(call)
    return json_response([])


def get_parameters(call: Call) -> Response:
    """``GET /templateversions/{version}/rich-parameters``: 425 until the version is imported."""
    version = version_of(call)
    if not version.imported:
        raise Refused(425, "Template version job has not finished")
    return json_response([parameter_json(call.state, parameter) for parameter in version.parameters])


def evaluate_parameters(call: Call) -> Response:
    """``POST /templateversions/{version}/dynamic-parameters/evaluate``: the form with the given values, nothing built.

    Source: `coderd/parameters.go` and `coderd/database/db2sdk` of coder/coder. What is wrong stands in `diagnostics`,
    and the answer is 200.
    """
    if not call.state.flavour.evaluates_parameters:
        raise Refused(404, "Route not found.")
    version, body = version_of(call), call.body()
    if not version.imported:
        raise Refused(425, "Template version job has not finished")
    given = {name: str(value) for name, value in (body.mapping("inputs") or {}).items()}
    template = call.state.templates[version.template_id]
    dynamic = replace(template, use_classic_parameter_flow=False)
    wrong = {each.name: each for each in resolved_parameters(dynamic, version, given, None)[1]}
    rows = [
        _evaluated(parameter, given.get(parameter.name), wrong.get(parameter.name))
        for parameter in version.asked(given, classic=False)
    ]
    return json_response({"id": 0, "diagnostics": [], "parameters": rows})


def _evaluated(parameter: Parameter, given: str | None, wrong: Wrong | None) -> dict[str, object]:
    """A `codersdk.PreviewParameter`."""
    bounds = {
        key: getattr(parameter, key)
        for key in ("validation_error", "validation_regex", "validation_min", "validation_max", "validation_monotonic")
        if getattr(parameter, key) not in ("", None)
    }
    told = [] if wrong is None else [
        {"severity": "error", "summary": wrong.summary, "detail": wrong.detail,
         "extra": {"code": "required" if wrong.missing else ""}}
    ]  # fmt: skip
    default = None if parameter.required else parameter.default_value
    return {
        "name": parameter.name,
        "display_name": parameter.display_name,
        "description": parameter.description,
        "type": parameter.type,
        "form_type": parameter.form_type,
        "styling": {},
        "mutable": parameter.mutable,
        "default_value": _null_string(default),
        "icon": parameter.icon,
        "options": [
            {"name": each.name, "description": each.description, "value": _null_string(each.value), "icon": each.icon}
            for each in parameter.options
        ],
        "validations": [bounds] if bounds else [],
        "required": parameter.required,
        "order": 0,
        "ephemeral": parameter.ephemeral,
        "value": _null_string(default if given is None else given),
        "diagnostics": told,
    }


def _null_string(value: str | None) -> dict[str, object]:
    return {"value": value or "", "valid": value is not None}


def get_presets(call: Call) -> Response:
    """``GET /templateversions/{version}/presets``: null where there are none."""
    presets = [preset_json(call.state, preset) for preset in version_of(call).presets]
    return json_response(presets or None)
