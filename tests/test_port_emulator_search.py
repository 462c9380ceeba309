"""The emulated Port's searches: pages, operators, relations."""

from __future__ import annotations

from typing import Any

import pytest
from port_talk import Clock, Json, Talk, refused, talk

SEARCH = "/blueprints/service/entities/search"


def filled(count: int) -> Talk:
    one = talk()
    for number in range(count):
        one.emulator.put_entity("service", {"identifier": f"s{number}", "properties": {"cost": number}})
    return one


def pages(one: Talk, **body: Any) -> list[list[str]]:
    found: list[list[str]] = []
    start: Json = {}
    while True:
        reply = one("POST", SEARCH, {**body, **start}).json()
        found.append([entity["identifier"] for entity in reply["entities"]])
        if "next" not in reply:
            return found
        start = {"from": reply["next"]}


# ---------------------------------------------------------------- pages


def test_pages_have_every_entity_once_and_the_last_has_no_next() -> None:
    one = filled(450)
    assert [len(page) for page in pages(one)] == [200, 200, 50]
    assert [len(page) for page in pages(one, limit=150)] == [150, 150, 150]
    names = [name for page in pages(one, limit=7) for name in page]
    assert names == [f"s{number}" for number in range(450)]
    assert [len(page) for page in pages(one, limit=1000)] == [450]
    assert pages(talk()) == [[]]


def test_pages_of_a_query_have_a_next_only_where_more_matches() -> None:
    one = filled(100)
    query = {"combinator": "and", "rules": [{"property": "cost", "operator": "<", "value": 40}]}
    assert [len(page) for page in pages(one, limit=20, query=query)] == [20, 20]
    assert [len(page) for page in pages(one, limit=30, query=query)] == [30, 10]


def test_entities_that_come_and_go_between_pages_disturb_no_other() -> None:
    one = filled(30)
    first = one("POST", SEARCH, {"limit": 10}).json()
    for name in ("s3", "s10", "s11"):
        one.emulator.delete_entity("service", name)
    one.emulator.put_entity("service", {"identifier": "late"})
    rest = one("POST", SEARCH, {"limit": 100, "from": first["next"]}).json()
    names = [entity["identifier"] for entity in rest["entities"]]
    assert names == [*(f"s{number}" for number in range(12, 30)), "late"]


def test_a_page_stays_valid_after_most_entities_are_deleted() -> None:
    one = filled(300)
    start = one("POST", SEARCH, {"limit": 250}).json()["next"]
    for number in range(240):
        one.emulator.delete_entity("service", f"s{number}")
    rest = one("POST", SEARCH, {"from": start}).json()["entities"]
    assert [entity["identifier"] for entity in rest] == [f"s{number}" for number in range(250, 300)]


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0}, {"limit": 1001}, {"limit": "5"}, {"limit": True}, {"from": "x"}, {"from": 5}, {"offset": 1},
        {"query": []}, {"include": "identifier"}, {"include": [5]}, {"from": "bnVsbA=="},
    ],
)  # fmt: skip
def test_a_search_of_another_shape_is_refused(body: Json) -> None:
    refused(filled(1)("POST", SEARCH, body), 422, "invalid_request")


# ---------------------------------------------------------------- operators


def services() -> Talk:
    one = talk(clock=Clock())
    one.put("service", "a", title="Alpha", team=["red", "blue"], properties={
        "url": "https://a.example", "tier": "gold", "cost": 1, "live": True, "tags": ["x", "y"],
        "born": "2025-06-14T12:00:00+02:00",
    })  # fmt: skip
    one.put("service", "b", title="Beta", properties={"tier": "silver", "cost": 2.5, "live": False, "tags": []})
    one.put("service", "c", properties={"tier": None, "cost": 10, "born": "2025-01-01T00:00:00.5Z"})
    return one


@pytest.mark.parametrize(
    ("name", "operator", "value", "found"),
    [
        ("tier", "=", "gold", "a"),
        ("tier", "=", None, "c"),
        ("tier", "!=", "gold", "bc"),
        ("live", "=", False, "b"),
        ("live", "=", 0, ""),
        ("live", "!=", True, "bc"),
        ("cost", "=", 1.0, "a"),
        ("cost", ">", 1, "bc"),
        ("cost", ">=", 2.5, "bc"),
        ("cost", "<", 10, "ab"),
        ("cost", "<=", 1, "a"),
        ("cost", ">", "1", ""),
        ("born", "<", "2025-06-14T11:00:00Z", "ac"),
        ("born", ">", "2025-06-14T09:59:59Z", "a"),
        ("url", "contains", "exam", "a"),
        ("tags", "contains", "x", "a"),
        ("tags", "contains", "xy", ""),
        ("tags", "doesNotContains", "x", "bc"),
        ("tags", "containsAny", ["q", "y"], "a"),
        ("tags", "containsAny", "y", "a"),
        ("tier", "in", "gold", "a"),
        ("tier", "notIn", "gold", "bc"),
        ("$title", "beginsWith", "Al", "a"),
        ("$title", "doesNotBeginsWith", "Al", "bc"),
        ("$title", "endsWith", "ta", "b"),
        ("$title", "doesNotEndsWith", "ta", "ac"),
        ("$identifier", "in", ["a", "c", "z"], "ac"),
        ("$identifier", "notIn", ["a", "c"], "b"),
        ("tier", "in", [None], "c"),
        ("$team", "in", ["blue"], "a"),
        ("$team", "containsAny", ["blue", "green"], "a"),
        ("born", "between", {"from": "2025-06-14T00:00:00Z", "to": "2025-06-15T00:00:00Z"}, "a"),
        ("born", "between", {"preset": "yesterday"}, "a"),
        ("born", "between", {"preset": "lastWeek"}, "a"),
        ("born", "notBetween", {"preset": "lastWeek"}, "bc"),
        ("$createdAt", "between", {"preset": "today"}, "abc"),
        ("$createdBy", "=", "emulator-client", "abc"),
        ("$blueprint", "=", "service", "abc"),
        ("$datasource", "contains", "a-test", "abc"),
        ("$icon", "=", None, "abc"),
    ],
)
def test_each_operator(name: str, operator: str, value: Any, found: str) -> None:
    assert services().found("service", {"property": name, "operator": operator, "value": value}) == list(found)


@pytest.mark.parametrize(
    ("name", "operator", "found"),
    [("tier", "isEmpty", "c"), ("tier", "isNotEmpty", "ab"), ("born", "isExpired", "ac"), ("born", "isNotExpired", "")],
)
def test_each_operator_without_a_value(name: str, operator: str, found: str) -> None:
    assert services().found("service", {"property": name, "operator": operator}) == list(found)


def test_rules_nest() -> None:
    gold = {"property": "tier", "operator": "=", "value": "gold"}
    dear = {"property": "cost", "operator": ">", "value": 5}
    one = services()
    assert one.found("service", gold, dear, combinator="or") == ["a", "c"]
    inner = {"combinator": "or", "rules": [gold, dear]}
    assert one.found("service", inner, {"property": "live", "operator": "isNotEmpty"}) == ["a"]
    assert one.found("service") == ["a", "b", "c"]


def test_a_rule_may_be_about_all_properties_of_a_type() -> None:
    rule = {"propertySchema": {"type": "string", "format": "url"}, "operator": "contains", "value": "example"}
    assert services().found("service", rule) == ["a"]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"rules": []}, "body.query must have required property 'combinator'"),
        ({"combinator": "xor", "rules": []}, "body.query.combinator"),
        ({"combinator": "and"}, "body.query must have required property 'rules'"),
        ({"combinator": "and", "rules": [5]}, "body.query.rules[0]"),
        ({"combinator": "and", "rules": [{"rules": []}]}, "body.query.rules[0] must have"),
        ({"combinator": "and", "rules": [{"property": "x", "operator": "~", "value": 1}]}, "body.query.rules[0].op"),
        ({"combinator": "and", "rules": [{"property": "x", "operator": "="}]}, "body.query.rules[0] must have"),
        ({"combinator": "and", "rules": [{"property": "$x", "operator": "isEmpty"}]}, "body.query.rules[0].property"),
        ({"combinator": "and", "rules": [{"property": "x", "operator": ">", "value": True}]}, "body.query.rules[0].v"),
        ({"combinator": "and", "rules": [{"property": "x", "operator": "between", "value": {}}]}, "body.query.rules"),
    ],
)
def test_a_malformed_rule_is_refused_and_the_place_named(query: Json, where: str) -> None:
    message = refused(services()("POST", SEARCH, {"query": query}), 422, "invalid_request")
    assert message.startswith(where)


# ---------------------------------------------------------------- relations, all blueprints


def related() -> Talk:
    one = services()
    one.put("deployment", "d", relations={"of": "a", "needs": ["b"]})
    one.put("deployment", "e", relations={"of": "b"})
    return one


def test_rules_about_relations() -> None:
    one = related()
    assert one.found("deployment", {"relation": "of", "operator": "=", "value": "a"}) == ["d"]
    assert one.found("deployment", {"relation": "needs", "operator": "contains", "value": "b"}) == ["d"]
    assert one.found("deployment", {"relation": "needs", "operator": "isEmpty"}) == ["e"]

    def to(blueprint: str, value: Any, **more: Any) -> Json:
        return {"operator": "relatedTo", "blueprint": blueprint, "value": value, **more}

    assert one.found("deployment", to("service", "a")) == ["d"]
    assert one.found("deployment", to("service", ["a", "b"], direction="downstream")) == ["d", "e"]
    assert one.found("deployment", to("service", "a", direction="upstream")) == []
    assert one.found("service", to("deployment", "d", direction="upstream")) == ["a", "b"]
    assert one.found("service", to("deployment", "d", direction="upstream", required=True)) == []
    assert one.found("service", to("deployment", "d", required=False)) == ["a", "b"]


def test_a_path_of_relations_may_be_matched() -> None:
    one = related()
    path: Json = {"property": {"path": ["of"]}, "operator": "matchAny", "value": ["a", "z"]}
    assert one.found("deployment", path) == ["d"]
    back = {"property": {"path": ["needs"], "fromBlueprint": "deployment"}, "operator": "matchAny", "value": "d"}
    assert one.found("service", back) == ["b"]


def test_hops_of_a_relation_to_the_own_blueprint_are_bounded() -> None:
    one = talk()
    parent = {"title": "Parent", "target": "team", "required": False, "many": False}
    team = {"identifier": "team", "title": "Team", "schema": {"properties": {}}, "relations": {"parent": parent}}
    one.emulator.put_blueprint(team)
    for name, parent_of in (("group", None), ("domain", "group"), ("tribe", "domain"), ("squad", "tribe")):
        one.put("team", name, relations={"parent": parent_of})

    def above(*path: Any) -> list[str]:
        where = {"path": list(path), "fromBlueprint": "team"}
        return one.found("team", {"property": where, "operator": "matchAny", "value": "squad"})

    assert above("parent", "parent") == ["domain"]
    assert above({"relation": "parent", "maxHops": 3}) == ["group", "domain", "tribe"]
    assert above("parent", {"relation": "parent", "maxHops": 1}) == ["domain"]
    where = {"path": [{"relation": "parent", "maxHops": 16}]}
    rule = {"property": where, "operator": "matchAny", "value": "squad"}
    body = {"query": {"combinator": "and", "rules": [rule]}}
    refused(one("POST", "/blueprints/team/entities/search", body), 422, "invalid_request")


def test_a_search_over_all_blueprints() -> None:
    one = related()
    names = {"property": "$identifier", "operator": "in", "value": ["a", "d"]}
    reply = one("POST", "/entities/search", {"combinator": "and", "rules": [names]}).json()
    assert reply["matchingBlueprints"] == ["service", "deployment"] and reply["failedBlueprints"] == []
    assert [entity["identifier"] for entity in reply["entities"]] == ["a", "d"]
    rules = [names, {"property": "$blueprint", "operator": "=", "value": "service"}]
    reply = one("POST", "/entities/search", {"combinator": "and", "rules": rules}, include="identifier").json()
    assert reply["entities"] == [{"identifier": "a"}]
    refused(one("POST", "/entities/search", {"rules": []}), 422, "invalid_request")
