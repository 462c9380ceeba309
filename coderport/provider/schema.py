"""The part of the package's schema that this provider serves."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from coderport.provider import (
    action,
    action_values,
    aggregations,
    blueprint,
    blueprint_permissions,
    entity,
    permissions,
)
from coderport.provider.definition import FORMS

PACKAGE = "port"

OLDEST_SDK = "2.21.10"
"""The oldest `port-pulumi` that is tested; `requirements.txt` pins the newest."""

VERSION = version("port-pulumi")
"""That of the SDK whose classes the program uses, because the engine warns if the plugin's is another."""

SUPPORTED = (
    blueprint.TOKEN,
    entity.TOKEN,
    action.TOKEN,
    permissions.TOKEN,
    *FORMS,
    aggregations.TOKEN,
    blueprint_permissions.TOKEN,
)

_STAMPS = ("createdAt", "createdBy", "updatedAt", "updatedBy")
_COMPUTED = {blueprint.TOKEN: _STAMPS, entity.TOKEN: _STAMPS, **dict.fromkeys(FORMS, _STAMPS)}
_REQUIRED = {
    blueprint.TOKEN: ("identifier", "title"),
    entity.TOKEN: ("blueprint", "title"),
    action.TOKEN: ("identifier",),
    permissions.TOKEN: ("actionIdentifier", "permissions"),
    aggregations.TOKEN: ("blueprintIdentifier", "properties"),
    blueprint_permissions.TOKEN: ("blueprintIdentifier", "entities"),
    **{token: form.needed for token, form in FORMS.items()},
}
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
    action.TOKEN: action_values.INPUTS,
    permissions.TOKEN: ("actionIdentifier", "permissions"),
    aggregations.TOKEN: ("blueprintIdentifier", "properties"),
    blueprint_permissions.TOKEN: ("blueprintIdentifier", "entities"),
    **{token: form.names for token, form in FORMS.items()},
}


def schema() -> str:
    """The schema as JSON: names of resources and of their properties, without the types of the properties."""
    resources: dict[str, Any] = {
        token: {
            "inputProperties": _any(names),
            "requiredInputs": list(_REQUIRED[token]),
            "properties": _any((*names, *_COMPUTED.get(token, ()))),
            "required": [*_REQUIRED[token], *_COMPUTED.get(token, ())],
        }
        for token, names in _INPUTS.items()
    }
    return json.dumps({"name": PACKAGE, "version": VERSION, "resources": resources})


def _any(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": "pulumi.json#/Any"} for name in names}
