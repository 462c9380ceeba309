"""The emulated Port around its entities: tokens, blueprints, limits, headers, control."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
from typing import Any

import httpx
import pytest
from port_talk import DEPLOYMENT, SERVICE, Clock, Talk, refused, talk
from starlette.applications import Starlette

from coderport.emulators.port import PortEmulator, Problem
from coderport.port.client import PortClient


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with the value at a dotted path."""
    result = copy.deepcopy(body)
    here = result
    *steps, last = path.split(".")
    for step in steps:
        here = here.setdefault(step, {})
    here[last] = value
    return result


# ---------------------------------------------------------------- tokens


def test_a_client_gets_the_same_token_until_it_expires() -> None:
    clock = Clock()
    one = talk(clock=clock)
    first = one.fresh_token()
    assert (first["tokenType"], first["expiresIn"]) == ("Bearer", 10_800)
    clock.now += 10_000
    again = one.fresh_token()
    assert again["accessToken"] == first["accessToken"] and again["expiresIn"] == 800
    one.token = first["accessToken"]
    assert one("GET", "/organization").status_code == 200
    clock.now += 800
    assert "expired" in refused(one("GET", "/organization"), 401, "unauthorized")
    assert one.fresh_token()["accessToken"] != first["accessToken"]
    refused(one("GET", "/organization"), 401, "unauthorized")


def test_a_token_is_a_jwt_of_a_machine_of_the_organization() -> None:
    one = talk(seed=3)
    header, claims, signature = one.fresh_token()["accessToken"].split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)]
    assert decoded[0]["typ"] == "JWT" and signature
    assert decoded[1]["isMachine"] is True and decoded[1]["orgId"] == one.emulator.organization_id
    assert decoded[1]["exp"] - decoded[1]["iat"] == 10_800
    organization = one("GET", "/organization").json()["organization"]
    assert organization == {"id": one.emulator.organization_id, "name": "Emulated organization"}


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer no.such.token"}, {"authorization": "Basic eA=="}])
def test_no_answer_without_a_valid_token(header: dict[str, str]) -> None:
    one = talk()
    refused(one.send("GET", "/blueprints", None, header), 401, "unauthorized")
    refused(one.send("GET", "/nowhere", None, header), 401, "unauthorized")


def test_unknown_credentials_get_no_token_and_odd_bodies_are_refused() -> None:
    one = talk()
    for pair in (("emulator-client", "wrong"), ("nobody", "emulator-secret")):
        body = {"clientId": pair[0], "clientSecret": pair[1]}
        message = refused(one.send("POST", "/auth/access_token", body, {}), 401, "invalid_credentials")
        assert "wrong" in message and "emulator-secret" not in message
    refused(one.send("POST", "/auth/access_token", {"clientId": "x"}, {}), 422, "invalid_request")
    body = {"clientId": "a", "clientSecret": "b", "scope": "all"}
    refused(one.send("POST", "/auth/access_token", body, {}), 422, "invalid_request")


def test_clients_of_one_organization_write_under_their_own_ids() -> None:
    one = talk()
    other = Talk(one.emulator, one.emulator.add_client("colleague"), agent="terraform/9")
    one.put("service", "a")
    other.put("service", "a")
    entity = one.get("service", "a")
    assert (entity["createdBy"], entity["updatedBy"]) == ("emulator-client", "colleague")
    assert one.found("service", {"property": "$datasource", "operator": "contains", "value": "terraform"}) == ["a"]
    one.emulator.revoke_tokens("colleague")
    refused(other("GET", "/blueprints"), 401, "unauthorized")
    assert one("GET", "/blueprints").status_code == 200


def test_the_same_seed_is_the_same_organization() -> None:
    assert PortEmulator(seed=1).organization_id == PortEmulator(seed=1).organization_id
    assert PortEmulator(seed=1).organization_id != PortEmulator(seed=2).organization_id


# ---------------------------------------------------------------- blueprints


def test_a_blueprint_is_created_replaced_patched_and_deleted() -> None:
    clock = Clock()
    one = Talk(PortEmulator(clock=clock))
    created = one("POST", "/blueprints", {**SERVICE, "createdAt": "1999-01-01T00:00:00.000Z"})
    assert created.status_code == 201
    stamps = {"createdAt": "2025-06-15T15:06:40.123Z", "createdBy": "emulator-client"}
    assert created.json()["blueprint"] == {
        **SERVICE, **stamps, "updatedAt": stamps["createdAt"], "updatedBy": "emulator-client"
    }  # fmt: skip
    assert one("GET", "/pages/services").json()["page"]["blueprint"] == "service"
    refused(one("POST", "/blueprints", SERVICE), 409, "identifier_taken")
    clock.now += 1
    replacement = {"title": "Other", "schema": {"properties": {"url": SERVICE["schema"]["properties"]["url"]}}}
    replaced = one("PUT", "/blueprints/service", replacement).json()["blueprint"]
    assert "relations" not in replaced and list(replaced["schema"]["properties"]) == ["url"]
    assert replaced["createdAt"] == stamps["createdAt"] and replaced["updatedAt"] == "2025-06-15T15:06:41.123Z"
    patch = {"schema": {"properties": {"new": {"type": "number"}}}, "icon": "Box"}
    patched = one("PATCH", "/blueprints/service", patch).json()["blueprint"]
    assert list(patched["schema"]["properties"]) == ["url", "new"] and patched["title"] == "Other"
    assert one("GET", "/blueprints").json()["blueprints"] == [patched]
    assert one("DELETE", "/blueprints/service").json() == {"ok": True}
    refused(one("GET", "/blueprints/service"), 404, "not_found")
    refused(one("DELETE", "/blueprints/service"), 404, "not_found")
    refused(one("GET", "/pages/services"), 404, "not_found")


def test_no_catalog_page_where_none_is_asked_for() -> None:
    one = Talk(PortEmulator())
    one("POST", "/blueprints", SERVICE, create_catalog_page="false")
    assert one("GET", "/pages").json()["pages"] == []


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("identifier", "has space", "body.identifier"),
        ("identifier", "a=b", "body.identifier"),
        ("identifier", "..", "body.identifier"),
        ("identifier", "x" * 101, "body.identifier"),
        ("title", "x" * 101, "body.title"),
        ("title", None, "body.title"),
        ("description", "x" * 201, "body.description"),
        ("schema", {}, "body.schema"),
        ("schema.required", ["absent"], "body.schema.required"),
        ("schema.properties.not ok", {"type": "string"}, "body.schema.properties"),
        ("schema.properties.x", {"type": "integer"}, "body.schema.properties.x.type"),
        ("schema.properties.x", {"type": ["string"]}, "body.schema.properties.x.type"),
        ("schema.properties.x", {"title": "no type"}, "body.schema.properties.x"),
        ("schema.properties.x", {"type": "string", "format": "uri"}, "body.schema.properties.x.format"),
        ("schema.properties.x", {"type": "string", "pattern": "("}, "body.schema.properties.x.pattern"),
        ("schema.properties.x", {"type": "string", "enum": []}, "body.schema.properties.x.enum"),
        ("schema.properties.x", {"type": "number", "enum": ["1"]}, "body.schema.properties.x.enum[0]"),
        (
            "schema.properties.x",
            {"type": "string", "enum": ["a"], "enumColors": {"a": "mauve"}},
            "body.schema.properties.x.enumColors.a",
        ),
        ("relations.r", {"target": "nothing", "required": False, "many": False}, "body.relations.r.target"),
        ("relations.r", {"target": "base", "required": True, "many": True}, "body.relations.r"),
        ("relations.r", {"target": "base", "title": ""}, "body.relations.r.title"),
        ("relations.r", {"target": "service", "required": True}, "body.relations.r"),
        ("mirrorProperties.m", {"path": "nowhere.url"}, 'The path "nowhere.url" do not exists'),
        ("mirrorProperties.m", {"path": "r.nothing"}, 'The path "r.nothing" do not exists'),
        ("mirrorProperties.m", {"path": "r"}, 'The path "r" do not exists'),
        ("mirrorProperties.url", {"path": "r.url"}, "body.mirrorProperties.url"),
        ("calculationProperties.c", {"calculation": "."}, "body.calculationProperties.c"),
        ("ownership", {"type": "Shared"}, "body.ownership.type"),
    ],
)
def test_a_malformed_blueprint_is_refused_and_the_place_named(path: str, value: Any, where: str) -> None:
    one = Talk(PortEmulator())
    one.emulator.put_blueprint({"identifier": "base", "title": "Base", "schema": {"properties": {}}})
    message = refused(one("POST", "/blueprints", changed(SERVICE, path, value)), 422, "invalid_request")
    assert message.startswith(where)
    assert one.emulator.blueprint("service") is None


def test_the_type_of_a_property_and_the_target_of_a_relation_stay() -> None:
    one = talk()
    other_type = changed(SERVICE, "schema.properties.cost.type", "string")
    del other_type["schema"]["properties"]["cost"]["minimum"]
    assert "cost.type" in refused(one("PUT", "/blueprints/service", other_type), 422, "invalid_request")
    for path, value in (("relations.of.target", "deployment"), ("relations.of.many", True)):
        refused(one("PUT", "/blueprints/deployment", changed(DEPLOYMENT, path, value)), 422, "invalid_request")


def test_values_of_a_dropped_property_and_relation_are_gone() -> None:
    one = talk()
    one.put("service", "s")
    one.put("deployment", "d", properties={"state": "up"}, relations={"of": "s", "needs": ["s"]})
    relations = {"of": DEPLOYMENT["relations"]["of"]}
    body = {"title": "D", "schema": {"properties": {}}, "relations": relations}
    assert one("PUT", "/blueprints/deployment", body).status_code == 200
    one("PUT", "/blueprints/deployment", DEPLOYMENT)
    entity = one.get("deployment", "d")
    assert (entity["properties"], entity["relations"]) == ({"state": None}, {"of": "s", "needs": None})


def test_a_blueprint_that_is_used_cannot_be_deleted() -> None:
    one = talk()
    assert "targets it" in refused(one("DELETE", "/blueprints/service"), 403, "has_dependents")
    one.put("deployment", "d")
    assert "1 entities" in refused(one("DELETE", "/blueprints/deployment"), 403, "has_dependents")


def test_all_entities_go_with_a_migration_and_the_blueprint_with_them_if_asked() -> None:
    one = talk()
    for name in "abc":
        one.put("service", name)
    one.put("deployment", "d", relations={"of": "a", "needs": ["b", "c"]})
    reply = one("DELETE", "/blueprints/service/all-entities").json()
    migration = one("GET", f"/migrations/{reply['migrationId']}").json()["migration"]
    assert (migration["status"], migration["successCount"]) == ("COMPLETED", 3)
    assert one("GET", "/blueprints/service/entities-count").json() == {"ok": True, "count": 0}
    assert one.get("deployment", "d")["relations"] == {"of": None, "needs": []}
    refused(one("DELETE", "/blueprints/service/all-entities", delete_blueprint="true"), 403, "has_dependents")
    one("DELETE", "/blueprints/deployment/all-entities", delete_blueprint="true")
    assert one.emulator.blueprint("deployment") is None
    refused(one("GET", "/migrations/nothing"), 404, "not_found")


def test_permissions_of_a_blueprint_are_changed_key_by_key() -> None:
    one = talk()
    before = one("GET", "/blueprints/service/permissions").json()["permissions"]
    change = {"entities": {"update": {"roles": ["Member"]}}}
    after = one("PATCH", "/blueprints/service/permissions", change).json()["permissions"]
    assert before["entities"]["update"]["roles"] == ["Admin", "service-moderator"]
    assert before["entities"]["read"]["roles"] == ["Admin", "Member"]
    assert after == changed(before, "entities.update.roles", ["Member"])
    assert one("GET", "/blueprints/service/permissions").json()["permissions"] == after


# ---------------------------------------------------------------- actions, scorecards, pages


def test_an_action_with_an_unknown_key_is_refused() -> None:
    one = talk()
    action: dict[str, Any] = {
        "identifier": "stop",
        "trigger": {
            "type": "self-service", "operation": "DAY-2", "blueprintIdentifier": "service",
            "userInputs": {"properties": {"why": {"type": "string"}}, "required": ["why"]},
        },
        "invocationMethod": {"type": "WEBHOOK", "url": "https://example.com"},
    }  # fmt: skip
    for path in ("colour", "trigger.colour", "trigger.userInputs.colour", "invocationMethod.workflow"):
        message = refused(one("POST", "/actions", changed(action, path, "x")), 422, "invalid_request")
        assert "additional properties" in message
    absent = changed(action, "trigger.userInputs.required", ["absent"])
    refused(one("POST", "/actions", absent), 422, "invalid_request")
    refused(one("POST", "/actions", changed(action, "trigger.blueprintIdentifier", "absent")), 404, "not_found")
    assert one("POST", "/actions", action).status_code == 201
    refused(one("POST", "/actions", action), 409, "identifier_taken")
    assert one("PUT", "/actions/stop", {**action, "title": "Stop"}).json()["action"]["title"] == "Stop"
    assert one("DELETE", "/actions/stop").json() == {"ok": True}
    refused(one("GET", "/actions/stop"), 404, "not_found")


def test_a_scorecard_rule_needs_a_level_that_is_not_the_first() -> None:
    one = talk()
    query = {"combinator": "and", "conditions": [{"property": "$team", "operator": "isNotEmpty"}]}
    rule = {"identifier": "r", "title": "R", "level": "Gold", "query": query}
    card = {"identifier": "c", "title": "C", "rules": [rule]}
    assert one("POST", "/blueprints/service/scorecards", card).json()["scorecard"]["blueprint"] == "service"
    for level in ("Basic", "Platinum"):
        wrong = {**card, "rules": [{**rule, "level": level}]}
        refused(one("PUT", "/blueprints/service/scorecards/c", wrong), 422, "invalid_request")


def test_the_columns_of_a_dashboard_fill_twelve() -> None:
    one = talk()
    widgets = [{"id": "a", "type": "markdown", "title": "A", "markdown": "a"}]
    row = {"height": 400, "columns": [{"id": "a", "size": 12}]}

    def page(row: Any) -> dict[str, Any]:
        root = {"type": "dashboard-widget", "layout": [row], "widgets": widgets}
        return {"identifier": "p", "title": "P", "type": "dashboard", "widgets": [root]}

    for wrong in (
        {**row, "height": 300}, {**row, "columns": [{"id": "a", "size": 11}]}, {**row, "columns": []}, "row",
        {**row, "columns": [{"id": "b", "size": 12}]},
    ):  # fmt: skip
        refused(one("POST", "/pages", page(wrong)), 422, "invalid_request")
    assert one("POST", "/pages", page(row)).status_code == 201


def test_a_page_stands_after_a_page_that_exists() -> None:
    one = talk()
    body = {"identifier": "p", "title": "P", "type": "dashboard", "widgets": []}
    message = refused(one("POST", "/pages", {**body, "after": "nowhere"}), 404, "not_found")
    assert message == 'Sidebar item with after "nowhere" was not found'
    assert one("POST", "/pages", body).status_code == 201
    assert one("POST", "/pages", {**body, "identifier": "q", "after": "p"}).status_code == 201
    refused(one("PATCH", "/pages/q", {"after": "nowhere"}), 404, "not_found")
    assert one("PATCH", "/pages/q", {"after": None}).status_code == 200
    message = refused(
        one("POST", "/pages", {**body, "identifier": "r", "parent": "folder", "after": "p"}),
        403,
        "after_item_not_in_parent",
    )
    assert message == 'Item "p" is not in the parent folder'


def test_a_pages_place_in_the_menu_is_checked_and_kept() -> None:
    one = talk()
    place = {"showInSidebar": False, "section": "organization", "locked": True, "parent": None}
    body = {"identifier": "p", "title": "P", "type": "dashboard", "widgets": []}
    made = {**body, "sidebar": "catalog", "requiredQueryParams": ["id"]}
    assert one("POST", "/pages", made).status_code == 201
    assert one("PATCH", "/pages/p", place).status_code == 200
    held = one("GET", "/pages/p").json()["page"]
    assert held.items() >= {**place, "sidebar": "catalog", "requiredQueryParams": ["id"]}.items()
    for wrong in (
        {"showInSidebar": "no"}, {"section": "somewhere"}, {"sidebar": "left"}, {"requiredQueryParams": [1]},
        {"parent": 1}, {"locked": None},
    ):  # fmt: skip
        refused(one("PUT", "/pages/p", {**body, **wrong}), 422, "invalid_request")
    for key in ("type", "sidebar", "requiredQueryParams"):
        refused(one("PATCH", "/pages/p", {key: held[key]}), 422, "invalid_request")


def test_a_mirror_property_leads_through_relations_to_whatever_the_blueprint_there_has() -> None:
    one = talk()
    one.emulator.put_blueprint(
        {"identifier": "base", "title": "Base", "schema": {"properties": {"url": {"type": "string"}}}}
    )
    itself = {"title": "R", "target": "mirrors", "required": False, "many": False}
    relations = {"self": itself, "base": {**itself, "target": "base"}}
    paths = ("base.url", "self.base.url", "self.self.$title", "base.$identifier", "self.own", "self.base", "self.m0")
    mirrors = {f"m{at}": {"title": "M", "path": path} for at, path in enumerate(paths)}
    schema = {"properties": {"own": {"type": "string"}}}
    body = {"identifier": "mirrors", "title": "M", "schema": schema, "relations": relations}
    assert one("POST", "/blueprints", {**body, "mirrorProperties": mirrors}).status_code == 201
    for lost in ("self.base.own", "base.self.url", "url", "self.$nothing"):
        changed_body = {**body, "mirrorProperties": {"m": {"title": "M", "path": lost}}}
        assert lost in refused(one("PUT", "/blueprints/mirrors", changed_body), 422, "invalid_request")


# ---------------------------------------------------------------- headers, limits, faults


def test_every_answer_has_a_trace_id_and_the_rate_headers_in_seconds() -> None:
    one = talk()
    replies = [
        one("GET", "/blueprints"),
        one("GET", "/nowhere"),
        one("POST", "/blueprints", b"{"),
        one.send("GET", "/blueprints", None, {}),
        one.send("POST", "/auth/access_token", {}, {}),
    ]
    assert [reply.status_code for reply in replies] == [200, 404, 422, 401, 422]
    assert len({reply.headers["X-Trace-Id"] for reply in replies}) == len(replies)
    for reply in replies:
        assert reply.headers["x-ratelimit-period"] == "300"
        assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= set(reply.headers)
    assert [reply.headers["x-ratelimit-limit"] for reply in replies] == ["15000", "15000", "15000", "100", "100"]


def test_single_upserts_run_out_before_bulk_ones_do() -> None:
    clock = Clock()
    one = talk(rate_limits=True, clock=clock)
    for _ in range(200):
        assert one.put("service", "a").status_code in (200, 201)
    reply = one.put("service", "a")
    refused(reply, 429, "too_many_requests")
    headers = {name: reply.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")}
    assert headers == {"limit": "10000", "remaining": "0", "reset": "6"}
    bulk = one("POST", "/blueprints/service/entities/bulk", {"entities": [{"identifier": "a"}]}, upsert="true")
    assert bulk.status_code == 200 and bulk.headers["x-ratelimit-limit"] == "35000"
    assert one("POST", "/blueprints/service/entities/search", {}).headers["x-ratelimit-remaining"] == "3499"
    clock.now += 0.031  # 10,000 in 300 s is one in 0.03 s
    assert one.put("service", "a").status_code == 200
    other = Talk(one.emulator, one.emulator.add_client("other"))
    refused(other.put("service", "a"), 429, "too_many_requests")


def test_requests_without_a_token_have_a_small_budget_of_their_own() -> None:
    one = talk(rate_limits=True, clock=Clock())
    one("GET", "/blueprints")
    statuses = [one.send("GET", "/blueprints", None, {}).status_code for _ in range(10)]
    assert statuses == [401] * 9 + [429]
    assert one("GET", "/blueprints").status_code == 200


def test_a_body_over_one_mebibyte_is_refused() -> None:
    one = talk()
    body = json.dumps({"identifier": "a", "properties": {"more": {"x": "y" * 1024 * 1024}}}).encode()
    reply = one("POST", "/blueprints/service/entities", body)
    assert reply.status_code == 413 and reply.json()["error"] == "bad_request"
    exactly = body[: -len(body) + 1024 * 1024 - 4].replace(b"}", b"") + b'"}}}'
    assert len(exactly) == 1024 * 1024
    assert one("POST", "/blueprints/service/entities", exactly).status_code == 201


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b"[" * 100_000]
)
def test_what_is_not_a_json_object_is_refused(body: bytes) -> None:
    one = talk()
    refused(one("POST", "/blueprints/service/entities", body), 422, "invalid_request")
    assert one.emulator.entities("service") == []


def test_requests_are_counted_by_route_whatever_the_identifiers_are() -> None:
    one = talk()
    for name in ("service", "a/b", "7f1c2f7e-0000-4000-8000-000000000002"):
        one.put("service", name)
        one.get("service", name)
    one("POST", "/blueprints/service/entities/bulk", {"entities": [{"identifier": "x"}]})
    one("POST", "/blueprints/service/entities/search", {})
    route = "/v1/blueprints/{blueprint}/entities"
    assert one.emulator.log.snapshot()["routes"] == {
        f"GET {route}/{{entity}}": 3, f"POST {route}": 3, f"POST {route}/bulk": 1, f"POST {route}/search": 1,
        "POST /v1/auth/access_token": 1,
    }  # fmt: skip
    assert one.emulator.writes == one.emulator.log.writes == 4
    one.emulator.reset_requests()
    assert one.emulator.writes == one.emulator.log.total == 0


def test_a_fault_strikes_and_then_the_entity_is_written() -> None:
    one = talk()
    one.emulator.faults.add(kind="status", method="POST", path="/entities", status=503, times=1)
    assert one.put("service", "a").status_code == 503
    assert one.emulator.entity("service", "a") is None
    assert one.put("service", "a").status_code == 201


# ---------------------------------------------------------------- from outside


def test_the_real_client_gets_along_with_it() -> None:
    emulator = PortEmulator()

    async def work(url: str) -> list[str]:
        async with PortClient(url, emulator.client_id, emulator.client_secret) as client:
            assert (await client.organization()).id == emulator.organization_id
            await client.create_blueprint(SERVICE)
            outcomes = await client.upsert(
                "service", [{"identifier": "a/1"}, {"identifier": "b", "properties": {"cost": -1}}]
            )
            assert outcomes[0].created and outcomes[1].error is not None
            assert (await client.entity("service", "a/1")) is not None
            assert await client.count("service") == 1
            names = [entity.identifier async for entity in client.entities("service")]
            assert (await client.delete("service", ["a/1", "unknown"])).deleted == {"a/1"}
            assert await client.delete_blueprint("service")
            return names

    with emulator.serve() as served:
        assert emulator.url == served.url
        assert asyncio.run(work(served.url)) == ["a/1"]


def test_the_control_routes_see_and_change_what_it_holds() -> None:
    one = talk()
    app = Starlette(routes=one.emulator.control_routes())

    def control(method: str, path: str, body: Any = None) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://control") as http:
                return await http.request(method, path, json=body)

        return asyncio.run(answer())

    put = control("PUT", "/entities/service?by=colleague", {"identifier": "a/1", "properties": {"cost": 1}})
    assert put.json()["entity"]["createdBy"] == "colleague"
    assert control("GET", "/entities/service/a/1").json()["entity"] == one.emulator.entity("service", "a/1")
    assert len(control("GET", "/entities/service").json()["entities"]) == 1
    assert control("PUT", "/entities/service", {"identifier": "a b"}).status_code == 422
    assert control("GET", "/objects").json()["blueprints"] == {"service": 1, "deployment": 0}
    assert control("DELETE", "/entities/service/a/1").status_code == 200
    assert control("GET", "/entities/service/a/1").status_code == 404
    assert control("PUT", "/blueprints/service", {**SERVICE, "title": "New"}).json()["blueprint"]["title"] == "New"
    made = control("POST", "/clients", {"name": "second"}).json()
    assert Talk(one.emulator, (made["client_id"], made["client_secret"]))("GET", "/blueprints").status_code == 200
    one("GET", "/blueprints")
    assert control("GET", "/requests").json()["total"] == one.emulator.log.total > 0
    control("DELETE", "/tokens")
    refused(one("GET", "/blueprints"), 401, "unauthorized")


def test_what_the_methods_return_is_a_copy_and_they_refuse_as_the_api_does() -> None:
    emulator = talk().emulator
    body = {"identifier": "a", "properties": {"more": {"deep": [1]}}}
    emulator.put_entity("service", body)["properties"]["more"]["deep"].append(2)
    body["properties"]["more"]["deep"].append(3)  # type: ignore[index]
    found = emulator.entity("service", "a")
    assert found is not None and found["properties"]["more"] == {"deep": [1]}
    emulator.put_entity("service", {"identifier": "a", "title": "A"}, by="colleague")
    merged = emulator.entity("service", "a")
    assert merged is not None and merged["properties"] == found["properties"]
    assert (merged["createdBy"], merged["updatedBy"]) == ("someone", "colleague")
    with pytest.raises(Problem, match="must be number"):
        emulator.put_entity("service", {"identifier": "a", "properties": {"cost": "1"}})
    emulator.delete_entity("service", "a")
    assert emulator.entity("service", "a") is None and emulator.entities("nowhere") == []
