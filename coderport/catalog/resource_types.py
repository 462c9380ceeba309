"""What the engine calls the types of our resources, as the provider serves them."""

from __future__ import annotations

from typing import Final

ACTION: Final = "port:index/action:Action"
ACTION_PERMISSIONS: Final = "port:index/actionPermissions:ActionPermissions"
AGGREGATIONS: Final = "port:index/aggregationProperties:AggregationProperties"
BLUEPRINT: Final = "port:index/blueprint:Blueprint"
BLUEPRINT_PERMISSIONS: Final = "port:index/blueprintPermissions:BlueprintPermissions"
ENTITY: Final = "port:index/entity:Entity"
PAGE: Final = "port:index/page:Page"
SCORECARD: Final = "port:index/scorecard:Scorecard"

OURS: Final = frozenset(
    {ACTION, ACTION_PERMISSIONS, AGGREGATIONS, BLUEPRINT, BLUEPRINT_PERMISSIONS, ENTITY, PAGE, SCORECARD}
    | {"pulumi:pulumi:Stack", "pulumi:providers:port", "pulumi:providers:pulumi"}
)
"""All that the state of a stack of ours holds. The last is the engine's own, which a failed run leaves there."""


def type_and_name(urn: str) -> tuple[str, str]:
    """The type of the resource, without those of its parents, and its name."""
    kind, _, name = urn.partition("::")[2].partition("::")[2].partition("::")
    return kind.rpartition("$")[2], name
