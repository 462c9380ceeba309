"""The two blueprints, as values.

Port never changes the type of a property, and people already use the blueprints of the original integration:
each property that existed there keeps its identifier, type, title, format and description. The rest is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Literal

from coderport.catalog.values import Entity, Ref

PropertyType = Literal["string", "number", "boolean", "object", "array"]


@dataclass(frozen=True)
class Property:
    """One property of a blueprint: `format` is Port's keyword, `items` the type of an array's members."""

    identifier: str
    type: PropertyType
    title: str
    format: str | None = None
    description: str | None = None
    items: Literal["string", "number", "boolean"] | None = None

    def to_port(self) -> dict[str, Any]:
        """The property as it stands under `schema.properties` in Port's JSON."""
        body: dict[str, Any] = {"type": self.type, "title": self.title}
        if self.format is not None:
            body["format"] = self.format
        if self.description is not None:
            body["description"] = self.description
        if self.items is not None:
            body["items"] = {"type": self.items}
        return body


@dataclass(frozen=True)
class Calculation:
    """A property that Port computes by a jq expression from the entity's other properties."""

    identifier: str
    type: PropertyType
    title: str
    jq: str
    description: str | None = None

    def to_port(self) -> dict[str, Any]:
        """The calculation as it stands under `calculationProperties` in Port's JSON."""
        body = {"type": self.type, "title": self.title, "calculation": self.jq}
        if self.description is not None:
            body["description"] = self.description
        return body


@dataclass(frozen=True)
class Relation:
    """A link from an entity of this blueprint to one (or, with `many`, several) of the blueprint `target`."""

    identifier: str
    title: str
    target: str
    description: str | None = None
    required: bool = False
    many: bool = False

    def to_port(self) -> dict[str, Any]:
        """The relation as it stands under `relations` in Port's JSON."""
        body: dict[str, Any] = {
            "title": self.title,
            "target": self.target,
            "required": self.required,
            "many": self.many,
        }
        if self.description is not None:
            body["description"] = self.description
        return body


@dataclass(frozen=True)
class Blueprint:
    """A blueprint that we declare; properties stand in the order in which a reader should meet them."""

    identifier: str
    title: str
    icon: str
    description: str
    properties: tuple[Property, ...]
    calculations: tuple[Calculation, ...] = ()
    relations: tuple[Relation, ...] = ()

    def property(self, identifier: str) -> Property:
        """The declared property of that identifier; KeyError if there is none."""
        for declared in self.properties:
            if declared.identifier == identifier:
                return declared
        raise KeyError(identifier)


def ordered(blueprints: Iterable[Blueprint]) -> tuple[Blueprint, ...]:
    """The blueprints, what a relation leads to before what has it; else in the order given.

    A relation may lead to a blueprint that is not among them. graphlib.CycleError where relations run in a circle.
    """
    given = {each.identifier: each for each in blueprints}
    sorter = TopologicalSorter(
        {name: [each.target for each in one.relations if each.target in given] for name, one in given.items()}
    )
    return tuple(given[name] for name in sorter.static_order())


def targets(entity: Entity, blueprints: Mapping[str, Blueprint]) -> Iterator[Ref]:
    """The entities that this one has relations to; `blueprints` are the declared ones by identifier."""
    for relation in blueprints[entity.blueprint].relations:
        value = entity.relations.get(relation.identifier, ())
        for identifier in (value,) if isinstance(value, str) else value:
            yield Ref(relation.target, identifier)


_DEPLOYMENT = Property(
    "coder_deployment",
    "string",
    "Coder Deployment",
    description="Id of the Coder deployment that this was read from",
)
_MANAGED_BY = Property(
    "managed_by",
    "string",
    "Managed By",
    description="Pulumi project and stack that keep this entity, and the id of their state, as project/stack#id",
)
_ORGANIZATION_DISPLAY_NAME = Property(
    "organization_display_name",
    "string",
    "Organization",
    description="Display name of the Coder organization, or its name where it has none",
)

TEMPLATE = Blueprint(
    identifier="coder_template",
    title="Coder Template",
    icon="Template",
    description="A workspace template in the coder platform",
    properties=(
        Property("owner_name", "string", "Owner Name"),
        Property("owner_id", "string", "Owner ID"),
        Property("organization_id", "string", "Organization ID"),
        Property("organization_name", "string", "Organization Name"),
        Property("active_version_id", "string", "Active Version Id"),
        Property("active_user_count", "string", "Active User Count"),
        Property("created_at", "string", "Created At", format="date-time"),
        Property("created_by_id", "string", "Created By Id"),
        Property("created_by_name", "string", "Created By Name"),
        Property("default_ttl_ms", "number", "Default TTL", description="Default TTL in ms"),
        Property("deprecated", "boolean", "Deprecated"),
        Property("deprecation_message", "string", "Deprecation Message"),
        Property("description", "string", "Description"),
        # From here on: additions to the original blueprint.
        Property(
            "name",
            "string",
            "Name",
            description="Name of the template in Coder's URLs and command line, unique in its organization",
        ),
        Property("display_name", "string", "Display Name", description="Name shown to people, where one is set"),
        Property("url", "string", "Coder Page", format="url", description="The template in Coder's dashboard"),
        Property("icon_url", "string", "Icon", format="url", description="Picture of the template"),
        _ORGANIZATION_DISPLAY_NAME,
        Property(
            "updated_at",
            "string",
            "Updated At",
            format="date-time",
            description="When the template's settings last changed or a version was last promoted",
        ),
        Property(
            "require_active_version",
            "boolean",
            "Requires Active Version",
            description="Whether workspaces must start with the active version",
        ),
        Property(
            "activity_bump_ms",
            "number",
            "Activity Bump",
            description="How far activity pushes the autostop of a workspace, in ms; 0 for not at all",
        ),
        Property(
            "failure_ttl_ms",
            "number",
            "Failure Cleanup",
            description="Time after which a workspace whose start failed is stopped, in ms; 0 for never",
        ),
        Property(
            "time_til_dormant_ms",
            "number",
            "Dormancy Threshold",
            description="Time without use after which a workspace becomes dormant, in ms; 0 for never",
        ),
        Property(
            "time_til_dormant_autodelete_ms",
            "number",
            "Dormancy Auto-Deletion",
            description="Time after which a dormant workspace is deleted, in ms; 0 for never",
        ),
        _DEPLOYMENT,
        _MANAGED_BY,
    ),
    calculations=(
        Calculation(
            "active_users",
            "number",
            "Active Users",
            jq="(.properties.active_user_count | tonumber?) // null",
            description="Active User Count as a number, for sorting and charts",
        ),
    ),
)

WORKSPACE = Blueprint(
    identifier="coder_workspace",
    title="Coder Workspace",
    icon="Box",
    description="A workspace in the coder platform",
    properties=(
        Property("owner_name", "string", "Owner Name"),
        Property("ttl_ms", "number", "TTL", description="The time to live in milliseconds"),
        Property(
            "daily_cost",
            "number",
            "Daily Cost",
            description="The daily cost for the workspace's latest build",
        ),
        Property("owner_id", "string", "Owner ID"),
        Property("automatic_updates", "string", "Automatic Updates"),
        Property("autostart_schedule", "string", "Autostart Schedule"),
        Property("created_at", "string", "Created At", format="date-time"),
        Property("deleting_at", "string", "Deleting At", format="date-time"),
        Property("dormant_at", "string", "Dormant At", format="date-time"),
        Property("updated_at", "string", "Updated At", format="date-time"),
        Property("last_used_at", "string", "Last Used At", format="date-time"),
        Property("next_start_at", "string", "Next Start At", format="date-time"),
        Property("organization_id", "string", "Organization ID"),
        Property("organization_name", "string", "Organization Name"),
        Property("latest_build_number", "number", "Latest Build Number"),
        Property("healthy", "boolean", "Healthy"),
        # From here on: additions to the original blueprint.
        Property("name", "string", "Name", description="Name of the workspace, unique among its owner's workspaces"),
        # No enum: Coder may add a status, and Port would refuse the whole entity.
        Property(
            "status",
            "string",
            "Status",
            description="State of the latest build, such as running, stopped, starting, failed or pending",
        ),
        Property(
            "build_transition",
            "string",
            "Build Transition",
            description="What the latest build does: start, stop or delete",
        ),
        Property(
            "build_reason",
            "string",
            "Build Reason",
            description="What caused the latest build, such as initiator, autostart, autostop or dormancy",
        ),
        Property(
            "build_initiator",
            "string",
            "Build Initiator",
            description="User name of whoever the latest build was started by or for",
        ),
        Property(
            "latest_build_at",
            "string",
            "Latest Build At",
            format="date-time",
            description="When the latest build was requested",
        ),
        Property("template_version", "string", "Template Version", description="Version that the latest build used"),
        Property(
            "outdated",
            "boolean",
            "Outdated",
            description="Whether the latest build used another version than the active one",
        ),
        Property("url", "string", "Coder Page", format="url", description="The workspace in Coder's dashboard"),
        Property(
            "owner_email",
            "string",
            "Owner E-mail",
            format="email",
            description="E-mail address of the owner, where the token may read users",
        ),
        _ORGANIZATION_DISPLAY_NAME,
        Property(
            "failing_agents",
            "array",
            "Failing Agents",
            items="string",
            description="Names of the agents that Coder calls unhealthy, in alphabetical order",
        ),
        Property(
            "is_prebuild",
            "boolean",
            "Prebuild",
            description="Whether this is a prebuilt workspace that nobody has claimed yet",
        ),
        Property(
            "deadline",
            "string",
            "Autostop At",
            format="date-time",
            description="When Coder will stop the running workspace; activity pushes it on",
        ),
        Property(
            "max_deadline",
            "string",
            "Latest Autostop At",
            format="date-time",
            description="The moment beyond which activity cannot push the autostop",
        ),
        _DEPLOYMENT,
        _MANAGED_BY,
    ),
    relations=(Relation("template_id", "Template", TEMPLATE.identifier, description="The template for the workspace"),),
)

BLUEPRINTS: tuple[Blueprint, ...] = ordered((TEMPLATE, WORKSPACE))
"""In the order in which Port must get them: a relation's target first."""

BY_IDENTIFIER: Mapping[str, Blueprint] = {each.identifier: each for each in BLUEPRINTS}

RANK: Mapping[str, int] = {each.identifier: at for at, each in enumerate(BLUEPRINTS)}
"""The place of each in that order."""

DECLARED_PROPERTIES: dict[str, frozenset[str]] = {
    blueprint.identifier: frozenset(each.identifier for each in blueprint.properties) for blueprint in BLUEPRINTS
}
"""Per blueprint the properties whose values are ours (calculated ones are Port's own)."""

DECLARED_RELATIONS: dict[str, frozenset[str]] = {
    blueprint.identifier: frozenset(each.identifier for each in blueprint.relations) for blueprint in BLUEPRINTS
}
"""Per blueprint the relations whose values are ours."""


def to_port(blueprint: Blueprint) -> dict[str, Any]:
    """The blueprint as the JSON body that Port's API takes."""
    return {
        "identifier": blueprint.identifier,
        "description": blueprint.description,
        "title": blueprint.title,
        "icon": blueprint.icon,
        "schema": {
            "properties": {each.identifier: each.to_port() for each in blueprint.properties},
            "required": [],
        },
        "mirrorProperties": {},
        "calculationProperties": {each.identifier: each.to_port() for each in blueprint.calculations},
        "aggregationProperties": {},
        "relations": {each.identifier: each.to_port() for each in blueprint.relations},
    }
