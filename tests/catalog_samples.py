"""Coder's objects and Port's entities for the tests of the catalog and the guard."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from coderport.catalog.values import Context, Entity, OrganizationNames
from coderport.coder.models import BuildInfo, Organization, Template, User, Workspace
from coderport.coder.reading.breadth import Breadth
from coderport.coder.reading.snapshot import Snapshot
from coderport.guard.ownership import Mark
from coderport.port.models import PortEntity

STACK = "coderport/dev"
MARK = Mark(STACK, "0a1b2c3d")
ORGANIZATION = "29cae1c8-23e8-48d9-91f5-33f23b9eee71"
ELSEWHERE = "9b9c17c5-3e4b-4d52-8a53-0e4b7c0dfd5e"
TEMPLATE_ID = "5a43c7be-72cf-4fd2-b00a-b0d279dbce23"
WORKSPACE_ID = "4ac0b5fe-9a7d-4a5b-8bd5-2f4a3b1c0d9e"
OWNER = "7490175d-891a-4c6d-b57e-aceef29ab19b"
VERSION = "6cb0d0bc-2798-4eca-8100-6173ab7d6f75"

CONTEXT = Context(
    deployment_id="3c1b5a52-8a60-4b0d-8f1f-3a2a0d1b6d11",
    dashboard_url="https://coder.example.com",
    managed_by=str(MARK),
    emails={OWNER: "alice@example.com"},
    organizations={
        ORGANIZATION: OrganizationNames("coder", "Coder"),
        ELSEWHERE: OrganizationNames("labs", "Labs"),
    },
)


def numbered(number: int) -> str:
    """A UUID that is the same for the same number."""
    return str(uuid.UUID(int=number))


def template(**fields: Any) -> Template:
    """A template as Coder sends it, with these fields changed."""
    return Template.model_validate(
        {
            "id": TEMPLATE_ID,
            "created_at": "2026-11-01T08:00:00.410677Z",
            "updated_at": "2026-11-02T09:30:00Z",
            "organization_id": ORGANIZATION,
            "organization_name": "coder",
            "organization_display_name": "Coder",
            "name": "docker",
            "display_name": "Docker",
            "active_version_id": VERSION,
            "active_user_count": 3,
            "description": "Docker containers",
            "deprecated": False,
            "deprecation_message": "",
            "icon": "/icon/docker.png",
            "default_ttl_ms": 28800000,
            "activity_bump_ms": 3600000,
            "created_by_id": OWNER,
            "created_by_name": "admin",
            **fields,
        }
    )


def workspace(**fields: Any) -> Workspace:
    """A running workspace as Coder sends it, with these fields changed (of its build: `build`)."""
    build = {
        "id": "0e3a2c11-70d0-4d2a-9f57-1f3b2a4c5d6e",
        "created_at": "2026-11-20T08:00:00Z",
        "build_number": 8,
        "transition": "start",
        "status": "running",
        "reason": "initiator",
        "initiator_name": "alice",
        "template_version_name": "v12",
        "deadline": "2026-11-20T16:00:00Z",
        "max_deadline": None,
        "daily_cost": 4,
        "resources": [
            {"agents": [{"id": numbered(1), "name": "main"}, {"id": numbered(2), "name": "gpu"}]},
        ],
        **fields.pop("build", {}),
    }
    return Workspace.model_validate(
        {
            "id": WORKSPACE_ID,
            "name": "dev",
            "owner_id": OWNER,
            "owner_name": "alice",
            "organization_id": ORGANIZATION,
            "organization_name": "coder",
            "template_id": TEMPLATE_ID,
            "template_name": "docker",
            "created_at": "2026-11-03T10:00:00.1Z",
            "updated_at": "2026-11-03T10:00:00.1Z",
            "last_used_at": "2026-11-20T11:58:00Z",
            "ttl_ms": 28800000,
            "autostart_schedule": "CRON_TZ=Europe/Berlin 30 9 * * 1-5",
            "automatic_updates": "never",
            "next_start_at": "2026-11-21T08:30:00Z",
            "outdated": False,
            "health": {"healthy": True, "failing_agents": []},
            "latest_build": build,
            **fields,
        }
    )


def held(entity: Entity, *, updated_at: str = "2026-11-20T12:00:00.000Z", **properties: Any) -> PortEntity:
    """What Port holds after it was sent the entity, with these properties changed since."""
    return PortEntity(
        identifier=entity.identifier,
        blueprint=entity.blueprint,
        title=entity.title,
        properties={**entity.properties, **properties},
        relations=dict(entity.relations),
        created_by="port-client",
        updated_at=updated_at,
    )


def holding(*entities: PortEntity) -> Mapping[str, Mapping[str, PortEntity]]:
    """Entities by blueprint and identifier."""
    by_blueprint: dict[str, dict[str, PortEntity]] = {}
    for entity in entities:
        by_blueprint.setdefault(entity.blueprint, {})[entity.identifier] = entity
    return by_blueprint


def snapshot(*objects: Template | Workspace, **fields: Any) -> Snapshot:
    """A whole read that saw these objects, all in scope, with these fields of the snapshot changed."""
    organization = Organization(id=ORGANIZATION, name="coder", display_name="Coder")
    values: dict[str, Any] = {
        "deployment": BuildInfo(
            version="v2.30.0", deployment_id=CONTEXT.deployment_id, dashboard_url=CONTEXT.dashboard_url
        ),
        "me": User(id=OWNER, username="alice"),
        "organizations": (organization,),
        "templates": {each.id: each for each in objects if isinstance(each, Template)},
        "workspaces": {each.id: each for each in objects if isinstance(each, Workspace)},
        "emails": {OWNER: "alice@example.com"},
        "count": sum(isinstance(each, Workspace) for each in objects),
        "short": 0,
        "deletions_provable": True,
        "breadth": Breadth((organization,), frozenset({"template", "workspace"}), {}),
        "template_fates": {},
        "workspace_fates": {},
        **fields,
    }
    return Snapshot(**values)


SERVICE = {
    "identifier": "service",
    "title": "Service",
    "schema": {"properties": {}},
    "relations": {
        "home": {"title": "Home", "target": "coder_workspace", "required": False, "many": False},
        "homes": {"title": "Homes", "target": "coder_workspace", "required": False, "many": True},
    },
}
"""A blueprint of a colleague whose entities point at workspaces."""
