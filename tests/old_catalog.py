"""A catalog as the original integration's script and the people around it leave it in Port."""

from __future__ import annotations

import copy
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from coderport.catalog.blueprint import to_port
from coderport.emulators.pair import Pair
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE

T, W = TEMPLATE.identifier, WORKSPACE.identifier

ORIGINAL = {
    T: (
        *("owner_name", "owner_id", "organization_id", "organization_name", "active_version_id", "active_user_count"),
        *("created_at", "created_by_id", "created_by_name", "default_ttl_ms", "deprecated", "deprecation_message"),
        "description",
    ),
    W: (
        *("owner_name", "ttl_ms", "daily_cost", "owner_id", "automatic_updates", "autostart_schedule", "created_at"),
        *("deleting_at", "dormant_at", "updated_at", "last_used_at", "next_start_at", "organization_id"),
        *("organization_name", "latest_build_number", "healthy"),
    ),
}
"""The properties that the original integration's guide lists."""

SERVICE = {
    "identifier": "service",
    "title": "Service",
    "schema": {"properties": {"language": {"type": "string"}}},
    "relations": {
        "image": {"title": "Image", "target": T, "required": False, "many": False},
        "images": {"title": "Images", "target": T, "required": False, "many": True},
        "home": {"title": "Home", "target": W, "required": False, "many": False},
    },
}

ACTION = {
    "identifier": "restart_by_hand",
    "title": "Restart",
    "trigger": {
        "type": "self-service",
        "operation": "DAY-2",
        "blueprintIdentifier": W,
        "userInputs": {"properties": {}},
    },
    "invocationMethod": {"type": "WEBHOOK", "url": "https://hooks.example.com/restart"},
}

SCORECARD = {
    "identifier": "tidiness",
    "title": "Tidiness",
    "rules": [
        {
            "identifier": "described",
            "title": "Described",
            "level": "Gold",
            "query": {"combinator": "and", "conditions": [{"property": "description", "operator": "isNotEmpty"}]},
        }
    ],
}


def original(blueprint: str) -> dict[str, Any]:
    """The blueprint as the guide has it, with a property of a user's own."""
    body = copy.deepcopy(to_port({T: TEMPLATE, W: WORKSPACE}[blueprint]))
    properties = body["schema"]["properties"]
    body["schema"]["properties"] = {key: properties[key] for key in ORIGINAL[blueprint]}
    body["schema"]["properties"]["tier"] = {"type": "string", "title": "Tier"}
    body["calculationProperties"] = {}
    body["relations"] = {name: each for name, each in body["relations"].items() if each["target"] == T}
    return body


def old_name(organization: str, template: str, version: str) -> str:
    """How the script named a template's entity."""
    return f"{organization}-{template}-{version}"


@dataclass
class OldCatalog:
    """What was put into Port: by template the old identifiers, the active version's last."""

    names: dict[str, list[str]] = field(default_factory=dict)

    @property
    def all(self) -> set[str]:
        return {each for names in self.names.values() for each in names}


def old_catalog(pair: Pair, *, versions: int, services: int = 0, seed: int = 7) -> OldCatalog:
    """Blueprints, an entity for each of so many versions of each template, workspaces, and what relates to them.

    Each service leads to a version of a template that chance chooses, and to all versions of two others.
    """
    coder, port, rng, found = pair.coder, pair.port, random.Random(seed), OldCatalog()
    for blueprint in (T, W):
        port.put_blueprint(original(blueprint), by="guide")
    for identifier in sorted(coder.template_ids()):
        template = coder.template(identifier)
        ids = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(versions - 1)]
        names = [old_name(template.organization_id, identifier, each) for each in (*ids, template.active_version_id)]
        found.names[identifier] = names
        for name in names:
            properties = {"organization_id": template.organization_id, "active_version_id": name[-36:]}
            port.put_entity(T, {"identifier": name, "title": template.name, "properties": properties}, by="script")
    for identifier in sorted(coder.workspace_ids()):
        workspace = coder.workspace(identifier)
        body = {
            "identifier": identifier,
            "title": workspace.name,
            "properties": {"tier": "gold", "owner_id": workspace.owner_id},
            "relations": {"template_id": rng.choice(found.names[workspace.template_id])},
        }
        port.put_entity(W, body, by="script")
    if services:
        port.put_blueprint(SERVICE, by="colleague")
        templates = sorted(found.names)
        for number in range(services):
            one, two, three = (templates[(number + shift) % len(templates)] for shift in (0, 1, 2))
            relations = {
                "image": rng.choice(found.names[one]),
                "images": [*found.names[two], *found.names[three]],
                "home": sorted(coder.workspace_ids())[number % len(coder.workspace_ids())],
            }
            body = {"identifier": f"service-{number}", "title": f"Service {number}", "relations": relations}
            port.put_entity("service", {**body, "properties": {"language": "go"}}, by="colleague")
    return found


def by_hand(pair: Pair) -> None:
    """An action and a scorecard on our blueprints, as a person makes them over Port's API."""
    with _talking_to(pair) as client:
        client.post("/v1/actions", json=ACTION).raise_for_status()
        client.post(f"/v1/blueprints/{T}/scorecards", json=SCORECARD).raise_for_status()


def read_by_hand(pair: Pair) -> tuple[Any, Any]:
    """What `by_hand` has made, as Port shows it, the times of its changes included."""
    with _talking_to(pair) as client:
        action = client.get(f"/v1/actions/{ACTION['identifier']}").raise_for_status().json()["action"]
        of_template = client.get(f"/v1/blueprints/{T}/scorecards").raise_for_status().json()["scorecards"]
        return action, of_template


def _talking_to(pair: Pair) -> httpx.Client:
    servers = pair.describe()
    secret = {"clientId": servers["port_client_id"], "clientSecret": servers["port_client_secret"]}
    token = httpx.post(f"{servers['port_url']}/v1/auth/access_token", json=secret, timeout=300).json()["accessToken"]
    return httpx.Client(base_url=servers["port_url"], headers={"Authorization": f"Bearer {token}"}, timeout=300)
