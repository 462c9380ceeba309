"""What a token that is asked for is narrowed to: its scopes, and the objects that it may see."""

from __future__ import annotations

import uuid
from typing import Any, Final

from coderport.emulators.coder.http import Body, Refused

_ACTIONS: Final = {
    "workspace": "read create update delete ssh start stop application_connect *",
    "template": "read create update delete use *",
    "api_key": "read create update delete *",
    "file": "read create *",
    "user": "read read_personal update_personal *",
    "user_secret": "read create update delete *",
    "organization": "read update delete *",
    "inbox_notification": "read update",
    "chat_model_config": "read share",
    "user_skill": "read create update delete *",
    "organization_skill": "read create update delete share *",
}
_COMPOSITE: Final = (
    "workspaces.create", "workspaces.operate", "workspaces.delete", "workspaces.access", "templates.build",
    "templates.author", "apikeys.manage_self", "all", "application_connect",
)  # fmt: skip
_SCOPES: Final = frozenset(
    {"all", "application_connect"}
    | {f"coder:{name}" for name in _COMPOSITE}
    | {f"{kind}:{action}" for kind, actions in _ACTIONS.items() for action in actions.split()}
)
"""What may be asked for (source: `coderd/rbac/scopes_catalog.go` of 2026; older servers lack some)."""

_TYPES: Final = frozenset(
    _ACTIONS.keys()
    | {
        "aibridge_interception", "assign_org_role", "assign_role", "audit_log", "boundary_usage", "chat",
        "connection_log", "crypto_key", "debug_info", "deployment_config", "deployment_stats", "group",
        "group_member", "idpsync_settings", "license", "notification_message",
        "notification_preference", "notification_template", "oauth2_app", "oauth2_app_code_token",
        "oauth2_app_secret", "organization_member", "prebuilt_workspace", "provisioner_daemon",
        "provisioner_jobs", "replicas", "system", "tailnet_coordinator", "task", "usage_event",
        "webpush_subscription", "workspace_agent_devcontainers",
        "workspace_agent_resource_monitor", "workspace_dormant", "workspace_proxy",
    }
)  # fmt: skip
"""The types of resources (source: `RBACResource` in the complete swagger of March 2026, and those above)."""

_MOST: Final = 128


def scopes_of(body: Body) -> frozenset[str]:
    """The scopes of a new token, or 400 (source: `normalizeTokenScopes` in `coderd/apikey.go`)."""
    scopes = body.texts("scopes") or [body.text("scope") or "all"]
    for scope in scopes:
        if scope not in _SCOPES:
            raise _refused(f'invalid or unsupported API key scope: "{scope}"')
    return frozenset(scopes)


def allow_list_of(body: Body) -> frozenset[str] | None:
    """The objects of a new token as ``<type>:<id>``, None for all (source: `coderd/rbac/allowlist.go`).

    A type as a whole stands for its objects.
    """
    entries = [_entry(item) for item in body.items("allow_list")]
    if len(entries) > _MOST:
        raise _refused(f"allow_list has {len(entries)} entries; max allowed is {_MOST}")
    whole = {kind for kind, id in entries if id == "*"}
    if not entries or "*" in whole:
        return None
    return frozenset(f"{kind}:{id}" for kind, id in entries if id == "*" or kind not in whole)


def _refused(detail: str) -> Refused:
    return Refused(400, "Failed to create API key.", detail)


def _entry(item: Any) -> tuple[str, str]:
    """Type and id of an entry, an object or the text ``<type>:<id>`` (source: `codersdk/allowlist.go`)."""
    match item:
        case {"type": str(kind), "id": str(id)}:
            pass
        case str(text):
            kind, _, id = text.strip().partition(":")
        case _:
            raise _unreadable("invalid allow_list entry: expected object with type/id or string")
    kind, id = kind.strip(), id.strip()
    if not kind or not id:
        raise _unreadable("allow_list entry must include non-empty type and id")
    if kind != "*" and kind not in _TYPES:
        raise _unreadable(f'unknown resource type "{kind}"')
    try:
        return kind, id if id == "*" else str(uuid.UUID(id))
    except ValueError:
        raise _unreadable(f'invalid {kind} ID (must be UUID): "{id}"') from None


def _unreadable(detail: str) -> Refused:
    return Refused(400, "Request body must be valid JSON.", detail)
