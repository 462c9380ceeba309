"""The emulated Port's aggregations, scorecards, pages and permissions of blueprints.

What the acceptance tests of Port's Terraform provider send for these types (`port/aggregation-properties`,
`port/scorecard`, `port/page`, `port/blueprint-permissions`), and what its API's schema refuses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from port_talk import Talk, refused, talk

from coderport.emulators.port.behaviour import NAMED, Named

Json = dict[str, Any]
COUNT = {"calculationBy": "entities", "func": "count"}


def world(**aggregations: Json) -> Talk:
    """Parts that belong to a whole, which has these aggregations over them."""
    one = talk()
    for name in ("whole", "part"):
        one("POST", "/blueprints", {"identifier": name, "title": name, "schema": {"properties": {}}})
    part = {
        "identifier": "part",
        "title": "Part",
        "schema": {"properties": {"cost": {"type": "number"}, "on": {"type": "boolean"}}},
        "relations": {"of": {"target": "whole", "title": "Of", "required": False, "many": False}},
    }
    one("PUT", "/blueprints/part", part)
    whole = {"identifier": "whole", "title": "Whole", "schema": {"properties": {}}}
    answer = one("PUT", "/blueprints/whole", {**whole, "aggregationProperties": aggregations})
    assert answer.status_code == 200, answer.text
    for name in ("w", "empty"):
        one("POST", "/blueprints/whole/entities", {"identifier": name, "title": name, "properties": {}})
    for number, on in ((2, True), (4, True), (9, False)):
        body = {"identifier": f"p{number}", "title": "p", "properties": {"cost": number, "on": on}}
        one("POST", "/blueprints/part/entities", {**body, "relations": {"of": "w"}})
    return one


def over(spec: Json, **members: Any) -> Json:
    return {"title": "T", "target": "part", "calculationSpec": spec, **members}


@pytest.mark.parametrize(
    ("aggregation", "value", "of_none"),
    [
        (over(COUNT), 3, 0),
        (over(COUNT, query={"combinator": "and", "rules": [{"property": "on", "operator": "=", "value": True}]}), 2, 0),
        (over({"calculationBy": "property", "func": "sum", "property": "cost"}), 15, 0),
        (over({"calculationBy": "property", "func": "max", "property": "cost"}), 9, None),
        (over({"calculationBy": "property", "func": "min", "property": "cost"}), 2, None),
        (over({"calculationBy": "property", "func": "median", "property": "cost"}), 4, None),
        (over({"calculationBy": "property", "func": "average", "property": "cost", "averageOf": "total"}), 5, None),
        (over(COUNT, pathFilter=[{"fromBlueprint": "part", "path": ["of"]}]), 3, 0),
    ],
)
def test_an_aggregation_is_computed_from_the_entities(aggregation: Json, value: Any, of_none: Any) -> None:
    one = world(all=aggregation)
    assert one.get("whole", "w")["properties"]["all"] == value
    assert one.get("whole", "empty")["properties"]["all"] == of_none


def test_it_follows_the_entities_and_is_left_out_where_calculated_values_are() -> None:
    one = world(all=over(COUNT))
    one("DELETE", "/blueprints/part/entities/p2")
    assert one.get("whole", "w")["properties"]["all"] == 2
    plain = one("GET", "/blueprints/whole/entities/w", exclude_calculated_properties="true")
    assert "all" not in plain.json()["entity"]["properties"]


def test_it_can_be_searched_for() -> None:
    one = world(all=over(COUNT))
    query = {"combinator": "and", "rules": [{"property": "all", "operator": ">", "value": 1}]}
    found = one("POST", "/blueprints/whole/entities/search", {"query": query}).json()["entities"]
    assert [each["identifier"] for each in found] == ["w"]


def test_it_is_null_where_the_way_to_the_target_is_not_one() -> None:
    one = world(all=over(COUNT))
    relations = {key: {"target": "whole", "title": key, "required": False, "many": False} for key in ("of", "by")}
    one("PATCH", "/blueprints/part", {"relations": relations})
    assert one.get("whole", "w")["properties"]["all"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        over({"calculationBy": "property", "func": "sum"}),
        over({"calculationBy": "entities", "func": "sum"}),
        over({"calculationBy": "guess", "func": "count"}),
        over({"calculationBy": "entities", "func": "average"}),
        over({"calculationBy": "entities", "func": "average", "averageOf": "year"}),
        over({**COUNT, "averageOf": "day"}),
        over({"calculationBy": "property", "func": "sum", "property": "cost", "averageOf": "day"}),
        over({**COUNT, "unit": "x"}),
        over(COUNT, unit="x"),
        over(COUNT, pathFilter=[{"path": ["of"], "unit": "x"}]),
        {"target": "part", "calculationSpec": COUNT},
        over(COUNT, query={"combinator": "and"}),
        over(COUNT, pathFilter=[{"path": ["of"]}, {"path": ["of"]}]),
        {"title": "T", "target": "nowhere", "calculationSpec": COUNT},
    ],
)
def test_an_aggregation_that_is_none_is_refused(wrong: Json) -> None:
    one = world()
    body = one("GET", "/blueprints/whole").json()["blueprint"]
    refused(one("PUT", "/blueprints/whole", {**body, "aggregationProperties": {"a": wrong}}), 422, "invalid_request")


@pytest.mark.parametrize(
    "wrong",
    [
        {"relations": {"of": {"title": "O", "target": "whole", "required": False, "many": False, "icon": "Star"}}},
        {"mirrorProperties": {"m": {"title": "M", "path": "of.$title", "icon": "Star"}}},
        {"calculationProperties": {"c": {"title": "C", "type": "string", "calculation": ".title", "unit": "x"}}},
    ],
)
def test_what_openapi_closes_in_a_blueprint_is_closed(wrong: Json) -> None:
    one = world()
    body = one("GET", "/blueprints/part").json()["blueprint"]
    refused(one("PUT", "/blueprints/part", {**body, **wrong}), 422, "invalid_request")


def test_a_scorecard_is_made_changed_read_and_deleted() -> None:
    one = world()
    query = {"combinator": "and", "conditions": [{"property": "$team", "operator": "isNotEmpty"}]}
    card = {
        "identifier": "card",
        "title": "Scorecard 1",
        "filter": {"combinator": "and", "conditions": [{"property": "on", "operator": "=", "value": True}]},
        "rules": [{"identifier": "hasTeam", "title": "Has Team", "description": "x", "level": "Gold", "query": query}],
    }
    assert one("POST", "/blueprints/part/scorecards", card).status_code == 201
    refused(one("POST", "/blueprints/part/scorecards", card), 409, "identifier_taken")
    changed = one("PUT", "/blueprints/part/scorecards/card", {**card, "title": "Scorecard 2"}).json()["scorecard"]
    assert changed["title"] == "Scorecard 2"
    assert one("GET", "/blueprints/part/scorecards/card").json()["scorecard"] == changed
    assert one("GET", "/blueprints/part/scorecards").json()["scorecards"] == [changed]
    one("DELETE", "/blueprints/part/scorecards/card")
    refused(one("GET", "/blueprints/part/scorecards/card"), 404, "not_found")


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": None},
        {"level": "Basic"},
        {"query": {"combinator": "and", "conditions": []}},
        {"query": {"combinator": "xor", "conditions": [{"property": "on", "operator": "isEmpty"}]}},
        {"query": {"combinator": "and", "conditions": [{"property": "on", "operator": "guess", "value": 1}]}},
        {"query": {"combinator": "and", "conditions": [{"property": "on", "operator": "="}]}},
        {"query": {"combinator": "and", "conditions": [{"operator": "isEmpty"}]}},
    ],
)
def test_a_rule_of_a_scorecard_that_is_none_is_refused(wrong: Json) -> None:
    query = {"combinator": "or", "conditions": [{"relation": "of", "operator": "isNotEmpty"}]}
    rule = {"identifier": "r", "title": "R", "level": "Gold", "query": query}
    one = world()
    card = {"identifier": "card", "title": "C", "rules": [rule]}
    assert one("POST", "/blueprints/part/scorecards", card).status_code == 201
    body = {**card, "rules": [{**rule, **wrong}]}
    refused(one("PUT", "/blueprints/part/scorecards/card", body), 422, "invalid_request")


def test_a_page_is_made_and_read() -> None:
    one = world()
    table = {"id": "t", "type": "table-entities-explorer", "blueprint": "part",
             "dataset": {"combinator": "and", "rules": []}}  # fmt: skip
    page = {"identifier": "p", "title": "Parts", "type": "blueprint-entities", "blueprint": "part", "widgets": [table]}
    assert one("POST", "/pages", page).status_code == 201
    refused(one("POST", "/pages", page), 409, "identifier_taken")
    assert one("GET", "/pages/p").json()["page"]["widgets"] == [table]


@pytest.mark.parametrize(
    "widget",
    [
        {"id": "a", "type": "guess"},
        {"id": "a"},
        {"id": "a", "type": "markdown"},
        {"id": "a", "type": "entities-pie-chart", "property": "property#on"},
        {"id": "a", "type": "table-entities-explorer"},
    ],
)
def test_a_widget_has_a_type_that_port_has_and_what_that_asks_for(widget: Json) -> None:
    row = {"height": 400, "columns": [{"id": "a", "size": 12}]}
    root = {"id": "r", "type": "dashboard-widget", "layout": [row], "widgets": [widget]}
    page = {"identifier": "p", "title": "P", "type": "dashboard", "widgets": [root]}
    refused(world()("POST", "/pages", page), 422, "invalid_request")


def test_permissions_of_a_blueprint_keep_what_a_change_does_not_name() -> None:
    one = world()
    before = one("GET", "/blueprints/part/permissions").json()["permissions"]["entities"]
    change = {"entities": {"update": {"roles": ["Admin", "Member"], "users": [], "teams": [], "ownedByTeam": False}}}
    after = one("PATCH", "/blueprints/part/permissions", change).json()["permissions"]["entities"]
    assert after["update"]["roles"] == ["Admin", "Member"]
    assert after["register"] == before["register"]
    loose = {"entities": {"updateProperties": {"none": {"roles": ["Admin"]}}}}
    assert one("PATCH", "/blueprints/part/permissions", loose).status_code == 422


SEARCH: Json = {"combinator": "and", "rules": [{"property": "$team", "operator": "isNotEmpty"}]}
POLICY: Json = {"queries": {"mine": SEARCH}, "conditions": ["true"]}


def entities(**rights: Any) -> Json:
    return {"entities": rights}


@pytest.mark.parametrize(
    "wrong",
    [
        {"others": {}},
        entities(grow={"users": []}),
        entities(register={"zzz": 1}),
        entities(register={"users": 5}),
        entities(update={"roles": ["Admin", 1]}),
        entities(unregister={"ownedByTeam": "yes"}),
        entities(register={"policy": SEARCH}),
        entities(read={"policy": {"combinator": "xor", "rules": []}}),
        entities(read=None),
        entities(updateProperties={"on": {"teams": "all"}}),
        entities(updateProperties={"on": None}),
        entities(updateRelations=[]),
    ],
)
@pytest.mark.parametrize("unknown", [frozenset(), NAMED])
def test_permissions_of_a_blueprint_have_the_documented_shape(wrong: Json, unknown: frozenset[Named]) -> None:
    one = world()
    one.emulator.behaviour = replace(one.emulator.behaviour, permissions_name_unknown=unknown)
    before = one("GET", "/blueprints/part/permissions").json()
    refused(one("PATCH", "/blueprints/part/permissions", wrong), 422, "invalid_request")
    assert one("GET", "/blueprints/part/permissions").json() == before
    good = entities(read={"policy": SEARCH, "ownedByTeam": True, "roles": ["Admin"]}, updateProperties={"on": {}})
    assert one("PATCH", "/blueprints/part/permissions", good).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"execute": {"policy": {**POLICY, "queries": {}}}},
        {"execute": {"policy": {**POLICY, "queries": {"mine": {"rules": []}}}}},
        {"execute": {"policy": {**POLICY, "conditions": []}}},
        {"execute": {"policy": {**POLICY, "conditions": [""]}}},
        {"execute": {"policy": {**POLICY, "more": 1}}},
        {"approve": {"ownedByTeam": True}},
        {"approve": {"users": "somebody"}},
        {"approve": None},
    ],
)
def test_permissions_of_an_action_have_the_documented_shape(wrong: Json) -> None:
    one = world()
    trigger = {"type": "self-service", "operation": "CREATE", "userInputs": {"properties": {}}}
    one("POST", "/actions", {"identifier": "act", "trigger": trigger, "invocationMethod": {"type": "KAFKA"}})
    refused(one("PATCH", "/actions/act/permissions", wrong), 422, "invalid_request")
    good = {"execute": {"policy": POLICY, "ownedByTeam": True}, "approve": {"policy": None}}
    assert one("PATCH", "/actions/act/permissions", good).status_code == 200


def test_permissions_of_a_page_have_the_documented_shape() -> None:
    one = world()
    assert one("PATCH", "/pages/parts/permissions", {"update": {"roles": ["Admin"]}}).status_code == 200
    wrongs: list[Json] = [{"execute": {}}, {"read": {"ownedByTeam": True}}, {"update": {"users": {}}}]
    for wrong in wrongs:
        refused(one("PATCH", "/pages/parts/permissions", wrong), 422, "invalid_request")


@pytest.mark.parametrize("name", ["$home", "$team", "a/b=c:d", "$run.x", "x" * 200])
def test_a_pages_identifier_may_be_one_of_ports_own(name: str) -> None:
    page = {"identifier": name, "title": "P", "type": "dashboard", "widgets": []}
    assert world()("POST", "/pages", page).status_code == 201


@pytest.mark.parametrize("name", ["größe", "a+1", "$mine", "$users1", "..", "", "a b"])
def test_a_pages_identifier_has_the_documented_characters(name: str) -> None:
    page = {"identifier": name, "title": "P", "type": "dashboard", "widgets": []}
    refused(world()("POST", "/pages", page), 422, "invalid_request")
