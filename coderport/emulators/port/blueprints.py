"""Blueprints: is one well-formed, and what its entities are held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coderport.emulators.port.behaviour import Behaviour
from coderport.emulators.port.calculation import Program, compiled_program
from coderport.emulators.port.formats import strict_format
from coderport.emulators.port.problems import Problem, invalid, no_path
from coderport.emulators.port.records import META, Json, Rows
from coderport.emulators.port.shapes import (
    BLUEPRINT_IDENTIFIER,
    KEY,
    identifier,
    member,
    one_of,
    only,
    strings,
    text,
    typed,
)
from coderport.emulators.port.values import TYPES, Check, compiled_property

STAMPS: Final = ("createdAt", "createdBy", "updatedAt", "updatedBy")
_MAPS: Final = ("relations", "mirrorProperties", "calculationProperties", "aggregationProperties")
_AGGREGATIONS: Final = {
    "entities": frozenset({"count", "average"}),
    "property": frozenset({"average", "sum", "min", "max", "median"}),
}
_PERIODS: Final = frozenset({"hour", "day", "week", "month", "total"})
_RELATION: Final = frozenset({"title", "target", "required", "many", "description", "type"})
_CALCULATION: Final = frozenset(
    {
        "title", "description", "icon", "calculation", "type", "format", "dateFormat", "spec", "specAuthentication",
        "colorized", "colors", "items",
    }
)  # fmt: skip
_AGGREGATION: Final = frozenset(
    {"title", "description", "icon", "type", "target", "calculationSpec", "query", "pathFilter"}
)
"""What each may have: OpenAPI of August 2026 closes these objects."""


@dataclass(frozen=True)
class Relation:
    """A relation of a blueprint."""

    target: str
    required: bool
    many: bool


@dataclass(frozen=True)
class InheritedTeam:
    """The relations that lead to whose teams an entity has, and the error code of one that sets its own."""

    path: tuple[str, ...]
    error: str


@dataclass(frozen=True)
class Rules:
    """What a blueprint asks of its entities, and what it adds to them on reads; compiled once per version."""

    checks: Mapping[str, Check]
    required: tuple[str, ...]
    defaults: Mapping[str, Any]
    """By property, what a new entity without a value of it gets (docs.port.io, setup-blueprint/properties)."""
    relations: Mapping[str, Relation]
    mirrors: Mapping[str, tuple[str, ...]]
    calculations: Mapping[str, Program]
    inherited_team: InheritedTeam | None
    strict_checks: Mapping[str, Check]
    """The checks of formats as common JSON validators do them, for the properties that have one."""


@dataclass
class Blueprint:
    """A blueprint with its entities. `body` is what the API answers, times included."""

    body: Json
    rules: Rules
    permissions: Json
    rows: Rows = field(default_factory=Rows)
    scorecards: dict[str, Json] = field(default_factory=dict)

    @property
    def identifier(self) -> str:
        found: str = self.body["identifier"]
        return found


def default_permissions(identifier: str, *, moderators: bool) -> Json:
    """What a new blueprint lets its users do, by port-labs/port-skills; Port does not publish it in full."""
    writers = ("Admin", f"{identifier}-moderator") if moderators else ("Admin",)

    def grant(*roles: str) -> Json:
        return {"users": [], "roles": list(roles), "teams": [], "ownedByTeam": False, "policy": None}

    return {
        "entities": {
            "read": grant("Admin", "Member"),
            "register": grant(*writers),
            "update": grant(*writers),
            "unregister": grant(*writers),
            "updateProperties": {},
            "updateRelations": {},
        }
    }


def checked_rules(body: Mapping[str, Any], blueprints: Mapping[str, Blueprint]) -> Rules:
    """The compiled rules of a whole blueprint body; 422 that names the place where it is not well-formed.

    A relation may point at its own blueprint; any other target must be in `blueprints`.
    """
    name = identifier(body.get("identifier"), BLUEPRINT_IDENTIFIER, 100, "body.identifier")
    text(body.get("title"), "body.title", shortest=1, longest=100)
    typed(body.get("includeInGlobalSearch"), bool, "body.includeInGlobalSearch", nullable=True)
    if body.get("description") is not None:
        text(body["description"], "body.description", longest=200)
    if body.get("icon") is not None:
        text(body["icon"], "body.icon")
    schema = member(body, "schema", dict, "body", required=True)
    checks = {
        _key(key, "body.schema.properties"): compiled_property(each, f"body.schema.properties.{key}")
        for key, each in member(schema, "properties", dict, "body.schema", required=True).items()
    }
    required = tuple(strings(schema.get("required", []), "body.schema.required"))
    for key in required:
        if key not in checks:
            raise invalid("body.schema.required", f"names '{key}', which is not a property of the schema")
    maps = {kind: member(body, kind, dict, "body") or {} for kind in _MAPS}
    _refuse_repeated(checks, maps)
    relations = {
        _key(key, "body.relations"): _relation(each, f"body.relations.{key}", name, blueprints)
        for key, each in maps["relations"].items()
    }
    for key, each in maps["aggregationProperties"].items():
        _check_aggregation(each, f"body.aggregationProperties.{key}", name, blueprints)
    return Rules(
        checks,
        required,
        {key: each["default"] for key, each in schema["properties"].items() if each.get("default") is not None},
        relations,
        {
            key: _mirror(each, f"body.mirrorProperties.{key}", body, relations, blueprints)
            for key, each in maps["mirrorProperties"].items()
        },
        {
            key: _calculation(each, f"body.calculationProperties.{key}")
            for key, each in maps["calculationProperties"].items()
        },
        _inherited_team(body, relations),
        {
            key: check
            for key, each in schema["properties"].items()
            if (check := strict_format(each.get("format"), each.get("items"))) is not None
        },
    )


def check_change(before: Blueprint, after: Mapping[str, Any], rules: Rules, behaviour: Behaviour) -> None:
    """Refuse what cannot be changed about a property or relation that exists."""
    new = after["schema"]["properties"]
    for key, held in before.body["schema"]["properties"].items():
        if key not in new:
            continue
        if behaviour.type_is_permanent and new[key]["type"] != held["type"]:
            where = f"body.schema.properties.{key}.type"
            raise invalid(where, f"cannot be changed from {held['type']} to {new[key]['type']}")
        if behaviour.format_is_permanent and new[key].get("format") != held.get("format"):
            what = f'The format of property "{key}" cannot be changed'
            raise Problem(422, "forbidden_format_change", what, {"property": key})
    for key, relation in before.rules.relations.items():
        other = rules.relations.get(key, relation)
        if behaviour.target_is_permanent and other.target != relation.target:
            raise invalid(f"body.relations.{key}", "cannot be changed to another target")
        if behaviour.many_is_permanent and other.many != relation.many:
            raise invalid(f"body.relations.{key}", "cannot be changed between one and many")


def _key(key: str, path: str) -> str:
    return identifier(key, KEY, 100, f"{path} key")


def _refuse_repeated(checks: Mapping[str, Check], maps: Mapping[str, Json]) -> None:
    seen = set(checks)
    for kind in _MAPS[1:]:
        for key in maps[kind]:
            if _key(key, f"body.{kind}") in seen:
                raise invalid(f"body.{kind}.{key}", "has the name of another property")
            seen.add(key)


def _relation(body: Any, path: str, own: str, blueprints: Mapping[str, Blueprint]) -> Relation:
    only(typed(body, dict, path), _RELATION, path)
    if body.get("title") is not None:
        text(body["title"], f"{path}.title", shortest=1, longest=100)
    if body.get("description") is not None:
        text(body["description"], f"{path}.description", shortest=1)
    target = member(body, "target", str, path, required=True)
    _check_target(target, path, own, blueprints)
    required = member(body, "required", bool, path, required=True)
    many = member(body, "many", bool, path, required=True)
    if required and many:
        raise invalid(path, "cannot be both required and many")
    if required:
        _refuse_cycle(own, target, path, blueprints)
    return Relation(target, required, many)


def _refuse_cycle(own: str, target: str, path: str, blueprints: Mapping[str, Blueprint]) -> None:
    """Entities in a cycle of required relations could never be created."""
    waiting, seen = [target], set[str]()
    while waiting:
        name = waiting.pop()
        if name == own:
            raise invalid(path, "makes a required cycle of blueprints")
        if name not in seen:
            seen.add(name)
            waiting += [relation.target for relation in blueprints[name].rules.relations.values() if relation.required]


def _check_target(target: str, path: str, own: str, blueprints: Mapping[str, Blueprint]) -> None:
    if target != own and target not in blueprints:
        raise invalid(f"{path}.target", f'names the blueprint "{target}", which does not exist')


def _mirror(
    body: Any, path: str, own: Mapping[str, Any], relations: Mapping[str, Relation], blueprints: Mapping[str, Blueprint]
) -> tuple[str, ...]:
    """The steps of the path: relations, and at the end a member of the blueprint that they lead to."""
    only(typed(body, dict, path), {"path", "title"}, path)
    given = member(body, "path", str, path, required=True)
    *steps, last = given.split(".")
    here, ways = own, relations
    for step in steps:
        if step not in ways:
            raise no_path(given)
        if (target := ways[step].target) == own["identifier"]:
            here, ways = own, relations
        else:
            here, ways = blueprints[target].body, blueprints[target].rules.relations
    if not steps or not (last in META or last in here["schema"]["properties"] or _is_member(last, here)):
        raise no_path(given)
    return (*steps, last)


def _is_member(name: str, body: Mapping[str, Any]) -> bool:
    return any(name in (body.get(kind) or {}) for kind in _MAPS)


def _calculation(body: Any, path: str) -> Program:
    only(typed(body, dict, path), _CALCULATION, path)
    one_of(member(body, "type", str, path, required=True), TYPES, f"{path}.type")
    return compiled_program(member(body, "calculation", str, path, required=True))


def _check_aggregation(body: Any, path: str, own: str, blueprints: Mapping[str, Blueprint]) -> None:
    only(typed(body, dict, path), _AGGREGATION, path)
    member(body, "title", str, path, required=True)
    _check_target(member(body, "target", str, path, required=True), path, own, blueprints)
    spec = member(body, "calculationSpec", dict, path, required=True)
    _check_calculation_spec(spec, f"{path}.calculationSpec")
    for key in ("title", "description", "icon"):
        member(body, key, str, path)
    filters = member(body, "pathFilter", list, path) or []
    if len(filters) > 1:
        raise invalid(f"{path}.pathFilter", "must NOT have more than 1 items")
    for each in filters:
        only(typed(each, dict, f"{path}.pathFilter"), {"path", "fromBlueprint"}, f"{path}.pathFilter")
        strings(member(each, "path", list, path, required=True), f"{path}.pathFilter")
        member(each, "fromBlueprint", str, f"{path}.pathFilter")


def _check_calculation_spec(spec: Mapping[str, Any], path: str) -> None:
    """One of the four forms of OpenAPI: of entities or of a property, an average (which names its period) or not."""
    by = one_of(spec.get("calculationBy"), _AGGREGATIONS.keys(), f"{path}.calculationBy")
    averages = one_of(spec.get("func"), _AGGREGATIONS[by], f"{path}.func") == "average"
    of_property, of_average = {"property"} if by == "property" else set(), {"averageOf", "measureTimeBy"}
    only(spec, {"func", "calculationBy"} | of_property | (of_average if averages else set()), path)
    member(spec, "property", str, path, required=by == "property")
    member(spec, "measureTimeBy", str, path)
    if averages:
        one_of(spec.get("averageOf"), _PERIODS, f"{path}.averageOf")


def _inherited_team(body: Mapping[str, Any], relations: Mapping[str, Relation]) -> InheritedTeam | None:
    code = "team_inheritance_enabled"
    ownership = member(body, "ownership", dict, "body") if body.get("ownership") is not None else {}
    inherited = body.get("teamInheritance")
    if ownership:
        kind = one_of(ownership.get("type"), {"Direct", "Inherited"}, "body.ownership.type")
        if kind == "Inherited":
            inherited, code = ownership, "inherited_ownership_enabled"
    if not inherited:
        return None
    path = member(typed(inherited, dict, "body.teamInheritance"), "path", str, "body.ownership", required=True)
    steps = tuple(path.split("."))
    if steps[0] not in relations:
        raise invalid("body.ownership.path", "must start with a relation of the blueprint")
    return InheritedTeam(steps, code)
