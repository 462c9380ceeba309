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
