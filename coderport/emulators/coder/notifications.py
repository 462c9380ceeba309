"""Notifications of the emulated Coder, as its webhook method sends them.

Source: coderd/notifications/dispatch/webhook.go and types/payload.go (payload version 1.1), and the ids of
coderd/notifications/events.go, read in public copies of 2.16 to 2.20. Which targets a notification names, and in which
order, is what the enqueuing code passes there: the object first, then its owner, template and organization.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress

from coderport.emulators.coder.audit import Entry
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import Json, derived_id

CREATED = "281fdf73-c6d6-4cbb-8ff5-888baf8a2fff"
DELETED = "f517da0b-cdc9-410f-ab89-a86107c420ed"
DORMANT = "0ea69165-ec14-4314-91f1-69566ac3c5a0"
_NAMES = {CREATED: "Workspace Created", DELETED: "Workspace Deleted", DORMANT: "Workspace Marked as Dormant"}
_LABEL = {CREATED: "workspace", DELETED: "name", DORMANT: "name"}


def notification(state: State, entry: Entry) -> Json | None:
    """What the webhook sends for a line of the audit log; starts, stops and most else are not notified."""
    kind = _kind(entry)
    workspace_id = str(entry.additional_fields.get("workspace_id") if kind == DELETED else entry.resource_id)
    workspace = state.workspaces.get(workspace_id)
    if kind is None or workspace is None:
        return None
    owner = state.users[workspace.owner_id]
    title = f'Workspace "{workspace.name}": {_NAMES[kind]}'
    return {
        "_version": "1.1",
        "msg_id": derived_id(entry.id, "notification"),
        "payload": {
            "_version": "1.1",
            "notification_name": _NAMES[kind],
            "notification_template_id": kind,
            "user_id": owner.id,
            "user_email": owner.email,
            "user_name": owner.username,
            "user_username": owner.username,
            "actions": [],
            "labels": {_LABEL[kind]: workspace.name},
            "data": None,
            "targets": [workspace.id, workspace.owner_id, workspace.template_id, workspace.organization_id],
        },
        "title": title,
        "title_markdown": title,
        "body": title,
        "body_markdown": title,
    }


def _kind(entry: Entry) -> str | None:
    if entry.status_code >= 400:
        return None
    if entry.resource_type == "workspace_build":
        return DELETED if entry.action == "delete" else None
    if entry.resource_type != "workspace":
        return None
    if entry.action == "create":
        return CREATED
    return DORMANT if entry.diff.get("dormant_at", (None, None))[1] else None


def posting(url: str) -> Callable[[Json], None]:
    """Sends notifications there, each once and beside everything else; Coder tries up to five times."""

    def post(body: Json) -> None:
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})

        def send() -> None:
            with suppress(OSError):
                urllib.request.urlopen(request, timeout=10).close()

        threading.Thread(target=send, daemon=True).start()

    return post
