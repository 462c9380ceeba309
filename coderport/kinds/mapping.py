"""Coder's templates and workspaces as entities of Port.

What has no value in Coder has none here: empty texts, zero times, null. A number stays in the unit that the
property's description names. Every value is one that Port's validation of its format takes.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from coderport.catalog.blueprint import TEMPLATE, WORKSPACE
from coderport.catalog.meaning import time_text
from coderport.catalog.values import Context, Entity, OrganizationNames, Value
from coderport.coder.models import Template, Workspace

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_EMAIL = re.compile(rf"{_ATOM}(\.{_ATOM})*@({_LABEL}\.)+{_LABEL}")
_SECRET = re.compile(
    r"token|secret|passw|pwd|signature|credential|auth|jwt|session|api[-_]?key|access[-_]?key|private[-_]?key"
    r"|^(x-(amz|goog|oss|cos|obs|ms)-|sig$|sign$|key$|se$|sp$|sv$|st$|sr$|policy$|hmac|code$|pass$)",
    re.IGNORECASE,
)
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def template_entity(template: Template, context: Context) -> Entity:
    """The entity of a template. Its owner, in the original blueprint, is its creator: Coder has no other."""
    organization = organization_names(template, context)
    return _entity(
        TEMPLATE.identifier,
        template.id,
        template.display_name or template.name,
        {
            "owner_name": template.created_by_name,
            "owner_id": template.created_by_id,
            "organization_id": template.organization_id,
            "organization_name": organization.name,
            "organization_display_name": organization.display_name,
            "active_version_id": template.active_version_id,
            # Documented as -1 while Coder is still counting.
            "active_user_count": str(template.active_user_count) if template.active_user_count >= 0 else None,
            "created_at": _time(template.created_at),
            "updated_at": _time(template.updated_at),
            "created_by_id": template.created_by_id,
            "created_by_name": template.created_by_name,
            "default_ttl_ms": template.default_ttl_ms,
            "activity_bump_ms": template.activity_bump_ms,
            "failure_ttl_ms": template.failure_ttl_ms,
            "time_til_dormant_ms": template.time_til_dormant_ms,
            "time_til_dormant_autodelete_ms": template.time_til_dormant_autodelete_ms,
            "require_active_version": template.require_active_version,
            "deprecated": template.deprecated,
            "deprecation_message": template.deprecation_message,
            "description": template.description,
            "name": template.name,
            "display_name": template.display_name,
            "url": _page(context, "templates", organization.name, template.name),
            "icon_url": _picture(context, template.icon),
        },
        {},
        context,
    )


def workspace_entity(workspace: Workspace, context: Context, templates: Collection[str]) -> Entity:
    """The entity of a workspace, related to its template if that is one of the ids in `templates`."""
    organization = organization_names(workspace, context)
    build = workspace.latest_build
    email = context.emails.get(workspace.owner_id, "")
    return _entity(
        WORKSPACE.identifier,
        workspace.id,
        f"{workspace.owner_name}/{workspace.name}",
        {
            "owner_name": workspace.owner_name,
            "owner_id": workspace.owner_id,
            "owner_email": email if _EMAIL.fullmatch(email) else None,
            "ttl_ms": workspace.ttl_ms,
            "daily_cost": build.daily_cost,
            "automatic_updates": workspace.automatic_updates,
            "autostart_schedule": workspace.autostart_schedule,
            "created_at": _time(workspace.created_at),
            "deleting_at": _time(workspace.deleting_at),
            "dormant_at": _time(workspace.dormant_at),
            "updated_at": _time(workspace.updated_at),
            "last_used_at": _time(workspace.last_used_at),
            "next_start_at": _time(workspace.next_start_at),
            "organization_id": workspace.organization_id,
            "organization_name": organization.name,
            "organization_display_name": organization.display_name,
            "latest_build_number": build.build_number,
            "healthy": workspace.health.healthy if workspace.health else None,
            "failing_agents": sorted(workspace.failing_agent_names),
            "name": workspace.name,
            "status": build.status,
            "build_transition": build.transition,
            "build_reason": build.reason,
            "build_initiator": build.initiator_name,
            "latest_build_at": _time(build.created_at),
            "template_version": build.template_version_name,
            "outdated": workspace.outdated,
            "is_prebuild": workspace.is_prebuild,
            "url": _page(context, f"@{workspace.owner_name}", workspace.name),
            "deadline": _time(build.deadline),
            "max_deadline": _time(build.max_deadline),
        },
        {"template_id": workspace.template_id} if workspace.template_id in templates else {},
        context,
    )


def _entity(
    blueprint: str,
    identifier: str,
    title: str,
    values: dict[str, Value | None],
    relations: dict[str, str],
    context: Context,
) -> Entity:
    values["coder_deployment"] = context.deployment_id
    values["managed_by"] = context.managed_by
    return Entity(
        blueprint=blueprint,
        identifier=identifier,
        title=title,
        properties={key: value for key, value in values.items() if value is not None and value not in ("", [])},
        relations=relations,
    )


def organization_names(of: Template | Workspace, context: Context) -> OrganizationNames:
    """How the organization of that object is called; before mid-2024 the objects did not name it."""
    known = context.organizations.get(of.organization_id, OrganizationNames("", ""))
    name = of.organization_name or known.name
    return OrganizationNames(name, known.display_name or name)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else time_text(moment)


def _page(context: Context, *path: str) -> str | None:
    return _url(context, "/".join(("", *(quote(part, safe="@") for part in path)))) if all(path) else None


def _picture(context: Context, icon: str) -> str | None:
    text = quote(_BARE_PERCENT.sub("%25", icon), safe="/:?#@!$&'()*+,;=%~")
    if text.startswith("/") and not text.startswith("//"):
        return _url(context, text) if _is_public(text) else None
    if not text.startswith(("http://", "https://")):
        return None
    try:
        return text if urlsplit(text).netloc and _is_public(text) else None
    except ValueError:  # such as a host in one bracket
        return None


def _is_public(address: str) -> bool:
    """Whether an address carries no credentials: no user, and no parameter that is named like a secret.

    Everybody who may read the catalog would have them. What a link is signed with is the link's password.
    """
    parts = urlsplit(address)
    parameters = [*parse_qsl(parts.query, keep_blank_values=True), *parse_qsl(parts.fragment, keep_blank_values=True)]
    return "@" not in parts.netloc and not any(_SECRET.search(name) for name, _ in parameters)


def _url(context: Context, path: str) -> str | None:
    base = context.dashboard_url.rstrip("/")
    if not base.startswith(("http://", "https://")):
        return None
    parts = urlsplit(base)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) + path
