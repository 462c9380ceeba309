"""Probes of Port's entities: how one is written, answered and refused."""

from __future__ import annotations

import time
from typing import Any, Final

from coderport.conformance.port_bench import PortBench
from coderport.conformance.probe import Probe

_OPENAPI: Final = "Port's OpenAPI, August 2026"
_OLD_TABLE: Final = "error table of Port's OpenAPI, July 2025"
_BLUEPRINT_DOCS: Final = "Port's docs, sync data to catalog"
_DATE: Final = "2024-01-31T13:32:21.270116+00:00"


def plain(bench: PortBench) -> str:
    """A throwaway blueprint of one text, for entities that others relate to."""
    return bench.shared("plain", lambda: bench.blueprint("plain"))


def kinds(bench: PortBench) -> str:
    """A throwaway blueprint with a property of each kind that matters here and both kinds of relations."""

    def make() -> str:
        relation = {"title": "R", "target": plain(bench), "required": False}
        return bench.blueprint(
            "kinds",
            {
                "text": {"type": "string"},
                "number": {"type": "number"},
                "url": {"type": "string", "format": "url"},
                "date": {"type": "string", "format": "date-time"},
            },
            relations={"one": {**relation, "many": False}, "some": {**relation, "many": True}},
            calculationProperties={"moment": {"title": "M", "type": "number", "calculation": "now"}},
        )

    return bench.shared("kinds", make)


def _bare(bench: PortBench) -> Any:
    """An entity of nothing but an identifier, as a read answers it."""

    def make() -> Any:
        bench.put(kinds(bench), "bare").expect(200, 201)
        return bench.ask("GET", bench.entity_path(kinds(bench), "bare")).expect(200).member("entity")

    return bench.shared("bare", make)


def _unset(bench: PortBench, members: str, key: str) -> str:
    held = _bare(bench).get(members, {})
    if key not in held:
        return "absent"
    return "null" if held[key] is None else "empty" if held[key] in ([], "") else f"the value {held[key]!r}"


def _unset_label(bench: PortBench) -> Any:
    shown = {key: _label(bench, key) for key in ("title", "icon")}
    return shown["icon"] if shown["title"] == shown["icon"] else shown


def _label(bench: PortBench, key: str) -> str:
    entity = _bare(bench)
    if key not in entity:
        return "absent"
    return "null" if entity[key] is None else f"the value {entity[key]!r}"


def _created(bench: PortBench) -> Any:
    return bench.put(plain(bench), "status").status


def _updated(bench: PortBench) -> Any:
    bench.put(plain(bench), "status").expect(200, 201)
    return bench.put(plain(bench), "status", title="again").status


def _taken(bench: PortBench) -> Any:
    path = f"/blueprints/{plain(bench)}/entities"
    bench.put(plain(bench), "taken").expect(200, 201)
    return bench.ask("POST", path, {"identifier": "taken"}).verdict


def _takes_null(bench: PortBench) -> Any:
    return bench.put(plain(bench), "null-label", icon=None).status < 400


def _null_in_patch(bench: PortBench) -> Any:
    bench.put(plain(bench), "patched", icon="Box").expect(200, 201)
    return bench.ask("PATCH", bench.entity_path(plain(bench), "patched"), {"icon": None}).verdict


def _apostrophe(bench: PortBench) -> Any:
    return bench.put(plain(bench), "o'brien/dev").status < 400


def _unknown_property(bench: PortBench) -> Any:
    return bench.put(plain(bench), "unknown-property", properties={"nobody_has_this": 1}).verdict


def _wrong_type(bench: PortBench) -> Any:
    return bench.put(kinds(bench), "wrong-type", properties={"number": "1"}).verdict


def _without_required(bench: PortBench) -> Any:
    demanding = bench.blueprint("demanding", {"text": {"type": "string"}}, required=["text"])
    return bench.put(demanding, "without-required").verdict


def _default_when_new(bench: PortBench) -> Any:
    defaulted = bench.blueprint("defaulted", {"text": {"type": "string", "default": "d"}})
    bench.put(defaulted, "new").expect(200, 201)
    entity = bench.ask("GET", bench.entity_path(defaulted, "new")).expect(200).member("entity")
    return entity["properties"].get("text") == "d"


def _default_when_held(bench: PortBench) -> Any:
    later = bench.blueprint("defaulted_later")
    bench.put(later, "old").expect(200, 201)
    body = bench.ask("GET", f"/blueprints/{later}").expect(200).member("blueprint")
    schema = {"properties": {"text": {"type": "string", "default": "d"}}, "required": ["text"]}
    known = {key: body[key] for key in ("identifier", "title", "relations")}
    bench.ask("PUT", f"/blueprints/{later}", {**known, "schema": schema}).expect(200)
    path = f"/blueprints/{later}/entities"
    return bench.ask("POST", path, {"identifier": "old", "title": "T"}, upsert="true", merge="true").verdict


def _strict(bench: PortBench) -> Any:
    return bench.put(kinds(bench), "private-url", properties={"url": "http://coder:3000/@a/b"}).status >= 400


def _date_as_written(bench: PortBench) -> Any:
    bench.put(kinds(bench), "date", properties={"date": _DATE}).expect(200, 201)
    entity = bench.ask("GET", bench.entity_path(kinds(bench), "date")).expect(200).member("entity")
    return entity["properties"]["date"]


def _moves(bench: PortBench) -> Any:
    first = bench.put(plain(bench), "unmoved", title="T").expect(200, 201).member("entity")
    time.sleep(0.05)
    second = bench.put(plain(bench), "unmoved", title="T").expect(200, 201).member("entity")
    return first["updatedAt"] != second["updatedAt"]


def _merged(bench: PortBench) -> Any:
    bench.put(kinds(bench), "merged", properties={"text": "a", "number": 1}).expect(200, 201)
    path, change = f"/blueprints/{kinds(bench)}/entities", {"identifier": "merged", "properties": {"number": 2}}
    merged = bench.ask("POST", path, change, upsert="true", merge="true").expect(200, 201).member("entity")
    whole = bench.ask("POST", path, change, upsert="true").expect(200, 201).member("entity")
    return {"merge keeps": merged["properties"].get("text"), "override keeps": whole["properties"].get("text")}


def _no_target(bench: PortBench) -> Any:
    return bench.put(kinds(bench), "no-target", relations={"one": "nowhere"}).verdict


def _missing_target(bench: PortBench) -> Any:
    body = {"identifier": "makes", "relations": {"one": "made-along"}}
    path, query = f"/blueprints/{kinds(bench)}/entities", {"create_missing_related_entities": "true"}
    bench.ask("POST", path, body, upsert="true", **query).expect(200, 201)
    return bench.ask("GET", bench.entity_path(plain(bench), "made-along")).status


def _missing_text(bench: PortBench) -> Any:
    answer = bench.ask("GET", bench.entity_path(plain(bench), "missing"))
    text = str(answer.body.get("message")) if isinstance(answer.body, dict) else ""
    return f"{answer.verdict}: {text}".replace(plain(bench), "BLUEPRINT")


def _renamed(bench: PortBench) -> Any:
    bench.put(plain(bench), "before").expect(200, 201)
    bench.put(kinds(bench), "follows", relations={"one": "before"}).expect(200, 201)
    bench.ask("PUT", bench.entity_path(plain(bench), "before"), {"identifier": "after"}).expect(200)
    follower = bench.ask("GET", bench.entity_path(kinds(bench), "follows")).expect(200).member("entity")
    return follower["relations"]["one"]


def _patched_name(bench: PortBench) -> Any:
    bench.put(plain(bench), "before-patch", properties={"text": "kept"}).expect(200, 201)
    bench.put(kinds(bench), "follows-patch", relations={"some": ["before-patch"]}).expect(200, 201)
    bench.ask("PATCH", bench.entity_path(plain(bench), "before-patch"), {"identifier": "after-patch"}).expect(200)
    renamed = bench.ask("GET", bench.entity_path(plain(bench), "after-patch")).expect(200).member("entity")
    follower = bench.ask("GET", bench.entity_path(kinds(bench), "follows-patch")).expect(200).member("entity")
    return [renamed["properties"]["text"], follower["relations"]["some"]]


def _taken_name(bench: PortBench) -> Any:
    for name in ("has-a-name", "wants-it"):
        bench.put(plain(bench), name).expect(200, 201)
    return bench.ask("PATCH", bench.entity_path(plain(bench), "wants-it"), {"identifier": "has-a-name"}).verdict


def _many_for_one(bench: PortBench) -> Any:
    return bench.put(kinds(bench), "many-for-one", relations={"one": ["a"]}).verdict


def _deleted_twice(bench: PortBench) -> Any:
    bench.put(plain(bench), "deleted").expect(200, 201)
    path = bench.entity_path(plain(bench), "deleted")
    return [bench.ask("DELETE", path, delete_dependents="false").verdict for _ in "ab"]


ENTITY_PROBES: tuple[Probe[PortBench], ...] = (
    Probe("entity.created", "With which status is a new entity answered?", _OLD_TABLE, 201, _created),
    Probe(
        "entity.updated", "With which status is an upsert of an existing entity answered?", _OLD_TABLE, 200, _updated
    ),
    Probe(
        "entity.identifier-taken",
        "Does a second creation without upsert end in a conflict?",
        "seen live on 2026-09-25 (Banca-Agente-IA-demo/agentic-standard, unit_entity.py)",
        "409 identifier_taken",
        _taken,
    ),
    Probe(
        "entity.unset-property",
        "How does an answer show a property that was never written?",
        "Terraform provider, acceptance test EntityWithNulls",
        "null",
        lambda bench: _unset(bench, "properties", "text"),
        "unset_property",
    ),
    Probe(
        "entity.unset-relation",
        "How does an answer show a relation to one that was never written?",
        "Terraform provider, acceptance test EntityWithEmptyRelation",
        "null",
        lambda bench: _unset(bench, "relations", "one"),
        "unset_relation",
    ),
    Probe(
        "entity.unset-many-relation",
        "How does an answer show a relation to many that was never written?",
        "none: an assumption",
        "null",
        lambda bench: _unset(bench, "relations", "some"),
        "unset_many_relation",
        is_open=True,
    ),
    Probe(
        "entity.unset-label",
        "How does an answer show a title and an icon that were never set?",
        _OPENAPI,
        "absent",
        _unset_label,
        "unset_label",
    ),
    Probe("entity.null-label", "May a creation say `icon: null`?", _OPENAPI, False, _takes_null, "takes_null_label"),
    Probe("entity.null-label-in-patch", "May a patch say `icon: null`?", _OPENAPI, "200", _null_in_patch),
    Probe("entity.apostrophe", "May an identifier hold an apostrophe?", _OPENAPI, True, _apostrophe, "apostrophe"),
    Probe(
        "entity.unknown-property",
        "Is a property that the blueprint does not have refused?",
        _OLD_TABLE,
        "422 blueprint_schema_mismatch",
        _unknown_property,
    ),
    Probe(
        "entity.wrong-type",
        "Is a text in the place of a number refused?",
        _OLD_TABLE,
        "422 blueprint_schema_mismatch",
        _wrong_type,
    ),
    Probe(
        "entity.without-required",
        "Is an entity refused that lacks a required property?",
        f"{_OLD_TABLE}; port-labs/port-cli knows a code missing_property too",
        "422 blueprint_schema_mismatch",
        _without_required,
    ),
    Probe(
        "entity.default-when-new",
        "Does a new entity get the default of a property that it has no value for?",
        "docs.port.io, setup-blueprint/properties",
        True,
        _default_when_new,
        "fills_defaults",
    ),
    Probe(
        "entity.default-when-held",
        "Is a write refused of an entity that was there before the property became required, with a default?",
        "none: an assumption",
        "422 blueprint_schema_mismatch",
        _default_when_held,
        is_open=True,
    ),
    Probe(
        "entity.private-url",
        "Is a url with a one-word host refused, as common JSON validators do?",
        "none: an assumption",
        False,
        _strict,
        "strict_formats",
        is_open=True,
    ),
    Probe(
        "entity.date-as-written",
        "Does a date come back letter by letter?",
        "examples of entities in Port's docs (datadog.md)",
        _DATE,
        _date_as_written,
    ),
    Probe(
        "entity.no-op-moves-updated-at",
        "Does a write that changes nothing move `updatedAt`?",
        "none: an assumption",
        True,
        _moves,
        "moves_updated_at",
        is_open=True,
    ),
    Probe(
        "entity.merge",
        "Does a merge keep what it does not name, and an override not?",
        _BLUEPRINT_DOCS,
        {"merge keeps": "a", "override keeps": None},
        _merged,
    ),
    Probe("entity.no-target", "Is a relation to nothing refused?", _OLD_TABLE, "404 not_found", _no_target),
    Probe("entity.missing-target", "Can a write make the entities that it relates to?", _OPENAPI, 200, _missing_target),
    Probe(
        "entity.missing",
        "How is an entity that does not exist answered?",
        "port-experimental/port-cli, remaining-errors-sample.md",
        '404 not_found: Entity "missing" does not exist in blueprint "BLUEPRINT"',
        _missing_text,
    ),
    Probe("entity.rename", "Do relations follow a renamed entity?", _BLUEPRINT_DOCS, "after", _renamed),
    Probe(
        "entity.rename-by-patch",
        "Does a patch rename an entity, keep its values, and take relations to many along?",
        _OPENAPI,
        ["kept", ["after-patch"]],
        _patched_name,
    ),
    Probe(
        "entity.rename-onto",
        "Is a name refused that another entity has?",
        _OLD_TABLE,
        "409 identifier_taken",
        _taken_name,
    ),
    Probe(
        "entity.many-for-one",
        "Is a list in the place of a single relation refused?",
        _OLD_TABLE,
        "422 relation_many_violation",
        _many_for_one,
    ),
    Probe(
        "entity.deleted-twice",
        "Is the second deletion of an entity a 404?",
        _OLD_TABLE,
        ["200", "404 not_found"],
        _deleted_twice,
    ),
)
