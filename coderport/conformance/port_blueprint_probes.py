"""Probes of Port's blueprints and their permissions."""

from __future__ import annotations

import time
from typing import Any, Final

from coderport.conformance.port_bench import PortBench, taken_unknown
from coderport.conformance.port_entity_probes import plain
from coderport.conformance.probe import Probe
from coderport.conformance.talk import Answer

_OLD_TABLE: Final = "error table of Port's OpenAPI, July 2025"
_OPEN: Final = "none: an assumption"
_CLI: Final = "port-labs/port-cli"
_IMPORTER: Final = "port-experimental/port-cli"


def _shape(bench: PortBench) -> dict[str, Any]:
    """The body of a throwaway blueprint whose parts the probes try to change."""

    def make() -> dict[str, Any]:
        relation = {"title": "R", "target": plain(bench), "required": False, "many": False}
        members: dict[str, Any] = {"relations": {"one": relation, "another": relation}}
        name = bench.blueprint("shape", {"text": {"type": "string"}, "other": {"type": "string"}}, **members)
        properties = {"text": {"type": "string"}, "other": {"type": "string"}}
        return {
            "identifier": name,
            "title": "Throwaway",
            "schema": {"properties": properties, "required": []},
            **members,
        }

    return bench.shared("shape", make)


def _with_property(bench: PortBench, key: str, value: Any) -> Answer:
    """The answer to a replacement in which one property is another; what Port took is put back."""
    body = _shape(bench)
    schema = {"properties": {**body["schema"]["properties"], key: value}, "required": []}
    answer = bench.ask("PUT", f"/blueprints/{body['identifier']}", {**body, "schema": schema})
    if answer.status == 200:
        del schema["properties"][key]  # type: ignore[attr-defined]
        bench.ask("PUT", f"/blueprints/{body['identifier']}", {**body, "schema": schema})
        bench.ask("PUT", f"/blueprints/{body['identifier']}", body)
    return answer


def _with_relation(bench: PortBench, key: str, change: dict[str, Any]) -> Answer:
    body = _shape(bench)
    relations = {**body["relations"], key: {**body["relations"][key], **change}}
    return bench.ask("PUT", f"/blueprints/{body['identifier']}", {**body, "relations": relations})


def _format_change(bench: PortBench) -> Answer:
    url = {"type": "string", "format": "url"}
    return bench.shared("format change", lambda: _with_property(bench, "text", url))


def _details(bench: PortBench) -> Any:
    body = _format_change(bench).body
    return isinstance(body, dict) and body.get("details") == {"property": "text"}


def _type_change(bench: PortBench) -> Any:
    return _with_property(bench, "other", {"type": "number"}).status >= 400


def _target_change(bench: PortBench) -> Any:
    return _with_relation(bench, "one", {"target": _shape(bench)["identifier"]}).status >= 400


def _many_change(bench: PortBench) -> Any:
    return _with_relation(bench, "another", {"many": True}).status >= 400


def _taken(bench: PortBench) -> Any:
    body = {"identifier": plain(bench), "title": "T", "schema": {"properties": {}, "required": []}}
    return bench.ask("POST", "/blueprints", body).verdict


def _refused(bench: PortBench, word: str, **members: Any) -> str:
    body = {"identifier": bench.name(word), "title": "T", "schema": {"properties": {}, "required": []}, **members}
    return bench.ask("POST", "/blueprints", body, create_catalog_page="false").verdict


def _no_target(bench: PortBench) -> Any:
    relation = {"title": "R", "target": bench.name("nowhere"), "required": False, "many": False}
    return int(_refused(bench, "no-target", relations={"r": relation})[:3]) >= 400


def _lost_mirror(bench: PortBench) -> Any:
    relation = {"title": "R", "target": plain(bench), "required": False, "many": False}
    mirror = {"title": "M", "path": "r.nobody_has_this"}
    body: dict[str, Any] = {
        "identifier": bench.name("lost-mirror"),
        "title": "T",
        "schema": {"properties": {}, "required": []},
        "relations": {"r": relation},
        "mirrorProperties": {"m": mirror},
    }
    answer = bench.ask("POST", "/blueprints", body, create_catalog_page="false")
    return f"{answer.verdict}: {answer.member('message')}" if answer.status >= 400 else answer.verdict


def _page_after(bench: PortBench) -> Any:
    page = {"identifier": bench.name("page"), "title": "Throwaway", "type": "dashboard", "widgets": []}
    answer = bench.ask("POST", "/pages", {**page, "after": bench.name("nowhere")})
    if answer.status < 400:
        return answer.verdict
    return f"{answer.verdict}: {answer.member('message')}".replace(bench.prefix, "")


def _unknown_required(bench: PortBench) -> Any:
    return _refused(bench, "unknown-required", schema={"properties": {}, "required": ["nobody_has_this"]})


def _with_entities(bench: PortBench) -> Any:
    bench.put(plain(bench), "stays").expect(200, 201)
    return bench.ask("DELETE", f"/blueprints/{plain(bench)}").verdict


def _required_target(bench: PortBench) -> Any:
    target = bench.blueprint("required")
    relation = {"title": "R", "target": target, "required": True, "many": False}
    source = bench.blueprint("requires", relations={"needs": relation})
    bench.put(target, "needed").expect(200, 201)
    bench.put(source, "needs", relations={"needs": "needed"}).expect(200, 201)
    return bench.ask("DELETE", bench.entity_path(target, "needed"), delete_dependents="false").verdict


def _permissions(bench: PortBench) -> dict[str, Any]:
    """The permissions of a new blueprint, which may come a moment later."""
    path = f"/blueprints/{plain(bench)}/permissions"
    for _ in range(5):
        answer = bench.ask("GET", path)
        if answer.status == 200 and answer.body.get("permissions"):
            break
        time.sleep(1)
    found: dict[str, Any] = answer.expect(200).member("permissions")
    return found


def _moderators(bench: PortBench) -> Any:
    update = _permissions(bench)["entities"]["update"]
    return f"{plain(bench)}-moderator" in update["roles"]


def _unknown_field(bench: PortBench) -> Any:
    rule = {"users": [], "roles": ["Admin"], "teams": []}
    body = {"entities": {"updateProperties": {"nobody_has_this": rule}}}
    answer = bench.ask("PATCH", f"/blueprints/{plain(bench)}/permissions", body)
    details = answer.body.get("details") if isinstance(answer.body, dict) else None
    return f"{answer.verdict}: {answer.body.get('message')}, {details}"


def _name_unknown(bench: PortBench) -> Any:
    path = f"/blueprints/{plain(bench)}/permissions"
    return taken_unknown(lambda key, names: bench.ask("PATCH", path, {"entities": {"read": {key: names}}}))


def _actions_route(bench: PortBench) -> Any:
    return bench.ask("GET", f"/blueprints/{plain(bench)}/actions").status != 410


def _no_page(bench: PortBench) -> Any:
    pages = bench.ask("GET", "/pages").expect(200).member("pages")
    return sum(page.get("blueprint") == plain(bench) for page in pages)


BLUEPRINT_PROBES: tuple[Probe[PortBench], ...] = (
    Probe(
        "blueprint.taken",
        "Is a second blueprint of one identifier a conflict?",
        _OLD_TABLE,
        "409 identifier_taken",
        _taken,
    ),
    Probe(
        "blueprint.format-is-permanent",
        "Is a property refused that gets a format?",
        f"{_CLI}, error_handling.go",
        "422 forbidden_format_change",
        lambda bench: _format_change(bench).verdict,
    ),
    Probe(
        "blueprint.format-change",
        "Is a changed format refused at all?",
        f"{_CLI}, error_handling.go",
        True,
        lambda bench: _format_change(bench).status >= 400,
        "format_is_permanent",
    ),
    Probe(
        "error.details",
        "Do refusals carry details that name the property?",
        f"{_CLI}, client_test.go",
        True,
        _details,
        "error_details",
    ),
    Probe(
        "blueprint.type-change",
        "Is a property of another type refused?",
        "Port's docs call types permanent; how the API says so is not documented",
        True,
        _type_change,
        "type_is_permanent",
        is_open=True,
    ),
    Probe(
        "blueprint.target-change",
        "Is a relation to another target refused?",
        _OPEN,
        True,
        _target_change,
        "target_is_permanent",
        is_open=True,
    ),
    Probe(
        "blueprint.many-change",
        "Is a relation that turns from one to many refused?",
        _OPEN,
        True,
        _many_change,
        "many_is_permanent",
        is_open=True,
    ),
    Probe(
        "blueprint.no-target",
        "Is a relation to a blueprint that does not exist refused?",
        "port-labs/port-skills",
        True,
        _no_target,
    ),
    Probe(
        "blueprint.unknown-required",
        "Is a required property that the schema lacks refused?",
        "port-labs/port-skills",
        "422 invalid_request",
        _unknown_required,
    ),
    Probe(
        "blueprint.with-entities",
        "Is a blueprint that has entities kept from deletion?",
        "Terraform provider, blueprint/resource.go",
        "403 has_dependents",
        _with_entities,
    ),
    Probe(
        "entity.required-by-others",
        "Is an entity that another requires kept from deletion?",
        _OLD_TABLE,
        "403 has_dependents",
        _required_target,
    ),
    Probe(
        "blueprint.moderators",
        "May moderators write the entities of a new blueprint?",
        "port-labs/port-skills, context-lake-permissions.md",
        True,
        _moderators,
        "moderators",
    ),
    Probe(
        "permissions.unknown-field",
        "Are permissions on a property refused that the blueprint lacks?",
        f"{_CLI}, import_test.go",
        "422 invalid_permissions: You cannot update permissions on unknown fields, "
        "{'invalidProperties': ['nobody_has_this'], 'invalidRelations': []}",
        _unknown_field,
    ),
    Probe(
        "permissions.name-unknown",
        "Whom may permissions name although there is none of that name?",
        _OPEN,
        ["roles", "teams", "users"],
        _name_unknown,
        "permissions_name_unknown",
        is_open=True,
    ),
    Probe(
        "blueprint.lists-its-actions",
        "Does the route of a blueprint's actions still answer?",
        f"{_CLI} 0.3.7: in some organizations it is gone",
        True,
        _actions_route,
        "lists_blueprint_actions",
    ),
    Probe(
        "blueprint.no-page",
        "Can a blueprint be made without a catalog page?",
        "Port's OpenAPI, August 2026",
        0,
        _no_page,
    ),
    Probe(
        "blueprint.lost-mirror",
        "Is a mirror property refused that leads to a property which does not exist?",
        f"the text: {_IMPORTER}; status and code: none, an assumption",
        '422 invalid_request: The path "r.nobody_has_this" do not exists',
        _lost_mirror,
        is_open=True,
    ),
    Probe(
        "page.after-nothing",
        "Is a page refused that is to stand after one which does not exist?",
        _IMPORTER,
        '404 not_found: Sidebar item with after "nowhere" was not found',
        _page_after,
    ),
)
