"""What tests can do to the emulated Port from outside: runs, faults of single items, smaller budgets; and look-ups."""

from __future__ import annotations

import httpx
import pytest
from port_runs import ADMIN, MEMBER, action, refused, started
from port_talk import Json, bulk, talk
from starlette.applications import Starlette

from coderport.emulators.kit import serve


def test_runs_can_be_driven_by_the_control_routes() -> None:
    emulator, _ = started(action(requiredApproval=True))
    with (
        serve(Starlette(routes=emulator.control_routes())) as served,
        httpx.Client(timeout=300, base_url=served.url) as http,
    ):
        http.post("/users", json={"email": "new@corp", "roles": ["Member"]})
        body = {"by": "new@corp", "inputs": {"name": "abc"}}
        run = http.post("/actions/make/runs", json=body).json()["run"]
        where = f"/runs/{run['id']}"
        assert http.post("/actions/make/runs", json={"by": "no@corp"}).status_code == 404
        assert http.post(f"{where}/approval", json={"by": "new@corp", "status": "APPROVE"}).status_code == 403
        assert http.get(where, params={"wait": 0}).status_code == 409
        declined = http.post(f"{where}/approval", json={"by": ADMIN, "status": "DECLINE"}).json()["run"]
        assert declined == http.get(where, params={"wait": 5}).json()["run"] == http.get("/runs").json()["runs"][0]
        assert http.get(f"{where}/logs").json() == {"logs": []} and http.get(f"{where}/entities").status_code == 200
        assert http.get("/dispatches").json() == {"dispatches": []} and http.get("/deliveries").status_code == 200
        assert http.post(f"{where}/workflow", json={"code": 0}).status_code == 409
        http.post("/item-faults", json={"identifiers": ["x"], "status": 422, "error": "bad"})
        assert http.delete("/item-faults").status_code == 200


def test_integrations_and_behaviour_are_changed_by_the_control_routes() -> None:
    emulator, one = started()
    with (
        serve(Starlette(routes=emulator.control_routes())) as served,
        httpx.Client(timeout=300, base_url=served.url) as http,
    ):
        made = http.put("/integrations/own", json={"processes_actions": False, "hears_events": None}).json()
        assert made["integration"] == one("GET", "/integration/own").json()["integration"]
        assert http.put("/integrations/plain").json()["integration"]["actionsProcessingEnabled"] is True
        assert http.delete("/integrations/own").status_code == 200
        refused(one("GET", "/integration/own"), 404, "not_found")
        http.put("/default-branches/acme/coder", json={"branch": "trunk"})
        method = {"type": "GITHUB", "org": "acme", "repo": "coder", "workflow": "run.yml", "workflowInputs": {}}
        http.put("/behaviour", json={"serves_github_app": True, "permissions_delay": 3600})
        assert one("POST", "/actions", action(invocationMethod=method)).status_code == 201
        refused(one("GET", "/actions/make/permissions"), 404, "not_found")
        body = {"by": MEMBER, "view_as": ADMIN, "inputs": {"name": "abc"}}
        run = http.post("/actions/make/runs", json=body).json()["run"]
        assert run["impersonatedUserId"] and http.get("/dispatches").json()["dispatches"][0]["ref"] == "trunk"


def test_chosen_items_of_a_bulk_write_fail_alone() -> None:
    one = talk()
    one.emulator.fail_items(["b"], 429, "too_many_requests", times=1)
    items: list[Json] = [{"identifier": name} for name in "abc"]
    status, body = bulk(one, "service", *items, upsert="true")
    assert status == 207 and [each["identifier"] for each in body["entities"]] == ["a", "c"]
    error = {"identifier": "b", "index": 1, "statusCode": 429, "error": "too_many_requests", "message": "injected"}
    assert body["errors"] == [error]
    assert bulk(one, "service", *items, upsert="true")[0] == 200
    one.emulator.fail_items(["c"], 500, "internal_error")
    assert [bulk(one, "service", *items, upsert="true")[0] for _ in range(2)] == [207, 207]
    one.emulator.clear_item_faults()
    assert bulk(one, "service", *items, upsert="true")[0] == 200


def test_the_budgets_can_be_scaled_down() -> None:
    one = talk(rate_limits=0.01, clock=lambda: 0.0)
    statuses = [one.put("service", f"s{number}").status_code for number in range(4)]
    assert statuses == [201, 201, 429, 429]
    assert one("GET", "/blueprints").headers["x-ratelimit-limit"] == "150"
    with_all = talk()
    assert with_all.put("service", "s").headers["x-ratelimit-limit"] == "10000"


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([{"property": "$identifier", "operator": "in", "value": ["c", "a", "absent"]}], ["a", "c"]),
        ([{"property": "$identifier", "operator": "=", "value": "b"}], ["b"]),
        ([{"property": "$identifier", "operator": "=", "value": ["b"]}], []),
        (
            [
                {"property": "cost", "operator": ">", "value": 0},
                {"property": "$identifier", "operator": "in", "value": ["a", "b"]},
            ],
            ["b"],
        ),
        ([{"property": "$identifier", "propertySchema": {"type": "number"}, "operator": "=", "value": 2}], ["c"]),
    ],
)
def test_a_search_by_identifier_finds_what_a_scan_would(rules: list[Json], found: list[str]) -> None:
    one = talk()
    for number, name in enumerate("abc"):
        one.put("service", name, properties={"cost": number})
    assert one.found("service", *rules) == found
    everywhere = one("POST", "/entities/search", {"combinator": "and", "rules": rules}).json()["entities"]
    assert [entity["identifier"] for entity in everywhere] == found


def test_pages_of_a_search_by_identifier_go_on_where_they_ended() -> None:
    one = talk()
    for name in "abcd":
        one.put("service", name)
    query = {"combinator": "and", "rules": [{"property": "$identifier", "operator": "in", "value": list("dcba")}]}
    body: Json = {"query": query, "limit": 3}
    first = one("POST", "/blueprints/service/entities/search", body).json()
    second = one("POST", "/blueprints/service/entities/search", {**body, "from": first["next"]}).json()
    assert [entity["identifier"] for entity in first["entities"] + second["entities"]] == list("abcd")
    assert "next" not in second


def test_an_unknown_person_runs_nothing() -> None:
    emulator, one = started(action())
    assert emulator.runs() == []
    refused(one("POST", "/actions/make/runs", {"properties": {}}, run_as="no@corp"), 404, "not_found")
    assert emulator.add_user(MEMBER)["id"] == emulator.add_user(MEMBER, roles=("Admin",))["id"]
