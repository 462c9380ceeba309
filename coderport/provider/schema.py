"""The part of the package's schema that this provider serves."""

from __future__ import annotations

import json
from typing import Any

from coderport.provider import blueprint, entity

PACKAGE = "port"

# The version of the SDK whose classes the program uses; the engine warns if the plugin's is another.
VERSION = "2.21.10"

SUPPORTED = (blueprint.TOKEN, entity.TOKEN)

_STAMPS = ("createdAt", "createdBy", "updatedAt", "updatedBy")
_INPUTS = {
    blueprint.TOKEN: (
        "identifier",
        "title",
        "calculationProperties",
        "createCatalogPage",
        "description",
        "forceDeleteEntities",
        "icon",
        "includeInGlobalSearch",
        "kafkaChangelogDestination",
        "mirrorProperties",
        "ownership",
        "properties",
        "relations",
        "teamInheritance",
        "webhookChangelogDestination",
    ),
    entity.TOKEN: (
        "blueprint",
        "title",
        "createMissingRelatedEntities",
        "icon",
        "identifier",
        "properties",
        "relations",
        "runId",
        "teams",
    ),
}


def schema() -> str:
    """The schema as JSON: names of resources and of their properties, without the types of the properties."""
    resources: dict[str, Any] = {
        token: {
            "inputProperties": _any(names),
            "requiredInputs": list(names[:2]),
            "properties": _any((*names, *_STAMPS)),
            "required": [*names[:2], *_STAMPS],
        }
        for token, names in _INPUTS.items()
    }
    return json.dumps({"name": PACKAGE, "version": VERSION, "resources": resources})


def _any(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": "pulumi.json#/Any"} for name in names}
