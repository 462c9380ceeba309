"""Entities of the emulated Port: writes one by one and in bulk, values, relations, deletions, reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from port_talk import DEPLOYMENT, SERVICE, Clock, Json, Talk, refused, talk

from coderport.emulators.portside import PortEmulator, Problem

FULL: Json = {
    "title": "A",
    "icon": "Box",
    "team": ["one", "two"],
    "properties": {
        "url": "https://example.com/x?y#z",
        "tier": "gold",
        "cost": 1.5,
        "live": False,
        "tags": ["b", "a"],
        "born": "2024-01-31T13:32:21.270116+00:00",
        "more": {"deep": [None, {"ключ": "значение"}]},
    },
}


def bulk(one: Talk, blueprint: str, *items: Any, **query: Any) -> tuple[int, Json]:
    reply = one("POST", f"/blueprints/{blueprint}/entities/bulk", {"entities": list(items)}, **query)
    return reply.status_code, reply.json()


# ---------------------------------------------------------------- writing one


def test_an_entity_is_answered_as_it_was_written() -> None:
    one = talk(clock=Clock())
    reply = one.put("service", "a/b:c", **FULL)
    assert reply.status_code == 201
    expected = {
        "identifier": "a/b:c", "blueprint": "service", **FULL, "relations": {},
        "createdAt": "2025-06-15T15:06:40.123Z", "createdBy": "emulator-client",
        "updatedAt": "2025-06-15T15:06:40.123Z", "updatedBy": "emulator-client",
    }  # fmt: skip
    assert reply.json() == {"ok": True, "entity": expected}
    assert one.get("service", "a/b:c") == expected
    assert one("GET", "/blueprints/service/entities").json() == {"ok": True, "entities": [expected]}


def test_an_entity_of_nothing_but_an_identifier() -> None:
    one = talk()
    one.put("service", "a")
    entity = one.get("service", "a")
    assert (entity["title"], entity["icon"], entity["team"]) == (None, None, [])
    assert (entity["properties"], entity["relations"]) == ({}, {})


def test_an_entity_without_an_identifier_gets_one() -> None:
    one = talk()
    first, second = (one("POST", "/blueprints/service/entities", {}).json()["entity"]["identifier"] for _ in "ab")
    assert first != second and len(first) == len("e_") + 16 and first.startswith("e_")


def test_create_override_and_merge() -> None:
    clock = Clock()
    one = talk(clock=clock)
    path = "/blueprints/service/entities"
    assert one("POST", path, {"identifier": "a", **FULL}).status_code == 201
    refused(one("POST", path, {"identifier": "a"}), 409, "identifier_taken")
    refused(one("POST", path, {"identifier": "a"}, merge="true"), 409, "identifier_taken")
    clock.now += 60
    body = {"identifier": "a", "properties": {"cost": 2, "tier": None}}
    merged = one("POST", path, body, upsert="true", merge="true")
    assert merged.status_code == 200
    entity = merged.json()["entity"]
    assert entity["properties"] == {**FULL["properties"], "cost": 2, "tier": None} and entity["title"] == "A"
    assert (entity["createdAt"], entity["updatedAt"]) == ("2025-06-15T15:06:40.123Z", "2025-06-15T15:07:40.123Z")
    overridden = one("POST", path, body, upsert="true").json()["entity"]
    assert overridden["properties"] == {"cost": 2, "tier": None}
    assert (overridden["title"], overridden["icon"], overridden["team"]) == (None, None, [])
    assert overridden["createdAt"] == entity["createdAt"]


def test_put_replaces_and_patch_changes_only_what_it_names() -> None:
    one = talk()
    one.put("service", "a", **FULL)
    path = "/blueprints/service/entities/a"
    patched = one("PATCH", path, {"properties": {"cost": None}, "team": "solo", "icon": None}).json()["entity"]
    assert patched["properties"] == {**FULL["properties"], "cost": None}
    assert (patched["title"], patched["team"], patched["icon"]) == ("A", ["solo"], None)
    refused(one("PATCH", path, {"colour": 1}), 422, "invalid_request")
    replaced = one("PUT", path, {"title": "B", "colour": 1}).json()["entity"]
    assert (replaced["title"], replaced["properties"], replaced["team"]) == ("B", {}, [])
    for method in ("PUT", "PATCH"):
        refused(one(method, "/blueprints/service/entities/none", {}), 404, "not_found")
        refused(one(method, "/blueprints/none/entities/a", {}), 404, "not_found")


def test_a_rename_takes_the_relations_along() -> None:
    one = talk()
    for name in "ab":
        one.put("service", name)
    one.put("deployment", "d", relations={"of": "a", "needs": ["b", "a"]})
    refused(one("PUT", "/blueprints/service/entities/a", {"identifier": "b"}), 409, "identifier_taken")
    renamed = one("PATCH", "/blueprints/service/entities/a", {"identifier": "z"}).json()["entity"]
    assert renamed["identifier"] == "z"
    refused(one("GET", "/blueprints/service/entities/a"), 404, "not_found")
    assert one.get("deployment", "d")["relations"] == {"of": "z", "needs": ["b", "z"]}
    assert [entity["identifier"] for entity in one.emulator.entities("service")] == ["z", "b"]


def test_validation_only_changes_nothing() -> None:
    one = talk()
    path = "/blueprints/service/entities"
    assert one("POST", path, {"identifier": "a"}, validation_only="true").status_code == 200
    reply = one("POST", path, {"identifier": "a", "properties": {"cost": "1"}}, validation_only="true")
    refused(reply, 422, "blueprint_schema_mismatch")
    related = {"identifier": "d", "relations": {"of": "new"}}
    query = {"validation_only": "true", "create_missing_related_entities": "true"}
    assert one("POST", "/blueprints/deployment/entities", related, **query).status_code == 200
    assert bulk(one, "service", {"identifier": "a"}, validation_only="true")[0] == 200
    assert one.emulator.objects()["blueprints"] == {"service": 0, "deployment": 0}


def test_a_run_that_does_not_exist_cannot_be_named() -> None:
    one = talk()
    path = "/blueprints/service/entities"
    refused(one("POST", path, {"identifier": "a"}, run_id="r_1"), 404, "not_found")
    assert one("POST", path, {"identifier": "a"}, run_id="").status_code == 201
    refused(one("DELETE", f"{path}/a", run_id="r_1"), 404, "not_found")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("cost", "1", "must be number"),
        ("cost", True, "must be number"),
        ("cost", -1, "must be >= 0"),
        ("live", 0, "must be boolean"),
        ("live", "false", "must be boolean"),
        ("tier", "bronze", "allowed values"),
        ("tags", "a", "must be array"),
        ("tags", ["a", 1], "item 1 must be string"),
        ("tags", [None], "item 0 must not be null"),
        ("more", [], "must be object"),
        ("url", "example.com", 'format "url"'),
        ("url", "", 'format "url"'),
        ("born", "yesterday", 'format "date-time"'),
        ("born", "2024-13-01T00:00:00Z", 'format "date-time"'),
        ("born", 1700000000, "must be string"),
        ("colour", "red", "additional properties"),
        ("colour", None, "additional properties"),
    ],
)
def test_a_value_that_does_not_fit_its_property_is_refused(key: str, value: Any, why: str) -> None:
    one = talk()
    one.put("service", "a", **FULL)
    before = one.get("service", "a")
    for method, path in (("PATCH", "/a"), ("PUT", "/a"), ("POST", "")):
        body = {"identifier": "a", "properties": {key: value}}
        reply = one(method, f"/blueprints/service/entities{path}", body, upsert="true", merge="true")
        message = refused(reply, 422, "blueprint_schema_mismatch")
        assert why in message and key in message
    assert one.get("service", "a") == before


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-01T00:00:00Z",
        "2024-01-31T13:32:21.270116+00:00",
        "2023-11-06T11:02:59.000+0000",
        "2024-01-01T00:00:00.123456789Z",
        "0001-01-01T00:00:00Z",
    ],
)
def test_a_date_is_answered_with_every_letter_it_was_written_with(value: str) -> None:
    one = talk()
    assert one.put("service", "a", properties={"born": value}).status_code == 201
    assert one.get("service", "a")["properties"]["born"] == value


@pytest.mark.parametrize("name", ["", "a b", ".", "..", "a#b", "a?b", "x" * 1001, 5, [], "a\n"])
def test_an_identifier_that_does_not_fit_is_refused(name: Any) -> None:
    one = talk()
    refused(one("POST", "/blueprints/service/entities", {"identifier": name}), 422, "invalid_request")


@pytest.mark.parametrize("name", ["...", "é.ü", "a/b\\c:d@e_f+g=h-i", "x" * 1000, "бук", "bulk", "search"])
def test_an_identifier_of_any_letters_can_be_read_back(name: str) -> None:
    one = talk()
    assert one.put("service", name).status_code == 201
    assert one.get("service", name)["identifier"] == name
    assert one.emulator.entity("service", name) is not None


@pytest.mark.parametrize(
    "members",
    [
        {"title": 5}, {"icon": []}, {"team": 5}, {"team": [5]}, {"properties": []}, {"properties": None},
        {"relations": "x"}, {"blueprint": "deployment"},
    ],
)  # fmt: skip
def test_a_body_of_another_shape_is_refused(members: Json) -> None:
    body = {"identifier": "a", **members}
    refused(talk()("POST", "/blueprints/service/entities", body), 422, "invalid_request")


def test_a_required_property_is_needed_whichever_way_it_is_written() -> None:
    one = talk()
    one.emulator.put_blueprint({**SERVICE, "schema": {**SERVICE["schema"], "required": ["cost"]}})
    assert "'cost'" in refused(one.put("service", "a"), 422, "blueprint_schema_mismatch")
    refused(one.put("service", "a", properties={"cost": None}), 422, "blueprint_schema_mismatch")
    assert one.put("service", "a", properties={"cost": 0}).status_code == 201
    path = "/blueprints/service/entities/a"
    assert one("PATCH", path, {"properties": {"tier": "gold"}}).status_code == 200
    refused(one("PATCH", path, {"properties": {"cost": None}}), 422, "blueprint_schema_mismatch")
    refused(one("PUT", path, {"properties": {"tier": "gold"}}), 422, "blueprint_schema_mismatch")


def test_a_team_cannot_be_set_where_it_is_inherited() -> None:
    one = talk()
    one.emulator.put_blueprint({**DEPLOYMENT, "ownership": {"type": "Inherited", "path": "of"}})
    refused(one.put("deployment", "d", team="x"), 422, "team_inheritance_enabled")
    assert one.put("deployment", "d", team=[]).status_code == 201


# ---------------------------------------------------------------- relations


def test_relations_need_their_targets_and_their_shape() -> None:
    one = talk()
    one.put("service", "s")
    assert "nothing" in refused(one.put("deployment", "d", relations={"of": "nothing"}), 404, "not_found")
    refused(one.put("deployment", "d", relations={"needs": ["s", "nothing"]}), 404, "not_found")
    refused(one.put("deployment", "d", relations={"of": ["s"]}), 422, "relation_many_violation")
    refused(one.put("deployment", "d", relations={"needs": "s"}), 422, "relation_many_violation")
    refused(one.put("deployment", "d", relations={"other": "s"}), 422, "blueprint_schema_mismatch")
    assert one.emulator.entity("deployment", "d") is None
    assert one.put("deployment", "d", relations={"of": None, "needs": []}).status_code == 201
    assert one.get("deployment", "d")["relations"] == {"of": None, "needs": []}


def test_missing_targets_are_created_bare_if_asked() -> None:
    one = talk()
    body = {"identifier": "d", "relations": {"of": "x", "needs": ["y", "x", "y"]}}
    query = {"create_missing_related_entities": "true"}
    assert one("POST", "/blueprints/deployment/entities", body, **query).status_code == 201
    assert [(row["identifier"], row["properties"]) for row in one.emulator.entities("service")] == [
        ("x", {}),
        ("y", {}),
    ]
    wrong = {"identifier": "e", "properties": {"state": 1}, "relations": {"of": "z"}}
    refused(one("POST", "/blueprints/deployment/entities", wrong, **query), 422, "blueprint_schema_mismatch")
    assert one.emulator.entity("service", "z") is None


def test_a_required_relation_cannot_be_missing_or_removed() -> None:
    one = talk()
    relations = {"of": {"title": "Of", "target": "service", "required": True, "many": False}}
    one.emulator.put_blueprint({**DEPLOYMENT, "relations": relations})
    one.put("service", "s")
    refused(one.put("deployment", "d"), 422, "required_relation")
    assert one.put("deployment", "d", relations={"of": "s"}).status_code == 201
    path = "/blueprints/deployment/entities/d"
    assert one("PATCH", path, {"title": "D"}).status_code == 200
    refused(one("PATCH", path, {"relations": {"of": None}}), 403, "required_relation")
    refused(one("PUT", path, {}), 403, "required_relation")
    refused(one.put("deployment", "d", relations={"of": None}), 403, "required_relation")


def test_an_entity_may_relate_to_itself() -> None:
    one = talk()
    relations = {"next": {"title": "Next", "target": "service", "required": False, "many": False}}
    one.emulator.put_blueprint({**SERVICE, "relations": relations})
    assert one.put("service", "a", relations={"next": "a"}).status_code == 201
    one("PATCH", "/blueprints/service/entities/a", {"identifier": "b"})
    assert one.get("service", "b")["relations"] == {"next": "b"}
    assert one("DELETE", "/blueprints/service/entities/b").status_code == 200


def test_a_search_may_stand_in_the_place_of_an_identifier() -> None:
    one = talk()
    for name, value in (("a", "gold"), ("b", "silver"), ("c", "gold")):
        one.put("service", name, properties={"tier": value})

    def with_tier(value: str) -> Json:
        return {"combinator": "and", "rules": [{"property": "tier", "operator": "=", "value": value}]}

    relations = {"of": with_tier("silver"), "needs": with_tier("gold")}
    reply = one.put("deployment", "d", relations=relations)
    assert reply.json()["entity"]["relations"] == {"of": "b", "needs": ["a", "c"]}
    refused(one.put("deployment", "d", relations={"of": with_tier("none")}), 404, "not_found")
    refused(one.put("deployment", "d", relations={"of": with_tier("gold")}), 422, "relation_many_violation")
    path = "/blueprints/service/entities"
    merge = {"upsert": "true", "merge": "true"}
    assert (
        one("POST", path, {"identifier": with_tier("silver"), "title": "B"}, **merge).json()["entity"]["title"] == "B"
    )
    refused(one("POST", path, {"identifier": with_tier("gold")}, **merge), 422, "invalid_request")
    status, body = bulk(one, "service", {"identifier": with_tier("none")}, **merge)
    assert status == 207 and body["errors"][0]["identifier"] == "unknown"


# ---------------------------------------------------------------- bulk


def test_a_bulk_call_says_of_each_entity_what_became_of_it() -> None:
    one = talk()
    one.put("service", "old")
    items = [{"identifier": "new"}, {"identifier": "bad", "properties": {"cost": "x"}}, {"identifier": "old"}, "odd"]
    status, body = bulk(one, "service", *items, upsert="true", merge="true")
    assert status == 207
    assert body["entities"] == [
        {"created": True, "identifier": "new", "index": 0},
        {"created": False, "identifier": "old", "index": 2},
    ]
    first, second = body["errors"]
    assert (first["identifier"], first["index"], first["statusCode"]) == ("bad", 1, 422)
    assert first["error"] == "blueprint_schema_mismatch" and "must be number" in first["message"]
    assert (second["identifier"], second["index"], second["statusCode"]) == ("unknown", 3, 422)
    assert bulk(one, "service", {"identifier": "new"}, upsert="true") == (
        200, {"ok": True, "entities": [{"created": False, "identifier": "new", "index": 0}], "errors": []}
    )  # fmt: skip
    status, body = bulk(one, "service", {"identifier": "new"})
    assert status == 207 and body["errors"][0]["error"] == "identifier_taken" and body["entities"] == []


def test_items_of_a_bulk_call_may_relate_to_earlier_ones() -> None:
    one = talk()
    relations = {"next": {"title": "Next", "target": "service", "required": False, "many": False}}
    one.emulator.put_blueprint({**SERVICE, "relations": relations})
    items: list[Json] = [{"identifier": "c", "relations": {"next": "b"}}, {"identifier": "b"}]
    status, body = bulk(one, "service", *items, upsert="true")
    assert status == 207 and [error["statusCode"] for error in body["errors"]] == [404]
    assert bulk(one, "service", *reversed(items), upsert="true")[0] == 200


def test_a_bulk_call_of_another_size_or_shape_is_refused_as_a_whole() -> None:
    one = talk()
    path = "/blueprints/service/entities/bulk"
    too_many = [{"identifier": f"a{number}"} for number in range(21)]
    wrong: tuple[Any, ...] = ([], too_many, None, {})
    for items in wrong:
        refused(one("POST", path, {"entities": items}, upsert="true"), 422, "invalid_request")
    refused(one("POST", path, {"entities": [{"identifier": "a"}], "more": 1}), 422, "invalid_request")
    refused(one("POST", path, {"entities": [{"identifier": "a"}]}, upsert="yes"), 422, "invalid_request")
    refused(one("POST", "/blueprints/none/entities/bulk", {"entities": [{"identifier": "a"}]}), 404, "not_found")
    assert one.emulator.entities("service") == []
    assert bulk(one, "service", *({"identifier": f"a{number}"} for number in range(20)))[0] == 200


# ---------------------------------------------------------------- deleting


def chain() -> Talk:
    """A service, a deployment that requires it, and a check that requires the deployment."""
    one = talk()
    required = {"title": "Of", "target": "service", "required": True, "many": False}
    one.emulator.put_blueprint({**DEPLOYMENT, "relations": {"of": required}})
    check = {"identifier": "check", "title": "Check", "schema": {"properties": {}}}
    one.emulator.put_blueprint({**check, "relations": {"of": {**required, "target": "deployment"}}})
    one.put("service", "s")
    one.put("service", "free")
    one.put("deployment", "d", relations={"of": "s"})
    one.put("check", "c", relations={"of": "d"})
    return one


def test_what_others_require_is_deleted_only_with_them() -> None:
    one = chain()
    path = "/blueprints/service/entities/s"
    assert "delete_dependents=true" in refused(one("DELETE", path), 403, "has_dependents")
    refused(one("DELETE", "/blueprints/service/all-entities"), 403, "has_dependents")
    assert one("DELETE", path, delete_dependents="true").json() == {"ok": True}
    assert one.emulator.objects()["blueprints"] == {"service": 1, "deployment": 0, "check": 0}
    refused(one("DELETE", path), 404, "not_found")


def test_a_bulk_deletion_with_a_dependent_deletes_nothing() -> None:
    one = chain()
    path = "/blueprints/service/bulk/entities/delete"
    refused(one("POST", path, {"entities": ["free", "s"]}), 403, "has_dependents")
    assert one.emulator.entity("service", "free") is not None
    reply = one("POST", path, {"entities": ["free", "unknown", "free"]})
    assert reply.json() == {"ok": True, "deletedEntities": ["free"]}
    reply = one("POST", path, {"entities": ["s"]}, delete_dependents="true")
    assert reply.json() == {"ok": True, "deletedEntities": ["s"]}
    assert one.emulator.entities("check") == []


def test_a_bulk_deletion_names_one_to_a_hundred() -> None:
    one = talk()
    path = "/blueprints/service/bulk/entities/delete"
    for names in ([], [f"a{number}" for number in range(101)], [5], "a", None):
        refused(one("POST", path, {"entities": names}), 422, "invalid_request")
    refused(one("POST", "/blueprints/none/bulk/entities/delete", {"entities": ["a"]}), 404, "not_found")
    assert one("POST", path, {"entities": ["unknown"]}).json() == {"ok": True, "deletedEntities": []}


def test_relations_that_are_not_required_lose_what_was_deleted() -> None:
    clock = Clock()
    one = talk(clock=clock)
    for name in "abc":
        one.put("service", name)
    one.put("deployment", "d", relations={"of": "a", "needs": ["a", "b", "c", "a"]})
    before = one.get("deployment", "d")["updatedAt"]
    clock.now += 5
    one("POST", "/blueprints/service/bulk/entities/delete", {"entities": ["a", "c"]})
    entity = one.get("deployment", "d")
    assert entity["relations"] == {"of": None, "needs": ["b"]} and entity["updatedAt"] == before


# ---------------------------------------------------------------- reading


def calculated() -> Talk:
    one = talk()
    one.emulator.put_blueprint(
        {
            **DEPLOYMENT,
            "mirrorProperties": {
                "tier": {"path": "of.tier"},
                "service_name": {"path": "of.$title"},
                "costs": {"path": "needs.cost"},
            },
            "calculationProperties": {
                "loud": {"type": "string", "calculation": ".properties.state | ascii_upcase"},
                "both": {"type": "string", "calculation": '.identifier + "/" + .properties.tier'},
                "nothing": {"type": "string", "calculation": "empty"},
            },
        }
    )
    one.put("service", "s", title="Shop", properties={"tier": "gold", "cost": 1})
    one.put("service", "t", properties={"cost": 2})
    one.put("deployment", "d", properties={"state": "up"}, relations={"of": "s", "needs": ["t", "s"]})
    one.put("deployment", "e")
    return one


def test_calculated_and_mirrored_properties_are_answered_unless_left_out() -> None:
    one = calculated()
    assert one.get("deployment", "d")["properties"] == {
        "state": "up", "tier": "gold", "service_name": "Shop", "costs": [2, 1], "loud": "UP", "both": "d/gold",
        "nothing": None,
    }  # fmt: skip
    assert one.get("deployment", "d", exclude_calculated_properties="true")["properties"] == {"state": "up"}
    empty = one.get("deployment", "e")["properties"]
    assert empty == {"tier": None, "service_name": None, "costs": [], "loud": None, "both": "e/", "nothing": None}
    refused(one.put("deployment", "d", properties={"loud": "x"}), 422, "blueprint_schema_mismatch")
    assert one.found("deployment", {"property": "loud", "operator": "=", "value": "UP"}) == ["d"]
    assert one.found("deployment", {"property": "tier", "operator": "=", "value": "gold"}) == ["d"]


def test_relations_come_with_titles_if_asked() -> None:
    one = calculated()
    related = one.get("deployment", "d", attach_title_to_relation="true")["relations"]
    shop = {"identifier": "s", "title": "Shop"}
    assert related == {"of": shop, "needs": [{"identifier": "t", "title": None}, shop]}


def test_only_the_paths_asked_for_are_answered() -> None:
    one = calculated()
    assert one.get("deployment", "d", include=["identifier", "properties.loud"]) == {
        "identifier": "d", "properties": {"loud": "UP"}
    }  # fmt: skip
    left = one.get("deployment", "d", exclude=["relations.of", "properties", "team"])
    assert "properties" not in left and "team" not in left and list(left["relations"]) == ["needs"]
    body = {"include": ["relations"], "limit": 1}
    page = one("POST", "/blueprints/deployment/entities/search", body).json()
    assert page["entities"] == [{"relations": {"of": "s", "needs": ["t", "s"]}}]


def test_reads_of_what_is_not_there() -> None:
    one = talk()
    for path in ("/none/entities", "/none/entities/a", "/service/entities/a", "/none/entities-count"):
        refused(one("GET", f"/blueprints{path}"), 404, "not_found")
    refused(one("POST", "/blueprints/none/entities/search", {}), 404, "not_found")


# ---------------------------------------------------------------- histories

NAMES = st.sampled_from("abcd")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, st.one_of(st.none(), NAMES), st.lists(NAMES, max_size=3)),
        st.tuples(st.just("delete"), NAMES, st.booleans(), st.none()),
        st.tuples(st.just("rename"), NAMES, NAMES, st.none()),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_after_any_history_every_relation_has_its_target_and_pages_have_every_entity(steps: list[Any]) -> None:
    emulator = PortEmulator()
    body: Json = {"identifier": "node", "title": "Node", "schema": {"properties": {}}}
    emulator.put_blueprint(body)
    body["relations"] = {
        "one": {"title": "One", "target": "node", "required": False, "many": False},
        "many": {"title": "Many", "target": "node", "required": False, "many": True},
    }
    emulator.put_blueprint(body)
    one = Talk(emulator)
    expected: dict[str, Json] = {}
    for kind, name, other, several in steps:
        if kind == "put":
            relations = {"one": other, "many": several}
            try:
                emulator.put_entity("node", {"identifier": name, "relations": relations})
            except Problem:
                continue
            expected[name] = relations
        elif kind == "delete" and name in expected:
            emulator.delete_entity("node", name)
            del expected[name]
            expected = {key: _pointed(value, name, None) for key, value in expected.items()}
        elif kind == "rename" and name in expected and other not in expected:
            assert one("PATCH", f"/blueprints/node/entities/{name}", {"identifier": other}).status_code == 200
            place = list(expected)
            place[place.index(name)] = other
            values = [_pointed(value, name, other) for value in expected.values()]
            expected = dict(zip(place, values, strict=True))
    assert {row["identifier"]: row["relations"] for row in emulator.entities("node")} == expected
    seen, start = [], None
    while True:
        page = one("POST", "/blueprints/node/entities/search", {"limit": 1, "from": start}).json()
        seen += [row["identifier"] for row in page["entities"]]
        start = page.get("next")
        if start is None:
            break
    assert seen == [row["identifier"] for row in emulator.entities("node")]


def _pointed(relations: Json, old: str, new: str | None) -> Json:
    many = [new if name == old else name for name in relations["many"]]
    return {
        "one": new if relations["one"] == old else relations["one"],
        "many": [name for name in many if name is not None],
    }
