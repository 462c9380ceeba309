"""The routes of blueprints, their permissions, and of migrations that empty them."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from coderport.emulators.port.blueprints import (
    STAMPS,
    Blueprint,
    check_change,
    checked_rules,
    default_permissions,
)
from coderport.emulators.port.grants import check_grant
from coderport.emulators.port.http import Call, answer
from coderport.emulators.port.kept import merged, without_stamps
from coderport.emulators.port.people import USERS
from coderport.emulators.port.problems import Problem, has_dependents, not_found, taken, unknown_fields
from coderport.emulators.port.records import Json, Writer
from coderport.emulators.port.renaming import rename, retargeted
from coderport.emulators.port.search import predicate
from coderport.emulators.port.shapes import member, only, typed
from coderport.emulators.port.store import Store
from coderport.emulators.port.views import recalculated

_RIGHTS: Final[dict[str, tuple[str, ...]]] = {
    "read": ("ownedByTeam", "policy"), "register": ("ownedByTeam",), "update": ("ownedByTeam",),
    "unregister": ("ownedByTeam",),
}  # fmt: skip
"""The rights on entities, with what each may have beside whom it names (OpenAPI closes them)."""
_MERGED: Final = ("relations", "mirrorProperties", "calculationProperties", "aggregationProperties")


def create(call: Call) -> Response:
    created = create_blueprint(call.store, call.body(), call.writer)
    if call.flag("create_catalog_page", default=True):
        _create_page(call.store, created.body)
    return answer(201, blueprint=created.body)


def create_blueprint(store: Store, body: Json, by: Writer) -> Blueprint:
    """A new blueprint; 409 for an identifier that is in use."""
    rules = checked_rules(body, store.blueprints)
    _check_queries(store, body)
    if body["identifier"] in store.blueprints:
        raise taken("Blueprint", body["identifier"])
    now = store.now()
    stamps = {"createdAt": now, "createdBy": by.client_id, "updatedAt": now, "updatedBy": by.client_id}
    permissions = default_permissions(body["identifier"], moderators=store.behaviour.moderators)
    blueprint = Blueprint({**without_stamps(body), **stamps}, rules, permissions)
    store.blueprints[blueprint.identifier] = blueprint
    return blueprint


def replace_blueprint(store: Store, held: Blueprint, body: Json, by: Writer) -> Blueprint:
    """The blueprint as the body has it; values of properties and relations that it lacks are dropped.

    Another identifier renames it with all that refers to it, as the Terraform provider's acceptance test
    UpdateBlueprintIdentifier needs.
    """
    body = without_stamps({"identifier": held.identifier, **body})
    rules = checked_rules(body, store.blueprints)
    _check_queries(store, body)
    check_change(held, body, rules, store.behaviour)
    if body["identifier"] != held.identifier:
        if body["identifier"] in store.blueprints:
            raise taken("Blueprint", body["identifier"])
        old = held.identifier
        rename(store, held, body["identifier"])
        body, rules = retargeted(body, rules, old, body["identifier"])
    store.forget_values(held, rules.checks, rules.relations)
    kept = {key: held.body[key] for key in ("createdAt", "createdBy")}
    held.body = {**body, **kept, "updatedAt": store.now(), "updatedBy": by.client_id}
    held.rules = rules
    if store.behaviour.calculations == "stored":
        for entity in list(held.rows.by_identifier.values()):
            store.put(recalculated(store, entity, entity), entity)
    return held


def _check_queries(store: Store, body: Json) -> None:
    """The queries of aggregation properties; 422 for one that is no query."""
    for key, each in (body.get("aggregationProperties") or {}).items():
        if each.get("query") is not None:
            predicate(store, each["query"], f"body.aggregationProperties.{key}.query")


def _plural(word: str) -> str:
    """As Port names catalog pages (the Terraform provider's acceptance test BlueprintCatalogPageCreation)."""
    return word if word.endswith("s") else f"{word}s"


def _create_page(store: Store, blueprint: Json) -> None:
    """The catalog page that comes with a blueprint: a table of its entities."""
    page = {
        "identifier": _plural(blueprint["identifier"]),
        "title": _plural(blueprint["title"]),
        "icon": blueprint.get("icon"),
        "type": "blueprint-entities",
        "blueprint": blueprint["identifier"],
        "widgets": [],
        **{key: blueprint[key] for key in STAMPS},
    }
    store.pages.setdefault(page["identifier"], page)


def read_all(call: Call) -> Response:
    """Those that somebody made. Whether Port lists its own among them is not established, and nobody asks for them."""
    made = [each.body for name, each in call.store.blueprints.items() if name != USERS]
    return answer(blueprints=made)


def read(call: Call) -> Response:
    return answer(blueprint=_of(call).body)


def replace(call: Call) -> Response:
    return answer(blueprint=replace_blueprint(call.store, _of(call), call.body(), call.writer).body)


def patch(call: Call) -> Response:
    """What the body names; in the maps of properties and relations, key by key."""
    held, body = _of(call), call.body()
    merged = {**held.body, **body}
    for key in _MERGED:
        if body.get(key) is not None:
            merged[key] = {**held.body.get(key, {}), **typed(body[key], dict, f"body.{key}")}
    if body.get("schema") is not None:
        schema = typed(body["schema"], dict, "body.schema")
        properties = typed(schema.get("properties", {}), dict, "body.schema.properties")
        before = held.body["schema"]
        merged["schema"] = {**before, **schema, "properties": {**before["properties"], **properties}}
    return answer(blueprint=replace_blueprint(call.store, held, merged, call.writer).body)


def delete(call: Call) -> Response:
    held = _of(call)
    if len(held.rows):
        raise has_dependents("Blueprint", held.identifier, f"it has {len(held.rows)} entities")
    _remove(call.store, held)
    return answer()


def _remove(store: Store, held: Blueprint) -> None:
    _check_untargeted(store, held)
    del store.blueprints[held.identifier]
    store.pages = {key: page for key, page in store.pages.items() if page.get("blueprint") != held.identifier}


def _check_untargeted(store: Store, held: Blueprint) -> None:
    for other in store.blueprints.values():
        if other is held:
            continue
        for key, relation in other.rules.relations.items():
            if relation.target == held.identifier:
                why = f'relation "{key}" of blueprint "{other.identifier}" targets it'
                raise has_dependents("Blueprint", held.identifier, why)


def delete_entities(call: Call) -> Response:
    """All entities, and with `delete_blueprint` the blueprint; done at once, though the answer is a migration's id."""
    held, store = _of(call), call.store
    for other in store.blueprints.values():
        for key, relation in other.rules.relations.items():
            if relation.required and relation.target == held.identifier:
                why = f'relation "{key}" of blueprint "{other.identifier}" requires its entities'
                raise has_dependents("Blueprint", held.identifier, why)
    with_blueprint = call.flag("delete_blueprint")
    if with_blueprint:
        _check_untargeted(store, held)
    entities = {entity.key: entity for entity in held.rows.by_identifier.values()}
    store.delete(entities, dependents=False)
    if with_blueprint:
        _remove(store, held)
    now = store.now()
    migration: Json = {
        "id": store.new_id("m_"),
        "actor": call.writer.client_id,
        "sourceBlueprint": held.identifier,
        "status": "COMPLETED",
        "createdAt": now,
        "updatedAt": now,
        "successCount": len(entities),
        "failureCount": 0,
    }
    store.migrations[migration["id"]] = migration
    return answer(migrationId=migration["id"])


def read_migration(call: Call) -> Response:
    found = call.store.migrations.get(call.names["migration"])
    if found is None:
        raise not_found("Migration", call.names["migration"])
    return answer(migration=found)


def read_migrations(call: Call) -> Response:
    return answer(migrations=list(call.store.migrations.values()))


def read_actions(call: Call) -> Response:
    """The actions of a blueprint; the route is gone in some organizations."""
    name = _of(call).identifier
    if not call.store.behaviour.lists_blueprint_actions:
        raise Problem(410, "gone", "this route has been removed; use /v1/actions")
    actions = call.store.actions.values()
    return answer(actions=[each for each in actions if each["trigger"].get("blueprintIdentifier") == name])


def read_permissions(call: Call) -> Response:
    return answer(permissions=_of(call).permissions)


def patch_permissions(call: Call) -> Response:
    held, body = _of(call), call.body()
    only(body, {"entities"}, "body")
    path, entities = "body.entities", member(body, "entities", dict, "body") or {}
    only(entities, {*_RIGHTS, "updateProperties", "updateRelations"}, path)
    anybody = call.store.behaviour.permissions_name_unknown
    for key, more in _RIGHTS.items():
        if key in entities:
            check_grant(call.store, entities[key], f"{path}.{key}", anybody, more)
    if "policy" in entities.get("read", {}):
        predicate(call.store, entities["read"]["policy"], f"{path}.read.policy")
    properties = member(entities, "updateProperties", dict, path) or {}
    relations = member(entities, "updateRelations", dict, path) or {}
    for name, rules in (("updateProperties", properties), ("updateRelations", relations)):
        for key, rule in rules.items():
            check_grant(call.store, rule, f"{path}.{name}.{key}", anybody, more=None)
    unknown = [key for key in properties if key not in held.rules.checks and not key.startswith("$")]
    loose = [key for key in relations if key not in held.rules.relations]
    if unknown or loose:
        raise unknown_fields(unknown, loose)
    held.permissions = merged(held.permissions, body)
    return answer(permissions=held.permissions)


def _of(call: Call) -> Blueprint:
    return call.store.blueprint(call.names["blueprint"])
