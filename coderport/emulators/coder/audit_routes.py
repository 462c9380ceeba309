"""The route of the audit log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from starlette.responses import Response

from coderport.emulators.coder.audit import Entry
from coderport.emulators.coder.http import Call, bad_search, forbidden, json_response
from coderport.emulators.coder.prices import audit_seconds
from coderport.emulators.coder.query import QueryError, Terms
from coderport.emulators.coder.rows import user_json
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import NIL_ID, Json, stamp

_USUAL_LIMIT = 100
_VERBS = {
    "create": "created", "write": "updated", "delete": "deleted", "start": "started", "stop": "stopped",
    "login": "logged in", "logout": "logged out",
}  # fmt: skip
_NOUNS = {
    "workspace_build": "workspace", "workspace": "workspace", "template": "template", "api_key": "token",
    "organization_member": "organization member", "user": "user",
}  # fmt: skip


def list_audit(call: Call) -> Response:
    """``GET /audit``: newest first, with the count of what the caller may see; 403 to who may see none of it."""
    state = call.state
    readable = [
        organization for organization in state.organizations
        if call.subject.may("read", "audit_log", organization=organization)
    ]  # fmt: skip
    everything = call.subject.may("read", "audit_log")
    if not everything and not readable:
        raise forbidden()
    try:
        fits = _filter(call)
    except QueryError as error:
        raise bad_search("audit", error) from None
    found = [
        entry for entry in reversed(state.audit) if (everything or entry.organization_id in readable) and fits(entry)
    ]
    call.charge(audit_seconds(len(found)))
    offset, limit = call.number("offset"), call.number("limit") or _USUAL_LIMIT
    page = [_entry_json(state, entry) for entry in found[offset : offset + limit]]
    return json_response({"audit_logs": page, "count": len(found)})


def _filter(call: Call) -> Callable[[Entry], bool]:
    state = call.state
    terms = Terms(call.query.get("q", ""), lambda word: [("resource_type", word)])
    wanted = {
        "resource_type": terms.choice("resource_type", tuple(_NOUNS)),
        "action": terms.choice("action", tuple(_VERBS)),
        "resource_id": terms.text("resource_id"),
        "request_id": terms.text("request_id"),
    }
    target, reason = terms.text("resource_target"), terms.text("build_reason")
    username, email, organization = terms.text("username"), terms.text("email"), terms.text("organization")
    since, until = _day(terms, "date_from"), _day(terms, "date_to")
    terms.done()
    if username == "me":
        username = call.subject.user.username.lower()
    organization_id = None
    if organization is not None:
        found = state.organization(organization)
        if found is None:
            detail = f'Query param "organization" has invalid value: "{organization}" not found'
            raise QueryError([("organization", detail)])
        organization_id = found.id

    def fits(entry: Entry) -> bool:
        user = state.users[entry.user_id]
        return (
            all(value is None or getattr(entry, key) == value for key, value in wanted.items())
            and target in (None, entry.resource_target.lower())
            and reason in (None, entry.additional_fields.get("build_reason"))
            and username in (None, user.username.lower())
            and email in (None, user.email.lower())
            and organization_id in (None, entry.organization_id)
            and (since is None or entry.at >= since)
            and (until is None or entry.at < until + timedelta(days=1))
        )

    return fits


def _day(terms: Terms, key: str) -> datetime | None:
    """A day; the log cannot be asked for a time of it."""
    text = terms.text(key)
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc)
    except ValueError:
        detail = f'Query param "{key}" must be a valid date format "2006-01-02"'
        raise QueryError([(key, detail)]) from None


def _entry_json(state: State, entry: Entry) -> Json:
    gone, link = _place(state, entry)
    organization = state.organizations.get(entry.organization_id or "")
    row: Json = {
        "id": entry.id,
        "request_id": entry.request_id,
        "time": stamp(entry.at),
        "ip": "127.0.0.1",
        "user_agent": entry.user_agent,
        "resource_type": entry.resource_type,
        "resource_id": entry.resource_id,
        "resource_target": entry.resource_target,
        "resource_icon": "",
        "action": entry.action,
        "diff": {key: {"old": old, "new": new, "secret": False} for key, (old, new) in entry.diff.items()},
        "status_code": entry.status_code,
        "additional_fields": entry.additional_fields,
        "description": _description(entry),
        "resource_link": link,
        "is_deleted": gone,
        "organization_id": entry.organization_id or NIL_ID,
    }
    if organization is not None:
        row["organization"] = {
            "id": organization.id,
            "name": organization.name,
            "display_name": organization.display_name,
            "icon": organization.icon,
        }
    row["user"] = {**user_json(state, state.users[entry.user_id]), "organization_ids": []}
    return row


def _place(state: State, entry: Entry) -> tuple[bool, str]:
    """Whether what the line is about is gone, and where the site shows it if it is not."""
    build = state.builds.get(entry.resource_id)
    workspace = state.workspaces.get(build.workspace_id if build else entry.resource_id)
    template = state.templates.get(entry.resource_id)
    if workspace is not None:
        path = f"/@{state.users[workspace.owner_id].username}/{workspace.name}"
        if build is not None:
            path += f"/builds/{build.number}"
        return workspace.deleted, "" if workspace.deleted else path
    if template is not None:
        return template.deleted, "" if template.deleted else f"/templates/{template.name}"
    return False, ""


def _description(entry: Entry) -> str:
    verb = _VERBS[entry.action]
    if entry.action in ("login", "logout"):
        return "{user} " + verb
    if entry.status_code >= 400:
        verb = f"unsuccessfully attempted to {entry.action}"
    return f"{{user}} {verb} {_NOUNS[entry.resource_type]} {{target}}"
